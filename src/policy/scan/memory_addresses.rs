//! What tells one program from another that does the same: where something lies in memory, and numbers of types.
//!
//! The program of the tests and the promoted component are compiled apart, so their addresses differ. A skill that could
//! read them could behave in its tests and not afterwards. The same goes for the seed that hash maps start from.
//!
//! The scanner knows no types, so it refuses the names. A number cast from the name of a function is for the lint gate.

use super::deny_list::{ADDRESS_METHODS, ADDRESS_NAMES, ADDRESS_TYPES};
use super::report::{RefusalReason, Rule, ScanReport, quote};
use super::tokens::{SourceTokens, Token, TokenContext, TokenKind, TokenRole};

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
    let own_pointer = files.iter().any(declares_pointer);
    for file in files {
        for (at, token) in file.tokens.iter().enumerate().filter(|(_, token)| token.role != TokenRole::Attribute) {
            let found = method(file, at, token)
                .or_else(|| name(token))
                .or_else(|| pointer(file, at, own_pointer))
                .or_else(|| function_pointer(file, at))
                .or_else(|| shown(file, at, token));
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
    if !token.is_name() || !ADDRESS_METHODS.contains(&token.text.as_str()) {
        return None;
    }
    let of_value = file.before(at, 1).is_some_and(|before| before.is_punct('.'));
    let of_type = at >= 2 && file.is_separator(at - 2);
    // A macro may put a name behind a dot.
    let handed_on = token.context != TokenContext::Code && ADDRESS_NAMES.contains(&token.text.as_str());
    (of_value || of_type || handed_on).then(|| refusal(&token.text))
}

fn name(token: &Token) -> Option<RefusalReason> {
    (token.is_name() && ADDRESS_TYPES.contains(&token.text.as_str())).then(|| refusal(&token.text))
}

/// `fmt::Pointer`, also imported or by a glob. A type of this name that the skill declares is its own.
fn pointer(file: &SourceTokens, at: usize, own: bool) -> Option<RefusalReason> {
    let token = file.get(at).filter(|token| token.is_name() && token.text == "Pointer")?;
    let owner = at.checked_sub(3).filter(|_| file.is_separator(at.wrapping_sub(2))).and_then(|at| file.segment(at));
    let of_type = owner.is_some_and(|owner| owner.starts_with(|c: char| c.is_ascii_uppercase()));
    let refused = owner == Some("fmt") || token.role == TokenRole::Import || !(own || of_type);
    refused.then(|| refusal("Pointer"))
}

fn declares_pointer(file: &SourceTokens) -> bool {
    let declares = |at: usize| ["struct", "enum", "type", "trait"].iter().any(|word| file.is_word(at, word));
    (1..file.tokens.len()).any(|at| file.is_word(at, "Pointer") && declares(at - 1))
}

/// A function cast to a pointer, which can be compared, hashed and shown.
fn function_pointer(file: &SourceTokens, at: usize) -> Option<RefusalReason> {
    (file.is_word(at, "as") && file.is_word(at + 1, "fn")).then(|| refusal("as fn"))
}

/// `{:p}` in the text of a macro that formats.
fn shown(file: &SourceTokens, at: usize, token: &Token) -> Option<RefusalReason> {
    file.macro_call(at).filter(|_| token.role == TokenRole::Plain)?;
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
