//! Held effects and undo: the decisions of a person about files.

use super::App;
use crate::error::Error;
use crate::invoke::pending_approval::{self, CommitReview};
use crate::invoke::undo::{self, UndoPlan};
use crate::model::{commit::Commit, id::IdPrefix};

impl App {
    /// What waits for a person, oldest first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn held(&self) -> Result<Vec<Commit>, Error> {
        Ok(pending_approval::list(&self.run_context())?)
    }

    /// The newest effects, whatever became of them, newest first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn newest_effects(&self, most: u32) -> Result<Vec<Commit>, Error> {
        self.ledger.expire_commits(self.clock.now())?;
        Ok(self.ledger.newest_commits(most)?)
    }

    /// One effect, with how each file changes.
    ///
    /// # Errors
    /// When there is none, or its bytes are missing.
    pub fn effect(&self, id: &IdPrefix) -> Result<CommitReview, Error> {
        Ok(pending_approval::review(&self.run_context(), id)?)
    }

    /// Commits a held effect.
    ///
    /// # Errors
    /// When it is not held any more, its skill is not trusted any more, or the vault changed since.
    pub fn approve(&self, review: CommitReview, by: &str) -> Result<Commit, Error> {
        Ok(pending_approval::approve(&self.run_context(), review, by)?)
    }

    /// Turns a held effect down.
    ///
    /// # Errors
    /// When it is not held any more.
    pub fn reject(&self, review: &CommitReview, by: &str, why: Option<&str>) -> Result<Commit, Error> {
        Ok(pending_approval::reject(&self.run_context(), review.commit.id, by, why)?)
    }

    /// What undoing a run would put back.
    ///
    /// # Errors
    /// When there is nothing to put back.
    pub fn undo_plan(&self, run: &IdPrefix) -> Result<UndoPlan, Error> {
        Ok(undo::plan(&self.run_context(), run)?)
    }

    /// Puts it back.
    ///
    /// # Errors
    /// When a file was changed since; nothing is put back then.
    pub fn undo(&self, plan: UndoPlan, by: &str) -> Result<Commit, Error> {
        Ok(undo::undo(&self.run_context(), plan, by)?)
    }
}
