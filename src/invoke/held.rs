//! Held effects: what a run would change in the vault, until a person approves or rejects it, or nobody does in time.
//!
//! Guarantees: what is approved is exactly what was shown, byte for byte, and only where the vault still is as it was then;
//! the skill is trusted with the same bytes when it is approved. Deliberately never: approves by itself, or runs the skill
//! again.

use super::diff::{self, FileDiff};
use super::effects::{self, Basis, EffectsError, Staging, Wanted};
use super::request::Desk;
use crate::artifacts::{self, ArtifactError, Kind, Store};
use crate::ledger::{Decided, ExecutionRow, Ledger, LedgerError};
use crate::model::{
    commit::{Change, Commit},
    id::{CommitId, ExecutionId, IdPrefix},
    lifecycle::CommitState,
    switch::Stopped,
    time::Timestamp,
};
use crate::registry::{self, TrustError};

/// Why a held effect is not approved or rejected. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum HeldError {
    /// It is not held.
    #[error("effect {id} is {state}: only a HELD one can be decided")]
    NotHeld {
        /// Which.
        id: String,
        /// What it is.
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
    /// What would be written is missing or was changed.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The vault.
    #[error(transparent)]
    Effects(#[from] EffectsError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// A commit with all that a person needs to decide about it.
#[derive(Debug)]
pub struct Shown {
    /// The commit.
    pub commit: Commit,
    /// The runs whose files they are.
    pub runs: Vec<ExecutionRow>,
    /// How each file changes.
    pub diffs: Vec<FileDiff>,
}

/// What is held, oldest first. What nobody decided in time is EXPIRED now.
///
/// # Errors
/// [`LedgerError`] when the ledger cannot be read or written.
pub fn list(desk: &Desk<'_>, ledger: &Ledger) -> Result<Vec<Commit>, LedgerError> {
    ledger.expire_commits(desk.clock.now())?;
    ledger.held_commits()
}

/// One commit, whatever became of it.
///
/// # Errors
/// [`HeldError`] when there is none, or bytes of it are missing.
pub fn show(desk: &Desk<'_>, ledger: &Ledger, prefix: &IdPrefix) -> Result<Shown, HeldError> {
    ledger.expire_commits(desk.clock.now())?;
    let commit = ledger.commit_by_prefix(prefix)?;
    let runs = ledger.runs_of(commit.id)?;
    let diffs = commit.changes.iter().map(|change| diff_of(desk.store, change)).collect::<Result<_, _>>()?;
    Ok(Shown { commit, runs, diffs })
}

/// The diff of a change whose bytes are kept.
pub(super) fn diff_of(store: &Store, change: &Change) -> Result<FileDiff, ArtifactError> {
    let kept = |digest| store.get(Kind::File, digest);
    match (change.before.map(kept).transpose(), change.after.map(kept).transpose()) {
        (Ok(before), Ok(after)) => Ok(diff::of(change, before.as_deref(), after.as_deref())),
        // The new bytes of what was committed at once are in the vault, not in the store.
        (_, Err(ArtifactError::Missing { .. })) | (Err(ArtifactError::Missing { .. }), _) => Ok(diff::unknown(change)),
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

/// Commits what is held, by a person's word.
///
/// # Errors
/// [`HeldError`]; only [`EffectsError::Unfinished`] has changed anything, and that is finished by the next recovery.
pub fn approve(desk: &Desk<'_>, ledger: &Ledger, shown: Shown, by: &str) -> Result<Commit, HeldError> {
    let Shown { mut commit, runs, .. } = shown;
    let authorized = ledger.authorize()?;
    effects::recover(desk.ground(), ledger)?;
    ledger.expire_commits(desk.clock.now())?;
    still_held(ledger, commit.id)?;
    let authorizations = runs
        .iter()
        .map(|row| {
            let skill = registry::load(ledger, desk.store, &row.record.skill_name)?;
            match row.record.source_hash == Some(skill.digest()) && row.record.revision == Some(skill.revision()) {
                true => Ok(authorized.for_revision(skill.proposal_id())),
                false => Err(HeldError::OtherRevision(commit.id.short())),
            }
        })
        .collect::<Result<Vec<_>, HeldError>>()?;
    let still = || {
        let now = desk.clock.now();
        ledger.expire_commits(now)?;
        still_held(ledger, commit.id).map(|()| now)
    };
    let record = |now: &Timestamp| ledger.approve_commit(commit.id, Decided { by, at: *now }, &authorizations);
    let now = out_of_the_store(desk, ledger, &commit, (still, record))?;
    (commit.state, commit.decided_by, commit.decided_at) = (CommitState::Applied, Some(by.to_owned()), Some(now));
    Ok(commit)
}

/// Carries out a commit whose bytes the store has. `still` is asked under the lock, when nobody else can commit any more: what
/// another one has done by then is seen. `record` puts the commit on record as PENDING.
pub(super) fn out_of_the_store<T, E>(
    desk: &Desk<'_>,
    ledger: &Ledger,
    commit: &Commit,
    (still, record): (impl FnOnce() -> Result<T, E>, impl FnOnce(&T) -> Result<(), LedgerError>),
) -> Result<T, E>
where
    E: From<EffectsError> + From<ArtifactError> + From<LedgerError>,
{
    let staging = Staging::create(desk.layout, ExecutionId::new(desk.ids))?;
    let wanted = bring_out(desk.store, &staging, commit)?;
    effects::make_durable(desk.ground(), &staging, &wanted)?;
    let looked = effects::look(desk.ground(), ledger, wanted);
    let known = still()?;
    let prepared = looked?.prepare(commit.id)?;
    record(&known).inspect_err(|error| prepared.refused(commit, error))?;
    prepared.carry_out::<E>(commit, ledger)?;
    Ok(known)
}

/// The files of a commit out of the store, each checked, into a staging folder.
fn bring_out(store: &Store, staging: &Staging, commit: &Commit) -> Result<Vec<Wanted>, ArtifactError> {
    let bring = |(number, change): (usize, &Change)| {
        let file = staging.out().join(number.to_string());
        let bytes = change.after.map(|digest| store.get(Kind::File, digest)).transpose()?;
        if let Some(bytes) = &bytes {
            artifacts::write_new(&file, bytes)?;
        }
        Ok(Wanted { change: change.clone(), file: bytes.is_some().then_some(file), basis: Basis::Exactly })
    };
    commit.changes.iter().enumerate().map(bring).collect()
}

/// Turns down what is held, or gives up what is on record and can be neither finished nor taken back: the vault is left as it
/// is.
///
/// # Errors
/// [`HeldError`] when it is neither.
pub fn reject(
    desk: &Desk<'_>,
    ledger: &Ledger,
    id: CommitId,
    (by, why): (&str, Option<&str>),
) -> Result<Commit, HeldError> {
    ledger.expire_commits(desk.clock.now())?;
    match ledger.commit(id)?.state {
        CommitState::Pending => effects::give_up(desk.ground(), ledger, id, (by, why.unwrap_or("no reason given")))?,
        _ => {
            still_held(ledger, id)?;
            ledger.reject_commit(id, Decided { by, at: desk.clock.now() }, why)?;
        }
    }
    Ok(ledger.commit(id)?)
}

fn still_held(ledger: &Ledger, id: CommitId) -> Result<(), HeldError> {
    match ledger.commit(id)?.state {
        CommitState::Held => Ok(()),
        state => Err(HeldError::NotHeld { id: id.short(), state }),
    }
}
