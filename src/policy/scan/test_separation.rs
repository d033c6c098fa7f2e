//! Test code changes nothing of the skill.
//!
//! The skill is tested in a build that has its test modules and promoted in one that has not. `paths` keeps the
//! names of test modules out of the skill. Implementations take effect without being named, so they are checked
//! here. One for a type of the skill could replace a method of it in the tested program alone.

use super::declared_names::DeclaredNames;
use super::paths::is_arrow;
use super::report::{Rule, ScanReport, quote};
use super::tokens::{SourceTokens, TokenContext, TokenKind, TokenRole, TokenScope};

/// Checks the implementations in the test code of `file`.
pub(super) fn check(file: &SourceTokens, names: &DeclaredNames, report: &mut ScanReport) {
    for (at, token) in file.tokens.iter().enumerate() {
        if token.role != TokenRole::Plain || token.scope == TokenScope::Skill {
            continue;
        }
        // An implementation for a type of the skill changes the tested program and not the promoted
        // one.
        if file.is_word(at, "impl") && starts_item(file, at) && !is_for_test_type(file, at) {
            let message = "the tests implement something for a type that is not declared beside it: write a function";
            report.add(Rule::Test, &file.path, token.line, message);
        }
        if file.macro_call(at).is_some() && names.implementing.contains(&token.text) {
            let message = format!("the tests call {}, which may implement something for the skill", quote(&token.text));
            report.add(Rule::Test, &file.path, token.line, message);
        }
    }
}

/// Whether the `impl` at `at` may start an item and is no `impl Trait`. Within a macro it is one unless it stands where
/// only a type can.
fn starts_item(file: &SourceTokens, at: usize) -> bool {
    let plain = file.get(at).is_some_and(|token| token.context == TokenContext::Code);
    file.before(at, 1).is_none_or(|before| match before.kind {
        TokenKind::Open => !plain || before.text == "{",
        TokenKind::Close => before.text != ")",
        TokenKind::Joint | TokenKind::Alone if plain => before.is_punct(';'),
        TokenKind::Joint | TokenKind::Alone => !before.text.contains([':', '>', '&']),
        _ => true,
    })
}

/// Whether the type that is implemented for is declared between the same brackets, so that nothing else can be meant.
/// What is handed to a macro may be put together anew, and never is.
fn is_for_test_type(file: &SourceTokens, at: usize) -> bool {
    if file.get(at).is_none_or(|token| token.context == TokenContext::Arguments) {
        return false;
    }
    let mut here = at + 1;
    if file.is_punct(here, '<') {
        here = past_angles(file, here);
    }
    let mut subject = here;
    while let Some(token) = file.get(here) {
        if file.is_open(here, "{") || file.is_word(here, "where") || token.is_punct(';') {
            break;
        }
        if file.is_punct(here, '<') {
            here = past_angles(file, here);
            continue;
        }
        // `for<'a>` is a bound and names no type.
        if file.is_word(here, "for") && !file.is_punct(here + 1, '<') {
            subject = here + 1;
        }
        here = file.pair_of(here).max(here) + 1;
    }
    let mut head = subject;
    while file.is_punct(head, '&')
        || file.is_word(head, "mut")
        || file.get(head).is_some_and(|t| t.kind == TokenKind::Lifetime)
    {
        head += 1;
    }
    !file.is_separator(head + 1) && file.segment(head).is_some_and(|name| is_declared_beside(file, at, name))
}

/// Whether a `struct` or `enum` of this name stands between the same brackets as `at`.
fn is_declared_beside(file: &SourceTokens, at: usize, name: &str) -> bool {
    let mut first = at;
    while let Some(before) = first.checked_sub(1).filter(|before| !file.opens(*before)) {
        first = file.pair_of(before).min(before);
    }
    let mut here = first;
    while let Some(token) = file.get(here).filter(|token| token.kind != TokenKind::Close) {
        let declares = file.is_word(here, "struct") || file.is_word(here, "enum");
        if declares && token.role == TokenRole::Plain && file.segment(here + 1) == Some(name) {
            return true;
        }
        here = file.pair_of(here).max(here) + 1;
    }
    false
}

/// The first token after the `<…>` that opens at `at`.
fn past_angles(file: &SourceTokens, at: usize) -> usize {
    let mut open = 0_usize;
    let mut here = at;
    while let Some(token) = file.get(here) {
        if token.is_punct(';')
            || token.kind == TokenKind::Open
                && token.text == "{"
                && file.before(here, 1).is_some_and(|b| b.is_punct('>'))
        {
            break;
        }
        if token.is_punct('<') {
            open += 1;
        } else if token.is_punct('>') && !is_arrow(file, here) {
            open = open.saturating_sub(1);
        }
        here = file.pair_of(here).max(here) + 1;
        if open == 0 {
            break;
        }
    }
    here
}
