//! `kavi effects show`

use super::super::{Context, JsonFlag};
use super::render::{find, human, machine};
use crate::error::Error;

/// Show the changes of one run: who asked for it, and the difference in each file.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The effect: its id, or a unique prefix of it.
    id: String,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let (app, out) = context.open()?;
    let shown = find(&app, &args.id)?;
    out.result(&human(&shown), &machine(&shown));
    Ok(())
}
