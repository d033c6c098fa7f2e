//! Paths inside the vault.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::characters::is_hidden;

/// A path inside the vault: relative, `/`-separated, normalised, never leading out of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VaultPath(String);

/// Why a text is not a path inside the vault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a path inside the vault: {why}", path.escape_debug())]
pub struct InvalidVaultPath {
    /// What was given.
    pub path: String,
    /// The rule it breaks.
    pub why: &'static str,
}

/// Longest path, in bytes.
pub const MAX_BYTES: usize = 1024;
/// Longest single name, in bytes.
pub const MAX_NAME_BYTES: usize = 200;
/// Most folders deep.
pub const MAX_DEPTH: usize = 16;

impl VaultPath {
    /// Parses a path. One trailing `/` is taken as "this folder".
    ///
    /// # Errors
    /// [`InvalidVaultPath`] names the rule that is broken.
    pub fn parse(text: &str) -> Result<Self, InvalidVaultPath> {
        let fail = |why| Err(InvalidVaultPath { path: text.to_owned(), why });
        let path = text.strip_suffix('/').unwrap_or(text);
        if path.is_empty() {
            return fail("it is empty");
        }
        if path.starts_with('/') {
            return fail("it is absolute");
        }
        if path.len() > MAX_BYTES {
            return fail("it is longer than 1024 bytes");
        }
        // A backslash separates folders on Windows, where the same vault may be synced to.
        if path.chars().any(|c| c.is_control() || c == '\\' || is_hidden(c)) {
            return fail("it has a control, invisible or `\\` character");
        }
        for (depth, name) in path.split('/').enumerate() {
            match name {
                "" => return fail("it has an empty component"),
                "." | ".." => return fail("it has a `.` or `..` component"),
                _ if depth >= MAX_DEPTH => return fail("it is more than 16 folders deep"),
                _ if name.len() > MAX_NAME_BYTES => return fail("a component is longer than 200 bytes"),
                // Hidden folders hold settings of editors and of git, which can start programs.
                _ if name.starts_with('.') => return fail("a component is hidden (starts with `.`)"),
                // Windows drops these at the end of a name, so that two paths would be one file.
                _ if name.ends_with(|c: char| c == '.' || c.is_whitespace())
                    || name.starts_with(char::is_whitespace) =>
                {
                    return fail("a component ends with `.` or has white space at an end");
                }
                _ => {}
            }
        }
        Ok(Self(path.to_owned()))
    }

    /// The path, relative to the vault.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folders of the path, outermost first, and its last name.
    pub fn split(&self) -> (Vec<&str>, &str) {
        let mut names: Vec<&str> = self.0.split('/').collect();
        let last = names.pop().unwrap_or_default();
        (names, last)
    }

    /// Whether the path is `folder` or lies below it, by whole components.
    pub fn is_within(&self, folder: &VaultPath) -> bool {
        // By whole components: `Inbox/AIX` begins like `Inbox/AI` and lies beside it.
        self.0.strip_prefix(&folder.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl fmt::Display for VaultPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for VaultPath {
    type Error = InvalidVaultPath;
    fn try_from(text: String) -> Result<Self, InvalidVaultPath> {
        Self::parse(&text)
    }
}

impl From<VaultPath> for String {
    fn from(path: VaultPath) -> Self {
        path.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_out_of_the_vault() {
        for good in ["Inbox/AI", "Inbox/AI/", "a", "Ärger/über.md", "a b/c.md"] {
            assert!(VaultPath::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "/",
            "/etc",
            "..",
            "a/../b",
            "a//b",
            "./a",
            "a/.",
            "a\0b",
            "a\\b",
            ".git",
            "a/.hidden",
            "a\u{202e}b",
            "a.",
            "a ",
            "a//",
            "a\nb",
            "a\u{3000}",
            "\u{a0}a",
            "a\u{2800}b",
            "a\u{13430}b",
        ] {
            assert!(VaultPath::parse(bad).is_err(), "{bad:?}");
        }
        assert!(VaultPath::parse(&"a/".repeat(17)).is_err());
    }

    #[test]
    fn within_goes_by_components() -> Result<(), InvalidVaultPath> {
        let folder = VaultPath::parse("Inbox/AI")?;
        assert!(VaultPath::parse("Inbox/AI/x.md")?.is_within(&folder));
        assert!(!VaultPath::parse("Inbox/AIx/x.md")?.is_within(&folder));
        assert!(!VaultPath::parse("Inbox")?.is_within(&folder));
        Ok(())
    }
}
