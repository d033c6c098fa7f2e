//! `kavi show`: a proposal or a run, whichever the id is of.

mod execution;
mod proposal;

use super::{Context, JsonFlag};
use crate::app::Subject;
use crate::error::Error;

/// Show everything about a proposal, a skill or a run.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi show write_note
  kavi show write_note@1
  kavi show 67e55044 --json

Of a proposal or skill: spec, attempts, gates, digests, who promoted it. Of a
run: its error in full, log, used limits, files, and how to replay it.")]
pub struct Args {
    /// A proposal's or run's id, a unique prefix of it, a skill's name, or NAME@REVISION.
    id: String,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let (app, out) = context.open_to_look()?;
    match app.find(&args.id)? {
        Subject::Proposal(found) => {
            let dossier = app.proposals().dossier(*found)?;
            out.result(&proposal::human(&dossier), &proposal::machine(&dossier));
        }
        Subject::Run(found) => {
            let dossier = app.records().dossier(*found)?;
            out.result(&execution::human(&dossier), &execution::machine(&dossier));
        }
    }
    Ok(())
}
