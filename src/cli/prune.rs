//! `kavi prune`

use std::time::Duration;

use serde_json::json;

use super::{
    Context, JsonFlag,
    approval::{Approval, DecisionContext},
};
use crate::app::Pruned;
use crate::error::Error;

/// Delete records older than --keep DAYS, except records that undo or replay still needs, and files that only they refer to.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi prune --keep 90 --dry-run
  kavi prune --keep 90
  kavi prune --keep 365 --yes --approved-by ada --json

Old runs that stay: those that a newer run follows from, all runs of one
commit together, and runs with pending or held files. The ledger records who
deleted how much. A deleted run cannot be undone, replayed or shown; make a
copy with `kavi export-executions --until`. The ledger's file keeps its size
and uses the space again. Files stored within the last hour stay until the
next time. Records are deleted in short steps, and runs are recorded in
between. After an interruption, the next prune goes on.")]
pub struct Args {
    /// Days that are kept.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    keep: u32,
    /// Say how much would be deleted, and delete nothing.
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    #[command(flatten)]
    approval: Approval,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let DecisionContext { app, out, approver } = args.approval.open(context)?;
    // Computed once, so that what is deleted is what the question was about.
    let older_than = app.records().ago(Duration::from_hours(24 * u64::from(args.keep)));
    if !args.approval.yes {
        if !args.dry_run {
            out.person_or(&format!("look at `kavi prune --keep {} --dry-run`, then give --yes", args.keep))?;
        }
        let would = app.records().prune_preview(older_than)?;
        let human = format!("{} from before {older_than} would be deleted", counts(would));
        if args.dry_run {
            let machine = json!({ "older_than": older_than, "executions": would.executions, "commits": would.commits, "dry_run": true });
            out.result(&human, &machine);
            return Ok(());
        }
        out.remark(&human);
        out.agreed("Delete these permanently?", "nothing was deleted")?;
    }
    let (pruned, swept) = app.records().prune(older_than, approver.as_str())?;
    let human = format!(
        "deleted: {} from before {older_than}; {} without a reference, {}",
        counts(pruned),
        number(swept.files, "file"),
        number(swept.bytes, "byte"),
    );
    let machine = json!({
        "older_than": older_than,
        "executions": pruned.executions,
        "commits": pruned.commits,
        "files": swept.files,
        "bytes": swept.bytes,
        "dry_run": false,
    });
    out.result(&human, &machine);
    Ok(())
}

fn counts(pruned: Pruned) -> String {
    format!("{} and {}", number(pruned.executions, "record"), number(pruned.commits, "commit"))
}

fn number(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
