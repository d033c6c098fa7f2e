//! `kavi rebuild`

use serde_json::json;

use super::{Context, JsonFlag};
use crate::error::Error;

/// Derive the registry and the indexes again from the ledger, to the same bytes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kavi rebuild\n  rm registry.yaml && kavi rebuild")]
pub struct Args {
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, _args: &Args) -> Result<(), Error> {
    let (app, out) = context.open()?;
    let rebuilt = app.rebuild()?;
    let root = &app.layout().root;
    let relative = |path: &std::path::Path| path.strip_prefix(root).unwrap_or(path).display().to_string();
    let written: Vec<String> = rebuilt.written.iter().map(|path| relative(path)).collect();
    let mut human = format!("{} files written, {} unchanged\n", written.len(), rebuilt.unchanged);
    written.iter().for_each(|path| human.push_str(&format!("  wrote {path}\n")));
    for (path, what) in &rebuilt.damaged {
        human.push_str(&format!("  warning: {} cannot be derived again, and {what}\n", relative(path)));
    }
    let damaged = rebuilt.damaged.iter().map(|(path, what)| json!({ "path": relative(path), "what": what }));
    let machine = json!({ "written": written, "unchanged": rebuilt.unchanged, "damaged": damaged.collect::<Vec<_>>() });
    out.result(&human, &machine);
    Ok(())
}
