//! The printer: the one place that writes to stdout and stderr.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::OnceLock;
use std::time::Duration;

use clap::ValueEnum;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Value, json};

use super::colors::{self, Tone};
use super::log::Reports;
use super::pager;
use super::screen;
use super::views;
use crate::error::Error;
use crate::model::text;

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Tables and sentences.
    Human,
    /// One JSON document.
    Json,
}

/// Where results, remarks and errors go.
#[derive(Debug, Clone)]
pub struct Out {
    format: Output,
    remarks: Remarks,
    reports: Reports,
}

/// Whether remarks, progress and warnings are printed for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remarks {
    Printed,
    /// `--quiet`
    Left,
}

/// What a person says of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    Right,
    Wrong,
    Skipped,
}

/// How much of a text a person was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    Whole,
    Part,
}

/// Whether somebody still reads what is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    There,
    Gone,
}

impl Out {
    pub fn new(format: Output, remarks: Remarks, reports: Reports) -> Self {
        Self { format, remarks, reports }
    }

    /// What the library reports while the verb works.
    pub fn reports(&self) -> &Reports {
        &self.reports
    }

    /// Whether remarks, progress and warnings are not printed on stderr.
    pub fn is_silent(&self) -> bool {
        self.is_json() || self.remarks == Remarks::Left
    }

    /// Whether one JSON document is wanted.
    pub fn is_json(&self) -> bool {
        self.format == Output::Json
    }

    /// The result of a verb: a text for people, or a document for machines.
    pub fn result(&self, human: &str, machine: &Value) {
        match self.format {
            Output::Human => write_result(&colors::painted(human)),
            Output::Json => self.document(machine.clone()),
        }
    }

    /// The result of a verb that failed after it found something out: for people the finding and then the error, for
    /// machines one document with both.
    pub fn failure(&self, human: &str, machine: &Value, error: Error) -> Error {
        match self.format {
            Output::Human => {
                write_result(&colors::painted(human));
                error
            }
            Output::Json => {
                let mut document = machine.clone();
                document["error"] = describe(&error);
                self.document(document);
                // The document has the error already. Printing it again would make two documents.
                Error::Reported(error.kind())
            }
        }
    }

    /// One result of many, on one line: for people a text, for machines a document, with the warnings that came up before it.
    ///
    /// # Errors
    /// When nobody takes it.
    pub fn line(&self, human: &str, machine: impl FnOnce() -> Value) -> io::Result<()> {
        let line = match self.format {
            Output::Human => human.to_owned(),
            Output::Json => text::json(&self.with_warnings(machine()).to_string()),
        };
        let mut stdout = io::stdout().lock();
        // Flushed at each line: whoever reads a batch may wait for it before sending the next.
        writeln!(stdout, "{line}").and_then(|()| stdout.flush())
    }

    /// One line of data, the same for people and machines.
    ///
    /// # Errors
    /// When nobody takes it.
    pub fn data(&self, line: &str) -> io::Result<()> {
        writeln!(io::stdout().lock(), "{line}")
    }

    /// Whether whoever reads the lines is still there after this one.
    ///
    /// # Errors
    /// When the line got lost in another way.
    pub fn reader(&self, written: io::Result<()>) -> Result<Reader, Error> {
        match written {
            Ok(()) => Ok(Reader::There),
            // `head` closes the pipe when it has enough, which is no failure.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
            Err(source) => Err(Error::Io { what: "standard output".to_owned(), source }),
        }
    }

    /// Waits, unless whoever reads goes away in the meantime.
    pub fn wait(&self, time: Duration) -> Reader {
        let time = Timespec { tv_sec: time.as_secs().cast_signed(), tv_nsec: time.subsec_nanos().into() };
        let stdout = io::stdout();
        // Nothing is asked for, so all that ends the wait is that the other end is gone.
        // A plain sleep would not notice that, and `--follow` would go on for nobody.
        match poll(&mut [PollFd::new(&stdout, PollFlags::empty())], Some(&time)) {
            Ok(1..) => Reader::Gone,
            _ => Reader::There,
        }
    }

    /// A part of a longer result, for people only, on stdout.
    pub fn say(&self, line: &str) {
        if !self.is_json() {
            write_stdout(&colors::painted(line));
        }
    }

    /// A remark on the way, for people only, on stderr.
    pub fn remark(&self, line: &str) {
        if !self.is_silent() {
            write_stderr(line);
        }
    }

    /// What went wrong without stopping the work: on stderr for people. For machines it is part of the document.
    pub fn warnings(&self) {
        for warning in self.reports.take_warnings() {
            self.remark(&format!("{} {}", colors::label("warning:", Tone::Notice), text::line(&warning, 1_000)));
        }
    }

    /// Prints the one document, with the warnings that came up before it.
    fn document(&self, document: Value) {
        write_stdout(&text::json(&format!("{:#}", self.with_warnings(document))));
    }

    fn with_warnings(&self, mut document: Value) -> Value {
        let warnings = self.reports.take_warnings();
        if let Some(document) = document.as_object_mut().filter(|_| !warnings.is_empty()) {
            document.insert("warnings".to_owned(), json!(warnings));
        }
        document
    }

    /// Refuses where nobody can be asked, and says what to do instead.
    pub fn person_or(&self, instead: &str) -> Result<(), Error> {
        // Both: the question goes to stderr and the answer comes from stdin.
        let there = !self.is_json() && std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        there.then_some(()).ok_or_else(|| Error::Refused(format!("there is no terminal to ask a person: {instead}")))
    }

    /// Asks a question on the terminal; only a clear yes is yes, and anything else is refused with `otherwise`.
    pub fn agreed(&self, question: &str, otherwise: &str) -> Result<(), Error> {
        let mut stderr = std::io::stderr();
        let _ = write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush());
        let mut answer = String::new();
        let read = std::io::stdin().read_line(&mut answer);
        // An empty line is a no. A person who only presses Enter has not decided.
        let yes = read.is_ok() && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes");
        yes.then_some(()).ok_or_else(|| Error::Refused(otherwise.to_owned()))
    }

    /// Asks a person to judge an answer: yes, no or skip. Asks again where the answer is none of them.
    ///
    /// # Errors
    /// [`Error::Refused`] when nobody answers.
    pub fn judged(&self, question: &str) -> Result<Judgement, Error> {
        loop {
            let answer = asked(&format!("{question} [yes/no/skip] "));
            match answer.as_deref().map(str::trim) {
                None => return Err(Error::Refused("nobody answered".to_owned())),
                Some("y" | "yes") => return Ok(Judgement::Right),
                Some("n" | "no") => return Ok(Judgement::Wrong),
                Some("s" | "skip") => return Ok(Judgement::Skipped),
                Some(_) => {}
            }
        }
    }

    /// Shows a text on stderr, page by page where it is longer than the screen.
    pub fn paged(&self, text: &str) -> Seen {
        let (rows, columns) = console::Term::stderr().size();
        let (rows, columns) = (usize::from(rows).saturating_sub(1).max(2), usize::from(columns).max(1));
        let pages = screen::pages(text, rows, columns);
        let total: usize = pages.iter().map(Vec::len).sum();
        let mut shown = 0;
        for page in pages {
            write_stderr(&colors::painted_for_stderr(&page.join("\n")));
            shown += page.len();
            if shown >= total {
                break;
            }
            let prompt = format!("-- {shown} of {total} lines. Enter shows more, q goes on without the rest -- ");
            if !matches!(asked(&prompt).as_deref().map(str::trim), Some("")) {
                return Seen::Part;
            }
        }
        Seen::Whole
    }

    /// An error with its hint, unless it has been printed already.
    pub fn error(&self, error: &Error) {
        match (self.format, error) {
            (_, Error::Reported(_)) => {}
            (Output::Human, error) => {
                let label = colors::label("error:", Tone::Bad);
                write_stderr(&format!("{label} {}", text::block(&error.message(), 4_000)));
                if let Some(hint) = error.hint() {
                    let label = colors::label("hint:", Tone::Good);
                    write_stderr(&format!("{label} {}", text::block(&hint, 1_000)));
                }
                if let Some(run) = error.run().map(|run| run.short()) {
                    write_stderr(&format!("run: {run} (see `kavi show {run}`)"));
                }
            }
            (Output::Json, error) => self.document(json!({ "error": describe(error) })),
        }
    }
}

/// An error, for machines.
pub fn describe(error: &Error) -> Value {
    let kind = error.kind();
    let mut machine = json!({
        "kind": kind.as_str(),
        "message": text::block(&error.message(), 4_000),
        "hint": error.hint(),
        "exit_code": kind.exit_code(),
    });
    if let Some(run) = error.run() {
        machine["run"] = json!(run);
    }
    if let Error::AmbiguousName { open, .. } = error {
        machine["proposals"] = open.iter().map(views::open_proposal).collect();
    }
    machine
}

/// Why a result did not get out.
static LOST: OnceLock<String> = OnceLock::new();

/// Why a result could not be printed. A pipe that nobody reads any more does not count: that was the reader's choice.
pub fn lost() -> Option<&'static str> {
    LOST.get().map(String::as_str)
}

/// A result for people, which may be longer than their screen.
fn write_result(text: &str) {
    match pager::show(text) {
        Ok(true) => {}
        Ok(false) => write_stdout(text),
        Err(error) => noted(&error),
    }
}

fn write_stdout(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let written = writeln!(stdout, "{}", text.trim_end_matches('\n')).and_then(|()| stdout.flush());
    if let Err(error) = written {
        noted(&error);
    }
}

/// Notes that a result did not get out.
fn noted(error: &io::Error) {
    if error.kind() != io::ErrorKind::BrokenPipe {
        let _ = LOST.set(error.to_string());
    }
}

/// Asks on stderr and reads one line of stdin; none at its end.
fn asked(prompt: &str) -> Option<String> {
    let mut stderr = io::stderr();
    let _ = write!(stderr, "{prompt}").and_then(|()| stderr.flush());
    let mut answer = String::new();
    matches!(io::stdin().read_line(&mut answer), Ok(1..)).then(|| answer.to_ascii_lowercase())
}

fn write_stderr(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
