//! `kavi trust rotate-key`

use super::super::{
    Context, JsonFlag,
    approval::{Decider, DecisionContext},
};
use crate::error::Error;

/// Have the history signed with a new key from now on. What the old key signs later counts for nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kavi trust rotate-key --why 'the laptop was out of my sight' --approved-by ada")]
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
    let status = app.history().rotate_key(&approver, &args.why)?;
    let human = format!("the history is signed with a new key, in {}, by {}", status.anchor, approver.as_str());
    out.result(&human, &serde_json::json!({ "rotated": true, "history": status }));
    Ok(())
}
