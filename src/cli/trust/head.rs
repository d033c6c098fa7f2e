//! `kavi trust head`

use super::super::{Context, JsonFlag};
use crate::error::Error;

/// Print the newest signed checkpoint, for whoever is to keep it. `kavi audit --witness FILE` compares with it later.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kavi trust head")]
pub struct Args {
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, _args: &Args) -> Result<(), Error> {
    let (app, out) = context.open()?;
    let note = app.history().signed_head()?;
    out.result(note.trim_end(), &serde_json::json!({ "head": note }));
    Ok(())
}
