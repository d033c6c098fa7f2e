//! `kavi stop`

use serde_json::json;

use super::{Context, JsonFlag, approval};
use crate::app::{App, Approver};
use crate::error::Error;

/// Stop everything: end running guests and agents, and start nothing until `kavi resume`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  kavi stop --why 'notes vanish' --by ada\n  kavi stop --why 'away until Monday' --json"
)]
pub struct Args {
    /// Why; recorded, and shown to everyone who is refused.
    #[arg(long, value_name = "TEXT")]
    why: String,
    /// Who stops it; recorded. Default: the user who is logged in, or the number of that user.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    // Whoever is in a hurry needs no name to stop things; letting them run again does.
    let by = match (approval::named_or_logged_in(&context, args.by.as_deref()), &args.by) {
        (Err(_), None) => Approver::parse(&format!("uid {}", rustix::process::getuid().as_raw()))?,
        (named, _) => named?,
    };
    // The workspace is not opened first: a stop holds also where the ledger is full, damaged or held by somebody.
    let event = App::stop(&context.host, context.workspace.as_deref(), &by, &args.why)?;
    let out = context.out;
    let human = format!("stopped by {}; nothing runs in this workspace until `kavi resume`", event.by);
    out.result(&human, &json!({ "stopped": true, "turn": event }));
    Ok(())
}
