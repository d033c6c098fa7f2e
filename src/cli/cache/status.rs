//! `kavi cache status`

use serde_json::json;

use super::super::{Context, JsonFlag, views};
use crate::error::Error;
use crate::model::text;

/// Show what is cached, and how much of it is valid. Changes nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kavi cache status\n  kavi cache status --json")]
pub struct Args {
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, _args: &Args) -> Result<(), Error> {
    let (app, out) = context.open()?;
    let status = app.cache().status()?;
    let mut rows = vec![
        ("folder", app.cache().folder().display().to_string()),
        ("entries", format!("{}, {} bytes", status.entries, status.bytes)),
        ("valid", status.valid.to_string()),
        ("stale", format!("{} (for another engine, wasmtime or policy)", status.stale)),
        ("foreign", format!("{} (made with another key, or changed)", status.foreign)),
        ("leftovers", format!("{} (of writers that were killed)", status.leftovers)),
    ];
    if !status.trouble.is_empty() {
        rows.push(("trouble", text::line(&status.trouble, 500)));
    }
    let mut machine = json!(status);
    machine["folder"] = json!(app.cache().folder());
    out.result(&views::facts(&rows), &machine);
    Ok(())
}
