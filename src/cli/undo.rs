//! `kavi undo`

use serde_json::json;

use super::{
    Context, JsonFlag,
    approval::{Approval, DecisionContext},
    effects,
};
use crate::app::UndoPlan;
use crate::error::Error;
use crate::model::{commit::VaultChange, id::IdPrefix, text};

/// Restore what a run replaced in the vault. Says what it will do, and asks first. Refused, as a whole, when one of the files was changed since.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi undo 3f9a2c1b
  kavi undo 3f9a2c1b --yes --json

Files of a chain that were committed together are restored together.")]
pub struct Args {
    /// The run: its id, or a unique prefix of it.
    #[arg(value_name = "EXECUTION_ID")]
    id: String,
    #[command(flatten)]
    approval: Approval,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let DecisionContext { app, out, approver } = args.approval.open(context)?;
    let id = IdPrefix::parse(&args.id).map_err(|error| Error::Usage(error.to_string()))?;
    let plan = app.effects().undo_plan(&id)?;
    let described = describe(&plan);
    if !args.approval.yes {
        out.person_or(&format!("look at `kavi show {}`, then give --yes", args.id))?;
        out.remark(&described);
        out.agreed("Restore these files?", "not undone")?;
    }
    // Before the plan is handed over: undo takes it, so that it cannot be used twice.
    let runs = plan.runs.iter().map(|run| run.execution_id).collect::<Vec<_>>();
    let (files, diffs) = (restored(&plan), json!(plan.diffs));
    let commit = app.effects().undo(plan, approver.as_str())?;
    let mut machine = json!(commit);
    machine["runs"] = json!(runs);
    machine["diffs"] = diffs;
    let human = if args.approval.yes { described } else { files };
    out.result(&format!("{human}undone\n"), &machine);
    Ok(())
}

/// What an undo does, in words and as a diff.
fn describe(plan: &UndoPlan) -> String {
    let mut out = String::new();
    for run in &plan.runs {
        let revision = run.revision.map(|revision| format!("@{revision}")).unwrap_or_default();
        let (id, by) = (run.execution_id.short(), text::line(&run.caller, 100));
        out.push_str(&format!(
            "run {id} of {}{revision}, by {by} through {}, {}\n",
            run.skill_name, run.channel, run.started_at
        ));
    }
    if plan.runs.len() > 1 {
        out.push_str("their files were committed together and are restored together\n");
    }
    out.push_str(&restored(plan));
    out + &effects::diffs(&plan.diffs)
}

/// What happens to each file, in words.
fn restored(plan: &UndoPlan) -> String {
    let line = |change: &VaultChange| {
        let path = text::line(change.path().as_str(), 1_100);
        // `before` is what the run left, `after` what it had found.
        match (change.before(), change.after()) {
            (_, None) => format!("  {path} is removed: the run created it\n"),
            (None, Some(_)) => format!("  {path} comes back: the run removed it\n"),
            (Some(_), Some(_)) => format!("  {path} gets the content back that it had before the run\n"),
        }
    };
    plan.changes.iter().map(line).collect()
}
