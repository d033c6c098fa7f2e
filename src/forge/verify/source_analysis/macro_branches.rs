//! The branches in the tokens of a macro, which are not parsed as code.
//!
//! Blocks after `if`, `else`, `for`, `while` and `loop` can be counted, and so can the arms of a `match` that are blocks.
//!
//! Guarantees: any other arm is reported as one that cannot be counted. Deliberately never: resolves what a macro expands to.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};

use super::source_tree::Source;

/// One branch.
pub(super) struct MacroBranch {
    pub(super) line: u32,
    pub(super) text: String,
    /// The line and byte where a counter goes. `None` where none can.
    pub(super) start: Option<(usize, usize)>,
}

/// What a brace group belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Head {
    Nothing,
    Block,
    Match,
}

/// Finds the branches.
pub(super) fn find(source: &Source, tokens: TokenStream, report: &mut dyn FnMut(MacroBranch)) {
    let mut head = Head::Nothing;
    for token in tokens {
        match token {
            TokenTree::Ident(word) => match word.to_string().as_str() {
                "if" | "else" | "for" | "while" | "loop" => head = Head::Block,
                "match" => head = Head::Match,
                _ => {}
            },
            // The head is over: a brace that follows belongs to another statement.
            TokenTree::Punct(punct) if punct.as_char() == ';' => head = Head::Nothing,
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                match head {
                    Head::Block => report(branch(source, &TokenTree::Group(group.clone()), true)),
                    Head::Match => arms(source, group.stream(), report),
                    Head::Nothing => {}
                }
                if head != Head::Match {
                    find(source, group.stream(), report);
                }
                head = Head::Nothing;
            }
            TokenTree::Group(group) => find(source, group.stream(), report),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// The arms of a `match`.
fn arms(source: &Source, tokens: TokenStream, report: &mut dyn FnMut(MacroBranch)) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is = |at: Option<usize>, c: char| matches!(at.and_then(|at| tokens.get(at)), Some(TokenTree::Punct(punct)) if punct.as_char() == c);
    for (at, token) in tokens.iter().enumerate() {
        // What follows `=>` is an arm. Only a block has a place for a counter, and the others are
        // listed without one.
        if is(at.checked_sub(1), '>') && is(at.checked_sub(2), '=') {
            report(branch(
                source,
                token,
                matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace),
            ));
        }
    }
    find(source, tokens.into_iter().collect(), report);
}

fn branch(source: &Source, token: &TokenTree, countable: bool) -> MacroBranch {
    let span = token.span();
    let text = source.text.get(span.byte_range()).unwrap_or_default();
    let start = match token {
        TokenTree::Group(group) if countable => Some(inside(group.span_open())),
        _ => None,
    };
    MacroBranch {
        line: u32::try_from(span.start().line).unwrap_or(0),
        text: text.split_whitespace().collect::<Vec<_>>().join(" "),
        start,
    }
}

/// The line and byte right after an opening bracket.
fn inside(open: Span) -> (usize, usize) {
    (open.end().line, open.byte_range().end)
}
