//! `kavi check-invariants`

use clap_complete::engine::ArgValueCompleter;
use serde_json::json;

use super::progress::{Spinner, Stages};
use super::{Context, JsonFlag, views};
use crate::error::Error;
use crate::log_targets::STAGE;

/// Compile the newest sources afresh and run the invariants gate alone. Records nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kavi check-invariants write_note\n  kavi check-invariants 67e55044 --json")]
pub struct Args {
    /// The proposal: its id, a unique prefix of it, or the name of a skill with one open proposal.
    #[arg(add = ArgValueCompleter::new(super::completions::skills))]
    id: String,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let (app, out) = context.open()?;
    let proposal = app.proposals().find_open(&args.id)?;
    let spinner = Spinner::new(&out, Stages::Shown);
    let toolchain = app.attempts().toolchain()?;
    tracing::info!(target: STAGE, "compile and invariants");
    let findings = app.attempts().check_invariants(&proposal, &toolchain)?;
    drop(spinner);
    let machine = json!({ "proposal_id": proposal.id, "passed": findings.is_empty(), "findings": findings });
    if findings.is_empty() {
        out.result(&format!("invariants of {} hold", proposal.spec.name), &machine);
        return Ok(());
    }
    let human: String = findings.iter().map(views::finding).collect();
    let error = Error::Verification {
        message: format!("{} invariants of {} do not hold", findings.len(), proposal.spec.name),
        hint: format!("see `kavi show {}`", proposal.id.short()),
    };
    Err(out.failure(&human, &machine, error))
}
