//! `kavi show`: a proposal or a run, whichever the id is of.

mod execution;
mod proposal;

use super::sources::{self, Detail};
use super::{Context, JsonFlag};
use crate::app::Subject;
use crate::error::Error;
use clap_complete::engine::ArgValueCompleter;

/// Show everything about a proposal, a skill or a run.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi show write_note
  kavi show write_note --all
  kavi show write_note@1 --source
  kavi show 67e55044 --json

Of a proposal or skill: what it does and may touch, its newest attempt and
verification, who promoted it. Of a run: its error in full, log, used limits,
files, and how to replay it.")]
pub struct Args {
    /// A proposal's or run's id, a unique prefix of it, a skill's name, or NAME@REVISION.
    #[arg(add = ArgValueCompleter::new(crate::cli::completions::skills))]
    id: String,
    /// Also schemas, every attempt, every gate, digests, limits and artifacts.
    #[arg(long)]
    all: bool,
    /// Only the sources of the proposal, whole.
    #[arg(long, conflicts_with = "all")]
    source: bool,
    /// With --source: only how many lines each file has.
    #[arg(long, requires = "source")]
    stat: bool,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let (app, out) = context.open_to_look()?;
    match app.find(&args.id)? {
        Subject::Proposal(found) if args.source => {
            let shown = app.proposals().sources(&found)?;
            let detail = if args.stat { Detail::Counts } else { Detail::Whole };
            out.result(&sources::human(&shown, detail), &sources::machine(&shown));
        }
        Subject::Run(found) if args.source => {
            let run = found.record.execution_id.short();
            return Err(Error::Usage(format!("{run} is a run, which has no sources: name its skill")));
        }
        Subject::Proposal(found) => {
            let dossier = app.proposals().dossier(*found)?;
            let human = if args.all { proposal::whole(&dossier) } else { proposal::short(&dossier) };
            out.result(&human, &proposal::machine(&dossier));
        }
        Subject::Run(found) => {
            let dossier = app.records().dossier(*found)?;
            out.result(&execution::human(&dossier), &execution::machine(&dossier));
        }
    }
    Ok(())
}
