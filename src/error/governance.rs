//! Kinds and hints of what charter, policy and capabilities fail with.

use super::{Error, Kind, runs};
use crate::context::identity_block::BlockError;
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
}

impl GovernanceError {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::InvalidCharter(_) | Self::Policy(_) => Kind::Usage,
            Self::Access(_) | Self::Block(_) => Kind::Refused,
        }
    }

    pub(super) fn hint(&self) -> String {
        match self {
            Self::Access(error) => return runs::hint_of_access(error),
            Self::Policy(_) => "`kavi policy list` shows every key, its range and its value",
            Self::InvalidCharter(_) => "see `kavi charter set --help` for the form of a charter; nothing was changed",
            Self::Block(_) => "`kavi charter verify` and `kavi policy list` say more",
        }
        .to_owned()
    }
}

impl From<AccessDenied> for Error {
    fn from(error: AccessDenied) -> Self {
        Self::Governance(error.into())
    }
}

impl From<InvalidCharter> for Error {
    fn from(error: InvalidCharter) -> Self {
        Self::Governance(error.into())
    }
}

impl From<PolicyError> for Error {
    fn from(error: PolicyError) -> Self {
        Self::Governance(error.into())
    }
}

impl From<BlockError> for Error {
    fn from(error: BlockError) -> Self {
        Self::Governance(error.into())
    }
}
