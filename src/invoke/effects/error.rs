//! Why files did not reach the vault.

use std::path::{Path, PathBuf};

use crate::artifacts::ArtifactError;
use crate::ledger::LedgerError;
use crate::model::vault_path::VaultPath;

/// Why files did not reach the vault.
#[derive(Debug, thiserror::Error)]
pub enum EffectsError {
    /// A place in the vault cannot take the file. Nothing was changed.
    #[error("`{path}` cannot be written in the vault: {why}")]
    Place {
        /// The path in the vault.
        path: VaultPath,
        /// Why it cannot be written.
        why: String,
    },
    /// The file system failed at a place in the vault. Nothing was changed, and it may work later.
    #[error("`{path}` could not be written in the vault: {why}")]
    FileSystem {
        /// The path in the vault.
        path: VaultPath,
        /// The error of the operating system.
        why: String,
    },
    /// The change time of the file is later than the clock, so nothing tells whether the file changed. Nothing was changed.
    #[error(
        "`{path}` in the vault is left as it is: its change time is in the future, so an edit could not be told from it"
    )]
    FutureFile {
        /// The path in the vault.
        path: VaultPath,
    },
    /// Another program changed the file in the meantime. Nothing was changed.
    #[error("`{path}` in the vault is left as it is: {why}")]
    Conflict {
        /// The path in the vault.
        path: VaultPath,
        /// What happened to the file.
        why: String,
    },
    /// The vault or the staging folder cannot be used.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The commit is recorded, but not all of its files are in the vault.
    #[error("effect {id} is recorded, but `{path}` could not be moved into the vault: {why}")]
    Unfinished {
        /// The commit.
        id: String,
        /// The first file that is missing.
        path: VaultPath,
        /// Why it could not be moved.
        why: String,
    },
    /// A commit in the ledger is not the one that its runs recorded. Nothing was changed.
    #[error("effect {id} is not what its run recorded: {why}")]
    NotRecorded {
        /// The commit.
        id: String,
        /// How the two differ.
        why: String,
    },
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A file of the store.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
}

pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> EffectsError + use<> {
    let path = path.to_owned();
    move |source| EffectsError::Io { path, source }
}

/// Why a change of a recorded commit could not be applied or undone.
#[derive(Debug)]
pub(super) enum ApplyError {
    /// The vault does not have at the path what the record says, or cannot take the file there.
    Conflict(VaultPath, String),
    /// An operation on the file system failed. It says nothing about the vault, and may work later.
    Failed(VaultPath, String),
    /// The prepared file is gone, and nothing says that it was moved.
    Lost(VaultPath),
}

impl ApplyError {
    pub(super) fn path(&self) -> &VaultPath {
        match self {
            Self::Conflict(path, _) | Self::Failed(path, _) | Self::Lost(path) => path,
        }
    }

    /// An error at the place of a change: what lies there is a conflict, and anything else a failure.
    pub(super) fn at(path: &VaultPath, error: EffectsError) -> Self {
        match error {
            EffectsError::Place { why, .. } => Self::Conflict(path.clone(), why),
            EffectsError::FileSystem { why, .. } => Self::Failed(path.clone(), why),
            error => Self::Failed(path.clone(), error.to_string()),
        }
    }

    pub(super) fn why(&self) -> String {
        match self {
            Self::Conflict(_, why) | Self::Failed(_, why) => why.clone(),
            Self::Lost(_) => "the prepared file is missing (is the vault where it was?)".to_owned(),
        }
    }
}
