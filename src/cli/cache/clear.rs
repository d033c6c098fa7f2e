//! `kavi cache clear`

use serde_json::json;

use super::super::{Context, JsonFlag};
use crate::error::Error;

/// Delete all of it. The next run of each skill compiles it again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kavi cache clear\n  kavi cache clear --json")]
pub struct Args {
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, _args: &Args) -> Result<(), Error> {
    let (app, out) = context.open()?;
    let cleared = app.cache().clear()?;
    out.result(&format!("{} files removed, {} bytes\n", cleared.removed, cleared.bytes), &json!(cleared));
    Ok(())
}
