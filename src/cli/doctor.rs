//! `kavi doctor`

use serde_json::json;

use super::{Context, JsonFlag};
use crate::app::{Check, CheckDepth, Health};
use crate::error::Error;
use crate::model::text;

/// Look at everything a workspace stands on: ledger, registry, components, vault, cage, toolchain, coding agent.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kavi doctor\n  kavi doctor --full\n  kavi doctor --json")]
pub struct Args {
    /// Check every page, row and index of the ledger. Takes long on a large one.
    #[arg(long)]
    full: bool,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
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

fn line(check: &Check) -> String {
    let word = match check.health {
        Health::Ok => "ok  ",
        Health::Warn => "warn",
        Health::Fail => "FAIL",
    };
    let mend = if check.mend.is_empty() { String::new() } else { format!("\n      mend: {}", check.mend) };
    format!("{word}  {}{mend}\n", text::line(&format!("{}: {}", check.name, check.found), 500))
}
