//! `kavi-check FILE [KEY]`: checks a proof file or a bundle of Kavi.
//!
//! Exit codes: 0 valid, 1 not valid, 2 usage. With a KEY (as `kavi audit --json` shows it) only a file by that key is valid.
//!
//! Deliberately never: opens a workspace, a database or a connection, or runs anything.

use std::io::{Read as _, Write as _};
use std::process::ExitCode;

#[path = "../../src/history/mod.rs"]
#[allow(dead_code, reason = "the checker needs a part of it")]
mod history;

use history::bundle::{self, MAX_BUNDLE};
use history::note::NoteKey;
use history::proof::{self, Proven};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (file, key) = match args.as_slice() {
        [file] => (file, None),
        [file, key] => (file, Some(key)),
        _ => return end(2, "usage: kavi-check FILE [KEY]"),
    };
    let key = match key.map(|key| NoteKey::parse(key)).transpose() {
        Ok(key) => key,
        Err(error) => return end(2, &format!("the key: {error}")),
    };
    let mut text = String::new();
    let read = std::fs::File::open(file).and_then(|file| file.take(MAX_BUNDLE as u64 + 1).read_to_string(&mut text));
    if let Err(error) = read {
        return end(2, &format!("{file}: {error}"));
    }
    match check(&text, key.as_ref()) {
        Ok(proven) => {
            let lines = proven.lines().join("\n");
            end(0, &format!("VALID as of {} events of {}\n{lines}", proven.size, proven.origin))
        }
        Err(error) => end(1, &format!("NOT VALID: {error}")),
    }
}

/// Checks a proof or a bundle, as its first line says.
fn check(text: &str, key: Option<&NoteKey>) -> Result<Proven, String> {
    if bundle::is_bundle(text) {
        return bundle::check(text, key).map(|bundle| bundle.proven).map_err(|error| error.to_string());
    }
    proof::check(text, key).map_err(|error| error.to_string())
}

/// Says how it ended. Text of others is shown without its control characters.
fn end(code: u8, text: &str) -> ExitCode {
    let shown: String = text.chars().map(|char| if char.is_control() && char != '\n' { '?' } else { char }).collect();
    let said = if code == 2 { writeln!(std::io::stderr(), "{shown}") } else { writeln!(std::io::stdout(), "{shown}") };
    // A verdict that nobody could read is none.
    if said.is_ok() { ExitCode::from(code) } else { ExitCode::from(2) }
}
