//! The switch of a workspace: stop everything, and resume.

use super::host::Host;
use super::open_workspace::{OpenWorkspace, UnreadLedger, outside, state_folder};
use crate::error::Error;
use crate::ledger::{Decided, Ledger};
use crate::model::{
    approver::Approver,
    switch::SwitchEvent,
    text,
    time::{Clock as _, SystemClock},
};
use crate::policy::actor_capability::ActorCapability;
use crate::trust;
use crate::workspace::Config;

fn reason(why: &str) -> Result<String, Error> {
    let why = text::block(why.trim(), 2_000);
    match why.is_empty() {
        true => Err(Error::Usage("a stop needs a reason: give --why TEXT".to_owned())),
        false => Ok(why),
    }
}

/// Stops a workspace, also one whose ledger cannot be read.
///
/// # Errors
/// [`crate::ledger::LedgerError::Unrecorded`] when everything is stopped and the ledger could not take it.
pub(super) fn stop(host: &Host, config: &Config, by: &Approver, why: &str) -> Result<SwitchEvent, Error> {
    let why = reason(why)?;
    let decided = Decided { by: by.as_str(), at: SystemClock.now() };
    let state = state_folder(host, config);
    let anchored = |ledger| {
        let outside = outside(host, config, state.as_deref());
        trust::anchored(ledger, outside, decided.at).map(|anchored| anchored.ledger)
    };
    Ok(Ledger::stop_at(&config.layout.ledger(), anchored, decided, &why)?)
}

/// The switch of one workspace.
#[derive(Debug, Clone, Copy)]
pub struct SwitchService<'a> {
    pub(super) workspace: &'a OpenWorkspace,
}

impl SwitchService<'_> {
    /// Lets the workspace run again.
    ///
    /// # Errors
    /// When it is not stopped or the ledger cannot be written.
    pub fn resume(&self, by: &Approver) -> Result<SwitchEvent, Error> {
        self.workspace.allow_person_as_decided(ActorCapability::ResumeWorkspace, UnreadLedger::Proceeds)?;
        Ok(self.workspace.ledger.resume(by.as_str(), self.workspace.clock.now())?)
    }
}
