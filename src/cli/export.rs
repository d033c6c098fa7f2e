//! `kavi export-executions`

use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::out::Reader;
use super::{Context, JsonFlag, tail, views};
use crate::app::{self, ExecutionRow, Large, NewFile, OutcomeFilter, RecordFilter};
use crate::error::{Error, Kind};
use crate::model::{text, time::Moment};

/// Write records as JSON lines, oldest first: all of them, or those of a skill or a time.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi export-executions --since 2026-11-01 --until 2026-12-01 \\
      --out november.jsonl
  kavi export-executions --skill write_note | jq -c '{execution_id, error}'
  kavi export-executions --inline --out all.jsonl

A time is 2026-11-20T08:30:00Z, 2026-11-20 (its first moment, UTC), or an age:
90m, 2h, 3d, 1w. Inputs and outputs of more than 64 KiB are stored beside the
ledger under their digest (`input_stored`, `output_stored`). With --inline they
are checked against the digest and included.")]
pub struct Args {
    /// Only runs of this skill.
    #[arg(long, value_name = "NAME")]
    skill: Option<String>,
    /// Only runs that started then or later.
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// Only runs that started before.
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
    /// Only runs that failed.
    #[arg(long)]
    only_failures: bool,
    /// Include large inputs and outputs.
    #[arg(long)]
    inline: bool,
    /// A new file, or `-` for standard output.
    #[arg(long, value_name = "FILE", default_value = "-", allow_hyphen_values = true)]
    out: String,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let skill = tail::skill(args.skill.as_deref())?;
    let outcome = if args.only_failures { OutcomeFilter::Failed } else { OutcomeFilter::Any };
    // Before the ledger is opened: a file that cannot be made should cost nothing.
    let mut file = (args.out != "-").then(|| new_file(context.host.cwd.join(&args.out))).transpose()?;
    let (app, out) = context.open()?;
    let [since, until] = [args.since, args.until].map(|time| time.map(|time| app.records().meant(time)));
    let filter = RecordFilter { skill, outcome, since, until };
    let large = if args.inline { Large::Inline } else { Large::Named };
    let mut reader = Reader::There;
    let mut each = |row: &ExecutionRow| {
        let line = text::json(&views::execution(row).to_string());
        match &mut file {
            Some(file) => writeln!(file, "{line}").map_err(|error| broken(file.path(), error)),
            None => {
                reader = out.reader(out.data(&line))?;
                // Nobody wants the rest.
                if reader == Reader::Gone { Err(Error::Reported(Kind::Failed)) } else { Ok(()) }
            }
        }
    };
    let exported = app.records().export(&filter, large, &mut each);
    if reader == Reader::Gone {
        return Ok(());
    }
    let exported = exported?;
    if let Some(file) = file {
        let path = file.path().to_owned();
        file.keep().map_err(|error| broken(&path, error))?;
        let human = format!("{exported} records are in {}", text::line(&args.out, 1_000));
        out.result(&human, &json!({ "exported": exported, "file": args.out }));
    }
    Ok(())
}

pub(super) fn new_file(path: PathBuf) -> Result<NewFile, Error> {
    app::new_file(path.clone()).map_err(|error| {
        let why = match error.kind() {
            ErrorKind::AlreadyExists => "it is there already: name another file".to_owned(),
            _ => error.to_string(),
        };
        Error::Usage(format!("{}: {why}", path.display()))
    })
}

pub(super) fn broken(path: &Path, source: io::Error) -> Error {
    Error::Io { what: path.display().to_string(), source }
}
