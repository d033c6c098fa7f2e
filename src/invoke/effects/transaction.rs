//! The stages of a commit: check, prepare, record, apply.
//!
//! Guarantees: one commit of a workspace is under way at a time; nothing in the vault changes before the record is on disk.
//! Deliberately never: decides what is committed.

use std::collections::BTreeSet;
use std::fs::File;

use super::apply::{self, ApplyOutcome};
use super::change::{CheckedChange, StagedChange};
use super::commit_site::CommitSite;
use super::error::EffectsError;
use super::folders;
use super::prepared_dir::PreparedDir;
use super::recovery;
use super::staging::Staging;
use super::vault_file::{self, open_vault};
use crate::dir::FolderHandle;
use crate::invoke::commit_point::CommitPoint;
use crate::invoke::context::RunContext;
use crate::invoke::diff::FileDiff;
use crate::ledger::{LedgerError, Settled};
use crate::model::{
    commit::{Commit, VaultChange},
    lifecycle::CommitState,
    vault_path::VaultPath,
};

/// Makes staged content durable. It may take long, so this comes before [`CheckedCommit::new`], which takes the lock.
pub(super) fn make_durable(
    context: &RunContext<'_>,
    staging: &Staging,
    changes: &[StagedChange],
) -> Result<(), EffectsError> {
    let permissions = staging.new_file_permissions()?;
    changes.iter().try_for_each(|change| change.make_durable(&permissions))?;
    context.shared.observer.reached(CommitPoint::Durable);
    Ok(())
}

/// Changes that meet their preconditions, under the lock: no other process of Kavi changes the vault meanwhile.
#[derive(Debug)]
pub(super) struct CheckedCommit<'a> {
    context: &'a RunContext<'a>,
    vault: FolderHandle,
    changes: Vec<CheckedChange>,
    _lock: File,
}

impl<'a> CheckedCommit<'a> {
    /// Takes the lock, finishes what a crash left, and checks every change.
    ///
    /// # Errors
    /// [`EffectsError::Conflict`] and [`EffectsError::Place`]. [`EffectsError::Unfinished`] when an earlier commit that cannot be
    /// finished wants one of the paths.
    pub(super) fn new(context: &'a RunContext<'a>, changes: Vec<StagedChange>) -> Result<Self, EffectsError> {
        let lock = folders::commit_lock(context.shared.layout)?;
        // Held open from here on: a vault that is renamed meanwhile is still the one that was checked.
        let vault = open_vault(context.shared.layout)?;
        // Another process may have died since this one looked: only what nobody can finish blocks its paths.
        recovery::finish_pending(context)?.check_free(changes.iter().map(StagedChange::path))?;
        let check = |change: StagedChange| change.check(&vault, context.ledger);
        let changes = changes.into_iter().map(check).collect::<Result<_, _>>()?;
        Ok(Self { context, vault, changes, _lock: lock })
    }

    /// All changes, also those that change nothing, each with what it replaces.
    pub(super) fn changes(&self) -> Vec<VaultChange> {
        self.changes.iter().map(CheckedChange::change).collect()
    }

    /// What each change would do, for people.
    pub(super) fn diffs(self) -> Result<Vec<FileDiff>, EffectsError> {
        // A diff may take long, and needs nothing from the vault any more: other commits can go on.
        drop(self._lock);
        self.changes.iter().filter(|change| !change.is_noop()).map(CheckedChange::diff).collect()
    }

    /// Keeps the old and the new content, for a commit that a person decides about later.
    pub(super) fn keep(&self) -> Result<(), EffectsError> {
        self.keep_old()?;
        self.changes.iter().try_for_each(|change| change.keep_new(self.context.shared.store))
    }

    fn keep_old(&self) -> Result<(), EffectsError> {
        self.changes.iter().try_for_each(|change| change.keep_old(self.context.shared.store))?;
        self.context.shared.observer.reached(CommitPoint::Kept);
        Ok(())
    }

    /// Prepares every change of `commit`, durably. Its changes are those of this value that change something.
    pub(super) fn prepare(self, commit: Commit) -> Result<PreparedCommit<'a>, EffectsError> {
        self.keep_old()?;
        let Self { context, vault, changes, _lock } = self;
        let prepared = PreparedDir::open(context.shared.layout)?;
        let site = CommitSite { vault: &vault, prepared: &prepared, store: context.shared.store, commit: commit.id };
        note_new_folders(site, &changes)?;
        // The numbers are those of the changes in the commit, so recovery finds the files by the record alone.
        for (number, change) in changes.iter().filter(|change| !change.is_noop()).enumerate() {
            change.prepare(site, number)?;
        }
        // The record must not say that files are prepared whose names a crash could still lose.
        prepared.sync()?;
        context.shared.observer.reached(CommitPoint::Ready);
        Ok(PreparedCommit { context, vault, prepared, commit, _lock })
    }
}

/// Notes the folders that are made for the changes of a commit, so that none is left of one that does not come to be.
fn note_new_folders(site: CommitSite<'_>, changes: &[CheckedChange]) -> Result<(), EffectsError> {
    let mut folders = BTreeSet::new();
    for change in changes.iter().filter(|change| !change.is_noop()) {
        folders.extend(vault_file::missing_folders(site.vault, change.change().path())?);
    }
    // In the order of their paths a folder comes before those in it.
    let folders: Vec<VaultPath> = folders.into_iter().collect();
    if folders.is_empty() { Ok(()) } else { site.prepared.note_folders(site.commit, &folders) }
}

/// A commit that only has to be recorded and applied.
#[derive(Debug)]
pub(in crate::invoke) struct PreparedCommit<'a> {
    context: &'a RunContext<'a>,
    vault: FolderHandle,
    prepared: PreparedDir,
    commit: Commit,
    _lock: File,
}

impl PreparedCommit<'_> {
    /// The commit.
    pub(in crate::invoke) fn commit(&self) -> &Commit {
        &self.commit
    }

    /// Records the commit as PENDING, by `write`.
    ///
    /// # Errors
    /// That of `write`.
    pub(in crate::invoke) fn record(
        &self,
        write: impl FnOnce(&Commit) -> Result<(), LedgerError>,
    ) -> Result<(), LedgerError> {
        write(&self.commit).inspect_err(|error| {
            // After any other error nobody knows whether the commit is on record. Its files stay: recovery finds out.
            if matches!(error, LedgerError::Halted(_) | LedgerError::WrongState { .. } | LedgerError::Conflict(_)) {
                self.site().remove_folders();
                self.site().remove_files(self.commit.changes.len());
            }
        })
    }

    /// Applies the recorded commit, records that, and gives it back as APPLIED.
    ///
    /// # Errors
    /// [`EffectsError::Conflict`] when all changes were undone. [`EffectsError::Unfinished`] when that was not possible either:
    /// the commit stays PENDING, and recovery tries again.
    pub(in crate::invoke) fn apply<E>(self) -> Result<Commit, E>
    where
        E: From<EffectsError> + From<LedgerError>,
    {
        let observer = self.context.shared.observer;
        observer.reached(CommitPoint::Recorded);
        let outcome = apply::apply_or_undo(self.site(), &self.commit, observer)?;
        match self.context.journal.settle(self.commit.id, &self.settled(&outcome)) {
            Ok(()) => {
                observer.reached(CommitPoint::Settled);
                if !matches!(outcome, ApplyOutcome::Applied) {
                    self.site().remove_folders();
                }
                // Only now: until the commit is settled on the disk, recovery needs what was replaced and the evidence.
                self.site().remove_files(self.commit.changes.len());
            }
            Err(error) => self.tell_unsettled(&outcome, &error)?,
        }
        match outcome {
            ApplyOutcome::Applied => Ok(Commit { state: CommitState::Applied, ..self.commit }),
            ApplyOutcome::Conflict(path, why) => Err(EffectsError::Conflict { path, why }.into()),
            ApplyOutcome::Failed(path, why) => Err(EffectsError::FileSystem { path, why }.into()),
        }
    }

    /// What to record about an outcome.
    fn settled(&self, outcome: &ApplyOutcome) -> Settled {
        match outcome {
            ApplyOutcome::Applied => Settled::Applied,
            // What a person approved is not lost because a disk failed once.
            ApplyOutcome::Failed(..) if self.commit.expires_at.is_some() => Settled::Held,
            ApplyOutcome::Conflict(path, why) | ApplyOutcome::Failed(path, why) => {
                Settled::Reverted(format!("`{path}`: {why}"))
            }
        }
    }

    /// The files are where the outcome says, and the ledger could not note it: the next recovery does. To say that a commit
    /// failed whose files are in the vault would have its caller do it twice.
    fn tell_unsettled(&self, outcome: &ApplyOutcome, error: &LedgerError) -> Result<(), EffectsError> {
        let id = self.commit.id.short();
        match outcome {
            ApplyOutcome::Applied => {
                tracing::warn!(
                    "effect {id} is done: its files are in the vault. The ledger could not note that ({error}), \
                     and the next command notes it"
                );
                Ok(())
            }
            ApplyOutcome::Conflict(path, why) | ApplyOutcome::Failed(path, why) => Err(EffectsError::Unfinished {
                id,
                path: path.clone(),
                why: format!("{why}. The ledger could not note that: {error}"),
            }),
        }
    }

    fn site(&self) -> CommitSite<'_> {
        CommitSite {
            vault: &self.vault,
            prepared: &self.prepared,
            store: self.context.shared.store,
            commit: self.commit.id,
        }
    }
}
