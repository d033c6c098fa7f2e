//! The rules for paths inside the vault, for an early and clear refusal.
//!
//! Writing follows the rules of the host, which checks every path again: nothing depends on a guest having obeyed. A
//! test of the host compares the two. Reading takes every name that the file system has, except hidden ones.

use super::characters::is_hidden;

/// Longest path, in bytes.
const MAX_BYTES: usize = 1024;
/// Longest single name, in bytes.
const MAX_NAME_BYTES: usize = 200;
/// Most components.
const MAX_DEPTH: usize = 16;

/// The path without one trailing `/`, or the rule that it breaks.
pub(crate) fn check(text: &str) -> Result<&str, &'static str> {
    let path = text.strip_suffix('/').unwrap_or(text);
    if path.is_empty() {
        return Err("it is empty");
    }
    if path.starts_with('/') {
        return Err("it is absolute; vault paths are relative, like `Inbox/AI/note.md`");
    }
    if path.len() > MAX_BYTES {
        return Err("it is longer than 1024 bytes");
    }
    if path.split('/').count() > MAX_DEPTH {
        return Err("it is more than 16 folders deep");
    }
    path.split('/').try_for_each(check_name)?;
    Ok(path)
}

/// One component of a path, or the rule that it breaks.
pub(crate) fn check_name(name: &str) -> Result<(), &'static str> {
    match name {
        "" => Err("it has an empty component"),
        "." | ".." => Err("it has a `.` or `..` component"),
        _ if name.chars().any(|c| c.is_control() || c == '\\' || is_hidden(c)) => {
            Err("it has a control, invisible or `\\` character")
        }
        _ if name.len() > MAX_NAME_BYTES => Err("a component is longer than 200 bytes"),
        _ if name.starts_with('.') => Err("a component is hidden (starts with `.`)"),
        _ if name.ends_with(|c: char| c == '.' || c.is_whitespace()) || name.starts_with(char::is_whitespace) => {
            Err("a component ends with `.` or has white space at an end")
        }
        _ => Ok(()),
    }
}

/// A path to read from, without one trailing `/`, or the rule that it breaks.
pub(crate) fn check_read(text: &str) -> Result<&str, &'static str> {
    let path = text.strip_suffix('/').unwrap_or(text);
    if path.is_empty() {
        return Err("it is empty");
    }
    if path.starts_with('/') {
        return Err("it is absolute; vault paths are relative, like `Inbox/AI/note.md`");
    }
    path.split('/').try_for_each(check_read_name)?;
    Ok(path)
}

/// One component of a path to read from, or the rule that it breaks.
pub(crate) fn check_read_name(name: &str) -> Result<(), &'static str> {
    match name {
        "" => Err("it has an empty component"),
        "." | ".." => Err("it has a `.` or `..` component"),
        _ if name.contains('\0') => Err("it has a NUL character"),
        _ if name.starts_with('.') => Err("a component is hidden (starts with `.`)"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_inside_the_vault_pass() {
        for good in ["Inbox/AI/x.md", "a", "a b/c", "Ärger/über.md"] {
            assert_eq!(check(good), Ok(good));
        }
        assert_eq!(check("Inbox/AI/"), Ok("Inbox/AI"));
        for bad in ["", "/", "/etc", "..", "a/../b", "a//b", "a\\b", "a\nb", ".git", "a.", " a", "a\u{202e}"] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
        assert!(check(&"a/".repeat(17)).is_err());
        assert!(check(&"a".repeat(201)).is_err());
        assert!(check(&format!("{}a", "abcdefghij/".repeat(99))).is_err());
    }
}
