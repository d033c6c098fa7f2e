//! The sources of a proposal, for people and machines: whole, as a diff, or counted.

use serde_json::{Value, json};

use crate::app::SourceReview;

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Every file as it is.
    Whole,
    /// What differs from the trusted revision; every file where there is none.
    Diff,
    /// Lines by file, and added and removed.
    Counts,
}

/// The sources, for people.
pub fn human(sources: &SourceReview, detail: Detail) -> String {
    match (detail, &sources.against) {
        (Detail::Counts, against) => {
            let files = sources.files.iter().map(|file| format!("  {:>5} lines  {}\n", file.lines, file.path));
            let counted = against.as_ref().map(|diff| {
                format!("  {} lines added, {} removed since revision {}\n", diff.added, diff.removed, diff.revision)
            });
            files.chain(counted).collect()
        }
        (Detail::Diff, Some(diff)) if diff.text.is_empty() => {
            format!("the sources are those of revision {}\n", diff.revision)
        }
        (Detail::Diff, Some(diff)) => diff.text.clone(),
        // A line of a file begins with its number, so nothing that a file says looks like the heading of another one.
        (Detail::Whole | Detail::Diff, _) => sources.files.iter().map(numbered).collect(),
    }
}

fn numbered(file: &crate::app::SourceFile) -> String {
    let lines = file.text.lines().enumerate();
    let lines: String = lines.map(|(at, line)| format!("{:>5}  {line}\n", at + 1)).collect();
    format!("file {} ({} lines)\n{lines}\n", file.path, file.lines)
}

/// The sources, for machines.
pub fn machine(sources: &SourceReview) -> Value {
    json!({
        "snapshot_sha256": sources.snapshot_sha256,
        "files": sources.files,
        "against": sources.against,
    })
}
