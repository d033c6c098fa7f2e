//! `kavi import`

use std::path::PathBuf;

use serde_json::json;

use super::{Context, JsonFlag, views};
use crate::app::ImportRequest;
use crate::error::Error;

/// Check the bundle of a skill from another workspace, and propose the skill here. The gates run again, and you promote it or not.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi import write_note.bundle
  kavi import write_note.bundle --key 'kavi/…+…+…' --to skills/their_note

Its promotion there is evidence, and no trust here. Compare its key with one
that you got from its owner.")]
pub struct Args {
    /// The bundle, as `kavi export-skill NAME --bundle FILE` writes it.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The key that must have signed it. Else the bundle names its key, and you compare it.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// The folder for the sources; it must not exist. Default: skills/NAME.
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let file = context.host.cwd.join(&args.file);
    let (app, out) = context.open()?;
    let wanted = ImportRequest { file: &file, key: args.key.as_deref(), to: args.to.as_deref() };
    let imported = app.sharing().import_bundle(&wanted)?;
    let (proposal, origin) = (&imported.proposal, &imported.origin);
    let (id, sources) = (proposal.id.short(), imported.sources.display());
    let mut human = format!("its proof is VALID as of {} events of {}\n", origin.events, origin.workspace);
    imported.evidence.iter().for_each(|line| human.push_str(&format!("  {line}\n")));
    human.push_str(&format!(
        "promoted there: {}\nsigned with the key {}\nthat is evidence, and no trust: nothing of it counts here\n\
         {} is PROPOSED as {id}; its sources are in {sources}\n\
         next: read them, then `kavi build-skill {id} --builder import --from {sources}`, `kavi verify-skill {id}` and, if you \
         trust it, `kavi promote-skill {id}`",
        views::promoted_there(origin),
        origin.signed_by,
        proposal.spec.name,
    ));
    let mut machine = views::proposal(proposal);
    machine["origin"] = json!(origin);
    machine["evidence"] = json!(imported.evidence);
    machine["sources"] = json!(imported.sources);
    out.result(&human, &machine);
    Ok(())
}
