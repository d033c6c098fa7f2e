//! `kavi man`

use std::path::PathBuf;

use serde_json::json;

use super::{Context, JsonFlag};
use crate::error::Error;
use crate::sync::uninterrupted;

/// Write the manual pages: kavi.1, and one for each verb.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi man --to ~/.local/share/man/man1
  man kavi-run-skill")]
pub struct Args {
    /// The folder to write to. It is made where it is missing; pages in it are replaced.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    #[command(flatten)]
    pub json: JsonFlag,
}

/// Writes the pages of `command`, which is the whole command line.
pub fn run(context: Context, args: &Args, command: clap::Command) -> Result<(), Error> {
    let folder = context.host.cwd.join(&args.to);
    let io = |source| Error::Io { what: folder.display().to_string(), source };
    uninterrupted(|| std::fs::create_dir_all(&folder)).map_err(io)?;
    let pages = 1 + command.get_subcommands().count();
    clap_mangen::generate_to(command, &folder).map_err(io)?;
    let human = format!("wrote {pages} pages to {}", folder.display());
    context.out.result(&human, &json!({ "folder": folder, "pages": pages }));
    Ok(())
}
