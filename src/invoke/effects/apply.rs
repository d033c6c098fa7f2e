//! Applies all changes of a recorded commit, or undoes them.
//!
//! Guarantees: after [`apply_or_undo`] either every change is applied, or none is, or the error says that neither was possible.
//! All of it can be repeated after a crash at any point. Deliberately never: writes to the ledger.

use super::change;
use super::commit_site::CommitSite;
use super::error::{ApplyError, EffectsError};
use crate::invoke::commit_point::{CommitObserver, CommitPoint};
use crate::model::commit::{Commit, VaultChange};
use crate::model::vault_path::VaultPath;

/// A commit that could not be applied.
struct ApplyFailure {
    cause: ApplyError,
    /// Whether what had been applied of it was undone.
    undone: Result<(), ApplyError>,
}

/// What became of the changes of a commit.
#[derive(Debug)]
pub(super) enum ApplyOutcome {
    /// All are applied.
    Applied,
    /// None is: another program changed this file.
    Conflict(VaultPath, String),
    /// None is: the file system failed at this file, and may not fail again.
    Failed(VaultPath, String),
}

/// Applies a commit, or undoes what was applied of it.
///
/// # Errors
/// [`EffectsError::Unfinished`] when neither is possible.
pub(super) fn apply_or_undo(
    site: CommitSite<'_>,
    commit: &Commit,
    observer: &dyn CommitObserver,
) -> Result<ApplyOutcome, EffectsError> {
    match apply_all(site, &commit.changes, observer) {
        Ok(()) => {
            observer.reached(CommitPoint::Synced);
            Ok(ApplyOutcome::Applied)
        }
        Err(ApplyFailure { undone: Err(error), .. }) => Err(unfinished(commit, &error)),
        Err(ApplyFailure { cause: ApplyError::Conflict(path, why), .. }) => Ok(ApplyOutcome::Conflict(path, why)),
        Err(ApplyFailure { cause, .. }) => Ok(ApplyOutcome::Failed(cause.path().clone(), cause.why())),
    }
}

/// Applies a commit that was recorded before schema version 7. It is never undone: what it replaced is not known.
pub(super) fn apply_unchecked(site: CommitSite<'_>, commit: &Commit) -> Result<ApplyOutcome, EffectsError> {
    let mut changes = commit.changes.iter().enumerate();
    // No undo on an error: it needs the old content, which that version did not keep.
    let applied = changes.try_for_each(|(number, change)| change::apply_unchecked(site, number, change));
    applied.and_then(|()| change::sync(site, &commit.changes)).map_err(|error| unfinished(commit, &error))?;
    Ok(ApplyOutcome::Applied)
}

fn unfinished(commit: &Commit, error: &ApplyError) -> EffectsError {
    EffectsError::Unfinished { id: commit.id.short(), path: error.path().clone(), why: error.why() }
}

fn apply_all(site: CommitSite<'_>, changes: &[VaultChange], observer: &dyn CommitObserver) -> Result<(), ApplyFailure> {
    for (number, change) in changes.iter().enumerate() {
        match change::apply(site, number, change) {
            Ok(()) => observer.reached(CommitPoint::Moved(number)),
            // Somebody removed the prepared file, or put another vault in the place of this one. To undo the other changes
            // could then destroy the only copy of a file, so everything stays as it is.
            Err(cause @ ApplyError::Lost(_)) => {
                let path = cause.path().clone();
                return Err(ApplyFailure { cause, undone: Err(ApplyError::Lost(path)) });
            }
            Err(cause) => return Err(ApplyFailure { cause, undone: undo_all(site, changes) }),
        }
    }
    // A rename that is not durable could be lost after the commit is APPLIED on record.
    change::sync(site, changes).map_err(|cause| ApplyFailure { cause, undone: undo_all(site, changes) })
}

/// Undoes every change that was applied, the last one first: also those of a process that crashed.
fn undo_all(site: CommitSite<'_>, changes: &[VaultChange]) -> Result<(), ApplyError> {
    for (number, change) in changes.iter().enumerate().rev() {
        change::undo(site, number, change)?;
    }
    change::sync(site, changes)
}
