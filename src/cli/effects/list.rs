//! `kavi effects list`

use serde_json::json;

use super::super::{Context, JsonFlag, views};
use crate::error::Error;
use crate::model::{
    commit::{Commit, VaultChange},
    text,
};

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
    let effects = if args.all { app.effects().newest(args.n)? } else { app.effects().held()? };
    let human = match effects.is_empty() {
        true => "nothing is held\n".to_owned(),
        false => {
            views::table(&["effect", "state", "kind", "made", "expires", "files"], effects.iter().map(row).collect())
        }
    };
    out.result(&human, &json!({ "effects": effects }));
    Ok(())
}

fn row(commit: &Commit) -> Vec<String> {
    let files = commit.changes.iter().map(VaultChange::path);
    let files = files.map(|path| text::line(path.as_str(), 200));
    vec![
        commit.id.short(),
        commit.state.to_string(),
        commit.undoes.map_or(commit.kind.to_string(), |undone| format!("{} of {}", commit.kind, undone.short())),
        commit.created_at.to_string(),
        commit.expires_at.map(|at| at.to_string()).unwrap_or_default(),
        views::list(files),
    ]
}
