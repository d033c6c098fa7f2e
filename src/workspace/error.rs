//! What can be wrong with a workspace: where it is, whose it is, what its kavi.toml says.

use std::path::PathBuf;

/// What can go wrong with the configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No kavi.toml upwards from here.
    #[error("there is no kavi.toml in {0} or any folder above it")]
    NoWorkspace(PathBuf),
    /// The file cannot be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It was found by looking upwards, and somebody else made it.
    #[error("the workspace {0} belongs to another user")]
    Foreign(PathBuf),
    /// The folder cannot be named in the ledger, in reports, or in JSON.
    #[error("{} is not valid UTF-8: use another folder for the workspace", .0.to_string_lossy())]
    NoText(PathBuf),
    /// A variable of the environment is set to something that is no text.
    #[error("the environment variable {0} is not valid UTF-8: set it again, or unset it")]
    NoTextValue(&'static str),
    /// The file says something that Kavi does not know.
    #[error("{path}: {message}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A path begins with `~`, and nothing says where that is.
    #[error("{0} is below the home folder, and HOME is not set")]
    NoHome(PathBuf),
    /// Neither KAVI_CACHE_DIR nor XDG_CACHE_HOME nor HOME says where caches go.
    #[error("there is no folder for caches: none of KAVI_CACHE_DIR, XDG_CACHE_HOME and HOME is set")]
    NoCacheFolder,
}
