//! The words of Rust that the scanner has to know: keywords, and attributes with a meaning.
//!
//! It holds data and look-ups, and never judges a source.

/// Keywords that may be part of a path.
pub(super) const PATH_KEYWORDS: &[&str] = &["Self", "crate", "self", "super"];

const KEYWORDS: &[&str] = &[
    "Self", "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro",
    "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static", "struct", "super",
    "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// Whether `word` is a keyword, also a reserved one.
pub(super) fn is_keyword(word: &str) -> bool {
    KEYWORDS.contains(&word)
}

/// Names of attributes that mean something to the scanner: no import may take one.
pub(super) const ATTRIBUTES: &[&str] = &[
    "cfg",
    "cfg_attr",
    "cold",
    "default",
    "deprecated",
    "derive",
    "doc",
    "inline",
    "macro_use",
    "must_use",
    "non_exhaustive",
    "repr",
    "rustfmt",
    "serde",
    "test",
    "track_caller",
];
