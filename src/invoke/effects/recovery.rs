//! Recovery: what a crash left is finished or removed.
//!
//! A crash before the record leaves a staging folder and prepared files, which are removed. A crash after the record leaves a
//! PENDING commit, whose changes are applied again.
//!
//! Guarantees: what a live process uses is left alone. A commit that cannot be finished blocks the paths that it wants, and
//! nothing else. Deliberately never: gives a commit up, unless a person says so.

use std::collections::BTreeSet;

use super::apply::{self, ApplyOutcome};
use super::commit_site::CommitSite;
use super::error::{EffectsError, io as io_error};
use super::folders;
use super::prepared_dir::PreparedDir;
use super::record_check;
use super::staging;
use super::vault_file::open_vault;
use crate::artifacts::StoredKind;
use crate::dir::{DirEntry, MissingFolders};
use crate::invoke::context::RunContext;
use crate::ledger::{LedgerError, Settled};
use crate::model::{
    commit::{Commit, VaultChange},
    id::{CommitId, ExecutionId},
    layout::Layout,
    lifecycle::CommitState,
    vault_path::VaultPath,
};

/// A recorded commit that can neither be applied nor undone now.
#[derive(Debug)]
pub struct UnfinishedCommit {
    /// The commit, which is PENDING.
    pub commit: Commit,
    /// Why it cannot be finished.
    pub error: EffectsError,
}

/// What a recovery did.
#[derive(Debug, Default)]
pub struct Recovery {
    /// The commits that are settled now.
    pub settled: Vec<Commit>,
    /// The commits that still are not.
    pub unfinished: Vec<UnfinishedCommit>,
    /// Why recovery could not look for more.
    trouble: Option<EffectsError>,
}

impl Recovery {
    /// The commits that were settled, if nothing is left.
    ///
    /// # Errors
    /// The first reason why something is left.
    pub fn complete(self) -> Result<Vec<Commit>, EffectsError> {
        let first = self.unfinished.into_iter().next().map(|unfinished| unfinished.error);
        first.or(self.trouble).map_or(Ok(self.settled), Err)
    }

    /// Whether no unfinished commit wants one of these paths, or a folder of one.
    ///
    /// # Errors
    /// Why the first that does is not finished.
    pub(super) fn check_free<'p>(self, paths: impl Iterator<Item = &'p VaultPath> + Clone) -> Result<(), EffectsError> {
        let wants = |unfinished: &UnfinishedCommit| {
            unfinished
                .commit
                .changes
                .iter()
                .map(VaultChange::path)
                .any(|changed| paths.clone().any(|path| path.is_within(changed) || changed.is_within(path)))
        };
        match self.unfinished.into_iter().find(wants) {
            Some(unfinished) => Err(unfinished.error),
            None => Ok(()),
        }
    }
}

/// Finishes the commits that a crash left PENDING, and removes staging folders of dead processes.
///
/// # Errors
/// [`LedgerError`] when the ledger cannot be read or written. What cannot be finished for another reason is in the result, so
/// that whatever does not need it goes on.
pub fn recover(context: &RunContext<'_>) -> Result<Recovery, LedgerError> {
    match recover_all(context) {
        Ok(recovery) => Ok(recovery),
        Err(EffectsError::Ledger(error)) => Err(error),
        Err(error) => Ok(Recovery { trouble: Some(error), ..Recovery::default() }),
    }
}

fn recover_all(context: &RunContext<'_>) -> Result<Recovery, EffectsError> {
    let (layout, ledger) = (context.shared.layout, context.ledger);
    // Every run asks this first, so it takes no lock and mostly ends here.
    if nothing_waits(layout)? && !ledger.any_pending_commits()? {
        return Ok(Recovery::default());
    }
    let _lock = folders::commit_lock(layout)?;
    let recovery = finish_pending(context)?;
    // The files of a commit that is still PENDING are all that is left of it.
    let pending: BTreeSet<CommitId> = recovery.unfinished.iter().map(|unfinished| unfinished.commit.id).collect();
    if let Some(prepared) = PreparedDir::find(layout)? {
        // What cannot be looked up counts as applied: a folder that stays harms nothing.
        let is_applied = |id| match ledger.commit(id) {
            Ok(commit) => commit.state == CommitState::Applied,
            Err(error) => !matches!(error, LedgerError::NotFound { .. }),
        };
        prepared.sweep(&open_vault(layout)?, &pending, is_applied)?;
    }
    remove_abandoned(layout)?;
    Ok(recovery)
}

/// Applies the commits that are PENDING, or undoes them. The caller holds the commit lock.
pub(super) fn finish_pending(context: &RunContext<'_>) -> Result<Recovery, EffectsError> {
    let (layout, ledger, mut recovery) = (context.shared.layout, context.ledger, Recovery::default());
    if !ledger.any_pending_commits()? {
        return Ok(recovery);
    }
    let (vault, prepared) = (open_vault(layout)?, PreparedDir::open(layout)?);
    // In their order: a later commit may replace what an earlier one wrote.
    for mut commit in ledger.pending_commits()? {
        let site = CommitSite { vault: &vault, prepared: &prepared, store: context.shared.store, commit: commit.id };
        match finish(context, site, &commit) {
            Ok(settled) => {
                ledger.settle(commit.id, &settled)?;
                (commit.state, commit.why) = match settled {
                    Settled::Applied => (CommitState::Applied, None),
                    Settled::Reverted(why) => (CommitState::Reverted, Some(why)),
                    Settled::Held => (CommitState::Held, None),
                };
                recovery.settled.push(commit);
            }
            Err(EffectsError::Ledger(error)) => return Err(error.into()),
            Err(error) => recovery.unfinished.push(UnfinishedCommit { commit, error }),
        }
    }
    Ok(recovery)
}

fn finish(context: &RunContext<'_>, site: CommitSite<'_>, commit: &Commit) -> Result<Settled, EffectsError> {
    // A row that somebody wrote into the ledger must not reach the vault by the next run.
    record_check::check(context.ledger, commit)?;
    let outcome = match context.ledger.was_made_without_a_look(commit.id)? {
        true => {
            site.prepared.adopt(context.shared.layout, commit)?;
            apply::apply_unchecked(site, commit)?
        }
        false => apply::apply_or_undo(site, commit, context.shared.observer)?,
    };
    match outcome {
        ApplyOutcome::Applied => Ok(Settled::Applied),
        ApplyOutcome::Conflict(path, why) => Ok(Settled::Reverted(format!("`{path}`: {why}"))),
        // The run succeeded, or a person approved: neither is lost because the file system fails now.
        ApplyOutcome::Failed(path, why) => Err(EffectsError::Unfinished { id: commit.id.short(), path, why }),
    }
}

/// Leaves a commit that cannot be finished as it is, because a person says so. The content that is prepared for it is kept in the
/// store first.
///
/// # Errors
/// [`LedgerError::WrongState`] when it is not PENDING any more.
pub(in crate::invoke) fn abandon(
    context: &RunContext<'_>,
    id: CommitId,
    by: &str,
    why: &str,
) -> Result<(), EffectsError> {
    let _lock = folders::commit_lock(context.shared.layout)?;
    // The next recovery sweeps these files, and they may be the only copy of what was replaced.
    if let Some(prepared) = PreparedDir::find(context.shared.layout)? {
        for bytes in prepared.contents(id)? {
            context.shared.store.put(StoredKind::File, &bytes)?;
        }
    }
    Ok(context.ledger.settle(id, &Settled::Reverted(format!("given up by {by}: {why}")))?)
}

/// Whether no run has a staging folder, and no commit a prepared file.
fn nothing_waits(layout: &Layout) -> Result<bool, EffectsError> {
    // This makes no folder: a vault that can only be read has nothing to recover.
    let Some(root) = folders::find_staging_root(layout)? else { return Ok(true) };
    for entry in root.entries().map_err(io_error(root.path()))? {
        if is_staging(&entry.map_err(io_error(root.path()))?) {
            return Ok(false);
        }
    }
    // Prepared files without a PENDING commit are left by a crash just before the record.
    PreparedDir::is_empty_below(&root)
}

/// Removes staging folders whose process is dead.
fn remove_abandoned(layout: &Layout) -> Result<(), EffectsError> {
    let Some(root) = folders::find_staging_root(layout)? else { return Ok(()) };
    let _making = folders::staging_lock(layout)?;
    for entry in root.entries().map_err(io_error(root.path()))? {
        let entry = entry.map_err(io_error(root.path()))?;
        let folder = root.child(entry.file_name(), MissingFolders::Refuse);
        if is_staging(&entry) && folder.is_ok_and(|folder| staging::is_abandoned(&folder)) {
            // Its run may have removed it itself just now. A folder that cannot be removed harms nothing.
            let _ = root.remove_folder(entry.file_name());
        }
    }
    Ok(())
}

/// Whether this is the staging folder of a run: a folder that has an execution's id as its name.
fn is_staging(entry: &DirEntry) -> bool {
    let named = entry.file_name().to_str().is_some_and(|name| ExecutionId::parse(name).is_ok());
    named && entry.file_type().is_ok_and(|kind| kind.is_dir())
}
