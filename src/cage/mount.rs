//! What a job sees of the host: one file or folder for each mount.
//!
//! These are values. `linux/mounts.rs` and `bwrap.rs` make the mounts.

use std::path::PathBuf;

/// What a job may read below `/proc`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProcAccess {
    /// A `/proc` of its own process namespace, without the parts that show or control the host.
    #[default]
    OwnProcesses,
    /// No file and no folder. Links such as `/proc/self/exe` can still be read: the compiler finds
    /// its own path with it, and needs nothing else. Otherwise a source could make the compiler
    /// copy a file of `/proc` into a message.
    Hidden,
}

/// What a job may do with a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MountAccess {
    /// Read and execute.
    ReadOnly,
    /// Read and write; nothing on it can be executed or loaded as code.
    ReadWrite,
    /// Read, write and execute, for a job that must run or load what it wrote.
    ReadWriteExecute,
}

impl MountAccess {
    pub(super) fn writable(self) -> bool {
        !matches!(self, Self::ReadOnly)
    }
}

/// A host file or folder and where the job sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Absolute path on the host. Its last component must not be a symbolic link.
    pub host: PathBuf,
    /// Absolute path in the cage.
    pub inside: PathBuf,
    /// What the job may do with it.
    pub access: MountAccess,
}

impl Mount {
    /// A mount that can be read and executed.
    #[must_use]
    pub fn read_only(host: impl Into<PathBuf>, inside: impl Into<PathBuf>) -> Self {
        Self { host: host.into(), inside: inside.into(), access: MountAccess::ReadOnly }
    }

    /// A mount that can be read and written, but not executed.
    #[must_use]
    pub fn read_write(host: impl Into<PathBuf>, inside: impl Into<PathBuf>) -> Self {
        Self { host: host.into(), inside: inside.into(), access: MountAccess::ReadWrite }
    }
}
