//! One attribute and the forms that its arguments can have.
//!
//! It reads tokens and decides nothing: `attributes` and `serde_keys` judge what it finds.

use super::tokens::{SourceTokens, TokenKind};

/// One attribute: its tokens lie strictly between `open` and `close`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attribute<'a> {
    pub(super) file: &'a SourceTokens,
    /// The `#`.
    pub(super) start: usize,
    /// The first token after its name.
    pub(super) args: usize,
    /// Its `]`.
    pub(super) close: usize,
}

/// Whether `text` is a plain string literal, which only stands for its text.
pub(super) fn is_string(text: &str) -> bool {
    text.ends_with(['"', '#']) && (text.starts_with('"') || text.starts_with("r\"") || text.starts_with("r#"))
}

impl Attribute<'_> {
    pub(super) fn is_bare(self) -> bool {
        self.args == self.close
    }

    fn literal(self, at: usize) -> bool {
        self.file.get(at).is_some_and(|token| token.kind == TokenKind::Literal && is_string(&token.text))
    }

    /// `= "text"`.
    pub(super) fn is_text(self) -> bool {
        self.file.is_punct(self.args, '=') && self.literal(self.args + 1) && self.args + 2 == self.close
    }

    /// The tokens between its round brackets, when there is nothing else.
    pub(super) fn list(self) -> Option<std::ops::Range<usize>> {
        let end = self.file.pair_of(self.args);
        (self.file.is_open(self.args, "(") && end + 1 == self.close).then_some(self.args + 1..end)
    }

    /// `(word, …)` with words of `allowed`.
    pub(super) fn is_word_list(self, allowed: &[&str]) -> bool {
        self.list().is_some_and(|mut list| {
            list.all(|at| {
                let word = self.file.get(at).is_some_and(|t| t.kind == TokenKind::Ident && allowed.contains(&&*t.text));
                word || self.file.is_punct(at, ',')
            })
        })
    }

    /// `(since = "…", note = "…")`.
    pub(super) fn is_note(self) -> bool {
        self.list().is_some_and(|mut list| {
            list.all(|at| {
                let word = self.file.is_word(at, "since") || self.file.is_word(at, "note");
                word || self.literal(at) || self.file.is_punct(at, ',') || self.file.is_punct(at, '=')
            })
        })
    }

    pub(super) fn is_doc(self) -> bool {
        let alias = |list: std::ops::Range<usize>| {
            self.file.is_word(list.start, "alias")
                && self.file.is_punct(list.start + 1, '=')
                && self.literal(list.start + 2)
                && list.start + 3 == list.end
        };
        self.is_text() || self.is_word_list(&["hidden", "inline", "no_inline"]) || self.list().is_some_and(alias)
    }
}
