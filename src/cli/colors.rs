//! The one set of colours: outcomes, classes, differences, errors.
//!
//! Guarantees: colours say nothing that the words do not. A pipe gets none unless `--color always` asks. Deliberately never: in a
//! document for machines.

use std::borrow::Cow;
use std::io::IsTerminal as _;

use console::Style;

use crate::workspace::Environment;

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    Always,
    Never,
}

/// Decides once, before anything is printed.
pub fn start(choice: ColorChoice, environment: &Environment) {
    let auto = environment.get("NO_COLOR").is_none();
    let wanted = |is_terminal: bool| match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => auto && is_terminal,
    };
    console::set_colors_enabled(wanted(std::io::stdout().is_terminal()));
    console::set_colors_enabled_stderr(wanted(std::io::stderr().is_terminal()));
}

/// Good, dangerous, to be noticed, or of less interest.
const WORDS: [(&str, Tone); 18] = [
    ("PASSED", Tone::Good),
    ("TRUSTED", Tone::Good),
    ("READ_ONLY", Tone::Good),
    ("ok", Tone::Good),
    ("FAILED", Tone::Bad),
    ("REVOKED", Tone::Bad),
    ("REJECTED", Tone::Bad),
    ("NETWORK", Tone::Bad),
    ("SECRET_READ", Tone::Bad),
    ("MESSAGING", Tone::Bad),
    ("MONEY", Tone::Bad),
    ("FILE_WRITE", Tone::Notice),
    ("PROPOSED", Tone::Notice),
    ("BUILT", Tone::Notice),
    ("VERIFIED", Tone::Notice),
    ("held", Tone::Notice),
    ("SKIPPED", Tone::Aside),
    ("SUPERSEDED", Tone::Aside),
];

/// What a colour stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Good,
    Bad,
    Notice,
    Aside,
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Self::Good => Style::new().green(),
            Self::Bad => Style::new().red().bold(),
            Self::Notice => Style::new().yellow(),
            Self::Aside => Style::new().dim(),
        }
    }
}

/// The beginning of a line on stderr, such as `error:`.
pub fn label(text: &str, tone: Tone) -> String {
    tone.style().for_stderr().apply_to(text).to_string()
}

/// A text for stdout: lines of differences, and the words that name outcomes and classes.
pub fn painted(text: &str) -> Cow<'_, str> {
    if console::colors_enabled() { paint(text).into() } else { text.into() }
}

/// The same for stderr, where questions are asked.
pub fn painted_for_stderr(text: &str) -> Cow<'_, str> {
    if console::colors_enabled_stderr() { paint(text).into() } else { text.into() }
}

fn paint(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut hunk = false;
    for line in text.split_inclusive('\n') {
        hunk = line.starts_with("@@ ") || (hunk && line.starts_with([' ', '+', '-', '\\']));
        match (hunk, line.as_bytes().first()) {
            (true, Some(b'+')) => push(&mut out, line, Tone::Good),
            (true, Some(b'-')) => push(&mut out, line, Tone::Bad),
            (true, _) => out.push_str(line),
            (false, _) => words(&mut out, line),
        }
    }
    out
}

/// A whole line, but for its end.
fn push(out: &mut String, line: &str, tone: Tone) {
    let text = line.trim_end_matches('\n');
    out.push_str(&tone.style().force_styling(true).apply_to(text).to_string());
    out.push_str(&line[text.len()..]);
}

/// The words of a line. One that stands among letters or in quotes is another word.
fn words(out: &mut String, line: &str) {
    for part in line.split_inclusive([' ', '\n', ',']) {
        let word = part.trim_end_matches([' ', '\n', ',']);
        match WORDS.iter().find(|(known, _)| *known == word) {
            Some((_, tone)) => {
                out.push_str(&tone.style().force_styling(true).apply_to(word).to_string());
                out.push_str(&part[word.len()..]);
            }
            None => out.push_str(part),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_differences_are_painted_and_the_text_stays() {
        let text = "test  PASSED  FILE_WRITE, `FAILED`\n--- a\n+++ b\n@@ -1 +1 @@\n-old\n+new\n same\nnext: FAILED\n";
        let shown = paint(text);
        assert_eq!(console::strip_ansi_codes(&shown), text);
        for part in
            ["\u{1b}[32mPASSED", "\u{1b}[33mFILE_WRITE\u{1b}[0m, `FAILED`", "\u{1b}[32m+new", "\n same\n", "\n--- a\n"]
        {
            assert!(shown.contains(part), "{part:?}: {shown:?}");
        }
    }
}
