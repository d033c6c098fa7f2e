//! The limits of a JSON document, and what is said of one that breaks a rule.

use std::fmt;

use crate::model::characters::is_hidden;

/// The deepest nesting that any limit can allow.
pub const MAX_DEPTH: usize = 127;

/// How large a JSON document may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonLimits {
    /// Most bytes of text.
    pub max_bytes: usize,
    /// Most arrays and objects inside each other; above [`MAX_DEPTH`] it counts as that.
    pub max_depth: usize,
    /// Most keys and values together.
    pub max_values: usize,
}

impl Default for JsonLimits {
    fn default() -> Self {
        Self { max_bytes: 1 << 20, max_depth: 64, max_values: 1 << 16 }
    }
}

/// A position in the text. Both numbers start at 1; columns count bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextPosition {
    /// The line.
    pub line: usize,
    /// The byte in the line.
    pub column: usize,
}

impl fmt::Display for TextPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} column {}", self.line, self.column)
    }
}

/// Why a text is not accepted as JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Too many bytes.
    #[error("the JSON has {bytes} bytes, more than the limit of {limit}")]
    TooLarge {
        /// What it has.
        bytes: usize,
        /// What is allowed.
        limit: usize,
    },
    /// It starts with a byte order mark.
    #[error("the JSON starts with a byte order mark: write it as UTF-8 without one")]
    ByteOrderMark,
    /// It is not UTF-8.
    #[error("the JSON is not UTF-8 at {0}")]
    NotUtf8(TextPosition),
    /// Nested too deeply.
    #[error("the JSON is nested more than {limit} levels deep at {at}")]
    TooDeep {
        /// Where.
        at: TextPosition,
        /// What is allowed.
        limit: usize,
    },
    /// Too many keys and values.
    #[error("the JSON has more than {limit} keys and values at {at}")]
    TooManyValues {
        /// Where.
        at: TextPosition,
        /// What is allowed.
        limit: usize,
    },
    /// One key is given twice in one object.
    #[error("duplicate key `{}` in one object at {at}", shown(key))]
    DuplicateKey {
        /// The key.
        key: String,
        /// Where, just after the second one.
        at: TextPosition,
    },
    /// A string contains U+0000.
    #[error("a string contains U+0000 at {0}")]
    NulInString(TextPosition),
    /// A string contains half of a surrogate pair.
    #[error("a string contains half of a surrogate pair at {0}")]
    LoneSurrogate(TextPosition),
    /// A number that would be changed by reading it.
    #[error("the number `{}` cannot be represented exactly at {at}", shown(number))]
    NumberOutOfRange {
        /// The number as written.
        number: String,
        /// Where.
        at: TextPosition,
    },
    /// A number that reading would turn into another one.
    #[error(
        "the number `{}` would be rounded to {becomes} at {at}: write {becomes}, or send it as text",
        shown(number)
    )]
    NumberRounded {
        /// The number as written.
        number: String,
        /// What it would be read as.
        becomes: String,
        /// Where.
        at: TextPosition,
    },
    /// There are characters after the value.
    #[error("trailing characters after the JSON value at {0}")]
    TrailingData(TextPosition),
    /// Not JSON.
    #[error("invalid JSON: {why} at {at}")]
    Syntax {
        /// What is wrong.
        why: String,
        /// Where.
        at: TextPosition,
    },
}

/// `text` for use in a message: at most 80 characters, with control and invisible ones escaped.
pub fn shown(text: &str) -> String {
    let mut out = String::new();
    for (index, c) in text.chars().enumerate() {
        if index == 80 {
            out.push('…');
            break;
        }
        match c {
            c if is_hidden(c) => out.extend(c.escape_unicode()),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}
