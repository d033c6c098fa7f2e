//! The switch of a workspace: stop everything, and resume. What a stop and a resume do is in `ledger::switch`.

use super::open_workspace::OpenWorkspace;
use crate::error::Error;
use crate::model::approver::Approver;
use crate::model::{switch::SwitchEvent, text};

/// The switch of one workspace.
#[derive(Debug, Clone, Copy)]
pub struct SwitchService<'a> {
    pub(super) workspace: &'a OpenWorkspace,
}

impl SwitchService<'_> {
    /// Stops the workspace: nothing starts, and running work is ended.
    ///
    /// # Errors
    /// When no reason is given or the ledger cannot be written.
    pub fn stop(&self, by: &Approver, why: &str) -> Result<SwitchEvent, Error> {
        let why = text::block(why.trim(), 2_000);
        if why.is_empty() {
            return Err(Error::Usage("a stop needs a reason: give --why TEXT".to_owned()));
        }
        Ok(self.workspace.ledger.stop(by.as_str(), &why, self.workspace.clock.now())?)
    }

    /// Lets the workspace run again.
    ///
    /// # Errors
    /// When it is not stopped or the ledger cannot be written.
    pub fn resume(&self, by: &Approver) -> Result<SwitchEvent, Error> {
        Ok(self.workspace.ledger.resume(by.as_str(), self.workspace.clock.now())?)
    }
}
