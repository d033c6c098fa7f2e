//! Test code changes nothing of the skill.
//!
//! The skill is tested in a build that has its test modules and promoted in one that has not. Names of test modules
//! are kept out of the skill by `paths`; here it is the implementations, which take effect without being named: one
//! for a type of the skill could replace a method of it in the tested program alone.

use super::names::Names;
use super::paths::is_arrow;
use super::report::{Report, Rule};
use super::tokens::{Audience, File, Kind, Part, Zone};

/// Checks the implementations in the test code of `file`.
pub(super) fn check(file: &File, names: &Names, report: &mut Report) {
    for (at, token) in file.tokens.iter().enumerate() {
        let item = token.part == Part::Plain && token.audience == Audience::Tests && file.is_word(at, "impl");
        if item && starts_item(file, at) && !is_for_test_type(file, at, names) {
            let message = "the tests implement something for a type of the skill: write a function, or derive it there";
            report.add(Rule::Test, &file.path, token.line, message);
        }
    }
}

/// Whether the `impl` at `at` may start an item and is no `impl Trait`. Within a macro it is one unless it stands where
/// only a type can.
fn starts_item(file: &File, at: usize) -> bool {
    let plain = file.get(at).is_some_and(|token| token.zone == Zone::Code);
    file.before(at, 1).is_none_or(|before| match before.kind {
        Kind::Open => !plain || before.text == "{",
        Kind::Close => before.text != ")",
        Kind::Joint | Kind::Alone if plain => before.is_punct(';'),
        Kind::Joint | Kind::Alone => !before.text.contains([':', '>', '&']),
        _ => true,
    })
}

/// Whether the type that is implemented for is declared by test code and nowhere else.
fn is_for_test_type(file: &File, at: usize, names: &Names) -> bool {
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
        if file.is_word(here, "for") && !file.is_punct(here + 1, '<') {
            subject = here + 1;
        }
        here = file.pair_of(here).max(here) + 1;
    }
    let mut head = subject;
    while file.is_punct(head, '&') || file.is_word(head, "mut") || file.get(head).is_some_and(|t| t.kind == Kind::Lifetime) {
        head += 1;
    }
    file.segment(head).is_some_and(|name| names.test_types.contains(name)) && !file.is_separator(head + 1)
}

/// The first token after the `<…>` that opens at `at`.
fn past_angles(file: &File, at: usize) -> usize {
    let mut open = 0_usize;
    let mut here = at;
    while let Some(token) = file.get(here) {
        if token.is_punct(';') || token.kind == Kind::Open && token.text == "{" && file.before(here, 1).is_some_and(|b| b.is_punct('>')) {
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
