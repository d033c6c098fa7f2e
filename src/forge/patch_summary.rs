//! The summary of an attempt's changes, for a person to read: the patch against the attempt before.
//!
//! Guarantees: a model's text cannot end the fence that it is quoted in, or control a terminal.
//! Deliberately never: applies a patch. The sources themselves are in the store.

use std::collections::BTreeSet;

use similar::{ChangeTag, TextDiff};

use crate::ledger::{Build, Proposal};
use crate::model::{snapshot::Snapshot, text};

/// Longest diff in the summary, in characters.
const MAX_DIFF: usize = 200_000;

/// The patch summary of an attempt, in Markdown.
pub fn render(proposal: &Proposal, build: &Build, before: Option<&Snapshot>, after: &Snapshot) -> String {
    let mut out = format!(
        "# Patch summary: `{}` attempt {}\n\nBranch `{}`, snapshot `{}`.\n\n| file | sha256 | bytes |\n|---|---|---|\n",
        proposal.spec.name,
        build.attempt_number,
        build.branch_name,
        after.digest(),
    );
    for file in after.manifest().files {
        out.push_str(&format!("| `{}` | `{}` | {} |\n", file.path, file.sha256, file.bytes));
    }
    out.push_str(&format!("\n~~~~diff\n{}~~~~\n", fence_safe(&diff(before, after))));
    out
}

/// The unified diff from one snapshot to another.
pub fn diff(before: Option<&Snapshot>, after: &Snapshot) -> String {
    let mut out = String::new();
    for (path, old, new) in changed_files(before, after) {
        let diff = TextDiff::from_lines(&old, &new);
        out.push_str(
            &diff.unified_diff().context_radius(3).header(&format!("a/{path}"), &format!("b/{path}")).to_string(),
        );
    }
    out
}

/// How many lines differ between two snapshots.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ChangedLines {
    /// Lines of the first snapshot that the second does not have.
    pub removed: usize,
    /// Lines of the second snapshot that the first does not have.
    pub added: usize,
}

/// Counts the lines that differ between two snapshots.
pub fn changed_lines(before: &Snapshot, after: &Snapshot) -> ChangedLines {
    let mut lines = ChangedLines::default();
    for (_, old, new) in changed_files(Some(before), after) {
        for change in TextDiff::from_lines(&old, &new).iter_all_changes() {
            match change.tag() {
                ChangeTag::Delete => lines.removed += 1,
                ChangeTag::Insert => lines.added += 1,
                ChangeTag::Equal => {}
            }
        }
    }
    lines
}

/// The files that differ: path, text before, text after.
fn changed_files<'a>(
    before: Option<&'a Snapshot>,
    after: &'a Snapshot,
) -> impl Iterator<Item = (&'a str, String, String)> {
    let paths: BTreeSet<&str> =
        after.files().chain(before.into_iter().flat_map(Snapshot::files)).map(|(path, _)| path).collect();
    let text_of = |snapshot: Option<&Snapshot>, path: &str| {
        String::from_utf8_lossy(snapshot.and_then(|s| s.get(path)).unwrap_or_default()).into_owned()
    };
    let both = paths.into_iter().map(move |path| (path, text_of(before, path), text_of(Some(after), path)));
    both.filter(|(_, old, new)| old != new)
}

/// Escapes what could end the fence or control a terminal.
fn fence_safe(diff: &str) -> String {
    let shown = text::block(diff, MAX_DIFF);
    shown.lines().map(|line| format!("{}\n", line.replace("~~~~", "~~~ "))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_names_what_changed_and_cannot_end_its_fence() {
        let old = Snapshot::new([("src/lib.rs".to_owned(), b"a\nb\n".to_vec())].into());
        let new = Snapshot::new([("src/lib.rs".to_owned(), "a\n~~~~\u{202e}c\n".as_bytes().to_vec())].into());
        let text = fence_safe(&diff(Some(&old), &new));
        assert!(text.contains("-b") && text.contains("+~~~ \\u{202e}c"), "{text}");
        assert_eq!(diff(Some(&old), &old), "");
    }
}
