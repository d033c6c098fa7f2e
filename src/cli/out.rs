//! The printer: the one place that writes to stdout and stderr.

use std::io::{IsTerminal as _, Write as _};

use serde_json::{Value, json};

use super::Output;
use crate::error::Error;
use crate::model::text;

/// Where results, remarks and errors go.
#[derive(Debug, Clone)]
pub struct Out {
    format: Output,
}

impl Out {
    pub fn new(format: Output) -> Self {
        Self { format }
    }

    /// Whether one JSON document is wanted.
    pub fn is_json(&self) -> bool {
        self.format == Output::Json
    }

    /// The result of a verb: a text for people, or a document for machines.
    pub fn result(&self, human: &str, machine: &Value) {
        match self.format {
            Output::Human => write_stdout(human),
            Output::Json => write_stdout(&format!("{machine:#}")),
        }
    }

    /// The result of a verb that failed after it found something out: for people the finding and then the error, for
    /// machines one document with both.
    pub fn failure(&self, human: &str, machine: &Value, error: Error) -> Error {
        match self.format {
            Output::Human => {
                write_stdout(human);
                error
            }
            Output::Json => {
                let mut document = machine.clone();
                document["error"] = describe(&error);
                write_stdout(&format!("{document:#}"));
                Error::Reported(error.kind())
            }
        }
    }

    /// A part of a longer result, for people only, on stdout.
    pub fn say(&self, line: &str) {
        if !self.is_json() {
            write_stdout(line);
        }
    }

    /// A remark on the way, for people only, on stderr.
    pub fn remark(&self, line: &str) {
        if !self.is_json() {
            write_stderr(line);
        }
    }

    /// Whether somebody can be asked.
    pub fn can_ask(&self) -> bool {
        !self.is_json() && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    /// Asks a question on the terminal; only a clear yes is yes.
    pub fn ask(&self, question: &str) -> bool {
        let mut stderr = std::io::stderr();
        let _ = write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush());
        let mut answer = String::new();
        let read = std::io::stdin().read_line(&mut answer);
        read.is_ok() && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
    }

    /// An error with its hint, unless it has been printed already.
    pub fn error(&self, error: &Error) {
        match (self.format, error) {
            (_, Error::Reported(_)) => {}
            (Output::Human, error) => {
                write_stderr(&format!("error: {}", text::block(&error.to_string(), 4_000)));
                if let Some(hint) = error.hint() {
                    write_stderr(&format!("hint: {}", text::block(&hint, 1_000)));
                }
            }
            (Output::Json, error) => write_stdout(&format!("{:#}", json!({ "error": describe(error) }))),
        }
    }
}

fn describe(error: &Error) -> Value {
    let kind = error.kind();
    json!({
        "kind": kind.as_str(),
        "message": text::block(&error.to_string(), 4_000),
        "hint": error.hint(),
        "exit_code": kind.exit_code(),
    })
}

/// A pipe that nobody reads any more is not worth a panic.
fn write_stdout(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{}", text.trim_end_matches('\n')).and_then(|()| stdout.flush());
}

fn write_stderr(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
