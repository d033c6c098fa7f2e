//! `kavi effects reject`

use serde_json::json;

use super::super::{Context, JsonFlag, approval::Decider};
use super::find;
use crate::error::Error;
use crate::model::text;

/// Reject held changes, which then never reach the vault.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The effect: its id, or a unique prefix of it.
    id: String,
    /// Why; recorded.
    #[arg(long)]
    why: Option<String>,
    #[command(flatten)]
    by: Decider,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let approver = args.by.approver(&context)?;
    let why = args.why.as_deref().map(|why| text::line(why.trim(), 1_000)).filter(|why| !why.is_empty());
    let (app, out) = context.open()?;
    let shown = find(&app, &args.id)?;
    let commit = app.effects().reject(&shown, approver.as_str(), why.as_deref())?;
    let said = format!("effect {} is rejected: nothing of it is in the vault", commit.id.short());
    out.result(&said, &json!(commit));
    Ok(())
}
