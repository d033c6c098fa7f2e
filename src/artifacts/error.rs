//! What can go wrong with a stored file.

use std::path::{Path, PathBuf};

use crate::model::digest::Digest;

/// What can go wrong with a stored file.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The file is missing.
    #[error("{what} {digest} is missing from the store")]
    Missing {
        /// Component, source...
        what: &'static str,
        /// Its digest.
        digest: Digest,
    },
    /// Something else is in its place, or its bytes changed.
    #[error("{what} {expected:?} was changed on disk: {found}")]
    Changed {
        /// Component, source...
        what: &'static str,
        /// The digest it should have.
        expected: Digest,
        /// What is there now.
        found: String,
    },
    /// The operating system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Its error.
        source: std::io::Error,
    },
}

pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> ArtifactError + use<> {
    let path = path.to_owned();
    move |source| ArtifactError::Io { path, source }
}
