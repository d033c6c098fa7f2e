//! Prune: deletes old records, and then the files that only they referred to.
//!
//! Guarantees: what undo and replay of the remaining records need is kept (`ledger::prune` says what that is). A file is
//! deleted only after the rows that referred to it. So a crash leaves files for the next prune, and never a row without its
//! file. A file that another process stores meanwhile stays, also before its row is written.
//!
//! Deliberately never: decides when to prune, or touches components, sources and snapshots: trust depends on those.

use std::collections::BTreeSet;
use std::time::Duration;

use super::context::RunContext;
use crate::artifacts::{ArtifactError, StoredKind};
use crate::ledger::{Decided, LedgerError, Pruned};
use crate::model::{clock_doubt::ClockDoubt, digest::Digest, time::Timestamp};

/// A run that stored a file has written its row after this time, or never will.
const YOUNG: Duration = Duration::from_hours(1);

/// Why not everything was deleted.
#[derive(Debug, thiserror::Error)]
pub enum PruneError {
    /// The ledger: nothing was deleted.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The clock is in doubt, and so is the age of records. Nothing was deleted.
    #[error("nothing is deleted by its age now: {0}")]
    Clock(ClockDoubt),
    /// The records are deleted, and files that no record needs are still there.
    #[error("the records are gone, but files that no record needs are still there: {0}")]
    Files(Unswept),
}

/// Why files are still there.
#[derive(Debug, thiserror::Error)]
pub enum Unswept {
    /// What the records need cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A file cannot be removed.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
}

/// Files that were removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Their number.
    pub files: u64,
    /// Their size together, in bytes.
    pub bytes: u64,
}

/// Deletes the records that started before `older_than` and that no other record needs, because this person says so.
///
/// # Errors
/// [`PruneError`].
pub fn prune(context: &RunContext<'_>, older_than: Timestamp, by: &str) -> Result<(Pruned, Swept), PruneError> {
    if let Some(doubt) = context.clock_doubt()? {
        return Err(PruneError::Clock(doubt));
    }
    let pruned = context.ledger.prune(older_than, Decided { by, at: context.shared.clock.now() })?;
    let swept = sweep(context).map_err(PruneError::Files)?;
    Ok((pruned, swept))
}

/// Removes files that no row refers to.
fn sweep(context: &RunContext<'_>) -> Result<Swept, Unswept> {
    let store = context.shared.store;
    let than = context.shared.clock.now().before(YOUNG);
    // The files are listed before the rows are read: a row that is written in between refers to a file that is too young.
    let old = |kind| store.older(kind, than).map(BTreeSet::from_iter);
    let (mut files, mut values): (BTreeSet<Digest>, BTreeSet<Digest>) =
        (old(StoredKind::File)?, old(StoredKind::Value)?);
    if files.is_empty() && values.is_empty() {
        return Ok(Swept::default());
    }
    // Those that remain in the two sets are needed by no row.
    let needed = |old: &mut BTreeSet<Digest>, digest| {
        old.remove(&digest);
    };
    context.ledger.kept_files(&mut |digest| needed(&mut files, digest), &mut |digest| needed(&mut values, digest))?;
    let mut swept = Swept::default();
    for (kind, digests) in [(StoredKind::File, files), (StoredKind::Value, values)] {
        for digest in digests {
            if let Some(bytes) = store.remove(kind, digest, than)? {
                swept.files += 1;
                swept.bytes += bytes;
            }
        }
    }
    Ok(swept)
}
