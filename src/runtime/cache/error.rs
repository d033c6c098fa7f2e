//! Why the code cache gave nothing, or took nothing.

use std::io;
use std::path::PathBuf;

use crate::runtime::error::RuntimeError;

/// Why the cache gave nothing, or took nothing. Never a reason not to run.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// No folder for the key.
    #[error(
        "it has no folder for its key: set KAVI_CACHE_DIR, XDG_CACHE_HOME or HOME to a folder outside of the vault"
    )]
    NoKeyPlace,
    /// The key cannot be used.
    #[error("its key {} cannot be used: {why}", path.display())]
    Key {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Something else than an entry is in its place.
    #[error("what lies there is no entry: {0}")]
    NotAnEntry(String),
    /// Another key, or other bytes than were written.
    #[error("the entry was made with another key, or was changed")]
    Foreign,
    /// Ours, of another time.
    #[error("the entry is for another engine, wasmtime or policy")]
    Stale,
    /// The engine did not take the code.
    #[error("{0}")]
    Refused(RuntimeError),
    /// The system said no.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}
