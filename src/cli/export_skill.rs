//! `kavi export-skill`

use std::path::PathBuf;

use serde_json::json;

use super::{Context, JsonFlag};
use crate::error::Error;
use crate::model::text;

/// Write a trusted skill as a folder with a SKILL.md for agents, or as a bundle with its proof for another workspace.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi export-skill write_note --to ~/.claude/skills
  kavi export-skill write_note --to skills-out --json
  kavi export-skill write_note --bundle write_note.bundle

The folder has the published guidance, and every revision below contents/.
A SKILL.md that Kavi did not write is left as it is.

A bundle has specification, source, component, statements and proof in one
file. `kavi import` reads it.")]
pub struct Args {
    /// The skill. With --bundle also NAME@REVISION.
    #[arg(value_name = "NAME")]
    name: String,
    /// Where its folder is made.
    #[arg(long, value_name = "DIR", required_unless_present = "bundle", conflicts_with = "bundle")]
    to: Option<PathBuf>,
    /// The file for the bundle; it must not exist.
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let (app, out) = context.open()?;
    if let Some(file) = &args.bundle {
        let text = app.sharing().export_bundle(&app.proposals().find(&args.name)?)?;
        app.history().write_proof(file, &text)?;
        let human = format!("{} written; `kavi import` reads it in another workspace", file.display());
        out.result(&human, &json!({ "skill": args.name, "bundle": file, "bytes": text.len() }));
        return Ok(());
    }
    let to = args.to.as_ref().ok_or_else(|| Error::Usage("name a folder with --to DIR".to_owned()))?;
    let folder = app.guidance().export(&args.name, to)?;
    let shown = text::line(&folder.to_string_lossy(), 4_000);
    out.result(&format!("wrote {shown}/SKILL.md\n"), &json!({ "skill": args.name, "folder": shown }));
    Ok(())
}
