//! `kavi export-skill`

use std::path::PathBuf;

use serde_json::json;

use super::{Context, JsonFlag};
use crate::error::Error;
use crate::model::text;

/// Write a trusted skill as a folder with a SKILL.md, for agents that read such folders.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi export-skill write_note --to ~/.claude/skills
  kavi export-skill write_note --to skills-out --json

The folder has the published guidance, and every revision below contents/.
A SKILL.md that Kavi did not write is left as it is.")]
pub struct Args {
    /// The skill.
    name: String,
    /// Where its folder is made.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let (app, out) = context.open()?;
    let folder = app.guidance().export(&args.name, &args.to)?;
    let shown = text::line(&folder.to_string_lossy(), 4_000);
    out.result(&format!("wrote {shown}/SKILL.md\n"), &json!({ "skill": args.name, "folder": shown }));
    Ok(())
}
