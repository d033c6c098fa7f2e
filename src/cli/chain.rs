//! `kavi consume-chain`

use serde_json::{Value, json};

use super::run_result::document;
use super::{Context, input::read_input, out::Out, views};
use crate::app::{App, ChainFiles, ChainResult, CommitMode, Consent, Disposition, RunFiles, StepResult};
use crate::error::Error;
use crate::model::{chain::Chain, commit::VaultChange, effect::EffectClass, text};

/// Run skills one after the other, each with parts of earlier outputs. Their files are one commit.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi consume-chain --json @chain.json
  kavi consume-chain --json @chain.json --max-effect READ_ONLY
  kavi consume-chain --json '{\"steps\":[
      {\"skill_name\":\"search_notes\",\"input\":{\"query\":\"kavi\"}},
      {\"skill_name\":\"summarize_note\",\"input_template\":{\"style\":\"bullet\"},
       \"from_prev\":[{\"to_field\":\"path\",\"from_path\":\"results.0.path\"}]}]}'

Each step has `skill_name` and either `input`, or `input_template` with
`from_prev`: a list of `to_field`, `from_path` and `from_step_index` (default:
the step before). A path is names separated by dots; in arrays, positions from
0. `parent_index` is the step below which `kavi session` shows this one.
`options.stop_on_failure` is true by default. At most 64 steps. The whole
chain is checked before its first step runs.

The files are committed together after the last step. A step does not see
files of earlier steps, and two steps may not write the same file. With
--commit-each every step is committed by itself. Where the policy of the
channel `chain` says \"ask\" (the default for FILE_WRITE), the files are held
for `kavi effects approve`. --yes approves them in advance.")]
pub struct Args {
    /// The chain: JSON, `@FILE`, or `-` for standard input.
    #[arg(long = "json", value_name = "JSON", allow_hyphen_values = true)]
    chain: String,
    /// The widest class that a step may have.
    #[arg(long, value_name = "CLASS")]
    max_effect: Option<EffectClass>,
    /// Commit the files of each step when it is done.
    #[arg(long)]
    commit_each: bool,
    /// Print the changes that the chain would make in the vault, and make none.
    #[arg(long, conflicts_with_all = ["hold", "commit_each"])]
    dry_run: bool,
    /// Hold the changes of the chain until a person approves them.
    #[arg(long)]
    hold: bool,
    /// Approve in advance what policy would hold for a person.
    #[arg(long, short, conflicts_with = "hold")]
    yes: bool,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let cwd = context.host.cwd.clone();
    let (app, out) = context.open()?;
    // After the workspace is open: a person in the wrong folder learns that first, and not what is
    // wrong with the chain.
    let chain = Chain::parse(&read_input(&cwd, &args.chain)?)?;
    let disposition = match (args.dry_run, args.hold) {
        (true, _) => Disposition::Show,
        (_, true) => Disposition::Hold,
        _ => Disposition::Commit,
    };
    let consent = if args.yes { Consent::Given } else { Consent::None };
    let commit_mode = if args.commit_each { CommitMode::PerStep } else { CommitMode::Together };
    let ran = app.runs().run_chain(&chain, args.max_effect, commit_mode, disposition, consent)?;
    print(&app, &out, ran)
}

fn print(app: &App, out: &Out, ran: ChainResult) -> Result<(), Error> {
    let (human, machine) = (human(&ran), machine(&ran));
    // Before the error. The files of steps that went well may be in the vault, and the person must
    // know which.
    remark(out, ran.commit.as_ref());
    match ran.steps.into_iter().find_map(|step| Some((step.id, step.ran.err()?))) {
        Some((run, error)) => Err(out.failure(&human, &machine, app.runs().step_error(run, error))),
        None => {
            out.result(&human, &machine);
            Ok(())
        }
    }
}

fn human(ran: &ChainResult) -> String {
    if let Some(ChainFiles::Shown(diffs)) = &ran.commit {
        return diffs.iter().map(|diff| diff.text.as_str()).collect();
    }
    let rows = ran.steps.iter().enumerate().map(|(number, step)| row(number, step)).collect();
    let mut text = views::table(&["step", "skill", "run", "result"], rows);
    if ran.steps.len() < ran.of {
        text.push_str(&format!("{} of {} steps did not run\n", ran.of - ran.steps.len(), ran.of));
    }
    if let Some(Ok(last)) = ran.steps.last().map(|step| &step.ran) {
        text.push_str(&format!("\n{}\n", text::block(&format!("{:#}", last.output), usize::MAX)));
    }
    text
}

fn row(number: usize, step: &StepResult) -> Vec<String> {
    let result = match &step.ran {
        Ok(ran) => match &ran.files {
            RunFiles::Held(commit, _) => format!("ok, its files are held: {}", commit.id.short()),
            RunFiles::Committed if ran.record.commit_id.is_some() => "ok, its files are in the vault".to_owned(),
            _ => "ok".to_owned(),
        },
        Err(error) => text::line(&format!("{}: {error}", error.kind()), 200),
    };
    vec![number.to_string(), step.skill.to_string(), step.id.short(), result]
}

fn paths(changes: &[VaultChange]) -> String {
    let files = changes.iter().map(VaultChange::path);
    views::list(files.map(|path| text::line(path.as_str(), 300)))
}

/// What became of the files, for people.
pub fn remark(out: &Out, files: Option<&ChainFiles>) {
    match files {
        Some(ChainFiles::Committed(commit)) => {
            out.remark(&format!("wrote {} (effect {})", paths(&commit.changes), commit.id.short()));
        }
        Some(ChainFiles::Held(commit, _)) => {
            let id = commit.id.short();
            out.remark(&format!(
                "held: {}\nnext: kavi effects show {id}, then kavi effects approve {id} or kavi effects reject {id}",
                paths(&commit.changes)
            ));
        }
        Some(ChainFiles::Shown(_)) => out.remark("nothing was changed"),
        Some(ChainFiles::Dropped) => out.remark("a run failed: the files of the other runs were discarded"),
        None => {}
    }
}

fn machine(ran: &ChainResult) -> Value {
    let step = |step: &StepResult| match &step.ran {
        Ok(ran) => document(ran),
        Err(error) => json!({
            "execution_id": step.id,
            "skill_name": step.skill,
            "success": false,
            "error": text::block(&format!("{}: {error}", error.kind()), 4_000),
        }),
    };
    let output = match ran.steps.last().map(|step| &step.ran) {
        // The output of a chain is that of its last step. One that stopped early has none, although
        // a step before has.
        Some(Ok(last)) if ran.steps.len() == ran.of => json!(last.output),
        _ => Value::Null,
    };
    let mut machine = json!({
        "steps": ran.steps.iter().map(step).collect::<Vec<_>>(),
        "of": ran.of,
        "success": ran.steps.len() == ran.of && ran.failure().is_none(),
        "output": output,
    });
    if let (Some(all), Value::Object(files)) = (machine.as_object_mut(), files_document(ran.commit.as_ref())) {
        all.extend(files);
    }
    machine
}

/// What became of the files that are one commit, for machines.
pub fn files_document(files: Option<&ChainFiles>) -> Value {
    match files {
        Some(ChainFiles::Committed(commit)) => json!({ "effect": commit }),
        Some(ChainFiles::Held(commit, diffs)) => json!({ "effect": commit, "diffs": diffs }),
        Some(ChainFiles::Shown(diffs)) => json!({ "effect": null, "diffs": diffs }),
        Some(ChainFiles::Dropped) | None => json!({ "effect": null }),
    }
}
