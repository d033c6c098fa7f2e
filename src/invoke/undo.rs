//! Undo: puts back what a commit replaced.
//!
//! Guarantees: a file that another program has changed since is not touched, and then no other is either. An undo is a
//! commit like any other: recorded before it is visible, whole or not at all. It runs no skill, so it works while everything
//! is stopped. Deliberately never: undoes an undo.

use super::context::RunContext;
use super::diff::{self, FileDiff};
use super::effects::{self, EffectsError};
use crate::artifacts::{ArtifactError, StoredKind};
use crate::ledger::{ChangeStore, LedgerError};
use crate::model::{
    commit::{Commit, VaultChange},
    execution::ExecutionRecord,
    id::{CommitId, ExecutionId, IdPrefix},
    lifecycle::{CommitKind, CommitState},
};

/// Why nothing is put back.
#[derive(Debug, thiserror::Error)]
pub enum UndoError {
    /// The run changed nothing.
    #[error("run {0} changed no files")]
    Nothing(String),
    /// Its files are not in the vault.
    #[error("the files of run {run} are {state}, not in the vault: there is nothing to put back")]
    NotThere {
        /// The run.
        run: String,
        /// The state of its commit.
        state: CommitState,
    },
    /// It was undone before.
    #[error("run {run} was undone already, by {by} at {at}")]
    Twice {
        /// The run.
        run: String,
        /// Who undid it.
        by: String,
        /// When.
        at: String,
    },
    /// An earlier version recorded it.
    #[error("run {0} was recorded by an earlier kavi, which kept nothing of what it replaced")]
    NotKept(String),
    /// The content that was replaced is missing or was changed.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The vault.
    #[error(transparent)]
    Effects(#[from] EffectsError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// What an undo would do.
#[derive(Debug)]
pub struct UndoPlan {
    /// The commit that is undone.
    pub undoes: Commit,
    /// All runs whose files it has.
    pub runs: Vec<ExecutionRecord>,
    /// What is put back.
    pub changes: Vec<VaultChange>,
    /// How each file changes, from what is in the vault now.
    pub diffs: Vec<FileDiff>,
}

/// What the undo of a run would put back: everything that its commit changed, also for other runs of a chain.
///
/// # Errors
/// [`UndoError`] when there is nothing to put back.
pub fn plan(context: &RunContext<'_>, prefix: &IdPrefix) -> Result<UndoPlan, UndoError> {
    // A commit that a crash left PENDING may be the one that is meant.
    effects::recover(context)?;
    let ledger = context.ledger;
    let row = ledger.execution_by_prefix(prefix)?;
    let run = row.record.execution_id.short();
    let Some(id) = row.record.commit_id else { return Err(UndoError::Nothing(run)) };
    let undoes = ledger.commit(id)?;
    if undoes.state != CommitState::Applied {
        return Err(UndoError::NotThere { run, state: undoes.state });
    }
    check_not_undone(ledger, &undoes)?;
    // Without the old content an undo could only remove the files, which is not what was there.
    if ledger.was_made_without_a_look(id)? {
        return Err(UndoError::NotKept(run));
    }
    let reversed = undoes.changes.iter().map(|change| reversed(context, change));
    let reversed = reversed.collect::<Result<Vec<_>, UndoError>>()?;
    let (changes, diffs) = reversed.into_iter().unzip();
    let runs = ledger.runs_of(id)?.into_iter().map(|row| row.record).collect();
    Ok(UndoPlan { undoes, runs, changes, diffs })
}

/// The change that puts back what this one replaced, and how it changes the file that is in the vault now.
fn reversed(context: &RunContext<'_>, change: &VaultChange) -> Result<(VaultChange, FileDiff), UndoError> {
    // Read now, not at the undo: content that is missing must show before a person says yes.
    let bytes = change.before().map(|digest| context.shared.store.get(StoredKind::File, digest)).transpose()?;
    let reversed = change.reversed(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64));
    // What somebody wrote since is shown too: the undo itself refuses such a file.
    let current = effects::current_content(context.shared.layout, reversed.path())?;
    let diff = diff::of(&reversed.ends(), current.as_deref(), bytes.as_deref());
    Ok((reversed, diff))
}

fn check_not_undone(ledger: &dyn ChangeStore, commit: &Commit) -> Result<(), UndoError> {
    let Some(undo) = ledger.undo_of(commit.id)? else { return Ok(()) };
    let (run, by) = (commit.id.short(), undo.decided_by.unwrap_or_default());
    Err(UndoError::Twice { run, by, at: undo.created_at.to_string() })
}

/// Puts back what a plan says, because a person says so.
///
/// # Errors
/// [`UndoError`]; only after [`EffectsError::Unfinished`] has anything changed, and recovery finishes that.
pub fn undo(context: &RunContext<'_>, plan: UndoPlan, by: &str) -> Result<Commit, UndoError> {
    let now = context.shared.clock.now();
    let id = CommitId::from(ExecutionId::new(context.shared.ids));
    let commit = Commit {
        undoes: Some(plan.undoes.id),
        decided_by: Some(by.to_owned()),
        decided_at: Some(now),
        ..Commit::pending(id, CommitKind::Undo, plan.changes, now)
    };
    // Another person may have undone it while this one waited for the lock.
    let recheck = || check_not_undone(context.ledger, &plan.undoes);
    let ((), prepared) = effects::prepare_stored(context, commit, recheck)?;
    prepared.record(|commit| context.ledger.insert_commit(commit, &[], &[]))?;
    prepared.apply()
}
