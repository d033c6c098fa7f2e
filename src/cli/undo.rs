//! `kavi undo`

use serde_json::json;

use super::{Context, JsonFlag, approval::Approval, effects};
use crate::error::Error;
use crate::model::id::IdPrefix;

/// Restore what a run replaced in the vault. Refused, as a whole, when one of the files was changed since.
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
    let approver = args.approval.by.approver(&context)?;
    let (app, out) = context.open()?;
    let id = IdPrefix::parse(&args.id).map_err(|error| Error::Usage(error.to_string()))?;
    let plan = app.effects().undo_plan(&id)?;
    let files: Vec<String> = plan.changes.iter().map(effects::what_happens).collect();
    if !args.approval.yes {
        out.person_or("give --yes")?;
        files.iter().for_each(|file| out.remark(file));
        out.agreed("Restore these files?", "not undone")?;
    }
    // Before the plan is handed over: undo takes it, so that it cannot be used twice.
    let runs = plan.runs.iter().map(|run| run.execution_id).collect::<Vec<_>>();
    let commit = app.effects().undo(plan, approver.as_str())?;
    let mut machine = json!(commit);
    machine["runs"] = json!(runs);
    out.result(&format!("undone: {}", files.join("\n        ")), &machine);
    Ok(())
}
