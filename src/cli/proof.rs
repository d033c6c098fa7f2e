//! `kavi proof` and `kavi check-proof`

use std::path::PathBuf;

use serde_json::json;

use super::{Context, JsonFlag};
use crate::app::{EventKind, WithSource, check_proof, read_proof, signed_kind};
use crate::error::Error;

/// Write a proof file: why a revision is trusted, or what a run was, for people without this workspace.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi proof write_note --out write_note.proof
  kavi proof write_note --with-source --out write_note.proof
  kavi proof --run 3f2a --out run.proof
  kavi proof --decision resume --out resume.proof
  kavi check-proof write_note.proof")]
pub struct Args {
    /// The skill (its newest revision), NAME@REVISION, or the id of a proposal.
    #[arg(value_name = "NAME[@REVISION]", required_unless_present_any = ["run", "decision"], conflicts_with = "run")]
    name: Option<String>,
    /// The newest decision of a kind that people sign, such as `resume` or `charter`.
    #[arg(long, value_name = "KIND", value_parser = signed_kind, conflicts_with_all = ["name", "run", "with_source"])]
    decision: Option<EventKind>,
    /// A run, by its id or the beginning of it.
    #[arg(long, value_name = "ID")]
    run: Option<String>,
    /// Also put the source in. The checkers check that it is the one that was promoted.
    #[arg(long, conflicts_with = "run")]
    with_source: bool,
    /// Where to write it. Else it is the result.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let (app, out) = context.open()?;
    let history = app.history();
    let text = match (&args.run, &args.name, args.decision) {
        (_, _, Some(kind)) => history.prove_decision(kind)?,
        (Some(run), _, None) => history.prove_run(run)?,
        (None, Some(name), None) => {
            let source = if args.with_source { WithSource::Yes } else { WithSource::No };
            history.prove_trust(&app.proposals().find(name)?, source)?
        }
        (None, None, None) => return Err(Error::Usage("name a skill, or a run with --run ID".to_owned())),
    };
    match &args.out {
        None => out.result(&text, &json!({ "proof": text })),
        Some(path) => {
            history.write_proof(path, &text)?;
            let human =
                format!("{} written; anyone can check it with `kavi check-proof` or `kavi-check`", path.display());
            out.result(&human, &json!({ "written": path, "bytes": text.len() }));
        }
    }
    Ok(())
}

/// Check a proof file or a bundle. Needs no workspace and no network.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  kavi check-proof write_note.proof\n  kavi check-proof write_note.proof --key 'kavi/…+…+…'"
)]
pub struct CheckArgs {
    /// The file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The key that must have signed it. Else the file names its key, and you compare it.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn check(context: Context, args: &CheckArgs) -> Result<(), Error> {
    let text = read_proof(&context.host.cwd.join(&args.file))?;
    let proven = check_proof(&text, args.key.as_deref())?;
    let lines = proven.lines();
    let human = format!("VALID as of {} events of {}\n{}", proven.size, proven.origin, lines.join("\n"));
    let machine = json!({ "valid": true, "origin": proven.origin, "as_of_events": proven.size, "events": lines });
    context.out.result(&human, &machine);
    Ok(())
}
