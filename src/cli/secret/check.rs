//! `kavi secret check`

use serde_json::json;

use super::super::{Context, JsonFlag};
use crate::app::ValueLength;
use crate::error::Error;
use crate::model::secret::SecretName;

/// Read one secret and throw it away: whether its store gives a value that can be used.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kavi secret check EXAMPLE_TOKEN\n  kavi secret check EXAMPLE_TOKEN --json")]
pub struct Args {
    /// The name of the secret.
    name: String,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let name = SecretName::parse(&args.name).map_err(|error| Error::Usage(error.to_string()))?;
    let (app, out) = context.open_to_look()?;
    let short = app.secrets().check(&name)? == ValueLength::Short;
    let mut human = format!("the secret {name} can be read\n");
    if short {
        human.push_str("warning: it has fewer than 16 bytes, so it cannot be recognised in an answer or an output\n");
    }
    out.result(&human, &json!({ "name": name, "readable": true, "short": short }));
    Ok(())
}
