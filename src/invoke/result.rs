//! What a run gives.
//!
//! Deliberately never: runs anything.

use serde_json::Value;

use super::diff::FileDiff;
use super::effects::{RunStart, Staging};
use crate::ledger::RunAuthorization;
use crate::model::{commit::Commit, execution::ExecutionRecord};
use crate::runtime::{CodeOrigin, GuestTelemetry};

/// A run that succeeded.
#[derive(Debug)]
pub struct RunResult {
    /// Its record, as it is in the ledger.
    pub record: ExecutionRecord,
    /// Its output, also where the record only has its digest.
    pub output: Value,
    /// What the guest logged, and what it used.
    pub observed: GuestTelemetry,
    /// Where its machine code came from.
    pub code: CodeOrigin,
    /// What happened to its files.
    pub files: RunFiles,
    /// Most bytes of its output that an agent is sent.
    pub output_cap: Option<u64>,
}

/// What happened to a run's files.
#[derive(Debug)]
pub enum RunFiles {
    /// They are in the vault, if there were any.
    Committed,
    /// A person decides about them.
    Held(Box<Commit>, Vec<FileDiff>),
    /// This is what they would change.
    Shown(Vec<FileDiff>),
    /// They are still in the run's staging folder.
    Deferred(Box<DeferredFiles>),
}

/// Files of a run that are committed later, together with others.
#[derive(Debug)]
pub struct DeferredFiles {
    pub(super) staging: Staging,
    pub(super) start: RunStart,
    pub(super) authorization: RunAuthorization,
}
