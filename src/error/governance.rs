//! Kinds and hints of what charter, policy and capabilities fail with.

use std::sync::Arc;

use super::causes::{ledger, ledger_hint};
use super::kind::Kind;
use super::runs;
use crate::context::diagnostic_bundle::DiagnosticBundleError;
use crate::context::identity_block::BlockError;
use crate::context::reader::UnreadGovernance;
use crate::context::store::{GovernanceReadError, GovernanceStoreError};
use crate::policy::{access::AccessDenied, charter::InvalidCharter, registry::PolicyError};

/// What charter, policy and capabilities fail with.
#[derive(Debug, thiserror::Error)]
pub enum GovernanceError {
    /// The charter, the capabilities, the kill switch or a policy value denies it.
    #[error(transparent)]
    Access(#[from] AccessDenied),
    /// A text is no role charter.
    #[error(transparent)]
    InvalidCharter(#[from] InvalidCharter),
    /// A policy key or value that cannot be.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// No identity block can be made.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// No diagnostic bundle can be made.
    #[error(transparent)]
    Bundle(#[from] DiagnosticBundleError),
    /// Charter, policy and capabilities cannot be read, so nothing is allowed.
    #[error(transparent)]
    Unread(#[from] Arc<UnreadGovernance>),
    /// The store beside the ledger cannot be used.
    #[error(transparent)]
    Store(#[from] GovernanceStoreError),
    /// A decision is in the history, and the store does not have it yet.
    #[error("the decision is in the history, and agents are denied until the store has it too: {0}")]
    Unpublished(GovernanceStoreError),
}

impl GovernanceError {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::InvalidCharter(_) | Self::Policy(_) => Kind::Usage,
            Self::Access(_) | Self::Block(_) | Self::Bundle(_) => Kind::Refused,
            Self::Unread(unread) => match &unread.error {
                GovernanceReadError::Ledger(error) => ledger(error),
                // Nothing is allowed then, whatever is wrong with it.
                GovernanceReadError::Store(_) => Kind::Refused,
            },
            Self::Store(error) | Self::Unpublished(error) => store(error),
        }
    }

    pub(super) fn hint(&self) -> String {
        match self {
            Self::Access(error) => return runs::hint_of_access(error),
            Self::Unread(unread) => match &unread.error {
                GovernanceReadError::Ledger(error) => return ledger_hint(error).unwrap_or_default(),
                GovernanceReadError::Store(error) => store_hint(error),
            },
            Self::Store(error) => store_hint(error),
            Self::Bundle(_) => "remove what looks like a credential from where it was entered, or replace it",
            Self::Unpublished(_) => "`kavi context publish` writes it when the store can be used again",
            Self::Policy(_) => "`kavi policy list` shows every key, its range and its value",
            Self::InvalidCharter(_) => "see `kavi charter set --help` for the form of a charter; nothing was changed",
            Self::Block(_) => "`kavi charter verify` and `kavi policy list` say more",
        }
        .to_owned()
    }
}

fn store(error: &GovernanceStoreError) -> Kind {
    match error {
        GovernanceStoreError::Settings(_) => Kind::Usage,
        GovernanceStoreError::Unsafe(_) | GovernanceStoreError::Differs(_) => Kind::Refused,
        GovernanceStoreError::Unusable(_) | GovernanceStoreError::Late(_) => Kind::Tool,
        GovernanceStoreError::Overtaken => Kind::Failed,
    }
}

fn store_hint(error: &GovernanceStoreError) -> &'static str {
    match error {
        GovernanceStoreError::Settings(_) => "see [context] in kavi.toml and docs/OPERATING.md",
        GovernanceStoreError::Unsafe(_) => {
            "`kavi context schema` prints the SQL that gives the role and tables what they need"
        }
        GovernanceStoreError::Differs(_) => "`kavi context publish` writes what the history decided into the store",
        GovernanceStoreError::Unusable(_) | GovernanceStoreError::Late(_) => {
            "see that the database runs and accepts the role; `kavi doctor` asks it"
        }
        GovernanceStoreError::Overtaken => "`kavi context publish` tries again",
    }
}
