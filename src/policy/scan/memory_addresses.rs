//! What tells one program from another that does the same: where something lies in memory, and numbers of types.
//!
//! The program of the tests and the promoted component are compiled apart, so their addresses differ. A skill that could
//! read them could behave in its tests and not afterwards. The same goes for the seed that hash maps start from.

use super::deny_list::{ADDRESS_METHODS, RANDOM_STATE};
use super::report::{RefusalReason, Rule, ScanReport, quote};
use super::tokens::{SourceTokens, Token, TokenKind, TokenRole};

/// Macros whose first text says how values are shown.
const FORMATS: [&str; 15] = [
    "assert",
    "assert_eq",
    "assert_ne",
    "eprint",
    "eprintln",
    "format",
    "format_args",
    "panic",
    "print",
    "println",
    "todo",
    "unimplemented",
    "unreachable",
    "write",
    "writeln",
];

/// Checks every file.
pub(super) fn check(files: &[SourceTokens], report: &mut ScanReport) {
    for file in files {
        for (at, token) in file.tokens.iter().enumerate().filter(|(_, token)| token.role == TokenRole::Plain) {
            let found = method(file, at, token).or_else(|| name(token)).or_else(|| shown(file, at, token));
            if let Some(reason) = found {
                report.refuse(&file.path, token.line, reason);
            }
        }
    }
}

fn refusal(what: &str) -> RefusalReason {
    let why = "where something lies in memory differs between the program that is tested and the one that is promoted";
    Rule::Path.because(format!("{}: {why}", quote(what)))
}

fn method(file: &SourceTokens, at: usize, token: &Token) -> Option<RefusalReason> {
    let called = at.checked_sub(1).is_some_and(|before| file.is_punct(before, '.'))
        && ADDRESS_METHODS.contains(&token.text.as_str());
    called.then(|| refusal(&format!(".{}()", token.text)))
}

fn name(token: &Token) -> Option<RefusalReason> {
    (token.is_name() && token.text == RANDOM_STATE).then(|| refusal(RANDOM_STATE))
}

/// `{:p}` in the text of a macro that formats.
fn shown(file: &SourceTokens, at: usize, token: &Token) -> Option<RefusalReason> {
    file.macro_call(at)?;
    if !FORMATS.contains(&token.text.as_str()) {
        return None;
    }
    let arguments = file.tokens.get(at..file.pair_of(at + 2))?;
    let texts = arguments.iter().filter(|token| token.kind == TokenKind::Literal && token.text.contains('{'));
    let pointer = texts.filter(|token| {
        let holes = token.text.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
        holes.map(|(hole, _)| hole).any(|hole| hole.split_once(':').is_some_and(|(_, form)| form.ends_with('p')))
    });
    pointer.map(|token| refusal(&token.text)).next()
}
