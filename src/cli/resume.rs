//! `kavi resume`

use serde_json::json;

use super::{Context, JsonFlag, approval};
use crate::error::Error;

/// Let things run again after `kavi stop`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kavi resume --by ada")]
pub struct Args {
    /// Who decides; recorded. Else the user who is logged in.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let by = approval::named_or_logged_in(&context, args.by.as_deref())?;
    let (app, out) = context.open()?;
    let event = app.switch().resume(&by)?;
    out.result(&format!("resumed by {}; things may run again", event.by), &json!({ "stopped": false, "turn": event }));
    Ok(())
}
