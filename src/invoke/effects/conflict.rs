//! Conflicts: whether a file of the vault is still what a commit assumes.
//!
//! Guarantees: a file that another program changed after the run began is found, also within one tick of the file system's
//! clock. Deliberately never: resolves a conflict.

use super::change_time::ChangeTime;
use super::error::EffectsError;
use super::staging::Staging;
use super::vault_file::CurrentFile;
use crate::ledger::ChangeStore;
use crate::model::commit::FileChange;

/// What the file at a path must look like before a commit may change it.
#[derive(Debug, Clone, Copy)]
pub(in crate::invoke) enum Precondition {
    /// As it was when the run began.
    UnchangedSince(RunStart),
    /// As the change says.
    Exactly,
}

/// When a run began, as its conflicts are measured.
#[derive(Debug, Clone, Copy)]
pub(in crate::invoke) struct RunStart {
    time: ChangeTime,
    settled: u64,
}

impl RunStart {
    /// The run with this staging folder begins now.
    pub(in crate::invoke) fn now(ledger: &dyn ChangeStore, staging: &Staging) -> Result<Self, EffectsError> {
        // The time is that at which the folder was made, a moment ago. The guest sees a commit that was settled since: its
        // number tells it from a later one.
        Ok(Self { settled: ledger.settled_up_to()?, time: staging.change_time()? })
    }
}

/// Compares the file that lies at a change's path with the precondition. `staged` is when the new file was written.
///
/// # Errors
/// [`EffectsError::Conflict`] when another program changed it, [`EffectsError::FutureFile`] when that cannot be told.
pub(super) fn check(
    ledger: &dyn ChangeStore,
    change: &FileChange,
    precondition: Precondition,
    found: Option<&CurrentFile>,
    staged: Option<ChangeTime>,
) -> Result<(), EffectsError> {
    let conflict = |why: &str| Err(EffectsError::Conflict { path: change.path.clone(), why: why.to_owned() });
    let start = match precondition {
        Precondition::Exactly if found.map(|found| found.sha256) == change.before => return Ok(()),
        Precondition::Exactly if found.is_none() => return conflict("it is not there any more"),
        Precondition::Exactly => return conflict("it was changed in the meantime"),
        Precondition::UnchangedSince(start) => start,
    };
    // A file that was removed since, or was never there, cannot be overwritten.
    let Some(found) = found else { return Ok(()) };
    if found.changed < start.time {
        return Ok(());
    }
    // The clock was ahead when the file was changed. Every run would find it changed, also the next one.
    if staged.is_some_and(|staged| found.changed.is_long_after(staged)) {
        return Err(EffectsError::FutureFile { path: change.path.clone() });
    }
    // The file was changed after the run began, or in the tick in which it began. The times alone cannot tell a commit
    // that was settled before the start from an edit after it: the number and the digest of the newest commit can.
    match ledger.recent_change(&|other| *other.path() == change.path)? {
        Some((number, newest)) if number <= start.settled && newest.after() == Some(found.sha256) => Ok(()),
        _ => conflict("it was changed after the run began"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Ledger;
    use crate::model::{digest::Digest, vault_path::VaultPath};

    #[test]
    fn a_change_time_in_the_future_is_told_as_such_and_no_earlier_one_is() -> Result<(), Box<dyn std::error::Error>> {
        let ledger = Ledger::in_memory()?;
        let path = VaultPath::parse("Inbox/AI/a.md")?;
        let change = FileChange { path, before: None, after: Some(Digest::of(b"new")), bytes: 3 };
        let meta = tempfile::tempfile()?.metadata()?;
        let start = ChangeTime::of(&meta);
        let found = |changed| CurrentFile {
            bytes: b"old".to_vec(),
            sha256: Digest::of(b"old"),
            permissions: meta.permissions(),
            changed,
        };
        let since = Precondition::UnchangedSince(RunStart { time: start, settled: 0 });
        let verdict = |changed| check(&ledger, &change, since, Some(&found(changed)), Some(start));
        assert!(verdict(start.later_by(-1)).is_ok());
        assert!(matches!(verdict(start), Err(EffectsError::Conflict { .. })));
        assert!(matches!(verdict(start.later_by(30)), Err(EffectsError::Conflict { .. })));
        assert!(matches!(verdict(start.later_by(3_600)), Err(EffectsError::FutureFile { .. })));
        Ok(())
    }
}
