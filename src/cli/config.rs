//! `kavi config`

use serde_json::json;

use super::{Context, JsonFlag, views};
use crate::app::{Setting, SettingOrigin};
use crate::error::Error;
use crate::model::text;

/// Show the settings of the workspace, and where each value comes from. Changes nothing.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  kavi config list\n  kavi config get limits.wall_ms\n  kavi config get vault --json"
)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List every setting.
    List {
        #[command(flatten)]
        json: JsonFlag,
    },
    /// Print the value of one setting.
    Get {
        /// The setting: `table.name`, or `name` at the top of kavi.toml.
        key: String,
        #[command(flatten)]
        json: JsonFlag,
    },
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let (app, out) = context.open()?;
    let settings = app.settings()?;
    match &args.verb {
        Verb::List { .. } => {
            let rows = settings.iter().map(|it| vec![it.key.clone(), shown(it), origin(it).to_owned()]).collect();
            out.result(&views::table(&["setting", "value", "from"], rows), &json!({ "settings": settings }));
        }
        Verb::Get { key, .. } => {
            let found = settings.iter().find(|setting| setting.key == *key).ok_or_else(|| unknown(key, &settings))?;
            out.result(&shown(found), &json!(found));
        }
    }
    Ok(())
}

/// A text without its quotes, anything else as JSON.
fn shown(setting: &Setting) -> String {
    text::line(&setting.value.as_str().map_or_else(|| setting.value.to_string(), str::to_owned), 1_000)
}

fn origin(setting: &Setting) -> &'static str {
    match setting.origin {
        SettingOrigin::File => "kavi.toml",
        SettingOrigin::Default => "default",
    }
}

/// The settings whose name ends or begins alike, because a table is easily left out.
fn unknown(key: &str, settings: &[Setting]) -> Error {
    let alike = |setting: &&Setting| setting.key.ends_with(&format!(".{key}")) || setting.key.starts_with(key);
    let alike: Vec<String> = settings.iter().filter(alike).take(8).map(|setting| setting.key.clone()).collect();
    let also = if alike.is_empty() {
        "see `kavi config list`".to_owned()
    } else {
        format!("did you mean {}?", alike.join(", "))
    };
    Error::Usage(format!("there is no setting `{}`: {also}", text::line(key, 100)))
}
