//! Why a failure cannot be diagnosed.

use crate::artifacts::ArtifactError;
use crate::forge::attempt::AttemptLockError;
use crate::forge::record::RecordError;
use crate::ledger::LedgerError;

/// Why there is nothing to diagnose, or the diagnosis could not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum DiagnosisError {
    /// The build is not the newest attempt.
    #[error("build {id} is not the newest attempt of its proposal: {newest} is")]
    NotNewest {
        /// The build.
        id: String,
        /// The newest one.
        newest: String,
    },
    /// The attempt did not fail.
    #[error("attempt {attempt} of proposal {proposal} did not fail")]
    NotFailed {
        /// Its number.
        attempt: u32,
        /// The proposal.
        proposal: String,
    },
    /// The lock of the proposal's attempts.
    #[error(transparent)]
    Lock(#[from] AttemptLockError),
    /// A stored file.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The ledger did not take the diagnosis, or what is derived from it could not be written.
    #[error(transparent)]
    Record(#[from] RecordError),
}
