//! `kavi audit`

use std::path::PathBuf;

use serde_json::json;

use super::{Context, JsonFlag};
use crate::app::read_proof;
use crate::error::{Error, Kind};
use crate::model::text;

/// Check the whole history: every event, checkpoint and row, against each other and against the head outside of the workspace.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kavi audit\n  kavi audit --witness /mnt/other/kavi.witness\n  kavi audit --json")]
pub struct Args {
    /// Also compare with what somebody else kept: the lines of a witness, or a signed checkpoint.
    #[arg(long, value_name = "FILE")]
    witness: Option<PathBuf>,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let file = args.witness.as_ref().map(|path| context.host.cwd.join(path));
    let (app, out) = context.open()?;
    if let Some(path) = file {
        app.history().check_witnessed(&read_proof(&path)?)?;
    }
    let audit = app.history().audit()?;
    let status = app.history().status()?;
    let mut human = format!(
        "{} events, {} of them decisions, {} pruned\n{} rows compared with their events\n{} checkpoints, the newest \
         covers {} events; the head in {} covers {}\n",
        audit.events,
        audit.decisions,
        audit.pruned,
        audit.rows,
        audit.checkpoints,
        audit.signed_events,
        status.anchor,
        status.head.map_or_else(|| "none".to_owned(), |head| head.to_string()),
    );
    if let Some(at) = &status.taken_over {
        human.push_str(&format!("the ledger was taken over as found on {at}; nothing before that is proven\n"));
    }
    let machine = json!({ "sound": audit.problems.is_empty(), "audit": audit, "history": status });
    if audit.problems.is_empty() {
        out.result(&format!("{human}nothing is wrong"), &machine);
        return Ok(());
    }
    audit.problems.iter().for_each(|problem| human.push_str(&format!("WRONG  {}\n", text::line(problem, 500))));
    Err(out.failure(&human, &machine, Error::Reported(Kind::Internal)))
}
