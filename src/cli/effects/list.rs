//! `kavi effects list`

use serde_json::json;

use super::super::{Context, JsonFlag};
use super::render::{held, table};
use crate::error::Error;

/// List the changes that wait for a person, oldest first.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The newest effects whatever became of them, newest first.
    #[arg(long)]
    all: bool,
    /// At most so many with --all.
    #[arg(long, short, value_name = "N", default_value_t = 20, requires = "all")]
    n: u32,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let (app, out) = context.open()?;
    let commits = if args.all { app.effects().newest(args.n)? } else { app.effects().held()? };
    let changes = app.effects().with_runs(commits)?;
    let human = match changes.is_empty() {
        true => "nothing is held\n".to_owned(),
        false => table(&changes),
    };
    out.result(&human, &json!({ "effects": changes.iter().map(held).collect::<Vec<_>>() }));
    Ok(())
}
