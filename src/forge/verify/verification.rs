//! One verification: every gate over the newest build, recorded with its report. And the invariants alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::context::{CheckedSources, GateContext, with_context};
use super::error::VerifyError;
use super::gate::{GATES, GATES_VERSION, GateResult};
use super::reuse::{self, Reuse};
use super::scheduler::{self, Schedule};
use super::source_analysis::InputHints;
use super::{examples, invariants, limits, replay, report};
use crate::artifacts::StoredKind;
use crate::forge::compile::ProgramKind;
use crate::forge::context::{ForgeContext, NewArtifact};
use crate::forge::record::{AffectedViews, record};
use crate::forge::toolchain::Toolchain;
use crate::ledger::{Build, Proposal, Verification};
use crate::model::{
    artifact::ArtifactKind,
    digest::Digest,
    finding::Finding,
    id::VerificationId,
    lifecycle::{BuildStatus, Verdict},
    program::ProgramIdentity,
};

/// A finished verification and the path of its report.
#[derive(Debug)]
pub struct Verified {
    /// The row of the ledger.
    pub verification: Verification,
    /// The report.
    pub report: PathBuf,
}

/// Verifies the newest build of a proposal and records the outcome.
///
/// # Errors
/// [`VerifyError`] when there is nothing to verify or a gate could not do its work. Gates that failed are in the result.
pub fn run(
    forge: &ForgeContext<'_>,
    proposal: &Proposal,
    toolchain: &Toolchain,
    reuse: Reuse,
) -> Result<Verified, VerifyError> {
    let (build, snapshot_sha256) = newest_build(forge, proposal)?;
    let (id, started_at) = (VerificationId::new(forge.ids), forge.clock.now());
    let _entered = tracing::info_span!("verification", proposal = %proposal.id, build = %build.id).entered();
    let sources = CheckedSources { proposal, snapshot_sha256, toolchain, id, started_at };
    with_context(forge, &sources, |context| {
        let baseline = replay::load_baseline(forge, context)?;
        let keys = reuse::keys(context, baseline.as_ref());
        let reused = reuse::find(forge, &keys, reuse)?;
        let due: Vec<&'static str> = GATES.into_iter().filter(|name| !reused.has(name)).collect();
        let checked =
            scheduler::run(&Schedule { context, baseline: baseline.as_ref(), due: &due, reused: reused.verdict() })?;
        // A guest that was ended by a stop looks like one that failed: check before anything is recorded.
        context.check_halted()?;
        let outcomes = AllOutcomes {
            confinement: reused.confinement.or(checked.confinement).unwrap_or_default(),
            component_sha256: checked.component.as_deref().map(Digest::of).or(reused.component_sha256),
            component: checked.component,
            gates: in_order(reused.gates, checked.gates),
        };
        write(forge, &Checked { sources: &sources, context, build: &build, keys: &keys }, outcomes)
    })
}

fn in_order(reused: Vec<GateResult>, run: Vec<GateResult>) -> Vec<GateResult> {
    let mut gates = reused;
    gates.extend(run);
    gates.sort_by_key(|gate| GATES.iter().position(|name| *name == gate.name));
    gates
}

/// The newest build of a proposal and the digest of its sources, if they can be verified.
fn newest_build(forge: &ForgeContext<'_>, proposal: &Proposal) -> Result<(Build, Digest), VerifyError> {
    let not_built = || VerifyError::NotBuilt { id: proposal.id.short(), status: proposal.status.to_string() };
    if !proposal.status.is_verifiable() {
        return Err(not_built());
    }
    let build = forge.ledger.builds_of(proposal.id)?.pop().filter(|build| build.status == BuildStatus::Succeeded);
    let build = build.ok_or_else(not_built)?;
    let digest = build.snapshot_sha256.ok_or_else(not_built)?;
    Ok((build, digest))
}

/// The outcomes of all gates, those that were reused included.
struct AllOutcomes {
    gates: Vec<GateResult>,
    component: Option<Vec<u8>>,
    component_sha256: Option<Digest>,
    confinement: String,
}

/// What was checked, for the record of it.
struct Checked<'a> {
    sources: &'a CheckedSources<'a>,
    context: &'a GateContext<'a>,
    build: &'a Build,
    keys: &'a BTreeMap<&'static str, Digest>,
}

/// This program. A file of its own that cannot be read is no reason to lose the verification: statements then name no builder.
fn identity(forge: &ForgeContext<'_>) -> Option<ProgramIdentity> {
    let identity = forge.identity();
    if let Err(error) = &identity {
        tracing::warn!("the record does not name the program that verified this: its own file cannot be read: {error}");
    }
    identity.ok()
}

/// Writes the report, then the row that refers to it.
fn write(forge: &ForgeContext<'_>, checked: &Checked<'_>, outcomes: AllOutcomes) -> Result<Verified, VerifyError> {
    let Checked { sources: &CheckedSources { proposal, toolchain, id, started_at, .. }, context, build, keys } =
        *checked;
    // Asked by name: a gate that is missing has not passed.
    let passes = |name: &&str| outcomes.gates.iter().any(|gate| gate.name == *name && gate.verdict == Verdict::Passed);
    let passed = GATES.iter().all(passes);
    // The store keeps only components that may be promoted. The digest is recorded in either case.
    if let Some(bytes) = outcomes.component.as_deref().filter(|_| passed) {
        forge.store.put(StoredKind::Component, bytes)?;
    }
    let gates = outcomes.gates.into_iter().filter_map(|gate| {
        let key = *keys.get(gate.name)?;
        Some(gate.into_row(key))
    });
    let mut verification = Verification {
        id,
        proposal_id: proposal.id,
        build_id: build.id,
        status: if passed { Verdict::Passed } else { Verdict::Failed },
        snapshot_sha256: context.snapshot.digest(),
        component_sha256: outcomes.component_sha256,
        toolchain: toolchain.version.clone(),
        sdk_sha256: toolchain.kit_sha256,
        confinement: outcomes.confinement,
        report_path: String::new(),
        gates_version: GATES_VERSION,
        program: identity(forge),
        // The start: together with the id it repeats everything that was drawn.
        created_at: started_at,
        gates: gates.collect(),
    };
    let text = report::render(proposal, build, &verification);
    let folder = Path::new(proposal.spec.name.as_str()).join(proposal.id.to_string());
    let artifact = forge.write_artifact(NewArtifact {
        kind: ArtifactKind::VerificationReport,
        path: &folder.join(format!("VERIFICATION_REPORT-{id}.md")),
        bytes: text.as_bytes(),
        related_id: id.to_string(),
    })?;
    verification.report_path = artifact.path.to_string();
    record(forge, &proposal.spec.name, AffectedViews::Index, |ledger| {
        ledger.insert_verification(&verification, &artifact)
    })?;
    let report = forge.layout.root.join(artifact.path.as_str());
    Ok(Verified { verification, report })
}

/// The invariants and the examples, on a component compiled again from the newest build. Records nothing.
///
/// # Errors
/// [`VerifyError`] when there is nothing to check or a tool could not be run.
pub fn check_invariants(
    forge: &ForgeContext<'_>,
    proposal: &Proposal,
    toolchain: &Toolchain,
) -> Result<Vec<Finding>, VerifyError> {
    let snapshot_sha256 = match proposal.trust {
        Some(trust) => trust.snapshot_sha256,
        None => newest_build(forge, proposal)?.1,
    };
    let (id, started_at) = (VerificationId::new(forge.ids), forge.clock.now());
    with_context(forge, &CheckedSources { proposal, snapshot_sha256, toolchain, id, started_at }, |context| {
        if let Some(refused) = scheduler::refused_sources(context)? {
            return Ok(refused);
        }
        let compiled = context.sandbox(context.snapshot)?.compile(ProgramKind::Release)?;
        let Some(component) = &compiled.component else { return Ok(compiled.findings) };
        let mut findings = Vec::new();
        if proposal.trust.is_some_and(|trust| Digest::of(component) != trust.component_sha256) {
            let message = "compiled again, the sources do not give the promoted bytes (another toolchain?)";
            findings.push(Finding::new("invariants/reproducible", message));
        }
        let loading = limits::check(context, component)?;
        findings.extend(loading.findings);
        findings.extend(invariants::check(context, component));
        if let Some(code) = loading.code.filter(|_| findings.is_empty()) {
            let compiled = context.runtime.load(&code)?;
            let none = InputHints::default();
            findings.extend(examples::check(context, &compiled, || &none, &mut Vec::new())?.findings);
        }
        Ok(findings)
    })
}
