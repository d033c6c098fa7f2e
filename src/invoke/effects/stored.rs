//! A commit whose content is in the store: an approved one, or an undo.
//!
//! Guarantees: every file has the digest that the commit says, and the vault is exactly as the commit says, or nothing is
//! prepared. Deliberately never: records or applies the commit.

use super::change::StagedChange;
use super::conflict::Precondition;
use super::error::EffectsError;
use super::error::io as io_error;
use super::file_change::StagedFile;
use super::staging::{StagedContent, Staging};
use super::transaction::{self, CheckedCommit, PreparedCommit};
use crate::artifacts::{ArtifactError, Store, StoredKind};
use crate::invoke::context::RunContext;
use crate::model::{
    commit::{Commit, VaultChange},
    id::ExecutionId,
};

/// Prepares a commit out of the store. `recheck` runs under the lock, when no other process can commit any more: there the
/// caller asks the ledger again whether the commit may still be made.
///
/// # Errors
/// That of `recheck` first, else [`EffectsError`] and [`ArtifactError`].
pub(in crate::invoke) fn prepare_stored<'a, T, E>(
    context: &'a RunContext<'a>,
    commit: Commit,
    recheck: impl FnOnce() -> Result<T, E>,
) -> Result<(T, PreparedCommit<'a>), E>
where
    E: From<EffectsError> + From<ArtifactError>,
{
    let staging = Staging::create(context.shared.layout, ExecutionId::new(context.shared.ids))?;
    let changes = stage(context.shared.store, &staging, &commit)?;
    transaction::make_durable(context, &staging, &changes)?;
    let checked = CheckedCommit::new(context, changes);
    // What another process decided meanwhile says more than the conflict that it caused.
    let known = recheck()?;
    Ok((known, checked?.prepare(commit)?))
}

/// Writes the new content of every change into a staging folder.
fn stage(store: &Store, staging: &Staging, commit: &Commit) -> Result<Vec<StagedChange>, EffectsError> {
    // The person saw the difference to this very content, so any other file in its place is a conflict.
    let precondition = Precondition::Exactly;
    let stage = |(number, change): (usize, &VaultChange)| -> Result<StagedChange, EffectsError> {
        let change = match change {
            VaultChange::File(change) => change.clone(),
            VaultChange::Removal(_) => {
                return Ok(StagedChange::Removal(StagedFile { change: change.ends(), source: None, precondition }));
            }
        };
        // By number, not by path: these files need no folders.
        let source = StagedContent::new(staging.out(), number.to_string());
        let bytes = change.after.map(|digest| store.get(StoredKind::File, digest)).transpose()?;
        if let Some(bytes) = &bytes {
            source.slot()?.write_new(bytes).map_err(io_error(&source.path()))?;
        }
        let source = bytes.is_some().then_some(source);
        Ok(StagedChange::File(StagedFile { change, source, precondition }))
    };
    commit.changes.iter().enumerate().map(stage).collect()
}
