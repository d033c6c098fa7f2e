//! What a pass needs of the forge: proposing, building, verifying, and repeating calls.
//!
//! Guarantees: none of its own; the application stands behind it. Deliberately never: promotes.

use std::fmt;

use crate::ledger::{Proposal, ShadowRun};
use crate::model::{
    digest::Digest,
    id::{ExecutionId, ProposalId},
    spec::SkillSpec,
};

/// How the forge ended with a proposal.
#[derive(Debug)]
pub enum ForgeEnd {
    /// Every gate passed.
    Verified,
    /// A builder or a gate failed, or a person must look first.
    Failed(String),
}

/// What proposes, builds and verifies for a pass.
pub trait SkillForge: fmt::Debug {
    /// Records a proposal of the pass, or finds one with the same specification that has no build.
    ///
    /// # Errors
    /// Why it could not be recorded.
    fn propose(&self, spec: &SkillSpec, why: &str) -> Result<Proposal, String>;

    /// Builds at most `attempts` times and verifies.
    ///
    /// # Errors
    /// Why that could not be done.
    fn until_verified(&self, proposal: ProposalId, attempts: u32) -> Result<ForgeEnd, String>;

    /// Repeats calls with a component of a proposal, compiled from these sources, and with the trusted revision.
    ///
    /// # Errors
    /// Why that could not be done.
    fn shadow(
        &self,
        proposal: &Proposal,
        component: Digest,
        snapshot_sha256: Digest,
        calls: &[ExecutionId],
    ) -> Result<Vec<ShadowRun>, String>;
}
