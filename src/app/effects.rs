//! Held vault changes and undo: a person's decisions about files.

use super::open_workspace::{OpenWorkspace, UnreadLedger};
use crate::error::Error;
use crate::invoke::pending_approval::{self, CommitReview};
use crate::invoke::undo::{self, UndoPlan};
use crate::ledger::ExecutionRow;
use crate::model::{channel::Channel, commit::Commit, id::IdPrefix};
use crate::policy::actor_capability::ActorCapability;

/// A change, and the runs that made it.
#[derive(Debug)]
pub struct HeldChange {
    /// The change.
    pub commit: Commit,
    /// Its runs.
    pub runs: Vec<ExecutionRow>,
}

/// The vault changes of one workspace.
#[derive(Debug, Clone, Copy)]
pub struct EffectService<'a> {
    pub(super) workspace: &'a OpenWorkspace,
}

impl EffectService<'_> {
    /// The changes that wait for a person, oldest first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn held(&self) -> Result<Vec<Commit>, Error> {
        Ok(pending_approval::list(&self.workspace.run_context())?)
    }

    /// The newest changes in any state, newest first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn newest(&self, most: u32) -> Result<Vec<Commit>, Error> {
        let now = self.workspace.run_context().deadline_time()?;
        let newest = self.workspace.ledger.newest_commits(most)?;
        Ok(newest.into_iter().map(|commit| commit.as_of(now)).collect())
    }

    /// The changes that wait for a person, oldest first, each with its runs.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn held_changes(&self) -> Result<Vec<HeldChange>, Error> {
        self.with_runs(self.held()?)
    }

    /// Changes with the runs that made them.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn with_runs(&self, commits: Vec<Commit>) -> Result<Vec<HeldChange>, Error> {
        let with_runs = |commit: Commit| {
            // An undo has no runs of its own: those that it undid are named.
            let runs = self.workspace.ledger.runs_of(commit.undoes.unwrap_or(commit.id))?;
            Ok(HeldChange { commit, runs })
        };
        commits.into_iter().map(with_runs).collect()
    }

    /// One change, with the difference of each file.
    ///
    /// # Errors
    /// When there is none, or its bytes are missing.
    pub fn show(&self, id: &IdPrefix) -> Result<CommitReview, Error> {
        Ok(pending_approval::review(&self.workspace.run_context(), id)?)
    }

    /// Commits a held change.
    ///
    /// # Errors
    /// When it is no longer held, its skill is no longer trusted, or the vault changed since.
    pub fn approve(&self, review: CommitReview, by: &str) -> Result<Commit, Error> {
        self.workspace.allow(&self.workspace.caller(Channel::Cli), ActorCapability::ReleaseEffect)?;
        Ok(pending_approval::approve(&self.workspace.run_context(), review, by)?)
    }

    /// Rejects a held change.
    ///
    /// # Errors
    /// When it is no longer held.
    pub fn reject(&self, review: &CommitReview, by: &str, why: Option<&str>) -> Result<Commit, Error> {
        self.workspace.allow_person_as_decided(ActorCapability::RejectEffect, UnreadLedger::Proceeds)?;
        Ok(pending_approval::reject(&self.workspace.run_context(), review.commit.id, by, why)?)
    }

    /// Gives up a change that is recorded and can neither be finished nor taken back.
    ///
    /// # Errors
    /// When it is no such change.
    pub fn abandon(&self, review: &CommitReview, by: &str, why: &str) -> Result<Commit, Error> {
        self.workspace.allow_person_as_decided(ActorCapability::RejectEffect, UnreadLedger::Proceeds)?;
        Ok(pending_approval::abandon(&self.workspace.run_context(), review.commit.id, by, why)?)
    }

    /// What undoing a run would restore.
    ///
    /// # Errors
    /// When there is nothing to restore.
    pub fn undo_plan(&self, run: &IdPrefix) -> Result<UndoPlan, Error> {
        Ok(undo::plan(&self.workspace.run_context(), run)?)
    }

    /// Restores the files as the plan says.
    ///
    /// # Errors
    /// When a file was changed since; nothing is restored then.
    pub fn undo(&self, plan: UndoPlan, by: &str) -> Result<Commit, Error> {
        self.workspace.allow_person(ActorCapability::UndoRun)?;
        Ok(undo::undo(&self.workspace.run_context(), plan, by)?)
    }
}
