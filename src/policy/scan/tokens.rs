//! The tokens of one file as a flat list, each with its line and with where it stands.
//!
//! Guarantees that nothing of the file is left out: what stands in the arguments of a macro is here like any other
//! code. It decides nothing.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

use super::language;

/// Most tokens of one import.
const MAX_IMPORT: usize = 2048;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A name or keyword.
    Ident,
    /// A name written `r#name`; its text is without the mark.
    RawIdent,
    /// `'name`; its text is without the mark.
    Lifetime,
    /// One character of an operator, directly followed by another.
    Joint,
    /// One character of an operator.
    Alone,
    /// A literal.
    Literal,
    /// An opening bracket.
    Open,
    /// A closing bracket.
    Close,
}

/// What a token stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenContext {
    /// Plain code.
    Code,
    /// The arguments of a macro.
    Arguments,
    /// The rules of a local macro.
    Rules,
}

/// What a token is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenRole {
    /// None of the others.
    Plain,
    /// An attribute, with its `#`.
    Attribute,
    /// An import, with its `use` and `;`.
    Import,
}

/// Whether code is compiled for the tests alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenScope {
    /// Part of the skill.
    Skill,
    /// In a `#[cfg(test)]` module.
    Tests,
}

/// One token.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) text: String,
    pub(super) line: u32,
    /// The other bracket of a pair; the token itself otherwise.
    pub(super) pair: usize,
    /// How many brackets are open around it.
    pub(super) depth: usize,
    pub(super) context: TokenContext,
    pub(super) role: TokenRole,
    pub(super) scope: TokenScope,
}

/// The tokens of one file.
#[derive(Debug, Clone)]
pub(super) struct SourceTokens {
    pub(super) path: String,
    pub(super) text: String,
    pub(super) tokens: Vec<Token>,
}

impl SourceTokens {
    /// Reads the tokens of `text`; the line of what is no token otherwise.
    pub(super) fn lex(path: &str, text: &str) -> Result<Self, u32> {
        let stream: TokenStream = text.parse().map_err(|error: proc_macro2::LexError| line_of(error.span()))?;
        let mut file = Self { path: path.to_owned(), text: text.to_owned(), tokens: Vec::new() };
        file.flatten(stream, 0);
        file.mark();
        Ok(file)
    }

    fn push(&mut self, kind: TokenKind, text: impl Into<String>, line: u32, depth: usize) -> usize {
        let pair = self.tokens.len();
        let (context, role, scope) = (TokenContext::Code, TokenRole::Plain, TokenScope::Skill);
        self.tokens.push(Token { kind, text: text.into(), line, pair, depth, context, role, scope });
        pair
    }

    /// Recurses on brackets, whose nesting was capped before.
    fn flatten(&mut self, stream: TokenStream, depth: usize) {
        let mut mark_of_lifetime = false;
        for tree in stream {
            let line = line_of(tree.span());
            // The parser gives a lifetime as a quote and a name. Taken apart, the name could look
            // like a path.
            let after_mark = std::mem::take(&mut mark_of_lifetime);
            match tree {
                TokenTree::Group(group) => {
                    let (open, close) = match group.delimiter() {
                        Delimiter::Parenthesis => ("(", ")"),
                        Delimiter::Bracket => ("[", "]"),
                        Delimiter::Brace => ("{", "}"),
                        // Never written in a file. `keywords` refuses it, because it groups without
                        // being seen.
                        Delimiter::None => ("", ""),
                    };
                    let open = self.push(TokenKind::Open, open, line, depth);
                    self.flatten(group.stream(), depth + 1);
                    let close = self.push(TokenKind::Close, close, line_of(group.span_close()), depth);
                    self.pair(open, close);
                }
                TokenTree::Punct(punct) if punct.as_char() == '\'' => mark_of_lifetime = true,
                TokenTree::Punct(punct) => {
                    let kind = if punct.spacing() == Spacing::Joint { TokenKind::Joint } else { TokenKind::Alone };
                    self.push(kind, punct.as_char(), line, depth);
                }
                TokenTree::Ident(ident) => {
                    let text = ident.to_string();
                    // Compared without the mark: `r#std` is the same crate as `std`.
                    let raw = text.strip_prefix("r#");
                    let kind = match raw {
                        _ if after_mark => TokenKind::Lifetime,
                        Some(_) => TokenKind::RawIdent,
                        None => TokenKind::Ident,
                    };
                    self.push(kind, raw.unwrap_or(&text), line, depth);
                }
                TokenTree::Literal(literal) => {
                    self.push(TokenKind::Literal, literal.to_string(), line, depth);
                }
            }
        }
    }

    fn pair(&mut self, open: usize, close: usize) {
        if let Some(token) = self.tokens.get_mut(open) {
            token.pair = close;
        }
        if let Some(token) = self.tokens.get_mut(close) {
            token.pair = open;
        }
    }

    /// Notes of every token what it stands in and is part of.
    fn mark(&mut self) {
        for at in 0..self.tokens.len() {
            if let Some(close) = self.attribute(at) {
                self.set(at..=close, |token| token.role = TokenRole::Attribute);
            // `use<'a>` in a bound is no import.
            } else if self.is_word(at, "use") && !self.is_punct(at + 1, '<') {
                let depth = self.tokens.get(at).map_or(0, |token| token.depth);
                let end = (at..at + MAX_IMPORT)
                    // Also at the end of its block: an import without a semicolon must not swallow
                    // the rest of the file.
                    .find(|i| self.is_punct(*i, ';') || self.tokens.get(*i).is_none_or(|t| t.depth < depth))
                    .unwrap_or(at + MAX_IMPORT);
                self.set(at..=end, |token| token.role = TokenRole::Import);
            } else if let Some(open) = self.local_macro(at) {
                self.set(open..=self.pair_of(open), |token| token.context = TokenContext::Rules);
            } else if let Some(open) = self.macro_call(at) {
                self.set(open..=self.pair_of(open), |token| {
                    // Rules stay rules: a call within a macro's rules is judged more strictly than
                    // an argument.
                    if token.context == TokenContext::Code {
                        token.context = TokenContext::Arguments;
                    }
                });
            }
        }
    }

    /// Applies `change` to the tokens of `range`.
    pub(super) fn set(&mut self, range: std::ops::RangeInclusive<usize>, change: impl Fn(&mut Token)) {
        let (start, count) = (*range.start(), range.count());
        self.tokens.iter_mut().skip(start).take(count).for_each(change);
    }

    /// The token at `at`.
    pub(super) fn get(&self, at: usize) -> Option<&Token> {
        self.tokens.get(at)
    }

    /// The line of the token at `at`.
    pub(super) fn line(&self, at: usize) -> u32 {
        self.get(at).map_or(0, |token| token.line)
    }

    /// The token before `at`.
    pub(super) fn before(&self, at: usize, back: usize) -> Option<&Token> {
        at.checked_sub(back).and_then(|i| self.get(i))
    }

    /// The other bracket of the pair that `at` is one of.
    pub(super) fn pair_of(&self, at: usize) -> usize {
        self.get(at).map_or(at, |token| token.pair)
    }

    /// Whether `at` is the keyword or name `word`, not written raw.
    pub(super) fn is_word(&self, at: usize, word: &str) -> bool {
        self.get(at).is_some_and(|token| token.kind == TokenKind::Ident && token.text == word)
    }

    /// Whether `at` is the operator character `c`.
    pub(super) fn is_punct(&self, at: usize, c: char) -> bool {
        self.get(at).is_some_and(|token| token.is_punct(c))
    }

    /// Whether `at` opens with the bracket `open`.
    pub(super) fn is_open(&self, at: usize, open: &str) -> bool {
        self.get(at).is_some_and(|token| token.kind == TokenKind::Open && token.text == open)
    }

    /// Whether `at` opens any bracket.
    pub(super) fn opens(&self, at: usize) -> bool {
        self.get(at).is_some_and(|token| token.kind == TokenKind::Open)
    }

    /// Whether `::` starts at `at`.
    pub(super) fn is_separator(&self, at: usize) -> bool {
        self.get(at).is_some_and(|token| token.kind == TokenKind::Joint && token.text == ":")
            && self.is_punct(at + 1, ':')
    }

    /// The name at `at`, when it may be a segment of a path.
    pub(super) fn segment(&self, at: usize) -> Option<&str> {
        let token = self.get(at)?;
        match token.kind {
            TokenKind::RawIdent => Some(&token.text),
            TokenKind::Ident
                if !language::is_keyword(&token.text) || language::PATH_KEYWORDS.contains(&&*token.text) =>
            {
                Some(&token.text)
            }
            _ => None,
        }
    }

    /// The closing bracket, when the attribute `#[…]` or `#![…]` starts at `at`.
    pub(super) fn attribute(&self, at: usize) -> Option<usize> {
        if !self.is_punct(at, '#') {
            return None;
        }
        let open = if self.is_punct(at + 1, '!') { at + 2 } else { at + 1 };
        self.is_open(open, "[").then(|| self.pair_of(open))
    }

    /// The opening bracket of its rules, when `macro_rules! name` starts at `at`.
    pub(super) fn local_macro(&self, at: usize) -> Option<usize> {
        let starts = self.is_word(at, "macro_rules") && self.is_punct(at + 1, '!');
        (starts && self.segment(at + 2).is_some() && self.opens(at + 3)).then_some(at + 3)
    }

    /// The opening bracket of its arguments, when `at` is the last name of a macro call's path.
    pub(super) fn macro_call(&self, at: usize) -> Option<usize> {
        let called = self.segment(at).is_some() && self.is_punct(at + 1, '!') && self.opens(at + 2);
        called.then_some(at + 2)
    }
}

impl Token {
    /// Whether it is the operator character `c`.
    pub(super) fn is_punct(&self, c: char) -> bool {
        matches!(self.kind, TokenKind::Joint | TokenKind::Alone) && self.text.starts_with(c)
    }

    /// Whether it is a name or keyword.
    pub(super) fn is_name(&self) -> bool {
        matches!(self.kind, TokenKind::Ident | TokenKind::RawIdent)
    }
}

fn line_of(span: proc_macro2::Span) -> u32 {
    u32::try_from(span.start().line).unwrap_or(u32::MAX)
}
