//! Why a verification has no verdict.

use super::source_analysis::InsertionError;
use crate::artifacts::ArtifactError;
use crate::forge::compile::CompileError;
use crate::forge::record::RecordError;
use crate::ledger::LedgerError;
use crate::model::switch::{AgentsDisabled, Cancelled, Halt, Revoked, Stopped};
use crate::runtime::{LoadError, RuntimeError};

/// Why a verification has no verdict. Nothing is recorded then, unless it is [`RecordError::Views`].
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// There is nothing to verify.
    #[error("proposal {id} is {status}: only BUILT or VERIFIED proposals can be verified")]
    NotBuilt {
        /// The proposal.
        id: String,
        /// Its status.
        status: String,
    },
    /// There is nothing to verify again.
    #[error("proposal {id} is {status}: only trusted revisions can be reverified")]
    NotTrusted {
        /// The proposal.
        id: String,
        /// Its status.
        status: String,
    },
    /// The workspace is stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The trust in a compared revision ended.
    #[error(transparent)]
    Revoked(#[from] Revoked),
    /// The caller no longer wants the result.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The agents of the workspace are stopped.
    #[error(transparent)]
    Disabled(#[from] AgentsDisabled),
    /// A stored file.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The ledger did not take the verification, or what is derived from it could not be written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A tool could not be run.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The runtime could not be set up.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// A component cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The executable on disk is no longer the one of this process.
    #[error(
        "the compiler process belongs to another build of kavi: was the executable replaced? run the command again"
    )]
    Replaced,
    /// A folder for a run could not be made.
    #[error("a folder for a run could not be made: {0}")]
    Folder(std::io::Error),
    /// A source file passed the first check and is not text.
    #[error("the source file `{0}` is not UTF-8")]
    NotUtf8(String),
    /// The sources cannot be handed to the scanner process.
    #[error("the sources cannot be written as JSON for the source scan: {0}")]
    ScanInput(serde_json::Error),
    /// The scanner process answered with something else.
    #[error("the source scan gave an answer that cannot be read: {0}")]
    ScanOutput(serde_json::Error),
    /// An insertion of the source analysis does not fit the sources.
    #[error(transparent)]
    Insertion(#[from] InsertionError),
}

impl From<Halt> for VerifyError {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Stopped(stopped) => Self::Stopped(stopped),
            Halt::Revoked(revoked) => Self::Revoked(revoked),
            Halt::Cancelled(cancelled) => Self::Cancelled(cancelled),
            Halt::Disabled(disabled) => Self::Disabled(disabled),
        }
    }
}
