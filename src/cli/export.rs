//! `kavi export-executions`

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::{NamedTempFile, TempPath};

use super::out::Reader;
use super::{Context, JsonFlag, tail, views};
use crate::app::{ExecutionRow, Large, OutcomeFilter, RecordFilter};
use crate::dir::{give_name, make_unnamed};
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
    let mut file = (args.out != "-").then(|| NewFile::make(context.host.cwd.join(&args.out))).transpose()?;
    let (app, out) = context.open()?;
    let [since, until] = [args.since, args.until].map(|time| time.map(|time| app.records().meant(time)));
    let filter = RecordFilter { skill, outcome, since, until };
    let large = if args.inline { Large::Inline } else { Large::Named };
    let mut reader = Reader::There;
    let mut each = |row: &ExecutionRow| {
        let line = text::json(&views::execution(row).to_string());
        match &mut file {
            Some(file) => file.line(&line),
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
        file.keep()?;
        let human = format!("{exported} records are in {}", text::line(&args.out, 1_000));
        out.result(&human, &json!({ "exported": exported, "file": args.out }));
    }
    Ok(())
}

/// A file that is there whole or not at all, and readable by its owner alone as the ledger is.
struct NewFile {
    path: PathBuf,
    file: std::io::BufWriter<File>,
    /// Its name until it is whole, on a file system where a file cannot be without one.
    temporary: Option<TempPath>,
}

impl NewFile {
    fn make(path: PathBuf) -> Result<Self, Error> {
        let refused = |why: &str| Err(Error::Usage(format!("{}: {why}", path.display())));
        if path.symlink_metadata().is_ok() {
            return refused("it is there already: name another file");
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // A crash leaves nothing beside the person's files when the file has no name until it is whole.
        let made = match make_unnamed(folder) {
            Ok(Some(file)) => Ok((file, None)),
            Ok(None) => {
                NamedTempFile::new_in(folder).map(NamedTempFile::into_parts).map(|(file, path)| (file, Some(path)))
            }
            Err(error) => Err(error),
        };
        match made {
            Ok((file, temporary)) => Ok(Self { file: std::io::BufWriter::new(file), path, temporary }),
            Err(error) => refused(&error.to_string()),
        }
    }

    fn broken(&self, source: std::io::Error) -> Error {
        Error::Io { what: self.path.display().to_string(), source }
    }

    fn line(&mut self, line: &str) -> Result<(), Error> {
        writeln!(self.file, "{line}").map_err(|source| self.broken(source))
    }

    fn keep(mut self) -> Result<(), Error> {
        self.file.flush().map_err(|source| self.broken(source))?;
        let Self { path, file, temporary } = self;
        let what = path.display().to_string();
        let broken = |source| Error::Io { what: what.clone(), source };
        let file = file.into_inner().map_err(|error| broken(error.into_error()))?;
        file.sync_all().map_err(broken)?;
        // The name may have been taken since it was checked, and that file is not replaced.
        match temporary {
            Some(temporary) => temporary.persist_noclobber(&path).map_err(|error| broken(error.error)),
            None => give_name(&file, &path).map_err(broken),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_that_is_not_whole_has_no_name_and_one_that_is_replaces_nothing() -> Result<(), Box<dyn std::error::Error>>
    {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("all.jsonl");
        let make = || NewFile::make(path.clone()).map_err(|error| error.to_string());
        let (mut file, second) = (make()?, make()?);
        file.line("{}").map_err(|error| error.to_string())?;
        // What a crash would leave now.
        assert_eq!(fs::read_dir(folder.path())?.count(), 0);
        file.keep().map_err(|error| error.to_string())?;
        assert_eq!(fs::read_to_string(&path)?, "{}\n");
        assert!(second.keep().is_err() && make().is_err());
        assert_eq!(fs::read_to_string(&path)?, "{}\n");
        assert_eq!(fs::read_dir(folder.path())?.count(), 1);
        Ok(())
    }
}
