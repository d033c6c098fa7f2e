//! Undo: what a commit replaced is put back.
//!
//! Guarantees: a file that was changed since is not touched, and then nothing is; an undo is a commit like any other, on record
//! before it is visible, whole or not at all. It needs no skill and runs none, so it also works while everything is
//! stopped. Deliberately never: takes back an undo.

use super::effects::{self, EffectsError};
use super::held;
use super::request::Desk;
use crate::artifacts::{ArtifactError, Kind};
use crate::ledger::{Ledger, LedgerError};
use crate::model::{
    commit::{Change, Commit},
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
        /// Which.
        run: String,
        /// Where they are.
        state: CommitState,
    },
    /// It was done before.
    #[error("run {run} was undone already, by {by} at {at}")]
    Twice {
        /// Which.
        run: String,
        /// Who did it.
        by: String,
        /// When.
        at: String,
    },
    /// An earlier version recorded it.
    #[error("run {0} was recorded by an earlier kavi, which kept nothing of what it replaced")]
    NotKept(String),
    /// The bytes that were replaced are missing or were changed.
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
pub struct Plan {
    /// The commit that is taken back.
    pub undoes: Commit,
    /// All runs whose files it holds.
    pub runs: Vec<ExecutionRecord>,
    /// What is put back.
    pub changes: Vec<Change>,
}

/// What undoing a run would put back: everything that its commit changed, also for other runs of one chain.
///
/// # Errors
/// [`UndoError`] when there is nothing to put back.
pub fn plan(desk: &Desk<'_>, ledger: &Ledger, prefix: &IdPrefix) -> Result<Plan, UndoError> {
    effects::recover(desk.ground(), ledger)?;
    let row = ledger.execution_by_prefix(prefix)?;
    let run = row.record.execution_id.short();
    let Some(id) = row.record.commit_id else { return Err(UndoError::Nothing(run)) };
    let undoes = ledger.commit(id)?;
    if undoes.state != CommitState::Applied {
        return Err(UndoError::NotThere { run, state: undoes.state });
    }
    not_undone(ledger, &undoes)?;
    if ledger.was_made_without_a_look(id)? {
        return Err(UndoError::NotKept(run));
    }
    let back = |change: &Change| {
        let bytes = change.before.map(|digest| desk.store.get(Kind::File, digest)).transpose()?;
        Ok(change.reversed(bytes.map_or(0, |bytes| bytes.len() as u64)))
    };
    let changes = undoes.changes.iter().map(back).collect::<Result<_, ArtifactError>>()?;
    let runs = ledger.runs_of(id)?.into_iter().map(|row| row.record).collect();
    Ok(Plan { undoes, runs, changes })
}

fn not_undone(ledger: &Ledger, commit: &Commit) -> Result<(), UndoError> {
    let Some(undo) = ledger.undo_of(commit.id)? else { return Ok(()) };
    let (run, by) = (commit.id.short(), undo.decided_by.unwrap_or_default());
    Err(UndoError::Twice { run, by, at: undo.created_at.to_string() })
}

/// Puts back what a plan says, by a person's word.
///
/// # Errors
/// [`UndoError`]; only [`EffectsError::Unfinished`] has changed anything, and that is finished by the next recovery.
pub fn undo(desk: &Desk<'_>, ledger: &Ledger, plan: Plan, by: &str) -> Result<Commit, UndoError> {
    let now = desk.clock.now();
    let id = CommitId::from(ExecutionId::new(desk.ids));
    let commit = Commit {
        undoes: Some(plan.undoes.id),
        decided_by: Some(by.to_owned()),
        decided_at: Some(now),
        ..Commit::pending(id, CommitKind::Undo, plan.changes, now)
    };
    let still = || not_undone(ledger, &plan.undoes);
    held::out_of_the_store(desk, ledger, &commit, (still, |&()| ledger.insert_commit(&commit, &[], &[])))?;
    Ok(Commit { state: CommitState::Applied, ..commit })
}
