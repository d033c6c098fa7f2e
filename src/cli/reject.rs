//! `kavi reject`

use clap_complete::engine::ArgValueCompleter;
use serde_json::json;

use super::{
    Context, JsonFlag,
    approval::{Decider, DecisionContext},
    views,
};
use crate::error::Error;

/// Reject an open proposal. It is never built, verified or promoted then.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi reject 67e55044 --why 'search_notes does this'
  kavi reject greet --why 'wrong class' --approved-by ada --json

An agent that proposed it sees the rejection and the reason. `kavi effects
reject` is for held changes, `kavi revoke` for what is trusted.")]
pub struct Args {
    /// The proposal: its id, a unique prefix of it, or the name of a skill with one open proposal.
    #[arg(add = ArgValueCompleter::new(super::completions::skills))]
    id: String,
    /// Why; recorded, and shown to whoever proposed it.
    #[arg(long)]
    why: String,
    #[command(flatten)]
    by: Decider,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let DecisionContext { app, out, approver } = args.by.open(context)?;
    let proposal = app.proposals().find_open(&args.id)?;
    let rejected = app.proposals().reject(&proposal, &approver, &args.why)?;
    let mut machine = views::proposal(&rejected);
    machine["rejected_by"] = json!(approver.as_str());
    out.result(&format!("proposal {} of {} is REJECTED\n", rejected.id.short(), rejected.spec.name), &machine);
    Ok(())
}
