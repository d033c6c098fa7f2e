//! A store of the three reads beside the ledger, and why it has no answer.
//!
//! Guarantees: an error says what failed, and repeats no value of the store. Deliberately never: decides, or opens anything.

use std::fmt;
use std::time::Duration;

use crate::ledger::LedgerError;
use crate::model::governance::{GovernanceMark, GovernanceRows};

/// Why a store has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GovernanceStoreError {
    /// kavi.toml names no store that can be.
    #[error("`[context]` in kavi.toml: {0}")]
    Settings(String),
    /// The database role has more rights than it may have, or the tables have less protection than they need.
    #[error("the store of charter, policy and capabilities is not safe to use: {0}")]
    Unsafe(String),
    /// It cannot be reached, or it refused.
    #[error("the store of charter, policy and capabilities cannot be used: {0}")]
    Unusable(String),
    /// It took too long.
    #[error("the store of charter, policy and capabilities did not answer within {} ms", .0.as_millis())]
    Late(Duration),
    /// It has something else than the decisions of the history.
    #[error(
        "the store of charter, policy and capabilities was changed outside of Kavi, or lacks the newest decision: {0}"
    )]
    Differs(String),
    /// The ledger changed each time that it was copied.
    #[error("other decisions came while the store was written")]
    Overtaken,
}

/// Why the three reads could not be read.
#[derive(Debug, thiserror::Error)]
pub enum GovernanceReadError {
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The store beside it.
    #[error(transparent)]
    Store(#[from] GovernanceStoreError),
}

/// A store of the three reads that is not the ledger.
pub trait GovernanceStore: fmt::Debug + Send + Sync {
    /// The change counter and the kill switch, in one round trip.
    ///
    /// # Errors
    /// [`GovernanceStoreError`].
    fn mark(&self) -> Result<GovernanceMark, GovernanceStoreError>;

    /// The three reads, of one snapshot. What the history says about the charter is not in it.
    ///
    /// # Errors
    /// [`GovernanceStoreError`].
    fn rows(&self) -> Result<GovernanceRows, GovernanceStoreError>;

    /// Makes the store have these rows, in one transaction. Only what differs is added.
    ///
    /// # Errors
    /// [`GovernanceStoreError`]; the store is as it was then.
    fn publish(&self, rows: &GovernanceRows) -> Result<(), GovernanceStoreError>;
}
