//! `kavi doctor`

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::{Context, JsonFlag, export};
use crate::app::{App, Check, CheckDepth, Health};
use crate::error::Error;
use crate::model::{digest::Digest, text};

/// Look at everything a workspace stands on: ledger, registry, components, vault, cage, toolchain, coding agent.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kavi doctor\n  kavi doctor --full\n  kavi doctor --json
  kavi doctor --bundle kavi.zip

A bundle is for whoever helps: results of the checks, settings, decisions and
the outcomes of runs, and no input, output, note or secret. It is written to
that file and sent nowhere.")]
pub struct Args {
    /// Check every page, row and index of the ledger. Takes long on a large one.
    #[arg(long)]
    full: bool,
    /// Write a diagnostic bundle into a new file instead.
    #[arg(long, value_name = "FILE", conflicts_with = "full")]
    bundle: Option<PathBuf>,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    if let Some(path) = &args.bundle {
        return bundle(context, path);
    }
    let (app, out) = context.open()?;
    let depth = if args.full { CheckDepth::Full } else { CheckDepth::Usual };
    let checks = app.doctor(depth);
    let worst = checks.iter().map(|check| check.health).max().unwrap_or(Health::Ok);
    let human: String = checks.iter().map(line).collect();
    let machine = json!({ "health": worst, "checks": checks });
    if worst < Health::Fail {
        out.result(&human, &machine);
        return Ok(());
    }
    let failed: Vec<&str> =
        checks.iter().filter(|check| check.health == Health::Fail).map(|check| check.name.as_str()).collect();
    let error = Error::Unhealthy(format!("not well: {}", failed.join(", ")));
    Err(out.failure(&human, &machine, error))
}

fn bundle(context: Context, path: &Path) -> Result<(), Error> {
    // First, because a file that cannot be made should cost nothing.
    let path = context.host.cwd.join(path);
    let mut file = export::new_file(path.clone())?;
    let bytes = App::diagnostic_bundle(context.host, context.workspace.as_deref(), context.walls)?;
    file.write_all(&bytes).map_err(|error| export::broken(&path, error))?;
    file.keep().map_err(|error| export::broken(&path, error))?;
    let sha256 = Digest::of(&bytes);
    let human = format!("{} ({} bytes, sha256 {sha256})\n", path.display(), bytes.len());
    context.out.result(&human, &json!({ "bundle": path, "bytes": bytes.len(), "sha256": sha256 }));
    Ok(())
}

fn line(check: &Check) -> String {
    let word = match check.health {
        Health::Ok => "ok  ",
        Health::Warn => "warn",
        Health::Fail => "FAIL",
    };
    let mend = if check.mend.is_empty() { String::new() } else { format!("\n      mend: {}", check.mend) };
    format!("{word}  {}{mend}\n", text::line(&format!("{}: {}", check.name, check.found), 500))
}
