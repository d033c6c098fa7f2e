//! What belongs to one attempt to build a proposal: its number, its folder of artifacts, and the lock that it holds.
//!
//! Guarantees: a proposal has one running attempt at a time, in whatever process.
//! Deliberately never: looks into the ledger.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::context::ForgeContext;
use crate::artifacts::{self, ArtifactError};
use crate::ledger::{Build, Proposal};
use crate::model::research::{Advice, Classified};

/// The attempt before, as far as the next packet tells of it.
#[derive(Debug, Clone, Copy)]
pub struct PreviousAttempt<'a> {
    /// The attempt.
    pub build: &'a Build,
    /// Why it failed, if it did.
    pub failure: Option<&'a Classified>,
    /// What a person wants the next attempt to know.
    pub hint: Option<&'a str>,
    /// What a model advises.
    pub advice: Option<&'a Advice>,
}

/// Why the lock of a proposal's attempts is not held.
#[derive(Debug, thiserror::Error)]
pub enum AttemptLockError {
    /// Another process holds it.
    #[error("another process is building proposal {0}")]
    Busy(String),
    /// The lock's file cannot be used.
    #[error(transparent)]
    File(#[from] ArtifactError),
}

/// The folder of an attempt's artifacts, below `artifacts_out/`.
pub(super) fn folder(proposal: &Proposal, attempt_number: u32) -> PathBuf {
    Path::new(proposal.spec.name.as_str()).join(proposal.id.to_string()).join(format!("build-{attempt_number}"))
}

/// Takes the lock that is held while a proposal is built or diagnosed. It is released when the file is dropped.
///
/// A build that the ledger shows as running, and whose lock is free, belongs to a process that died.
pub(super) fn lock(forge: &ForgeContext<'_>, proposal: &Proposal) -> Result<File, AttemptLockError> {
    let path = forge.layout.locks().join(format!("build-{}", proposal.id));
    let io = |source| ArtifactError::Io { path: path.clone(), source };
    let file = artifacts::open_lock(&forge.layout.root, &path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(AttemptLockError::Busy(proposal.id.short())),
        Err(std::fs::TryLockError::Error(source)) => Err(AttemptLockError::File(io(source))),
    }
}
