//! Prune: old records are thrown away, and then the files that only they referred to.
//!
//! Guarantees: what undo and replay of the records that stay need is kept (`ledger::prune` says which those are); a file goes only
//! after the rows that referred to it, so that a crash in between leaves files for the next prune and never a row without
//! its file; a file that a run of another process stores meanwhile stays, even before its row is written.
//!
//! Deliberately never: decides when, or touches components, sources and snapshots: trust rests on those.

use std::collections::BTreeSet;
use std::time::Duration;

use super::request::Desk;
use crate::artifacts::{ArtifactError, Kind};
use crate::ledger::{Decided, Ledger, LedgerError, Pruned};
use crate::model::{digest::Digest, time::Timestamp};

/// A run that stored a file has written its row by then, or never will.
const YOUNG: Duration = Duration::from_hours(1);

/// Why not everything was thrown away.
#[derive(Debug, thiserror::Error)]
pub enum PruneError {
    /// The ledger: nothing was thrown away.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The records are gone, and files that nobody needs are still there.
    #[error("the records are gone, but files that nobody needs any more are still there: {0}")]
    Files(Unswept),
}

/// Why files are still there.
#[derive(Debug, thiserror::Error)]
pub enum Unswept {
    /// What is needed cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// One cannot be removed.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
}

/// Files that were removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// How many.
    pub files: u64,
    /// Bytes that they had together.
    pub bytes: u64,
}

/// Throws away what started before `older_than` and nobody needs any more, by this person's word.
///
/// # Errors
/// [`PruneError`].
pub fn prune(desk: &Desk<'_>, ledger: &Ledger, older_than: Timestamp, by: &str) -> Result<(Pruned, Swept), PruneError> {
    let pruned = ledger.prune(older_than, Decided { by, at: desk.clock.now() })?;
    let swept = sweep(desk, ledger).map_err(PruneError::Files)?;
    Ok((pruned, swept))
}

/// Removes what no row refers to.
fn sweep(desk: &Desk<'_>, ledger: &Ledger) -> Result<Swept, Unswept> {
    let than = desk.clock.now().before(YOUNG);
    // The files first: a row that is written later is of a file that was stored later.
    let old = |kind| desk.store.older(kind, than).map(BTreeSet::from_iter);
    let (mut files, mut values): (BTreeSet<Digest>, BTreeSet<Digest>) = (old(Kind::File)?, old(Kind::Value)?);
    if files.is_empty() && values.is_empty() {
        return Ok(Swept::default());
    }
    let needed = |old: &mut BTreeSet<Digest>, digest| {
        old.remove(&digest);
    };
    ledger.kept_files(&mut |digest| needed(&mut files, digest), &mut |digest| needed(&mut values, digest))?;
    let mut swept = Swept::default();
    for (kind, digests) in [(Kind::File, files), (Kind::Value, values)] {
        for digest in digests {
            if let Some(bytes) = desk.store.remove(kind, digest, than)? {
                swept.files += 1;
                swept.bytes += bytes;
            }
        }
    }
    Ok(swept)
}
