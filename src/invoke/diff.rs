//! What a commit would change, for people: a unified diff of each file.
//!
//! Guarantees: the diff is of the two contents, escaped; it says so where they are too long, or no text. Deliberately never:
//! reads a file.

use std::time::Duration;

use serde::Serialize;
use similar::TextDiff;

use crate::model::{commit::FileChange, digest::Digest, text};

/// Longest diff of one file, in characters.
const MOST: usize = 256 * 1024;
/// Time for finding the shortest diff; after that the diff is longer than it could be.
const TIME: Duration = Duration::from_millis(500);
/// Largest contents that are compared line by line, in bytes together.
const MOST_COMPARED: usize = 4 << 20;

/// How one file would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileDiff {
    /// Its path and digests.
    #[serde(flatten)]
    pub change: FileChange,
    /// Lines that are added.
    pub added: usize,
    /// Lines that are removed.
    pub removed: usize,
    /// Whether the text has every line that changes. Where it has not, it says so.
    pub whole: bool,
    /// The unified diff, or a sentence where there can be none.
    pub text: String,
}

/// The diff of one file. `old` and `new` are its contents; none where there is no file.
pub(super) fn of(change: &FileChange, old: Option<&[u8]>, new: Option<&[u8]>) -> FileDiff {
    let path = text::line(change.path.as_str(), 1_100);
    let names = (
        old.map_or("/dev/null".to_owned(), |_| format!("a/{path}")),
        new.map_or("/dev/null".to_owned(), |_| format!("b/{path}")),
    );
    let (old_bytes, new_bytes) = (old.unwrap_or_default(), new.unwrap_or_default());
    let without_lines =
        |said: String| FileDiff { change: change.clone(), added: 0, removed: 0, whole: false, text: said };
    let sizes = format!("{} bytes before, {} bytes after", old_bytes.len(), new_bytes.len());
    let (Ok(old), Ok(new)) = (std::str::from_utf8(old_bytes), std::str::from_utf8(new_bytes)) else {
        return without_lines(format!("--- {}\n+++ {}\nnot text: {sizes}\n", names.0, names.1));
    };
    if old_bytes.len() + new_bytes.len() > MOST_COMPARED {
        return without_lines(format!("--- {}\n+++ {}\ntoo large to compare: {sizes}\n", names.0, names.1));
    }
    // The time for a diff of two hostile files is quadratic without a limit.
    let diff = TextDiff::configure().timeout(TIME).diff_lines(old, new);
    let (mut added, mut removed) = (0, 0);
    for change in diff.iter_all_changes() {
        match change.tag() {
            similar::ChangeTag::Insert => added += 1,
            similar::ChangeTag::Delete => removed += 1,
            similar::ChangeTag::Equal => {}
        }
    }
    let unified = diff.unified_diff().context_radius(3).header(&names.0, &names.1).to_string();
    // Escaping makes the text longer, so its length says nothing about what was cut.
    let (length, mut said) = (unified.chars().count(), text::block(&unified, MOST));
    let whole = length <= MOST;
    if !whole {
        said.push_str(&format!("\nNOT SHOWN: {} more characters\n", length - MOST));
    }
    // An empty file that is created changes no line, and would show as nothing.
    if said.is_empty() {
        said = format!("--- {}\n+++ {}\nno line changes: {sizes}\n", names.0, names.1);
    }
    FileDiff { change: change.clone(), added, removed, whole, text: said }
}

/// A change whose contents are not in the store.
pub(super) fn unknown(change: &FileChange) -> FileDiff {
    let digest = |side: Option<Digest>| side.map_or("nothing".to_owned(), |digest| format!("sha256 {digest}"));
    let said = format!(
        "{}: {} becomes {}\n",
        text::line(change.path.as_str(), 1_100),
        digest(change.before),
        digest(change.after)
    );
    FileDiff { change: change.clone(), added: 0, removed: 0, whole: false, text: said }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::vault_path::VaultPath;

    fn diff(old: Option<&str>, new: Option<&str>) -> Result<FileDiff, Box<dyn std::error::Error>> {
        let digest = |text: Option<&str>| text.map(|text| Digest::of(text.as_bytes()));
        let bytes = new.map_or(0, str::len) as u64;
        let change = FileChange { path: VaultPath::parse("a/b.md")?, before: digest(old), after: digest(new), bytes };
        Ok(of(&change, old.map(str::as_bytes), new.map(str::as_bytes)))
    }

    #[test]
    fn a_diff_reads_as_those_of_other_tools() -> Result<(), Box<dyn std::error::Error>> {
        let changed = diff(Some("one\ntwo\nthree\n"), Some("one\n2\nthree\n"))?;
        assert_eq!(changed.text, "--- a/a/b.md\n+++ b/a/b.md\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n");
        assert_eq!((changed.added, changed.removed), (1, 1));
        assert_eq!(diff(None, Some("new\n"))?.text, "--- /dev/null\n+++ b/a/b.md\n@@ -0,0 +1 @@\n+new\n");
        assert_eq!(diff(Some("old\n"), None)?.text, "--- a/a/b.md\n+++ /dev/null\n@@ -1 +0,0 @@\n-old\n");
        assert!(diff(None, Some(""))?.text.contains("no line changes: 0 bytes before, 0 bytes after"));
        Ok(())
    }

    #[test]
    fn what_a_terminal_would_obey_is_escaped_and_what_is_no_text_is_not_shown() -> Result<(), Box<dyn std::error::Error>>
    {
        assert!(diff(None, Some("\u{1b}[31mred\n"))?.text.contains("+\\u{1b}[31mred"));
        let change = diff(None, Some("x"))?.change;
        assert!(of(&change, None, Some(b"\xff\x00")).text.contains("not text: 0 bytes before, 2 bytes after"));
        let large = vec![b'x'; MOST_COMPARED + 1];
        assert!(of(&change, None, Some(&large)).text.contains("too large to compare"));
        let long = of(&change, None, Some("benign line\n".repeat(MOST / 10).as_bytes()));
        assert!(!long.whole && long.text.contains("NOT SHOWN: "), "{}", &long.text[long.text.len() - 100..]);
        assert!(diff(None, Some("short\n"))?.whole);
        Ok(())
    }
}
