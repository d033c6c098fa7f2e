//! Shadow runs: a verified component that a person chose, on calls of the trusted revision.
//!
//! Guarantees: the component is the one with the digest that the person decided about. It reads the vault and repeats recorded
//! exchanges. Nothing that it writes or logs is kept: of each call, digests and a flip are given.
//!
//! Deliberately never: runs within a call, promotes, or connects to anything.

use super::context::{CheckedSources, with_context};
use super::error::VerifyError;
use super::replay;
use crate::artifacts::StoredKind;
use crate::forge::context::ForgeContext;
use crate::forge::toolchain::Toolchain;
use crate::ledger::{Proposal, ShadowRun};
use crate::model::{
    capabilities::SkillCapabilities,
    digest::Digest,
    id::{ExecutionId, VerificationId},
};
use crate::runtime::{ComponentTrust, SkillComponent};

/// What is to be repeated with what.
#[derive(Debug, Clone, Copy)]
pub struct ShadowRequest<'a> {
    /// The proposal of the candidate.
    pub proposal: &'a Proposal,
    /// The candidate.
    pub component: Digest,
    /// The sources that it was compiled from.
    pub snapshot_sha256: Digest,
    /// The calls.
    pub runs: &'a [ExecutionId],
}

/// Repeats calls with a candidate and with the trusted revision.
///
/// # Errors
/// [`VerifyError`] when the component is missing, or cannot be loaded.
pub fn shadow(
    forge: &ForgeContext<'_>,
    toolchain: &Toolchain,
    request: &ShadowRequest<'_>,
) -> Result<Vec<ShadowRun>, VerifyError> {
    let ShadowRequest { proposal, component, snapshot_sha256, runs } = *request;
    // The store compares the digest, so the bytes are those that the person decided about.
    let bytes = forge.store.get(StoredKind::Component, component)?;
    let (id, started_at) = (VerificationId::new(forge.ids), forge.clock.now());
    let sources = CheckedSources { proposal, snapshot_sha256, toolchain, id, started_at };
    with_context(forge, &sources, |context| {
        let Some(baseline) = replay::baseline_of(forge, context, runs)? else { return Ok(Vec::new()) };
        let capabilities = SkillCapabilities::of(&proposal.spec);
        let (digest, trust) = (component, ComponentTrust::Untrusted);
        let asked = SkillComponent { component: &bytes, digest, capabilities: &capabilities, trust };
        let (compiled, _) = forge.loader.load(context.runtime, &asked)?;
        let repeated = replay::repeat(context, &compiled, &baseline)?;
        let run = |(execution, compared): (ExecutionId, replay::Compared)| ShadowRun {
            execution,
            flip: compared.flip,
            trusted: compared.trusted,
            candidate: compared.candidate,
        };
        Ok(repeated.into_iter().map(run).collect())
    })
}
