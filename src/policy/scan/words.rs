//! Single words and signs that have no place in a skill, wherever they stand.
//!
//! Guarantees that no keyword for unsafe or foreign code, no mutable static, no raw pointer and no disguised name is
//! in the tokens, also not in the arguments of a macro. Words in strings and comments are no tokens.

use super::report::{Objection, Report, Rule, quote};
use super::tables;
use super::tokens::{File, Kind, Part, Token, Zone};

/// Checks the words of `file`.
pub(super) fn check(file: &File, report: &mut Report) {
    for (at, token) in file.tokens.iter().enumerate() {
        if let Some((rule, message)) = check_token(file, at, token).or_else(|| check_name(file, at, token)) {
            report.add(rule, &file.path, token.line, message);
        }
    }
}

fn check_token(file: &File, at: usize, token: &Token) -> Option<Objection> {
    let objection = |rule, why: &str| Some((rule, why.to_owned()));
    match (token.kind, token.text.as_str()) {
        (Kind::Ident | Kind::RawIdent | Kind::Lifetime, name) if !name.is_ascii() => {
            objection(Rule::Identifier, "a name outside of ASCII")
        }
        (Kind::RawIdent, name) if !tables::is_keyword(name) => {
            let message = format!("`r#{name}` is no keyword: write it without `r#`");
            Some((Rule::Identifier, message))
        }
        (Kind::Ident, "unsafe") => objection(Rule::Unsafe, "a skill has no unsafe code"),
        (Kind::Ident, "extern") => objection(Rule::Extern, "a skill has no foreign code and no further crates"),
        (Kind::Ident, "macro") => objection(Rule::LocalMacro, "only `macro_rules!` makes a macro"),
        (Kind::Ident, "static") if file.is_word(at + 1, "mut") => {
            objection(Rule::Unsafe, "a mutable static needs unsafe code: use a `Mutex` or pass the value on")
        }
        (Kind::Ident, "union") if file.segment(at + 1).is_some() => {
            objection(Rule::Unsafe, "a union needs unsafe code")
        }
        (Kind::Ident, "raw") if is_raw_borrow(file, at) => objection(Rule::Unsafe, "a raw pointer"),
        (Kind::Joint | Kind::Alone, "*") if is_raw_pointer(file, at) => objection(Rule::Unsafe, "a raw pointer"),
        (Kind::Joint | Kind::Alone, "#") if file.attribute(at).is_none() => {
            objection(Rule::Attribute, "a `#` that starts no attribute")
        }
        (Kind::Joint | Kind::Alone, "$") if token.zone != Zone::Rules => {
            objection(Rule::Syntax, "a `$` outside of a local macro")
        }
        (Kind::Literal, text) if text.starts_with('(') => {
            objection(Rule::Syntax, "a comment that looks like an error mark")
        }
        (Kind::Open, "") => objection(Rule::Syntax, "an invisible bracket"),
        _ => None,
    }
}

/// Declarations that take a name which means something else.
fn check_name(file: &File, at: usize, token: &Token) -> Option<Objection> {
    if token.part == Part::Attribute || token.kind != Kind::Ident {
        return None;
    }
    // A local macro may take such a word for a name and put it before tokens of its own.
    if token.zone != Zone::Code && matches!(token.text.as_str(), "mod" | "use" | "macro_rules") {
        let rule = if token.zone == Zone::Rules { Rule::LocalMacro } else { Rule::Macro };
        return Some((rule, format!("`{}` within a macro", token.text)));
    }
    if token.text == "macro_rules" && file.local_macro(at).is_none() {
        return Some((Rule::LocalMacro, "`macro_rules` that declares no macro".to_owned()));
    }
    let declares = matches!(token.text.as_str(), "mod" | "struct" | "enum" | "trait" | "type");
    let name = file.segment(at + 1)?;
    let misleads = tables::is_root(name) && declares;
    misleads.then(|| (Rule::Identifier, format!("an item of the name {}, which is a crate", quote(name))))
}

/// `*const T` and `*mut T`; not the product with a constant block.
fn is_raw_pointer(file: &File, at: usize) -> bool {
    let repeats = file.before(at, 1).is_some_and(|token| token.kind == Kind::Close)
        && file.get(at).is_some_and(|t| t.zone == Zone::Rules);
    !repeats && (file.is_word(at + 1, "mut") || file.is_word(at + 1, "const") && !file.is_open(at + 2, "{"))
}

fn is_raw_borrow(file: &File, at: usize) -> bool {
    let borrows = file.before(at, 1).is_some_and(|token| token.is_punct('&'));
    borrows && (file.is_word(at + 1, "const") || file.is_word(at + 1, "mut"))
}
