//! `kavi secret list`

use serde_json::json;

use super::super::{Context, JsonFlag, views};
use crate::error::Error;
use crate::model::text;

/// Show the secrets that kavi.toml names, and their stores. No store is asked.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kavi secret list\n  kavi secret list --json")]
pub struct Args {
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, _args: &Args) -> Result<(), Error> {
    let (app, out) = context.open_to_look()?;
    let secrets = app.secrets().list();
    let rows = secrets
        .iter()
        .map(|secret| vec![secret.name.to_string(), secret.store.to_owned(), text::line(&secret.place, 200)])
        .collect();
    let human = if secrets.is_empty() {
        "kavi.toml names no secrets\n".to_owned()
    } else {
        views::table(&["secret", "store", "place"], rows)
    };
    out.result(&human, &json!({ "secrets": secrets }));
    Ok(())
}
