//! Recovery: what a crash left is finished or removed.
//!
//! A crash before the record leaves a staging folder and prepared files, which are removed. A crash after the record leaves a
//! PENDING commit, whose changes are applied again.
//!
//! Guarantees: what a live process uses is left alone. Deliberately never: gives a commit up, unless a person says so.

use std::fs;

use super::apply;
use super::commit_site::CommitSite;
use super::error::{EffectsError, io};
use super::folders;
use super::place::Vault;
use super::prepared_dir::PreparedDir;
use super::staging;
use crate::artifacts::StoredKind;
use crate::invoke::context::RunContext;
use crate::ledger::Settled;
use crate::model::{
    commit::Commit,
    id::{CommitId, ExecutionId},
    layout::Layout,
    lifecycle::CommitState,
};

/// Finishes the commits that a crash left PENDING, and removes staging folders of dead processes. Gives the commits that are
/// settled now.
///
/// # Errors
/// [`EffectsError`] when a recorded commit can neither be applied nor undone.
pub fn recover(context: &RunContext<'_>) -> Result<Vec<Commit>, EffectsError> {
    let (layout, ledger) = (context.shared.layout, context.ledger);
    // Every run asks this first, so it takes no lock and mostly ends here.
    if nothing_waits(layout)? && !ledger.any_pending_commits()? {
        return Ok(Vec::new());
    }
    let _lock = folders::commit_lock(layout)?;
    let mut pending = ledger.pending_commits()?;
    let (vault, prepared) = (Vault::open(layout)?, PreparedDir::open(layout)?);
    // In their order: a later commit may replace what an earlier one wrote.
    for commit in &mut pending {
        let site = CommitSite { vault: &vault, prepared: &prepared, store: context.shared.store, commit: commit.id };
        let settled = match ledger.was_made_without_a_look(commit.id)? {
            true => {
                prepared.adopt(layout, commit)?;
                apply::settle_unchecked(site, commit)?
            }
            false => apply::settle(site, commit, context.shared.observer)?,
        };
        ledger.settle(commit.id, &settled)?;
        (commit.state, commit.why) = match settled {
            Settled::Applied => (CommitState::Applied, None),
            Settled::Reverted(why) => (CommitState::Reverted, Some(why)),
        };
    }
    // No commit is PENDING any more, so no prepared file is needed.
    prepared.sweep()?;
    remove_abandoned(layout)?;
    Ok(pending)
}

/// Leaves a commit that cannot be finished as it is, because a person says so. The content that is prepared for it is kept in the
/// store first.
///
/// # Errors
/// [`EffectsError`] when it is not PENDING any more, or the content cannot be kept.
pub(in crate::invoke) fn give_up(
    context: &RunContext<'_>,
    id: CommitId,
    by: &str,
    why: &str,
) -> Result<(), EffectsError> {
    let _lock = folders::commit_lock(context.shared.layout)?;
    // The next recovery sweeps these files, and they may be the only copy of what was replaced.
    for bytes in PreparedDir::open(context.shared.layout)?.contents(id)? {
        context.shared.store.put(StoredKind::File, &bytes)?;
    }
    Ok(context.ledger.settle(id, &Settled::Reverted(format!("given up by {by}: {why}")))?)
}

/// Whether no run has a staging folder, and no commit a prepared file.
fn nothing_waits(layout: &Layout) -> Result<bool, EffectsError> {
    // This makes no folder: a vault that can only be read has nothing to recover.
    let root = folders::staging_root_path(layout)?;
    let entries = match fs::read_dir(&root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(io(&root)(error)),
    };
    folders::check_no_link(layout, &root)?;
    for entry in entries {
        if is_staging(&entry.map_err(io(&root))?) {
            return Ok(false);
        }
    }
    // Prepared files without a PENDING commit are left by a crash just before the record.
    PreparedDir::is_empty_below(&root)
}

/// Removes staging folders whose process is dead.
fn remove_abandoned(layout: &Layout) -> Result<(), EffectsError> {
    let _making = folders::staging_lock(layout)?;
    let root = folders::staging_root(layout)?;
    for entry in fs::read_dir(&root).map_err(io(&root))? {
        let entry = entry.map_err(io(&root))?;
        if is_staging(&entry) && staging::is_abandoned(&entry.path()) {
            // Its run may have removed it itself just now. A folder that cannot be removed harms nothing.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

/// Whether this is the staging folder of a run: a folder that has an execution's id as its name.
fn is_staging(entry: &fs::DirEntry) -> bool {
    let named = entry.file_name().to_str().is_some_and(|name| ExecutionId::parse(name).is_ok());
    named && entry.file_type().is_ok_and(|kind| kind.is_dir())
}
