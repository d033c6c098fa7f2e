//! The command line: one file a verb, human and JSON output, one place that maps errors to exit codes.
//!
//! Guarantees: with `--output json` exactly one JSON document goes to stdout, errors included. A batch, and records that are
//! followed or exported, have one for each line. Progress and questions go to stderr. Text that a model or a guest wrote is
//! escaped before a terminal sees it.
//!
//! Deliberately never: decides anything that the library decides.

mod add;
mod approval;
mod audit;
mod backup;
mod batch;
mod build;
mod cache;
mod capabilities;
mod capability;
mod chain;
mod charter;
mod check;
mod check_invariants;
mod colors;
mod completions;
mod config;
mod consume;
mod context;
mod demo;
mod diff;
mod doctor;
mod effects;
mod export;
mod export_skill;
mod forge;
mod guidance;
mod help;
mod import;
mod imports;
mod improve;
mod inbox;
mod init;
mod input;
mod linked_folders;
mod list;
mod log;
mod man;
mod mcp;
mod new;
mod notify;
mod out;
mod outcomes;
mod pager;
mod policy;
mod progress;
mod promote;
mod proof;
mod propose;
mod prune;
mod rebuild;
mod record;
mod reject;
mod replay;
mod research;
mod resume;
mod reverify;
mod revoke;
mod rollback;
mod run;
mod run_result;
mod sarif;
mod screen;
mod secret;
mod session;
mod setup;
mod show;
mod sources;
mod status;
mod stop;
mod tail;
mod throwaway;
mod trust;
mod undo;
mod verb_context;
mod verify;
mod views;
mod witness;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{ArgAction, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::app::{AgentServer, Host, Walls};
use crate::error::{Error, Kind};
use crate::model::program::LONG_VERSION;
use colors::ColorChoice;
use help::GLOBAL;
use log::{LogArgs, Reports};
use out::{Out, Output, Remarks};
use verb_context::{Context, JsonFlag};

/// A governed forge and WebAssembly runtime for skills that an AI agent writes and a person promotes.
#[derive(Debug, Parser)]
#[command(name = "kavi", version, long_version = LONG_VERSION, max_term_width = 110, after_help = help::EXAMPLES)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

/// What every verb takes.
#[derive(Debug, clap::Args)]
struct Global {
    /// The workspace. Default: KAVI_WORKSPACE, else the first folder upwards with a kavi.toml.
    #[arg(long, global = true, value_name = "DIR", help_heading = GLOBAL)]
    workspace: Option<PathBuf>,
    /// How results are printed.
    #[arg(long, global = true, value_enum, default_value_t = Output::Human, help_heading = GLOBAL)]
    output: Output,
    /// When colours are used. `auto` is on a terminal without NO_COLOR.
    #[arg(long, global = true, value_enum, default_value_t = ColorChoice::Auto, value_name = "WHEN", help_heading = GLOBAL)]
    color: ColorChoice,
    /// Run tools on a model's sources without a sandbox. Recorded with the attempt and shown at promotion.
    #[arg(long, global = true, help_heading = GLOBAL)]
    unconfined: bool,
    #[command(flatten)]
    log: LogArgs,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Demo(demo::Args),
    Init(init::Args),
    New(new::Args),
    Add(add::Args),
    #[command(visible_alias = "propose")]
    ProposeSkill(propose::Args),
    #[command(visible_alias = "build")]
    BuildSkill(build::Args),
    #[command(visible_alias = "research")]
    ResearchSkill(research::Args),
    Forge(forge::Args),
    #[command(visible_alias = "verify")]
    VerifySkill(verify::Args),
    Reverify(reverify::Args),
    Check(check::Args),
    CheckInvariants(check_invariants::Args),
    #[command(visible_alias = "promote")]
    PromoteSkill(promote::Args),
    Reject(reject::Args),
    Rollback(rollback::Args),
    Revoke(revoke::Args),
    Stop(stop::Args),
    Resume(resume::Args),
    #[command(visible_aliases = ["list", "skills"])]
    ListSkills(list::Args),
    #[command(visible_alias = "run")]
    RunSkill(run::Args),
    #[command(visible_alias = "chain")]
    ConsumeChain(chain::Args),
    Record(record::Args),
    Replay(replay::Args),
    ConsumeSkill(consume::Args),
    #[command(visible_alias = "tail")]
    TailExecutions(tail::Args),
    Session(session::Args),
    ExportExecutions(export::Args),
    Prune(prune::Args),
    Mcp(mcp::Args),
    Inbox(inbox::Args),
    Notify(notify::Args),
    Effects(effects::Args),
    Undo(undo::Args),
    Show(show::Args),
    Diff(diff::Args),
    Guidance(guidance::Args),
    ExportSkill(export_skill::Args),
    Import(import::Args),
    Outcomes(outcomes::Args),
    Outcome(outcomes::WordArgs),
    Improve(improve::Args),
    Status(status::Args),
    Doctor(doctor::Args),
    Audit(audit::Args),
    Trust(trust::Args),
    Witness(witness::Args),
    Backup(backup::Args),
    Restore(backup::RestoreArgs),
    Proof(proof::Args),
    CheckProof(proof::CheckArgs),
    Charter(charter::Args),
    Policy(policy::Args),
    Capability(capability::Args),
    Context(context::Args),
    Rebuild(rebuild::Args),
    Config(config::Args),
    Completions(completions::Args),
    Man(man::Args),
    Setup(setup::Args),
    Secret(secret::Args),
    Cache(cache::Args),
}

impl Verb {
    fn run(self, context: Context) -> Result<(), Error> {
        match self {
            Self::Demo(args) => demo::run(context, &args),
            Self::Init(args) => init::run(context, &args),
            Self::Add(args) => add::run(context, &args),
            Self::New(args) => new::run(context, &args),
            Self::ProposeSkill(args) => propose::run(context, &args),
            Self::BuildSkill(args) => build::run(context, &args),
            Self::ResearchSkill(args) => research::run(context, &args),
            Self::Forge(args) => forge::run(context, &args),
            Self::VerifySkill(args) => verify::run(context, &args),
            Self::Reverify(args) => reverify::run(context, &args),
            Self::Check(args) => check::run(context, &args),
            Self::CheckInvariants(args) => check_invariants::run(context, &args),
            Self::PromoteSkill(args) => promote::run(context, &args),
            Self::Reject(args) => reject::run(context, &args),
            Self::Rollback(args) => rollback::run(context, &args),
            Self::Revoke(args) => revoke::run(context, &args),
            Self::Stop(args) => stop::run(context, &args),
            Self::Resume(args) => resume::run(context, &args),
            Self::ListSkills(args) => list::run(context, &args),
            Self::RunSkill(args) => run::run(context, &args),
            Self::ConsumeChain(args) => chain::run(context, &args),
            Self::Record(args) => record::run(context, &args),
            Self::Replay(args) => replay::run(context, &args),
            Self::ConsumeSkill(args) => consume::run(context, &args),
            Self::TailExecutions(args) => tail::run(context, &args),
            Self::Session(args) => session::run(context, &args),
            Self::ExportExecutions(args) => export::run(context, &args),
            Self::Prune(args) => prune::run(context, &args),
            Self::Mcp(args) => mcp::run(context, &args),
            Self::Inbox(args) => inbox::run(context, &args),
            Self::Notify(args) => notify::run(context, &args),
            Self::Effects(args) => effects::run(context, &args),
            Self::Undo(args) => undo::run(context, &args),
            Self::Show(args) => show::run(context, &args),
            Self::Diff(args) => diff::run(context, &args),
            Self::Guidance(args) => guidance::run(context, &args),
            Self::ExportSkill(args) => export_skill::run(context, &args),
            Self::Import(args) => import::run(context, &args),
            Self::Outcomes(args) => outcomes::run(context, &args),
            Self::Outcome(args) => outcomes::report(context, &args),
            Self::Improve(args) => improve::run(context, &args),
            Self::Status(args) => status::run(context, &args),
            Self::Doctor(args) => doctor::run(context, &args),
            Self::Audit(args) => audit::run(context, &args),
            Self::Trust(args) => trust::run(context, &args),
            Self::Witness(args) => witness::run(context, &args),
            Self::Backup(args) => backup::run(context, &args),
            Self::Restore(args) => backup::restore(context, &args),
            Self::Proof(args) => proof::run(context, &args),
            Self::CheckProof(args) => proof::check(context, &args),
            Self::Charter(args) => charter::run(context, &args),
            Self::Policy(args) => policy::run(context, &args),
            Self::Capability(args) => capability::run(context, &args),
            Self::Context(args) => self::context::run(context, &args),
            Self::Rebuild(args) => rebuild::run(context, &args),
            Self::Config(args) => config::run(context, &args),
            Self::Completions(args) => completions::run(context, &args),
            Self::Man(args) => man::run(context, &args, Cli::command()),
            Self::Setup(args) => setup::run(context, &args),
            Self::Secret(args) => secret::run(context, &args),
            Self::Cache(args) => cache::run(context, &args),
        }
    }
}

/// Runs one command line. `agent_server` is what `kavi mcp` starts.
pub fn run(args: impl IntoIterator<Item = OsString>, host: Host, agent_server: &'static dyn AgentServer) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    if host.environment.get(completions::VARIABLE).is_some() {
        return completions::answer(command, args, host);
    }
    let CommandLine { name, wants_json, cli } = match parse(&args) {
        Ok(parsed) => parsed,
        Err(error) => return usage(&args, &error),
    };
    let format = if wants_json { Output::Json } else { cli.global.output };
    let remarks = if cli.global.log.quiet { Remarks::Left } else { Remarks::Printed };
    // Before the first line is printed: how wide it may be is asked once, so that all lines agree.
    screen::start(&host.environment);
    pager::start(&host.environment);
    colors::start(cli.global.color, &host.environment);
    let reports = Reports::default();
    let out = Out::new(format, remarks, reports.clone());
    if let Err(error) = log::start(cli.global.log, &host.environment, &reports) {
        out.error(&error);
        return ExitCode::from(error.kind().exit_code());
    }
    let verb = tracing::info_span!("verb", command = name);
    let entered = verb.enter();
    let walls = if cli.global.unconfined { Walls::Unconfined } else { Walls::AsConfigured };
    let context = Context { host, out: out.clone(), workspace: cli.global.workspace, walls, agent_server };
    let ran = cli.verb.run(context);
    // A result that could not be printed is a failure, even when the work was done.
    let ended = match ran.and_then(|()| out::lost().map_or(Ok(()), |why| Err(Error::Lost(why.to_owned())))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            out.error(&error);
            ExitCode::from(error.kind().exit_code())
        }
    };
    drop(entered);
    // After the result, so that with JSON the warnings are in its document and not left over here.
    out.warnings();
    ended
}

/// The command line that Kavi takes.
fn command() -> clap::Command {
    Cli::command()
}

/// A parsed command line.
struct CommandLine {
    /// The verb's name as it is listed.
    name: String,
    /// Whether `--json` was given to a verb where it is short for `--output json`.
    wants_json: bool,
    cli: Cli,
}

fn parse(args: &[OsString]) -> Result<CommandLine, clap::Error> {
    let mut command = Cli::command();
    let matches = command.try_get_matches_from_mut(args).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp => help::page(Cli::command(), args, error),
        _ => error,
    })?;
    let cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    let name = matches.subcommand_name().unwrap_or_default().to_owned();
    Ok(CommandLine { name, wants_json: has_json_flag(&matches), cli })
}

/// Whether a verb or one of its own verbs was given [`JsonFlag`].
fn has_json_flag(matches: &clap::ArgMatches) -> bool {
    // Of another type it is the input of the verb, and unknown to a verb without either.
    let here = matches.try_get_one::<bool>("json").ok().flatten().copied().unwrap_or(false);
    here || matches.subcommand().is_some_and(|(_, below)| has_json_flag(below))
}

/// A command line that cannot be parsed, or a question for help.
fn usage(args: &[OsString], error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // --help and --version; a reader that went away early is no failure.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    if wants_json(args) {
        let text = error.to_string();
        // The first paragraph in one line: what is wrong, and with which argument.
        let first = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
        let message = first.split_whitespace().collect::<Vec<_>>().join(" ");
        Out::new(Output::Json, Remarks::Printed, Reports::default()).error(&Error::Usage(message));
    } else {
        let _ = error.print();
    }
    ExitCode::from(Kind::Usage.exit_code())
}

/// Whether a command line that cannot be parsed asks for JSON.
fn wants_json(args: &[OsString]) -> bool {
    // clap has given up, so the raw arguments are the only way to know the wanted form.
    if args.windows(2).any(|pair| pair[0] == "--output" && pair[1] == "json") {
        return true;
    }
    let mut verb = Cli::command();
    for arg in args.iter().skip(1) {
        if arg == "--output=json" || (arg == "--json" && takes_json_flag(&verb)) {
            return true;
        }
        if let Some(below) = verb.find_subcommand(arg) {
            verb = below.clone();
        }
    }
    false
}

/// Whether `--json` is short for `--output json` with this verb. With others it is the input.
fn takes_json_flag(verb: &clap::Command) -> bool {
    let json = verb.get_arguments().find(|arg| arg.get_long() == Some("json"));
    json.is_some_and(|arg| matches!(arg.get_action(), ArgAction::SetTrue))
}

/// The process cannot even find out where it is.
pub fn cannot_start(args: impl IntoIterator<Item = OsString>, what: &str, source: &std::io::Error) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let format = if wants_json(&args) { Output::Json } else { Output::Human };
    Out::new(format, Remarks::Printed, Reports::default()).error(&Error::Usage(format!("{what}: {source}")));
    ExitCode::from(Kind::Failed.exit_code())
}

#[cfg(test)]
#[path = "mod_tests.rs"]
mod tests;
