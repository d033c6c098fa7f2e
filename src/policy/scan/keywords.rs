//! Single words and signs that have no place in a skill, wherever they stand.
//!
//! Guarantees that the tokens have no keyword for unsafe or foreign code, no mutable static, no raw pointer and no
//! disguised name. The arguments of macros are checked as well. Words in strings and comments are no tokens.

use super::report::{RefusalReason, Rule, ScanReport, quote};
use super::tokens::{SourceTokens, Token, TokenContext, TokenKind, TokenRole};
use super::{allow_list, language};

/// Checks the words of `file`.
pub(super) fn check(file: &SourceTokens, report: &mut ScanReport) {
    for (at, token) in file.tokens.iter().enumerate() {
        if let Some(reason) = check_token(file, at, token).or_else(|| check_name(file, at, token)) {
            report.refuse(&file.path, token.line, reason);
        }
    }
}

fn check_token(file: &SourceTokens, at: usize, token: &Token) -> Option<RefusalReason> {
    let refusal = |rule: Rule, why: &str| Some(rule.because(why));
    match (token.kind, token.text.as_str()) {
        (TokenKind::Ident | TokenKind::RawIdent | TokenKind::Lifetime, name) if !name.is_ascii() => {
            refusal(Rule::Identifier, "a name outside of ASCII")
        }
        // A needless mark hides a name from a search of the text.
        (TokenKind::RawIdent, name) if !language::is_keyword(name) => {
            let message = format!("`r#{name}` is no keyword: write it without `r#`");
            Some(Rule::Identifier.because(message))
        }
        (TokenKind::Ident, "unsafe") => refusal(Rule::Unsafe, "a skill has no unsafe code"),
        (TokenKind::Ident, "extern") => refusal(Rule::Extern, "a skill has no foreign code and no further crates"),
        (TokenKind::Ident, "macro") => refusal(Rule::LocalMacro, "only `macro_rules!` makes a macro"),
        (TokenKind::Ident, "static") if file.is_word(at + 1, "mut") => {
            refusal(Rule::Unsafe, "a mutable static needs unsafe code: use a `Mutex` or pass the value on")
        }
        (TokenKind::Ident, "union") if file.segment(at + 1).is_some() => {
            refusal(Rule::Unsafe, "a union needs unsafe code")
        }
        (TokenKind::Ident, "raw") if is_raw_borrow(file, at) => refusal(Rule::Unsafe, "a raw pointer"),
        (TokenKind::Joint | TokenKind::Alone, "*") if is_raw_pointer(file, at) => {
            refusal(Rule::Unsafe, "a raw pointer")
        }
        (TokenKind::Joint | TokenKind::Alone, "#") if file.attribute(at).is_none() => {
            refusal(Rule::Attribute, "a `#` that starts no attribute")
        }
        (TokenKind::Joint | TokenKind::Alone, "$") if token.context != TokenContext::Rules => {
            refusal(Rule::Syntax, "a `$` outside of a local macro")
        }
        // The library that splits tokens uses such a literal for what it could not read.
        (TokenKind::Literal, text) if text.starts_with('(') => {
            refusal(Rule::Syntax, "a comment that looks like an error mark")
        }
        (TokenKind::Open, "") => refusal(Rule::Syntax, "an invisible bracket"),
        _ => None,
    }
}

/// Declarations that take a name which means something else.
fn check_name(file: &SourceTokens, at: usize, token: &Token) -> Option<RefusalReason> {
    if token.role == TokenRole::Attribute || token.kind != TokenKind::Ident {
        return None;
    }
    // A local macro may take such a word for a name and put it before tokens of its own.
    if token.context != TokenContext::Code && matches!(token.text.as_str(), "mod" | "use" | "macro_rules") {
        let rule = if token.context == TokenContext::Rules { Rule::LocalMacro } else { Rule::Macro };
        return Some(rule.because(format!("`{}` within a macro", token.text)));
    }
    if token.text == "macro_rules" && file.local_macro(at).is_none() {
        return Some(Rule::LocalMacro.because("`macro_rules` that declares no macro"));
    }
    let declares = matches!(token.text.as_str(), "mod" | "struct" | "enum" | "trait" | "type");
    let name = file.segment(at + 1)?;
    // A module `std` of the skill's own would make every path with that root mean something else.
    let misleads = allow_list::is_root(name) && declares;
    misleads.then(|| Rule::Identifier.because(format!("an item of the name {}, which is a crate", quote(name))))
}

/// `*const T` and `*mut T`; not the product with a constant block.
fn is_raw_pointer(file: &SourceTokens, at: usize) -> bool {
    let repeats = file.before(at, 1).is_some_and(|token| token.kind == TokenKind::Close)
        && file.get(at).is_some_and(|t| t.context == TokenContext::Rules);
    !repeats && (file.is_word(at + 1, "mut") || file.is_word(at + 1, "const") && !file.is_open(at + 2, "{"))
}

fn is_raw_borrow(file: &SourceTokens, at: usize) -> bool {
    let borrows = file.before(at, 1).is_some_and(|token| token.is_punct('&'));
    borrows && (file.is_word(at + 1, "const") || file.is_word(at + 1, "mut"))
}
