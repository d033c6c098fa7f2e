//! The sources of a proposal, for the person who decides about it.
//!
//! Guarantees: what is shown has the digest of its snapshot, and no text of a model controls a terminal. Deliberately never:
//! judges the sources.

use super::patch_summary;
use super::snapshot_store;
use crate::artifacts::{ArtifactError, Store};
use crate::ledger::Trust;
use crate::model::{digest::Digest, snapshot::Snapshot, text};

/// The sources of one proposal.
#[derive(Debug)]
pub struct SourceReview {
    /// Their digest.
    pub snapshot_sha256: Digest,
    /// Each file, in order of their paths.
    pub files: Vec<SourceFile>,
    /// How they differ from the trusted revision; none where there is none to compare with.
    pub against: Option<SourceDiff>,
}

/// One file.
#[derive(Debug, serde::Serialize)]
pub struct SourceFile {
    /// Its path in the crate.
    pub path: String,
    /// Its lines.
    pub lines: usize,
    /// Its text, escaped.
    pub text: String,
}

/// The difference from the trusted revision.
#[derive(Debug, serde::Serialize)]
pub struct SourceDiff {
    /// The trusted revision.
    pub revision: u32,
    /// Lines that are added.
    pub added: usize,
    /// Lines that are removed.
    pub removed: usize,
    /// The unified diff, escaped.
    pub text: String,
}

/// Reads the sources, and compares them with those of a trusted revision.
///
/// # Errors
/// [`ArtifactError`] when a file of a snapshot is missing or changed.
pub fn review(store: &Store, snapshot_sha256: Digest, trusted: Option<Trust>) -> Result<SourceReview, ArtifactError> {
    let sources = snapshot_store::load(store, snapshot_sha256)?;
    let against = trusted.map(|trust| compare(store, trust, &sources)).transpose()?;
    let file = |(path, bytes): (&str, &[u8])| {
        let source = String::from_utf8_lossy(bytes);
        SourceFile {
            path: text::line(path, 1_100),
            lines: source.lines().count(),
            text: text::block(&source, usize::MAX),
        }
    };
    Ok(SourceReview { snapshot_sha256, files: sources.files().map(file).collect(), against })
}

fn compare(store: &Store, trust: Trust, sources: &Snapshot) -> Result<SourceDiff, ArtifactError> {
    let before = snapshot_store::load(store, trust.snapshot_sha256)?;
    let lines = patch_summary::changed_lines(&before, sources);
    let diff = patch_summary::diff(Some(&before), sources);
    Ok(SourceDiff {
        revision: trust.revision,
        added: lines.added,
        removed: lines.removed,
        text: text::block(&diff, usize::MAX),
    })
}
