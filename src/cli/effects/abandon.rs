//! `kavi effects abandon`

use serde_json::json;

use super::super::{Context, JsonFlag, approval::Decider};
use super::render::find;
use crate::error::Error;
use crate::model::text;

/// Give up an effect that is recorded and can be neither finished nor taken back. The vault stays as it is, half done.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The effect: its id, or a unique prefix of it.
    id: String,
    /// Why; recorded.
    #[arg(long)]
    why: String,
    #[command(flatten)]
    by: Decider,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let approver = args.by.approver(&context)?;
    let why = text::line(args.why.trim(), 1_000);
    if why.is_empty() {
        return Err(Error::Usage("to give an effect up needs a reason: give --why TEXT".to_owned()));
    }
    let (app, out) = context.open()?;
    let shown = find(&app, &args.id)?;
    let commit = app.effects().abandon(&shown, approver.as_str(), &why)?;
    let said = "is given up: the vault stays as it is, and its prepared files are in the store";
    out.result(&format!("effect {} {said}", commit.id.short()), &json!(commit));
    Ok(())
}
