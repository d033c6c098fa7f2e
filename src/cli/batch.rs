//! `kavi run-skill NAME --batch`: a line in, a line out.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use serde_json::json;

use super::chain;
use super::out::{self, Out};
use super::run_result::document;
use super::views;
use crate::app::{App, BatchRequest, ChainFiles, Disposition, FileDiff, RunFiles, RunResult};
use crate::error::{Error, Kind};
use crate::model::{name::SkillName, text};

/// Runs at one time, where nobody says how many: as many as there are processors, up to this.
pub const MOST_JOBS: u32 = 16;

/// The longest output that is shown to a person.
const SHOWN: usize = 2_000;

/// What a batch is asked to run.
#[derive(Debug, Clone, Copy)]
pub struct BatchArgs<'a> {
    /// The folder that the file's path starts from.
    pub cwd: &'a Path,
    pub skill: &'a SkillName,
    /// The inputs, one on each line. `-` is standard input.
    pub file: &'a str,
    pub jobs: Option<u32>,
    /// What happens to the files of each run.
    pub disposition: Disposition,
    /// Whether the files of all lines are one commit.
    pub together: bool,
}

pub fn run(app: &App, out: &Out, args: BatchArgs<'_>) -> Result<(), Error> {
    let BatchArgs { cwd, skill, file, jobs, disposition, together } = args;
    let mut input = open(cwd, file)?;
    let jobs = jobs.unwrap_or_else(|| {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        u32::try_from(processors).unwrap_or(MOST_JOBS).min(MOST_JOBS)
    });
    let (mut failed, mut held, mut first) = (0_u64, 0_u64, None::<Kind>);
    let mut answer = |number: u64, ran: Result<RunResult, Error>| {
        if let Err(error) = &ran {
            failed += 1;
            // The first failure decides the exit code, so that it does not depend on the order of
            // the threads.
            first.get_or_insert(error.kind());
        }
        held += u64::from(matches!(&ran, Ok(RunResult { files: RunFiles::Held(..), .. })));
        print(out, number, &ran)
    };
    let request = BatchRequest { skill, disposition, threads: jobs, input: &mut *input, answer: &mut answer };
    let (batch, files) = match together {
        true => match app.runs().run_batch_together(request) {
            Ok(ran) => (ran.batch, ran.files),
            Err(error) if out.is_json() => return Err(whole_failed(out, &error)),
            Err(error) => return Err(error),
        },
        false => (app.runs().run_batch(request)?, None),
    };
    out.remark(&format!("{} of {} runs succeeded", batch.lines.saturating_sub(failed), batch.lines));
    if held > 0 {
        out.remark(&format!(
            "the files of {held} are held: see `kavi effects list`, then `kavi effects approve --skill {skill}`"
        ));
    }
    if together && batch.unheard.is_none() {
        print_whole(out, files.as_ref()).map_err(|source| Error::Io { what: "standard output".to_owned(), source })?;
    }
    // Output comes before input and both before failed runs: whoever reads has not seen every
    // answer.
    let broken = |what: &str, source: io::Error| Err(Error::Io { what: what.to_owned(), source });
    match (batch.unheard, batch.unread, first) {
        (Some(error), _, _) => broken("standard output", error),
        (None, Some(error), _) => broken(if file == "-" { "standard input" } else { file }, error),
        (None, None, Some(kind)) => Err(Error::Reported(kind)),
        (None, None, None) => Ok(()),
    }
}

/// Why nothing was committed, as one more line: a reader of lines expects no other form.
fn whole_failed(out: &Out, error: &Error) -> Error {
    match out.line("", || json!({ "error": out::describe(error) })) {
        Ok(()) => Error::Reported(error.kind()),
        Err(source) => Error::Io { what: "standard output".to_owned(), source },
    }
}

/// What became of the files of all lines as one: the last line for machines.
fn print_whole(out: &Out, files: Option<&ChainFiles>) -> io::Result<()> {
    chain::remark(out, files);
    match files {
        Some(ChainFiles::Shown(diffs)) if !out.is_json() => {
            let text: String = diffs.iter().map(|diff| diff.text.as_str()).collect();
            out.data(text.trim_end())
        }
        _ if out.is_json() => out.line("", || chain::files_document(files)),
        _ => Ok(()),
    }
}

fn open(cwd: &Path, file: &str) -> Result<Box<dyn BufRead + Send>, Error> {
    if file == "-" {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    let path = cwd.join(file);
    let opened = File::open(&path).map_err(|error| Error::Usage(format!("{}: {error}", path.display())))?;
    Ok(Box::new(BufReader::new(opened)))
}

fn print(out: &Out, number: u64, ran: &Result<RunResult, Error>) -> io::Result<()> {
    match ran {
        Ok(ran) => {
            let output = ran.record.output_json.clone().unwrap_or_default();
            let human = match &ran.files {
                RunFiles::Shown(diffs) => {
                    let file =
                        |diff: &FileDiff| format!("{} (+{} -{})", diff.change.path.as_str(), diff.added, diff.removed);
                    format!("{number}: would change {}", views::list(diffs.iter().map(file)))
                }
                _ => format!("{number}: {output}"),
            };
            out.line(&text::line(&human, SHOWN), || document(ran))
        }
        Err(error) => {
            let run = error.run().map(|run| format!(" (run {})", run.short())).unwrap_or_default();
            let human = text::line(&format!("{number}: error: {error}"), SHOWN);
            out.line(&(human + &run), || json!({ "error": out::describe(error) }))
        }
    }
}
