//! `kavi diff`

use clap_complete::engine::ArgValueCompleter;
use serde_json::json;

use super::{Context, JsonFlag, sources, views};
use crate::error::Error;
use crate::model::lifecycle::ProposalStatus;

/// Show how a proposal differs from the trusted revision of its name: specification and sources.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi diff write_note
  kavi diff 67e55044 --stat
  kavi diff 67e55044 --json

Where nothing of the name is trusted, the sources are shown whole.")]
pub struct Args {
    /// The proposal: its id, a unique prefix of it, or the name of a skill with one open proposal.
    #[arg(add = ArgValueCompleter::new(super::completions::skills))]
    id: String,
    /// Only how many lines each file has, and how many were added and removed.
    #[arg(long)]
    stat: bool,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let (app, out) = context.open()?;
    let proposal = app.proposals().find_open(&args.id)?;
    let differences = app.proposals().spec_differences(&proposal)?;
    let shown = app.proposals().sources(&proposal)?;
    let detail = if args.stat { sources::Detail::Counts } else { sources::Detail::Diff };
    let mut human = format!("{} {} ({})\n", proposal.spec.name, proposal.id.short(), proposal.status);
    let said = match (&shown.against, differences.is_empty()) {
        (None, _) if proposal.status == ProposalStatus::Trusted => {
            "this is the trusted revision: there is nothing to compare it with\n".to_owned()
        }
        (None, _) => "nothing of this name is trusted\n".to_owned(),
        (Some(diff), true) => format!("the specification is that of revision {}\n", diff.revision),
        (Some(_), false) => differences.iter().map(|difference| format!("  {difference}\n")).collect(),
    };
    human.push_str(&said);
    human.push('\n');
    human.push_str(&sources::human(&shown, detail));
    let mut machine = views::proposal(&proposal);
    machine["differences"] = json!(differences);
    machine["sources"] = sources::machine(&shown);
    out.result(&human, &machine);
    Ok(())
}
