//! Paths as guests write them.
//!
//! A path is relative to an open folder. It is resolved by text alone, before the kernel sees it, so that the
//! kernel is never asked about `..`; a path that would leave its folder is refused here and would be refused
//! there as well.

use super::bindings::filesystem::types::ErrorCode;

/// The longest path, as in POSIX.
const MAX_BYTES: usize = 4096;

/// A path without `.`, `..` and doubled separators, beneath an open folder.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct GuestPath<'a> {
    parts: Vec<&'a str>,
    folder: bool,
}

impl<'a> GuestPath<'a> {
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
                name => parts.push(name),
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
    pub(super) fn text(&self) -> String {
        if self.parts.is_empty() { ".".into() } else { self.parts.join("/") }
    }

    /// The containing folder (`None`: the open one) and the name in it. `None` for the open folder itself.
    pub(super) fn split(&self) -> Option<(Option<String>, &'a str)> {
        let (name, parents) = self.parts.split_last()?;
        Some(((!parents.is_empty()).then(|| parents.join("/")), name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &str) -> Result<String, ErrorCode> {
        GuestPath::parse(path).map(|path| path.text())
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
        assert_eq!(GuestPath::parse("a/b/c")?.split(), Some((Some("a/b".into()), "c")));
        assert_eq!(GuestPath::parse("c")?.split(), Some((None, "c")));
        assert_eq!(GuestPath::parse(".")?.split(), None);
        Ok(())
    }
}
