//! Held effects and undo: the decisions of a person about files.

use super::App;
use crate::error::Error;
use crate::invoke::{held, undo};
use crate::model::{commit::Commit, id::IdPrefix};

impl App {
    /// What waits for a person, oldest first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn held(&self) -> Result<Vec<Commit>, Error> {
        Ok(held::list(&self.desk(), &self.ledger)?)
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
    pub fn effect(&self, id: &IdPrefix) -> Result<held::Shown, Error> {
        Ok(held::show(&self.desk(), &self.ledger, id)?)
    }

    /// Commits a held effect.
    ///
    /// # Errors
    /// When it is not held any more, its skill is not trusted any more, or the vault changed since.
    pub fn approve(&self, shown: held::Shown, by: &str) -> Result<Commit, Error> {
        Ok(held::approve(&self.desk(), &self.ledger, shown, by)?)
    }

    /// Turns a held effect down.
    ///
    /// # Errors
    /// When it is not held any more.
    pub fn reject(&self, shown: &held::Shown, by: &str, why: Option<&str>) -> Result<Commit, Error> {
        Ok(held::reject(&self.desk(), &self.ledger, shown.commit.id, (by, why))?)
    }

    /// What undoing a run would put back.
    ///
    /// # Errors
    /// When there is nothing to put back.
    pub fn undo_plan(&self, run: &IdPrefix) -> Result<undo::Plan, Error> {
        Ok(undo::plan(&self.desk(), &self.ledger, run)?)
    }

    /// Puts it back.
    ///
    /// # Errors
    /// When a file was changed since; nothing is put back then.
    pub fn undo(&self, plan: undo::Plan, by: &str) -> Result<Commit, Error> {
        Ok(undo::undo(&self.desk(), &self.ledger, plan, by)?)
    }
}
