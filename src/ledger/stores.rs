//! What others need of the ledger, as small traits: the trust, the records of runs, and the changes of the vault.
//!
//! [`Ledger`] is one implementation. A run, a chain, an approval and an undo take the traits, so another store can take its
//! place. No trait names a type of SQLite.
//!
//! Guarantees that an implementation must give: a call that returns without an error is durable and whole; a success is recorded
//! only while its authorization holds. Deliberately never: decides anything; an implementation answers and records.

use std::fmt;

use super::{
    Allowance, Deadlines, Decided, ExecutionRow, Ledger, LedgerError, Proposal, Pruned, RunAuthorization, Settled,
    Trust, TrustedRevision,
};
use crate::model::{
    commit::{Commit, VaultChange},
    digest::Digest,
    exchange::CallBudget,
    governance::{GovernanceMark, GovernanceRows},
    id::{CommitId, ExecutionId, IdPrefix},
    name::SkillName,
    switch::{Halt, Stopped, Watch},
    time::{Clock, Timestamp},
};

/// Says what may run.
pub trait TrustStore: fmt::Debug {
    /// Authorizes work that begins now.
    ///
    /// # Errors
    /// [`Stopped`] when nothing may run.
    fn authorize(&self) -> Result<RunAuthorization, Stopped>;

    /// Whether the authorization of some work still holds.
    ///
    /// # Errors
    /// [`Halt`] when it must end.
    fn check_authorization(&self, authorization: RunAuthorization) -> Result<(), Halt>;

    /// Watches whether it holds, from any thread.
    fn watch(&self, authorization: RunAuthorization) -> Box<dyn Watch + Send>;

    /// The trusted revision of a name.
    ///
    /// # Errors
    /// [`LedgerError`] when it cannot be read.
    fn trusted(&self, name: &SkillName) -> Result<Option<Proposal>, LedgerError>;

    /// The same without its spec, for a process that has it already.
    ///
    /// # Errors
    /// [`LedgerError`] when it cannot be read.
    fn trusted_revision(&self, name: &SkillName) -> Result<Option<TrustedRevision>, LedgerError> {
        let revision = |proposal: Proposal| {
            let Trust { revision, component_sha256, .. } = proposal.trust?;
            let Proposal { id, spec_sha256, limits, .. } = proposal;
            Some(TrustedRevision { id, revision, component_sha256, spec_sha256, limits })
        };
        Ok(self.trusted(name)?.and_then(revision))
    }

    /// Charter, policy values and capability grants, of one moment. A store without them has the documented defaults.
    ///
    /// # Errors
    /// [`LedgerError`] when they cannot be read, or are not what the history says.
    fn governance(&self) -> Result<GovernanceRows, LedgerError> {
        Ok(GovernanceRows::default())
    }

    /// What changes with them, and the kill switch of agents.
    ///
    /// # Errors
    /// [`LedgerError`] when it cannot be read.
    fn governance_mark(&self) -> Result<GovernanceMark, LedgerError> {
        Ok(GovernanceMark { counter: 0, disabled: false })
    }

    /// Whether something is left of a limit.
    ///
    /// # Errors
    /// [`LedgerError::OverLimit`].
    fn check_allowance(&self, _allowance: &Allowance) -> Result<(), LedgerError> {
        Ok(())
    }

    /// All proposals of a name, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] when they cannot be read.
    fn proposals_named(&self, name: &SkillName) -> Result<Vec<Proposal>, LedgerError>;

    /// The name of every skill that was ever proposed.
    ///
    /// # Errors
    /// [`LedgerError`] when they cannot be read.
    fn skill_names(&self) -> Result<Vec<SkillName>, LedgerError>;
}

/// Has the records of runs. A [`Journal`](super::Journal) writes them.
pub trait ExecutionStore: fmt::Debug {
    /// A record.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] when there is none.
    fn execution(&self, id: ExecutionId) -> Result<ExecutionRow, LedgerError>;

    /// The record whose id begins so.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] and [`LedgerError::Ambiguous`].
    fn execution_by_prefix(&self, prefix: &IdPrefix) -> Result<ExecutionRow, LedgerError>;

    /// The records of the runs whose files a commit has, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] when they cannot be read.
    fn runs_of(&self, commit: CommitId) -> Result<Vec<ExecutionRow>, LedgerError>;

    /// Counts the calls of a skill to hosts, on any thread.
    fn call_budget<'c>(&self, skill: &SkillName, clock: &'c dyn Clock) -> Box<dyn CallBudget + 'c>;

    /// When the newest run ended.
    ///
    /// # Errors
    /// [`LedgerError`] when it cannot be read.
    fn newest_time(&self) -> Result<Option<Timestamp>, LedgerError>;

    /// Deletes old records that nothing newer needs, because a person says so.
    ///
    /// # Errors
    /// [`LedgerError`] when they cannot be deleted.
    fn prune(&self, older_than: Timestamp, decided: Decided<'_>) -> Result<Pruned, LedgerError>;

    /// Gives every file that a commit or a record refers to, and every value that a record has in the store.
    ///
    /// # Errors
    /// [`LedgerError`] when they cannot be read: then nobody knows what is needed.
    fn kept_files(&self, file: &mut dyn FnMut(Digest), value: &mut dyn FnMut(Digest)) -> Result<(), LedgerError>;
}

/// Has the changes of the vault.
pub trait ChangeStore: fmt::Debug {
    /// A commit.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] when there is none.
    fn commit(&self, id: CommitId) -> Result<Commit, LedgerError>;

    /// The commit whose id begins so.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] and [`LedgerError::Ambiguous`].
    fn commit_by_prefix(&self, prefix: &IdPrefix) -> Result<Commit, LedgerError>;

    /// Whether a commit is PENDING.
    ///
    /// # Errors
    /// [`LedgerError`] when they cannot be read.
    fn any_pending_commits(&self) -> Result<bool, LedgerError>;

    /// The commits that are PENDING, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] when they cannot be read.
    fn pending_commits(&self) -> Result<Vec<Commit>, LedgerError>;

    /// The commits that are HELD, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] when they cannot be read.
    fn held_commits(&self) -> Result<Vec<Commit>, LedgerError>;

    /// The commit that undoes this one, if it is PENDING or APPLIED.
    ///
    /// # Errors
    /// [`LedgerError`] when they cannot be read.
    fn undo_of(&self, id: CommitId) -> Result<Option<Commit>, LedgerError>;

    /// Whether it was recorded before schema version 7, without a look at what it replaces.
    ///
    /// # Errors
    /// [`LedgerError`] when it cannot be read.
    fn was_made_without_a_look(&self, id: CommitId) -> Result<bool, LedgerError>;

    /// The number of the newest commit that is settled. Numbers rise in the order of recording.
    ///
    /// # Errors
    /// [`LedgerError`] when it cannot be read.
    fn settled_up_to(&self) -> Result<u64, LedgerError>;

    /// The newest of the last changes that `fits`, with the number of its commit.
    ///
    /// # Errors
    /// [`LedgerError`] when they cannot be read.
    fn recent_change(&self, fits: &dyn Fn(&VaultChange) -> bool) -> Result<Option<(u64, VaultChange)>, LedgerError>;

    /// How the commit differs from what the history says of it; none where it does not.
    ///
    /// # Errors
    /// [`LedgerError`] when it cannot be read.
    fn commit_difference(&self, id: CommitId) -> Result<Option<String>, LedgerError>;

    /// Records a commit of these runs, if the authorizations hold.
    ///
    /// # Errors
    /// [`LedgerError::Halted`] when one does not; nothing is recorded then.
    fn insert_commit(
        &self,
        commit: &Commit,
        runs: &[ExecutionId],
        authorizations: &[RunAuthorization],
    ) -> Result<(), LedgerError>;

    /// Records how the moving of a commit's files ended.
    ///
    /// # Errors
    /// [`LedgerError::WrongState`] when it is not PENDING.
    fn settle(&self, id: CommitId, settled: &Settled) -> Result<(), LedgerError>;

    /// Makes a HELD commit PENDING, because a person says so and the authorizations hold.
    ///
    /// # Errors
    /// [`LedgerError::WrongState`] and [`LedgerError::Halted`].
    fn approve_commit(
        &self,
        id: CommitId,
        decided: Decided<'_>,
        deadlines: Deadlines,
        authorizations: &[RunAuthorization],
    ) -> Result<(), LedgerError>;

    /// Makes a HELD commit REJECTED, because a person says so.
    ///
    /// # Errors
    /// [`LedgerError::WrongState`] when it is not HELD.
    fn reject_commit(
        &self,
        id: CommitId,
        decided: Decided<'_>,
        deadlines: Deadlines,
        why: Option<&str>,
    ) -> Result<(), LedgerError>;
}

/// All that a run needs.
pub trait RunStore: TrustStore + ExecutionStore + ChangeStore {}

impl<S: TrustStore + ExecutionStore + ChangeStore> RunStore for S {}

impl TrustStore for Ledger {
    fn authorize(&self) -> Result<RunAuthorization, Stopped> {
        Self::authorize(self)
    }

    fn check_authorization(&self, authorization: RunAuthorization) -> Result<(), Halt> {
        Self::check_authorization(self, authorization)
    }

    fn watch(&self, authorization: RunAuthorization) -> Box<dyn Watch + Send> {
        Box::new(Self::watch(self, authorization))
    }

    fn trusted(&self, name: &SkillName) -> Result<Option<Proposal>, LedgerError> {
        Self::trusted(self, name)
    }

    fn trusted_revision(&self, name: &SkillName) -> Result<Option<TrustedRevision>, LedgerError> {
        Self::trusted_revision(self, name)
    }

    fn governance(&self) -> Result<GovernanceRows, LedgerError> {
        Self::governance(self)
    }

    fn governance_mark(&self) -> Result<GovernanceMark, LedgerError> {
        Self::governance_mark(self)
    }

    fn check_allowance(&self, allowance: &Allowance) -> Result<(), LedgerError> {
        Self::check_allowance(self, allowance)
    }

    fn proposals_named(&self, name: &SkillName) -> Result<Vec<Proposal>, LedgerError> {
        Self::proposals_named(self, name)
    }

    fn skill_names(&self) -> Result<Vec<SkillName>, LedgerError> {
        Self::skill_names(self)
    }
}

impl ExecutionStore for Ledger {
    fn execution(&self, id: ExecutionId) -> Result<ExecutionRow, LedgerError> {
        Self::execution(self, id)
    }

    fn execution_by_prefix(&self, prefix: &IdPrefix) -> Result<ExecutionRow, LedgerError> {
        Self::execution_by_prefix(self, prefix)
    }

    fn runs_of(&self, commit: CommitId) -> Result<Vec<ExecutionRow>, LedgerError> {
        Self::runs_of(self, commit)
    }

    fn call_budget<'c>(&self, skill: &SkillName, clock: &'c dyn Clock) -> Box<dyn CallBudget + 'c> {
        Box::new(self.network_budget(skill, clock))
    }

    fn newest_time(&self) -> Result<Option<Timestamp>, LedgerError> {
        Self::newest_time(self)
    }

    fn prune(&self, older_than: Timestamp, decided: Decided<'_>) -> Result<Pruned, LedgerError> {
        Self::prune(self, older_than, decided)
    }

    fn kept_files(&self, file: &mut dyn FnMut(Digest), value: &mut dyn FnMut(Digest)) -> Result<(), LedgerError> {
        Self::kept_files(self, file, value)
    }
}

impl ChangeStore for Ledger {
    fn commit(&self, id: CommitId) -> Result<Commit, LedgerError> {
        Self::commit(self, id)
    }

    fn commit_by_prefix(&self, prefix: &IdPrefix) -> Result<Commit, LedgerError> {
        Self::commit_by_prefix(self, prefix)
    }

    fn any_pending_commits(&self) -> Result<bool, LedgerError> {
        Self::any_pending_commits(self)
    }

    fn pending_commits(&self) -> Result<Vec<Commit>, LedgerError> {
        Self::pending_commits(self)
    }

    fn held_commits(&self) -> Result<Vec<Commit>, LedgerError> {
        Self::held_commits(self)
    }

    fn undo_of(&self, id: CommitId) -> Result<Option<Commit>, LedgerError> {
        Self::undo_of(self, id)
    }

    fn was_made_without_a_look(&self, id: CommitId) -> Result<bool, LedgerError> {
        Self::was_made_without_a_look(self, id)
    }

    fn settled_up_to(&self) -> Result<u64, LedgerError> {
        Self::settled_up_to(self)
    }

    fn recent_change(&self, fits: &dyn Fn(&VaultChange) -> bool) -> Result<Option<(u64, VaultChange)>, LedgerError> {
        Self::recent_change(self, fits)
    }

    fn commit_difference(&self, id: CommitId) -> Result<Option<String>, LedgerError> {
        Self::commit_difference(self, id)
    }

    fn insert_commit(
        &self,
        commit: &Commit,
        runs: &[ExecutionId],
        authorizations: &[RunAuthorization],
    ) -> Result<(), LedgerError> {
        Self::insert_commit(self, commit, runs, authorizations)
    }

    fn settle(&self, id: CommitId, settled: &Settled) -> Result<(), LedgerError> {
        Self::settle(self, id, settled)
    }

    fn approve_commit(
        &self,
        id: CommitId,
        decided: Decided<'_>,
        deadlines: Deadlines,
        authorizations: &[RunAuthorization],
    ) -> Result<(), LedgerError> {
        Self::approve_commit(self, id, decided, deadlines, authorizations)
    }

    fn reject_commit(
        &self,
        id: CommitId,
        decided: Decided<'_>,
        deadlines: Deadlines,
        why: Option<&str>,
    ) -> Result<(), LedgerError> {
        Self::reject_commit(self, id, decided, deadlines, why)
    }
}
