//! A pager for results that are longer than the screen.
//!
//! Guarantees: only a terminal gets one, and what the pager does not take is printed plainly. Deliberately never: shows a
//! question, a remark or an error in it.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use console::Term;

use crate::workspace::Environment;

/// Ends by itself where the text fits, keeps colours, and leaves the text on the screen.
const DEFAULT: &str = "less -FRX";

static PAGER: OnceLock<Vec<String>> = OnceLock::new();

/// Finds out which pager is wanted: KAVI_PAGER, else PAGER, else `less`. `cat` stands for none.
pub fn start(environment: &Environment) {
    let of = |name| environment.text(name).ok().flatten();
    let wanted = of("KAVI_PAGER").or_else(|| of("PAGER")).unwrap_or_else(|| DEFAULT.to_owned());
    let words: Vec<String> = wanted.split_whitespace().map(str::to_owned).collect();
    let none = words.first().is_none_or(|program| program == "cat");
    let _ = PAGER.set(if none { Vec::new() } else { words });
}

/// Shows a text in the pager, if it is longer than the terminal. Tells whether it was shown.
pub fn show(text: &str) -> io::Result<bool> {
    let (rows, _) = Term::stdout().size();
    let fits = text.lines().count() < usize::from(rows);
    match PAGER.get().and_then(|words| words.split_first()) {
        Some((program, arguments)) if !fits && io::stdout().is_terminal() => piped(program, arguments, text),
        _ => Ok(false),
    }
}

fn piped(program: &str, arguments: &[String], text: &str) -> io::Result<bool> {
    // A pager that is not installed is no reason to show nothing.
    let Ok(mut pager) = Command::new(program).args(arguments).stdin(Stdio::piped()).spawn() else { return Ok(false) };
    // Whoever leaves the pager before the end has seen enough: that closes the pipe.
    let written = pager.stdin.take().map_or(Ok(()), |mut stdin| writeln!(stdin, "{}", text.trim_end_matches('\n')));
    pager.wait()?;
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(true),
    }
}
