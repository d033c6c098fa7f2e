//! `kavi init`

use std::path::PathBuf;

use serde_json::json;

use super::{Context, JsonFlag};
use crate::app::App;
use crate::error::Error;

/// Make a workspace: kavi.toml, a vault, a place for skills, the ledger. Never replaces a file.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  kavi init\n  kavi init notes\n  kavi init work --vault ~/Notes\n  kavi init notes --json"
)]
pub struct Args {
    /// The folder; made when it is missing.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// A vault that exists. Nothing is made in it or beside it.
    #[arg(long, value_name = "DIR")]
    vault: Option<PathBuf>,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let made = App::init(&context.host, &args.dir, args.vault.as_deref())?;
    let written: Vec<String> =
        made.written.iter().map(|path| path.strip_prefix(&made.root).unwrap_or(path).display().to_string()).collect();
    let human = match written.as_slice() {
        [] => format!("{} is a workspace already; nothing was missing", made.root.display()),
        written => format!(
            "workspace {}\nwrote {}\nnext: kavi propose-skill --help, or kavi new NAME for a skill of your own",
            made.root.display(),
            written.join(", ")
        ),
    };
    context.out.result(&human, &json!({ "workspace": made.root, "written": written }));
    Ok(())
}
