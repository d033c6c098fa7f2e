//! Whether a commit is the one that its runs recorded.
//!
//! A commit is a row of the ledger, and so are the records of its runs. Before its files reach the vault, at an approval or in a
//! recovery, the two are compared, and the records with the spec that a person promoted. Then a row that somebody edited, or
//! added, does not reach the vault by the next command.
//!
//! Guarantees: every change of an accepted commit is a file of one of its runs, by path, digests and size. Every such file
//! is in the commit. Each lies below a folder of its skill's spec. An undo is exactly the reverse of the commit that it
//! undoes. The row of the commit is what the newest event of the history about it says. Deliberately never: detects a ledger
//! in which the records were edited as well.

use super::error::EffectsError;
use crate::ledger::{ChangeStore, ExecutionRow, LedgerError, Proposal, RunStore, TrustStore};
use crate::model::{
    commit::{Commit, FileChange, VaultChange},
    execution::{Effect, ExecutionRecord},
    lifecycle::CommitKind,
};

/// Compares a commit with the records of its runs.
///
/// # Errors
/// [`EffectsError::NotRecorded`] when they differ.
pub fn check(ledger: &dyn RunStore, commit: &Commit) -> Result<(), EffectsError> {
    let difference = match commit.kind {
        CommitKind::Undo => undo_difference(ledger, commit)?,
        CommitKind::Run | CommitKind::Chain => run_difference(ledger, commit)?,
    };
    let difference = match difference {
        None => ledger.commit_difference(commit.id)?,
        found => found,
    };
    difference.map_or(Ok(()), |why| Err(EffectsError::NotRecorded { id: commit.id.short(), why }))
}

fn run_difference(ledger: &dyn RunStore, commit: &Commit) -> Result<Option<String>, LedgerError> {
    let runs = ledger.runs_of(commit.id)?;
    // Not the first record: the runs of a batch end in any order, and are recorded as they end.
    let is_of_its_run = runs.iter().any(|row| row.record.execution_id == commit.id.first_run());
    if !is_of_its_run || (commit.kind == CommitKind::Run && runs.len() != 1) {
        return Ok(Some("no run has it".to_owned()));
    }
    for row in &runs {
        if let Some(why) = outside_scope(ledger, &row.record)? {
            return Ok(Some(why));
        }
    }
    Ok(other_changes(commit, &runs))
}

/// Whether a run did not write what its skill may write.
fn outside_scope(ledger: &dyn TrustStore, record: &ExecutionRecord) -> Result<Option<String>, LedgerError> {
    let run = record.execution_id.short();
    if !record.success {
        return Ok(Some(format!("run {run} failed")));
    }
    let proposals = ledger.proposals_named(&record.skill_name)?;
    // The revision that ran, also when another one is trusted by now.
    let promoted = proposals.iter().find(|proposal| {
        proposal.trust.is_some_and(|trust| {
            Some(trust.revision) == record.revision && Some(trust.component_sha256) == record.source_hash
        })
    });
    let written = |proposal: &Proposal| {
        let outside = proposal.spec.first_outside(&record.effects);
        let outside = outside.map(|path| format!("run {run} wrote `{path}`, outside the folders of its spec"));
        let removed = proposal.spec.first_removed(&record.effects);
        outside.or_else(|| removed.map(|path| format!("run {run} removed `{path}`, which its spec does not allow")))
    };
    Ok(match promoted {
        None => Some(format!("no revision of `{}` has the bytes that run {run} ran", record.skill_name)),
        Some(proposal) => written(proposal),
    })
}

/// How the changes of a commit differ from the files of its runs.
fn other_changes(commit: &Commit, runs: &[ExecutionRow]) -> Option<String> {
    let effects = || runs.iter().flat_map(|row| &row.record.effects);
    let is_of = |effect: &Effect, change: &VaultChange| {
        let recorded = FileChange::from(effect);
        // A chain is checked again when all its steps are done: a file that is gone by then is not replaced.
        let change = change.ends();
        let before = recorded.before == change.before || (commit.kind == CommitKind::Chain && change.before.is_none());
        before && (recorded.path, recorded.after, recorded.bytes) == (change.path, change.after, change.bytes)
    };
    for (number, change) in commit.changes.iter().enumerate() {
        if !effects().any(|effect| is_of(effect, change)) {
            return Some(format!("no run wrote `{}` as it says", change.path()));
        }
        if commit.changes[..number].iter().any(|earlier| earlier.path() == change.path()) {
            return Some(format!("it has `{}` twice", change.path()));
        }
    }
    let missing = effects().find(|effect| {
        !FileChange::from(*effect).is_noop() && !commit.changes.iter().any(|change| is_of(effect, change))
    });
    missing.map(|effect| format!("a run wrote `{}`, which it does not have", effect.path))
}

fn undo_difference(ledger: &dyn ChangeStore, commit: &Commit) -> Result<Option<String>, LedgerError> {
    let undone = match commit.undoes.map(|id| ledger.commit(id)) {
        Some(Ok(undone)) => undone,
        Some(Err(LedgerError::NotFound { .. })) | None => {
            return Ok(Some("the commit that it undoes is missing".to_owned()));
        }
        Some(Err(error)) => return Err(error),
    };
    let ends = |change: &VaultChange| (change.path().clone(), change.before(), change.after());
    let reversed = |change: &VaultChange| ends(&change.reversed(0));
    let same = commit.changes.iter().map(ends).eq(undone.changes.iter().map(reversed));
    Ok((!same).then(|| format!("it is not the reverse of {}", undone.id.short())))
}
