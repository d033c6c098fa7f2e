//! Local `macro_rules!`: allowed when they can only fill whole values, types and names into fixed code.
//!
//! Guarantees that no path, no macro call and no attribute of the expanded code is put together from pieces. Each `::`
//! and each `!` of a rule is between names that the rule spells out, and no fragment carries loose tokens. What is
//! handed in and what a rule spells out is scanned as code where it stands. It never expands a macro.

use super::deny_list;
use super::report::{RefusalReason, Rule, ScanReport, quote};
use super::tokens::{SourceTokens, Token, TokenKind, TokenRole};

/// Kinds of fragments that are one whole for the compiler, or one name. The others (`tt`, `path`, `meta`, `item`,
/// `stmt`) carry loose tokens or can be taken apart again.
const FRAGMENTS: &[&str] =
    &["block", "expr", "expr_2021", "ident", "lifetime", "literal", "pat", "pat_param", "ty", "vis"];

/// Checks the local macros of `file`.
pub(super) fn check(file: &SourceTokens, report: &mut ScanReport) {
    for (at, token) in file.tokens.iter().enumerate() {
        let Some(open) = file.local_macro(at).filter(|_| token.role == TokenRole::Plain) else { continue };
        let name = file.segment(at + 2).unwrap_or_default();
        // A reader would take the call for the macro that they know.
        if deny_list::is_known_macro(name) {
            let message = format!("the local macro {} takes the name of another one", quote(name));
            report.add(Rule::LocalMacro, &file.path, token.line, message);
        }
        if let Some((place, reason)) = check_rules(file, open) {
            report.refuse(&file.path, file.line(place), reason);
        }
    }
}

fn refusal(at: usize, why: &str) -> Option<(usize, RefusalReason)> {
    Some((at, Rule::LocalMacro.because(format!("in a local macro, {why}"))))
}

/// Checks `(matcher) => {body}; …` between the brackets that open at `open`.
fn check_rules(file: &SourceTokens, open: usize) -> Option<(usize, RefusalReason)> {
    let close = file.pair_of(open);
    let mut at = open + 1;
    while at < close {
        let matcher = at;
        let arrow = file.pair_of(matcher) + 1;
        let body = arrow + 2;
        let fits =
            file.opens(matcher) && file.is_punct(arrow, '=') && file.is_punct(arrow + 1, '>') && file.opens(body);
        if !fits {
            return refusal(at, "this is no rule");
        }
        let found = check_matcher(file, matcher).or_else(|| check_body(file, body));
        if found.is_some() {
            return found;
        }
        at = file.pair_of(body) + 1;
        if file.is_punct(at, ';') {
            at += 1;
        }
    }
    None
}

fn check_matcher(file: &SourceTokens, open: usize) -> Option<(usize, RefusalReason)> {
    for at in open..file.pair_of(open) {
        // A matcher with these could take a path apart, whose pieces a body puts together anew.
        if file.is_punct(at, '#') || file.is_separator(at) {
            return refusal(at, "a matcher takes a path or an attribute apart");
        }
        if !file.is_punct(at, '$') || file.opens(at + 1) {
            continue;
        }
        let named = file.get(at + 1).is_some_and(Token::is_name) && file.is_punct(at + 2, ':');
        match file.get(at + 3) {
            Some(kind) if named && FRAGMENTS.contains(&kind.text.as_str()) => {}
            Some(kind) if named => {
                let why =
                    format!("a fragment {} carries loose tokens: take `expr`, `ty` or `ident`", quote(&kind.text));
                return refusal(at, &why);
            }
            _ => return refusal(at, "this is no fragment"),
        }
    }
    None
}

fn check_body(file: &SourceTokens, open: usize) -> Option<(usize, RefusalReason)> {
    for at in open..file.pair_of(open) {
        if file.is_punct(at, '$') && !file.is_open(at + 1, "(") && !file.get(at + 1).is_some_and(Token::is_name) {
            return refusal(at, "this `$` is no name and no repetition");
        }
        if file.is_separator(at) {
            // Both sides must be in the rule's own text. With one from a caller, any path could be
            // made.
            let from = is_spelled(file, at.wrapping_sub(1)) || is_firm(file, at - 1);
            let to = is_spelled(file, at + 2) || file.is_punct(at + 2, '<');
            if !from || !to {
                return refusal(at, "a path is put together from pieces");
            }
        }
        if file.is_punct(at, '!')
            && !(file.is_punct(at + 1, '=') && file.get(at).is_some_and(|t| t.kind == TokenKind::Joint))
            && !is_plain_bang(file, at)
        {
            return refusal(at, "the name of a macro may be put together from pieces");
        }
    }
    None
}

/// Whether the name at `at` is spelled out, or `$crate`.
fn is_spelled(file: &SourceTokens, at: usize) -> bool {
    let metavariable = at > 0 && file.is_punct(at - 1, '$') && !file.is_word(at, "crate");
    file.segment(at).is_some() && !metavariable
}

/// Whether the `!` at `at` calls a macro that the rule spells out, or negates what follows.
fn is_plain_bang(file: &SourceTokens, at: usize) -> bool {
    let Some(before) = at.checked_sub(1) else { return false };
    is_spelled(file, before) && file.opens(at + 1) || is_firm(file, before)
}

/// Whether the token at `at` can never be the end of a name that was handed in. Such a token is a keyword, an operator
/// that is no mark of a repetition, or a bracket that starts none.
fn is_firm(file: &SourceTokens, at: usize) -> bool {
    file.get(at).is_some_and(|token| match token.kind {
        TokenKind::Ident => {
            file.segment(at).is_none() && !file.before(at, 1).is_some_and(|before| before.is_punct('$'))
        }
        TokenKind::Open => !file.before(at, 1).is_some_and(|before| before.is_punct('$')),
        TokenKind::Joint | TokenKind::Alone => !token.text.contains(['*', '+', '?', '$']),
        TokenKind::RawIdent | TokenKind::Lifetime | TokenKind::Literal | TokenKind::Close => false,
    })
}
