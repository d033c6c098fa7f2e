//! What an id or a name that a person typed is of.
//!
//! Guarantees: an id that begins those of a proposal and of a run is refused, and never resolved to one of them.

use super::open_workspace::OpenWorkspace;
use super::proposals::ProposalService;
use crate::error::Error;
use crate::ledger::{ExecutionRow, LedgerError, Proposal};
use crate::model::{id::IdPrefix, text};

/// What somebody typed the id of.
#[derive(Debug)]
pub enum Subject {
    /// A proposal, or a skill by its name.
    Proposal(Box<Proposal>),
    /// A run.
    Run(Box<ExecutionRow>),
}

/// Finds it.
pub(super) fn find(workspace: &OpenWorkspace, key: &str) -> Result<Subject, Error> {
    let missing = || LedgerError::NotFound { what: "proposal, skill or run", key: text::line(key, 100) };
    let prefix = IdPrefix::parse(key).ok();
    let run = prefix.as_ref().map(|prefix| workspace.ledger.execution_by_prefix(prefix));
    let run = match run {
        None | Some(Err(LedgerError::NotFound { .. })) => None,
        Some(found) => Some(found?),
    };
    match ((ProposalService { workspace }).find(key), run) {
        (Ok(proposal), None) => Ok(Subject::Proposal(Box::new(proposal))),
        // A name that could be an id as well is a name: whoever types an id has a longer one.
        (Ok(proposal), Some(_)) if proposal.spec.name.as_str() == key => Ok(Subject::Proposal(Box::new(proposal))),
        (Ok(proposal), Some(run)) => Err(Error::Usage(format!(
            "`{key}` begins the ids of proposal {} and of run {}: give more digits",
            proposal.id, run.record.execution_id
        ))),
        (Err(Error::Ledger(LedgerError::NotFound { .. })), Some(run)) => Ok(Subject::Run(Box::new(run))),
        (Err(Error::Ledger(LedgerError::NotFound { .. })), None) => Err(missing().into()),
        (Err(Error::Mistyped { .. }), Some(run)) => Ok(Subject::Run(Box::new(run))),
        (Err(error), _) => Err(error),
    }
}
