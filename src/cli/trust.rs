//! `kavi trust`

use clap::Subcommand;

use super::{Context, JsonFlag, approval::Decider};
use crate::error::Error;

/// The anchor of the history: the key that signs its checkpoints, and its newest checkpoint, outside of the workspace.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kavi trust adopt --why 'restored from the backup of Monday' --approved-by ada")]
pub struct Args {
    #[command(subcommand)]
    verb: TrustVerb,
}

#[derive(Debug, Subcommand)]
enum TrustVerb {
    /// Accept the ledger as it is, though its head is missing, newer, or of another copy. Everything in it counts from then on.
    Adopt(AdoptArgs),
}

#[derive(Debug, clap::Args)]
struct AdoptArgs {
    /// Why; recorded.
    #[arg(long, value_name = "TEXT")]
    why: String,
    #[command(flatten)]
    by: Decider,
    #[command(flatten)]
    json: JsonFlag,
}

impl Args {
    /// Whether `--json` was given.
    pub fn json(&self) -> bool {
        match &self.verb {
            TrustVerb::Adopt(args) => args.json.json,
        }
    }
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let TrustVerb::Adopt(args) = &args.verb;
    let approver = args.by.approver(&context)?;
    let (app, out) = context.open()?;
    let status = app.history().adopt(&approver, &args.why)?;
    let human = format!(
        "adopted by {}: the head in {} now covers all {} events\nnext: `kavi audit` shows what is not as its events say",
        approver.as_str(),
        status.anchor,
        status.events,
    );
    out.result(&human, &serde_json::json!({ "adopted": true, "history": status }));
    Ok(())
}
