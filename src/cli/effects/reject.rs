//! `kavi effects reject`

use serde_json::json;

use super::super::{Context, JsonFlag, approval::Decider};
use super::selection::{Decisions, Selection};
use crate::error::Error;
use crate::model::text;

/// Reject held changes, which then never reach the vault.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    selection: Selection,
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
    let mut decisions = Decisions::default();
    for id in args.selection.ids(&app)? {
        let shown = app.effects().show(&id)?;
        match app.effects().reject(&shown, approver.as_str(), why.as_deref()) {
            Ok(commit) => {
                let said = format!("effect {} is rejected: nothing of it is in the vault", commit.id.short());
                if args.selection.id().is_some() {
                    out.result(&said, &json!(commit));
                    return Ok(());
                }
                decisions.lines.push(said);
                decisions.done.push(json!(commit));
            }
            // One effect by its id fails as it always did.
            Err(error) if args.selection.id().is_some() => return Err(error),
            Err(error) => decisions.failed.push((shown.commit.id.short(), error)),
        }
    }
    decisions.print(&out)
}
