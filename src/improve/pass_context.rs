//! What a pass works with, whom it leaves out, and why there was none.
//!
//! Guarantees: nothing of its own. Deliberately never: asks a model, or writes.

use super::guidance::{GuidanceContext, GuidanceError};
use super::skill_forge::SkillForge;
use crate::artifacts::ArtifactError;
use crate::ledger::LedgerError;
use crate::llm::AdviceClient;
use crate::model::{layout::Layout, name::SkillName, switch::Stopped};

/// Why there was no pass.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// Another one runs.
    #[error("another pass runs in this workspace")]
    Busy,
    /// The workspace is stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The guidance or the ledger.
    #[error(transparent)]
    Guidance(#[from] GuidanceError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The lock.
    #[error(transparent)]
    Lock(#[from] ArtifactError),
}

/// A candidate for which no attempt was made.
#[derive(Debug)]
pub struct SkippedCandidate {
    /// The skill.
    pub skill: SkillName,
    /// Why.
    pub why: String,
}

/// What a pass works with.
#[derive(Debug, Clone, Copy)]
pub struct PassContext<'a> {
    /// The guidance of the workspace.
    pub guidance: GuidanceContext<'a>,
    /// The files of the workspace.
    pub layout: &'a Layout,
    /// The model.
    pub client: &'a AdviceClient,
    /// What builds and verifies.
    pub forge: &'a dyn SkillForge,
}
