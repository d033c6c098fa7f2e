//! Skill names.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::digest::Digest;

/// A skill's name: `[a-z][a-z0-9_]{0,63}`, not a reserved word. Also the crate name of its source.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SkillName(String);

/// The longest name of a tool that every client can call: model providers accept 64 characters, and clients put `mcp__kavi__`
/// before the name.
const LONGEST_TOOL: usize = 64 - "mcp__kavi__".len();
/// How many characters of a digest end an alias.
const ALIAS_SUFFIX: usize = 8;

/// Why a text is not a skill name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Invalid characters or length.
    #[error("`{0}` is not a skill name: use a lower-case letter, then letters, digits or `_`, 64 characters at most")]
    Shape(String),
    /// A word that Rust, Kavi or a file system reserves.
    #[error("`{0}` is reserved and cannot name a skill")]
    Reserved(String),
}

/// Names that mean something else: to Rust, to Kavi, or to a file system a vault may be synced to.
const RESERVED: &[&str] = &[
    "alloc",
    "as",
    "async",
    "aux",
    "await",
    "break",
    "con",
    "const",
    "continue",
    "core",
    "crate",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "kavi",
    "kavi_sdk",
    "let",
    "loop",
    "match",
    "mod",
    "move",
    "mut",
    "nul",
    "prn",
    "proc_macro",
    "pub",
    "ref",
    "return",
    "self",
    "serde",
    "serde_json",
    "static",
    "std",
    "struct",
    "super",
    "target",
    "test",
    "trait",
    "true",
    "type",
    "union",
    "unsafe",
    "use",
    "wasi",
    "where",
    "while",
    "yield",
];

impl SkillName {
    /// The one of `names` that this was probably meant to be, if one is close: swapped, missing or wrong letters.
    pub fn closest<'a>(&self, names: &'a [SkillName]) -> Option<&'a SkillName> {
        let distance = |name: &&SkillName| strsim::damerau_levenshtein(&self.0, &name.0);
        // A third of a short name may be wrong, and never more than three letters.
        let most = (self.0.len() / 3).clamp(1, 3);
        names.iter().min_by_key(distance).filter(|name| (1..=most).contains(&distance(name)))
    }

    /// Parses a name.
    ///
    /// # Errors
    /// [`InvalidName`] says which rule is broken.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let mut chars = text.chars();
        // Lower case only: some file systems do not tell `Note` from `note`, and a name is also a
        // folder.
        let first = chars.next().is_some_and(|c| c.is_ascii_lowercase());
        let rest = chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if !first || !rest || text.len() > 64 {
            return Err(InvalidName::Shape(text.to_owned()));
        }
        // Windows reserves these with any extension, and a vault may be synced there.
        let device =
            |stem: &str| text.strip_prefix(stem).is_some_and(|n| n.len() == 1 && n.chars().all(|c| c.is_ascii_digit()));
        if RESERVED.binary_search(&text).is_ok() || device("com") || device("lpt") {
            return Err(InvalidName::Reserved(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The shorter name under which agents see a skill whose own name is longer than 53 characters. It contains a `-`, so it
    /// is never the name of another skill, and depends on the name alone, so it stays the same.
    pub fn tool_alias(&self) -> Option<String> {
        (self.0.len() > LONGEST_TOOL).then(|| {
            let digest = Digest::of(self.0.as_bytes()).to_string();
            let suffix: String = digest.chars().take(ALIAS_SUFFIX).collect();
            // A skill name is ASCII, so each character is one byte.
            let kept: String = self.0.chars().take(LONGEST_TOOL - ALIAS_SUFFIX - 1).collect();
            format!("{kept}-{suffix}")
        })
    }
}

impl fmt::Display for SkillName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for SkillName {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        Self::parse(&text)
    }
}

impl From<SkillName> for String {
    fn from(name: SkillName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserved_list_is_sorted_for_the_search() {
        assert!(RESERVED.is_sorted());
    }

    #[test]
    fn a_name_too_long_for_a_tool_has_a_short_stable_alias() -> Result<(), InvalidName> {
        assert_eq!(SkillName::parse(&"a".repeat(53))?.tool_alias(), None);
        let long = [format!("{}x", "a".repeat(53)), format!("{}y", "a".repeat(53)), "b".repeat(64)];
        let aliases: Vec<String> = long
            .iter()
            .map(|name| Ok(SkillName::parse(name)?.tool_alias().unwrap_or_default()))
            .collect::<Result<_, _>>()?;
        for alias in &aliases {
            assert_eq!(alias.len(), 53, "{alias}");
            assert!(SkillName::parse(alias).is_err(), "{alias}");
        }
        assert_ne!(aliases[0], aliases[1]);
        Ok(())
    }

    #[test]
    fn a_mistyped_name_is_close_to_the_one_that_was_meant() -> Result<(), InvalidName> {
        let names = ["write_note", "read_note", "tag", "http_get_json"].map(SkillName::parse);
        let names: Vec<SkillName> = names.into_iter().collect::<Result<_, _>>()?;
        let meant = |typed: &str| Ok(SkillName::parse(typed)?.closest(&names).map(ToString::to_string));
        for (typed, closest) in [
            ("wirte_note", Some("write_note")),
            ("write_notes", Some("write_note")),
            ("raed_noet", Some("read_note")),
            ("tga", Some("tag")),
            ("http_get", None),
            ("tab_x", None),
            ("x", None),
            ("write_note", None),
        ] {
            assert_eq!(meant(typed)?.as_deref(), closest, "{typed}");
        }
        Ok(())
    }

    #[test]
    fn names_are_one_shape() {
        for good in ["write_note", "a", "http_get_json", "com", "com10", &"a".repeat(64)] {
            assert!(SkillName::parse(good).is_ok(), "{good}");
        }
        for bad in
            ["", "../x", "Write", "1a", "_a", "a-b", "a b", "ünote", "con", "com1", "fn", "-rf", "a\n", &"a".repeat(65)]
        {
            assert!(SkillName::parse(bad).is_err(), "{bad:?}");
        }
    }
}
