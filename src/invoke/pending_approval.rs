//! Effects that wait for a person: list them, show them, approve, reject or abandon them.
//!
//! Guarantees: what is approved is what was shown, byte for byte, and the vault is still as it was then. The skill is
//! trusted with the same bytes at the time of the approval. Deliberately never: approves by itself, or runs the skill again.

use super::context::RunContext;
use super::diff::{self, FileDiff};
use super::disposition::{self, PersonsOverride};
use super::effects::{self, EffectsError};
use crate::artifacts::{ArtifactError, Store, StoredKind};
use crate::ledger::{Deadlines, Decided, ExecutionRow, LedgerError, RunAuthorization};
use crate::model::{
    commit::{Commit, VaultChange},
    id::{CommitId, IdPrefix},
    lifecycle::CommitState,
    switch::Stopped,
};
use crate::policy::{channels::ChannelRule, matrix::Actor};
use crate::registry::{self, TrustError};

/// Why a held effect was not approved or rejected. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum ApprovalError {
    /// It is not held.
    #[error("effect {id} is {state}: only a HELD one can be decided")]
    NotHeld {
        /// The effect.
        id: String,
        /// Its state.
        state: CommitState,
    },
    /// It was finished, or needs nothing to be finished.
    #[error("effect {id} is {state}: only an unfinished one can be abandoned")]
    NotUnfinished {
        /// The effect.
        id: String,
        /// Its state.
        state: CommitState,
    },
    /// Nothing may run in this workspace.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The skill is not trusted any more, or not with these bytes.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// Another revision is trusted now than the one that ran.
    #[error("the revision that wrote effect {0} is no longer the trusted one")]
    OtherRevision(String),
    /// The content that would be written is missing or was changed.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The vault.
    #[error(transparent)]
    Effects(#[from] EffectsError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// A commit, with all that a person needs to decide about it.
#[derive(Debug)]
pub struct CommitReview {
    /// The commit.
    pub commit: Commit,
    /// The runs whose files it has.
    pub runs: Vec<ExecutionRow>,
    /// How each file changes.
    pub diffs: Vec<FileDiff>,
}

/// What is held, oldest first, but for what nobody decided in time. Looking changes nothing.
///
/// # Errors
/// [`LedgerError`] when the ledger cannot be read.
pub fn list(context: &RunContext<'_>) -> Result<Vec<Commit>, LedgerError> {
    let now = context.deadline_time()?;
    let waiting = context.ledger.held_commits()?.into_iter().map(|commit| commit.as_of(now));
    Ok(waiting.filter(|commit| commit.state == CommitState::Held).collect())
}

/// One commit, in any state.
///
/// # Errors
/// [`ApprovalError`] when there is none, or content of it is missing.
pub fn review(context: &RunContext<'_>, prefix: &IdPrefix) -> Result<CommitReview, ApprovalError> {
    let commit = context.ledger.commit_by_prefix(prefix)?.as_of(context.deadline_time()?);
    let runs = context.ledger.runs_of(commit.id)?;
    let diffs = commit.changes.iter().map(|change| stored_diff(context.shared.store, change));
    let diffs = diffs.collect::<Result<_, _>>()?;
    Ok(CommitReview { commit, runs, diffs })
}

/// The diff of a change, from the store.
fn stored_diff(store: &Store, change: &VaultChange) -> Result<FileDiff, ArtifactError> {
    let change = &change.ends();
    let content = |digest| store.get(StoredKind::File, digest);
    match (change.before.map(content).transpose(), change.after.map(content).transpose()) {
        (Ok(before), Ok(after)) => Ok(diff::of(change, before.as_deref(), after.as_deref())),
        // A commit that was applied at once has its new content in the vault, not in the store.
        (_, Err(ArtifactError::Missing { .. })) | (Err(ArtifactError::Missing { .. }), _) => Ok(diff::unknown(change)),
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

/// Commits what is held, because a person says so.
///
/// # Errors
/// [`ApprovalError`]; only after [`EffectsError::Unfinished`] has anything changed, and recovery finishes that.
pub fn approve(context: &RunContext<'_>, review: CommitReview, by: &str) -> Result<Commit, ApprovalError> {
    let CommitReview { commit, runs, .. } = review;
    let (ledger, id) = (context.ledger, commit.id);
    // Before recovery: a stop forbids that too.
    let authorized = ledger.authorize()?;
    effects::recover(context)?;
    check_held(context, id)?;
    // The row could have been edited since the run, in its paths or its digests.
    effects::check_recorded(ledger, &commit)?;
    let authorizations = runs
        .iter()
        .map(|row| {
            let skill = registry::load(ledger, context.shared.store, &row.record.skill_name)?;
            // The person trusts the bytes that run today. What other bytes wrote is not theirs to commit.
            match row.record.source_hash == Some(skill.digest()) && row.record.revision == Some(skill.revision()) {
                true => Ok(authorized.for_revision(skill.proposal_id())),
                false => Err(ApprovalError::OtherRevision(id.short())),
            }
        })
        .collect::<Result<Vec<RunAuthorization>, ApprovalError>>()?;
    let authorizations = count_override(context, authorizations, &runs);
    // Another person may have decided, or the time may be over, while this one waited for the lock.
    let recheck = || {
        let deadlines = check_held(context, id)?;
        Ok::<_, ApprovalError>((context.shared.clock.now(), deadlines))
    };
    let ((now, deadlines), prepared) = effects::prepare_stored(context, commit, recheck)?;
    prepared.record(|_| ledger.approve_commit(id, Decided { by, at: now }, deadlines, &authorizations))?;
    let commit = prepared.apply::<ApprovalError>()?;
    Ok(Commit { decided_by: Some(by.to_owned()), decided_at: Some(now), ..commit })
}

/// Rejects what is held.
///
/// # Errors
/// [`ApprovalError`] when it is not held. A PENDING commit was approved, or needed no approval: it is finished, and
/// [`EffectsError::Unfinished`] says why that is not possible.
pub fn reject(context: &RunContext<'_>, id: CommitId, by: &str, why: Option<&str>) -> Result<Commit, ApprovalError> {
    let (ledger, now) = (context.ledger, context.shared.clock.now());
    if ledger.commit(id)?.state == CommitState::Pending {
        finish(context, id)?;
    }
    match ledger.commit(id)?.state {
        // Also one whose time is over: a person may say so for good.
        CommitState::Held => {
            let deadlines = Deadlines::from(context.deadline_time()?);
            ledger.reject_commit(id, Decided { by, at: now }, deadlines, why)?;
        }
        state => return Err(ApprovalError::NotHeld { id: id.short(), state }),
    }
    Ok(ledger.commit(id)?)
}

/// Gives up a commit that is on record and can neither be applied nor undone. The vault stays as it is, and what is prepared for
/// it is kept in the store.
///
/// # Errors
/// [`ApprovalError::NotUnfinished`] when it is not such a commit, also when it could be finished just now.
pub fn abandon(context: &RunContext<'_>, id: CommitId, by: &str, why: &str) -> Result<Commit, ApprovalError> {
    let ledger = context.ledger;
    if ledger.commit(id)?.state == CommitState::Pending {
        // What can be finished is finished: half of a transaction is never made permanent without need.
        effects::recover(context)?;
    }
    match ledger.commit(id)?.state {
        CommitState::Pending => effects::abandon(context, id, by, why)?,
        state => return Err(ApprovalError::NotUnfinished { id: id.short(), state }),
    }
    Ok(ledger.commit(id)?)
}

/// Finishes a PENDING commit.
fn finish(context: &RunContext<'_>, id: CommitId) -> Result<(), ApprovalError> {
    let recovery = effects::recover(context)?;
    match recovery.unfinished.into_iter().find(|unfinished| unfinished.commit.id == id) {
        Some(unfinished) => Err(unfinished.error.into()),
        None => Ok(()),
    }
}

/// To release what policy asked about is an override. The transaction of the approval counts it.
fn count_override(
    context: &RunContext<'_>,
    mut authorizations: Vec<RunAuthorization>,
    runs: &[ExecutionRow],
) -> Vec<RunAuthorization> {
    let view = context.governance();
    let asks = |row: &ExecutionRow| {
        let class = row.record.side_effect_class?;
        let policy = view.governance.as_ref().ok()?.policy.as_ref().ok()?;
        let file = context.shared.channels.answer(row.record.channel, class);
        Some(policy.door(row.record.channel, class).map_or(file, |stored| stored.max(file)))
    };
    if runs.iter().any(|row| asks(row) != Some(ChannelRule::Allow)) {
        let used = disposition::allowance(&view, &Actor::Person, PersonsOverride::Used, context.shared.clock.moment());
        if let Some(first) = authorizations.first_mut() {
            *first = first.using(used);
        }
    }
    authorizations
}

fn check_held(context: &RunContext<'_>, id: CommitId) -> Result<Deadlines, ApprovalError> {
    let now = context.deadline_time()?;
    match context.ledger.commit(id)?.as_of(now).state {
        CommitState::Held => Ok(now.into()),
        state => Err(ApprovalError::NotHeld { id: id.short(), state }),
    }
}
