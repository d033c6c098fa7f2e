//! Decides what the forge does next for a proposal, and whether another attempt may start. Pure.
//!
//! Guarantees: an attempt that needs a person's acknowledgement does not start without one, and an acknowledgement that nothing
//! asks for is refused. Deliberately never: starts the attempt (`build` does), or counts attempts (the caller's limit).

use super::history::AttemptHistory;
use crate::ledger::Acknowledgement;
use crate::model::{approver::Approver, lifecycle::ProposalStatus, research::Escalation};

/// What the forge has to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextStep {
    /// The proposal is VERIFIED.
    Nothing,
    /// The newest sources have not been verified.
    Verify,
    /// Another attempt.
    Build,
}

/// Why an attempt may not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AcknowledgementError {
    /// A person must acknowledge these escalations first.
    #[error("{} escalations need a person's acknowledgement", .0.len())]
    Missing(Vec<Escalation>),
    /// Nothing is escalated. An acknowledgement given in advance would mean that nobody looked.
    #[error("nothing is escalated: no acknowledgement is needed")]
    NotNeeded,
}

impl AttemptHistory {
    /// What the forge has to do next for a proposal of this status.
    pub fn next_step(&self, status: ProposalStatus) -> NextStep {
        let unverified = self.newest().is_some_and(|outcome| outcome.verification.is_none() && !outcome.failed());
        match status {
            ProposalStatus::Verified => NextStep::Nothing,
            // Verifying what is already built costs no attempt.
            ProposalStatus::Built if unverified => NextStep::Verify,
            _ => NextStep::Build,
        }
    }

    /// The acknowledgement to record with the next attempt: one exactly when something is escalated.
    ///
    /// # Errors
    /// [`AcknowledgementError`] when one is needed and missing, or the reverse.
    pub fn acknowledge(&self, by: Option<&Approver>) -> Result<Option<Acknowledgement>, AcknowledgementError> {
        match (by, self.escalations.as_slice()) {
            (None, []) => Ok(None),
            (None, _) => Err(AcknowledgementError::Missing(self.escalations.clone())),
            (Some(_), []) => Err(AcknowledgementError::NotNeeded),
            (Some(by), escalations) => {
                Ok(Some(Acknowledgement { acknowledged_by: by.as_str().to_owned(), escalations: escalations.to_vec() }))
            }
        }
    }
}
