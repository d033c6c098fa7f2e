//! Paths as guests write them.
//!
//! A path is relative to an open folder. It is resolved by text alone, before the kernel sees it, so that the
//! kernel is never asked about `..`. A path that would leave its folder is refused here, and would be refused
//! there as well.

use std::{
    borrow::Cow,
    ffi::{OsStr, OsString},
};

use super::{bindings::filesystem::types::ErrorCode, names, staging::GuestFolder};

/// The longest path, as in POSIX.
const MAX_BYTES: usize = 4096;

/// A path without `.`, `..` and doubled separators, beneath an open folder.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct GuestPath<'a> {
    parts: Vec<Cow<'a, OsStr>>,
    folder: bool,
}

impl<'a> GuestPath<'a> {
    /// Reads a path in one of the two folders. In the vault there may be names that are not UTF-8.
    pub(super) fn parse_in(area: GuestFolder, text: &'a str) -> Result<Self, ErrorCode> {
        let mut path = Self::parse(text)?;
        if area == GuestFolder::Vault && text.contains("\\x") {
            for part in &mut path.parts {
                if let Cow::Borrowed(name) = part {
                    *part = name.to_str().map_or(Cow::Borrowed(*name), names::meant);
                }
            }
        }
        Ok(path)
    }

    /// Reads a path. Refuses the empty, the absolute, the leaving.
    pub(super) fn parse(text: &'a str) -> Result<Self, ErrorCode> {
        match text {
            "" => return Err(ErrorCode::NoEntry),
            long if long.len() > MAX_BYTES => return Err(ErrorCode::NameTooLong),
            nul if nul.contains('\0') => return Err(ErrorCode::IllegalByteSequence),
            absolute if absolute.starts_with('/') => return Err(ErrorCode::NotPermitted),
            _ => {}
        }
        let mut parts = Vec::new();
        for part in text.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop().ok_or(ErrorCode::NotPermitted)?;
                }
                name => parts.push(Cow::Borrowed(OsStr::new(name))),
            }
        }
        let last = text.rsplit('/').next().unwrap_or_default();
        Ok(Self { folder: matches!(last, "" | "." | "..") || parts.is_empty(), parts })
    }

    /// Whether the spelling says that it is a folder (`a/`, `.`).
    pub(super) fn is_folder(&self) -> bool {
        self.folder
    }

    /// How many levels it goes down.
    pub(super) fn depth(&self) -> usize {
        self.parts.len()
    }

    /// The path for the kernel; `.` for the folder itself.
    pub(super) fn text(&self) -> OsString {
        if self.parts.is_empty() { ".".into() } else { joined(&self.parts) }
    }

    /// The containing folder (`None`: the open one) and the name in it. `None` for the open folder itself.
    pub(super) fn split(&self) -> Option<(Option<OsString>, &OsStr)> {
        let (name, parents) = self.parts.split_last()?;
        Some(((!parents.is_empty()).then(|| joined(parents)), name))
    }
}

fn joined(parts: &[Cow<'_, OsStr>]) -> OsString {
    parts.join(OsStr::new("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &str) -> Result<OsString, ErrorCode> {
        GuestPath::parse(path).map(|path| path.text())
    }

    #[test]
    fn only_the_vault_has_names_that_are_not_utf8() -> Result<(), ErrorCode> {
        use std::os::unix::ffi::OsStrExt;
        let bytes = |area| GuestPath::parse_in(area, "a/h\\xFF.md").map(|path| path.text().as_bytes().to_vec());
        assert_eq!(bytes(GuestFolder::Vault)?, b"a/h\xff.md");
        assert_eq!(bytes(GuestFolder::Out)?, b"a/h\\xFF.md");
        Ok(())
    }

    #[test]
    fn paths_are_resolved_by_their_text() {
        assert_eq!(text("a/./b//c"), Ok("a/b/c".into()));
        assert_eq!(text("notes/../other.md"), Ok("other.md".into()));
        assert_eq!(text("."), Ok(".".into()));
        assert_eq!(text("a/.."), Ok(".".into()));
    }

    #[test]
    fn a_path_that_leaves_its_folder_is_refused() {
        for path in ["..", "../x", "a/../../x", "/etc/passwd", "//x", "./../x"] {
            assert_eq!(text(path), Err(ErrorCode::NotPermitted), "{path}");
        }
    }

    #[test]
    fn the_empty_the_overlong_and_nul_are_refused() {
        assert_eq!(text(""), Err(ErrorCode::NoEntry));
        assert_eq!(text(&"a/".repeat(3000)), Err(ErrorCode::NameTooLong));
        assert_eq!(text("a\0b"), Err(ErrorCode::IllegalByteSequence));
    }

    #[test]
    fn a_trailing_slash_means_a_folder() -> Result<(), ErrorCode> {
        assert!(GuestPath::parse("a/")?.is_folder());
        assert!(GuestPath::parse("a/.")?.is_folder());
        assert!(!GuestPath::parse("a/b")?.is_folder());
        assert_eq!(GuestPath::parse("a/b/c")?.split(), Some((Some("a/b".into()), OsStr::new("c"))));
        assert_eq!(GuestPath::parse("c")?.split(), Some((None, OsStr::new("c"))));
        assert_eq!(GuestPath::parse(".")?.split(), None);
        Ok(())
    }
}
