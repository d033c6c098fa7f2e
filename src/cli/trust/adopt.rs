//! `kavi trust adopt`

use super::super::{
    Context, JsonFlag,
    approval::{Decider, DecisionContext},
};
use crate::error::Error;

/// Accept the ledger as it is, though its head is missing, newer, or of another copy. Everything in it counts from then on.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Why; recorded.
    #[arg(long, value_name = "TEXT")]
    why: String,
    #[command(flatten)]
    by: Decider,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let DecisionContext { app, out, approver } = args.by.open(context)?;
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
