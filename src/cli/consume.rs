//! `kavi consume-skill`

use clap_complete::engine::ArgValueCompleter;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde_json::json;

use super::out;
use super::{Context, input::read_input, run_result, views};
use crate::app::{Consent, Consumed, Disposition};
use crate::error::Error;
use crate::model::{name::SkillName, text};

/// Run a trusted skill as run-skill does, and print its whole record, also that of a failure.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi consume-skill write_note --json @note.json
  kavi consume-skill write_note --json @note.json --log-path runs.jsonl
  echo '{…}' | kavi consume-skill write_note --json - | jq .said.usage

The record of a failed run has its `error`, and `failure` with kind, hint and
exit code. The exit code is that of run-skill. Every run leaves a record in
the ledger, so there is no --no-log.")]
pub struct Args {
    /// The skill.
    #[arg(add = ArgValueCompleter::new(super::completions::skills))]
    name: String,
    /// The input: JSON, `@FILE`, or `-` for standard input.
    #[arg(long = "json", value_name = "JSON", allow_hyphen_values = true)]
    input: String,
    /// Also append the record to this file, as one line of JSON.
    #[arg(long, value_name = "FILE")]
    log_path: Option<String>,
    /// Hold the changes of the run until a person approves them with `kavi effects approve`.
    #[arg(long)]
    hold: bool,
    /// Approve in advance what policy would hold for a person.
    #[arg(long, short, conflicts_with = "hold")]
    yes: bool,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let name = SkillName::parse(&args.name).map_err(|error| Error::Usage(error.to_string()))?;
    let cwd = context.host.cwd.clone();
    let (app, out) = context.open()?;
    let input = read_input(&cwd, &args.input)?;
    // Before the run: what cannot be written to is no reason for anything to have happened.
    let mut log = args.log_path.as_deref().map(|path| Log::open(&cwd, path)).transpose()?;
    let disposition = if args.hold { Disposition::Hold } else { Disposition::Commit };
    let consent = if args.yes { Consent::Given } else { Consent::None };
    let Consumed { row, ran } = app.runs().consume(name, input, disposition, consent)?;
    let Some(row) = row else { return ran.map(drop) };
    let mut machine = views::execution(&row);
    let logged = log.as_mut().map_or(Ok(()), |log| log.append(&machine));
    // After the log line, which keeps large values by their digest.
    let whole = app.records().expand(row)?;
    machine["input_json"] = json!(whole.record.input_json);
    machine["output_json"] = json!(whole.record.output_json);
    let (ran, failure) = match ran {
        Ok(ran) => (Some(ran), logged.err()),
        Err(error) => (None, Some(error)),
    };
    if let Some(error) = &failure {
        machine["failure"] = out::describe(error);
    }
    out.result(&text::block(&format!("{machine:#}"), usize::MAX), &machine);
    ran.iter().for_each(|ran| run_result::remark(&out, ran));
    match failure {
        // Machines have been told all of it in the record.
        Some(error) if out.is_json() => Err(Error::Reported(error.kind())),
        failure => failure.map_or(Ok(()), Err),
    }
}

/// The file that records are appended to.
struct Log<'a> {
    path: &'a str,
    file: File,
}

impl<'a> Log<'a> {
    fn open(cwd: &Path, path: &'a str) -> Result<Self, Error> {
        // Readable by its owner alone, as the ledger is: a record has inputs and outputs.
        let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(cwd.join(path));
        opened.map(|file| Self { path, file }).map_err(|error| Error::Usage(format!("{path}: {error}")))
    }

    fn append(&mut self, record: &serde_json::Value) -> Result<(), Error> {
        // In one piece, so that lines of several processes do not mix.
        let line = format!("{}\n", text::json(&record.to_string()));
        let what = || format!("{}: the run is in the ledger, but not in this file", self.path);
        self.file.write_all(line.as_bytes()).map_err(|source| Error::Io { what: what(), source })
    }
}
