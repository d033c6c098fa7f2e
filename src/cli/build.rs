//! `kavi build-skill`

use clap_complete::engine::ArgValueCompleter;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use serde_json::json;

use super::progress::{Spinner, Stages};
use super::{Context, JsonFlag, views};
use crate::app::{App, Approver, BuildAttempt, Builder};
use crate::error::{Error, Violation};
use crate::model::lifecycle::{BuildStatus, BuilderKind, FailureKind};

/// Make one attempt to build a proposal: packet, workspace, builder, gate, snapshot.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # Claude Code writes it
  kavi build-skill 67e55044
  kavi build-skill write_note --builder import --from skills/write_note
  # after a failure that a person must review
  kavi build-skill 67e55044 --acknowledge 'Ada Lovelace'
  # packet and workspace only
  kavi build-skill 67e55044 --no-invoke")]
pub struct Args {
    /// The proposal: its id, a unique prefix of it, or the name of a skill with one open proposal.
    #[arg(add = ArgValueCompleter::new(super::completions::skills))]
    id: String,
    #[command(flatten)]
    builder: BuilderArgs,
    /// Invoke the builder (the default).
    #[arg(long, overrides_with = "no_invoke")]
    invoke: bool,
    /// Write packet and workspace and stop.
    #[arg(long)]
    no_invoke: bool,
    #[command(flatten)]
    pub json: JsonFlag,
}

/// Who writes the sources of an attempt, and who lets it go ahead.
#[derive(Debug, clap::Args)]
pub struct BuilderArgs {
    /// Who writes the sources. Without it: import when --from is given, else claude.
    #[arg(long, value_enum)]
    builder: Option<BuilderArg>,
    /// The skill crate to import: a folder with src/lib.rs.
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// Wall clock of an attempt, in seconds; else [builder] timeout_s of kavi.toml.
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: Option<u64>,
    /// Allow the next attempt although a person must review the failure first. Your name; recorded.
    #[arg(long, value_name = "NAME")]
    pub acknowledge: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BuilderArg {
    /// Claude Code, locked down.
    Claude,
    /// Sources that a person wrote.
    Import,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let cwd = context.host.cwd.clone();
    let (app, out) = context.open()?;
    let proposal = app.proposals().find_open(&args.id)?;
    let by = args.builder.acknowledge.as_deref().map(Approver::parse).transpose()?;
    if args.no_invoke {
        // Nothing of the builder has to be there for this: no program, no key, no folder.
        let attempt = app.attempts().prepare(&proposal, args.builder.kind(), by.as_ref())?;
        let human = views::facts(&[
            ("build", attempt.build.id.to_string()),
            ("packet sha256", attempt.build.packet_sha256.to_string()),
            ("workspace", place(&attempt)),
        ]);
        let hint = attempt.hint.as_deref().unwrap_or_default();
        out.result(&format!("{human}next: {hint}"), &document(&attempt));
        return Ok(());
    }
    let builder = args.builder.choose(&app, &cwd)?;
    let spinner = Spinner::new(&out, Stages::Shown);
    let attempt = app.attempts().build(&proposal, &builder, by.as_ref())?;
    drop(spinner);
    report(&attempt, &out)
}

impl BuilderArgs {
    /// The builder that was asked for.
    pub fn choose(&self, app: &App, cwd: &Path) -> Result<Builder, Error> {
        match (self.kind(), &self.from) {
            (BuilderKind::Import, Some(from)) => Ok(Builder::Import(cwd.join(from))),
            (BuilderKind::Import, None) => Err(Error::Usage("--builder import needs --from DIR".to_owned())),
            (BuilderKind::Claude, Some(_)) => Err(Error::Usage("--from goes with --builder import".to_owned())),
            (BuilderKind::Claude, None) => app.attempts().claude(self.timeout.map(Duration::from_secs)),
        }
    }

    /// Its kind: as named, else import when there is a folder to import from.
    fn kind(&self) -> BuilderKind {
        match (self.builder, &self.from) {
            (Some(BuilderArg::Import), _) | (None, Some(_)) => BuilderKind::Import,
            (Some(BuilderArg::Claude), _) | (None, None) => BuilderKind::Claude,
        }
    }
}

fn place(attempt: &BuildAttempt) -> String {
    attempt.workspace.as_ref().map(|path| path.display().to_string()).unwrap_or_default()
}

fn document(attempt: &BuildAttempt) -> serde_json::Value {
    let mut machine = views::build(&attempt.build);
    machine["workspace"] = json!(attempt.workspace);
    machine
}

fn report(attempt: &BuildAttempt, out: &super::out::Out) -> Result<(), Error> {
    let build = &attempt.build;
    let mut human = views::facts(&[
        ("build", build.id.to_string()),
        ("attempt", build.attempt_number.to_string()),
        ("outcome", build.status.to_string()),
        ("summary", build.summary.clone()),
        ("confinement", build.confinement.clone()),
    ]);
    human.push_str(&views::findings(&build.findings));
    if build.status == BuildStatus::Succeeded {
        let digest = build.snapshot_sha256.map(|digest| digest.to_string()).unwrap_or_default();
        human.push_str(&format!("snapshot {digest}\nnext: kavi verify-skill {}\n", build.proposal_id.short()));
        out.result(&human, &document(attempt));
        return Ok(());
    }
    if attempt.workspace.is_some() {
        human.push_str(&format!("workspace kept at {}\n", place(attempt)));
    }
    let violation = if build.failure_kind == Some(FailureKind::GateViolation) { Violation::Yes } else { Violation::No };
    let kind = build.failure_kind.map(|kind| format!(" ({kind})")).unwrap_or_default();
    let hint = || {
        let (proposal, build) = (build.proposal_id.short(), build.id.short());
        format!("see `kavi show {proposal}`, and why with `kavi research-skill {build}`; then build again")
    };
    let error = Error::Attempt {
        message: format!("attempt {} failed{kind}: {}", build.attempt_number, build.summary),
        hint: attempt.hint.clone().unwrap_or_else(hint),
        violation,
    };
    Err(out.failure(&human, &document(attempt), error))
}
