//! Promote, rollback, revoke: the decisions of a person.
//!
//! Guarantees: what is shown is computed from the bytes that will be trusted; those bytes lie fsynced in the store
//! before the one transaction that trusts them, and that transaction checks again that nothing moved in between;
//! the registry is derived afterwards and can be derived again.
//!
//! Deliberately never: asks anybody anything (that is the command line's), or trusts without a name.

use super::{Forge, rebuild, snapshots, verify};
use crate::artifacts::{ArtifactError, StoredKind};
use crate::ledger::{GateRow, LedgerError, Promotion, PromotionRequest, Proposal, Verification};
use crate::model::{
    capabilities::SkillCapabilities,
    digest::Digest,
    id::PromotionId,
    lifecycle::{ProposalStatus, Verdict},
    limits::Narrowed,
    name::SkillName,
    text,
};
use crate::runtime::inspect::{self, InspectError};
use crate::runtime::{ComponentTrust, LoadError, Runtime, RuntimeError, SkillComponent};

/// Who takes a decision: a name of 1 to 100 characters, none of them invisible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approver(String);

impl Approver {
    /// Parses a name.
    ///
    /// # Errors
    /// [`PromoteError::Approver`] when nobody could read it.
    pub fn parse(name: &str) -> Result<Self, PromoteError> {
        let name = name.trim();
        let readable = !name.is_empty() && name.chars().count() <= 100 && text::line(name, 200) == name;
        if readable { Ok(Self(name.to_owned())) } else { Err(PromoteError::Approver(text::line(name, 100))) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a decision is not carried out. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum PromoteError {
    /// Nobody's name.
    #[error("`{0}` names nobody: give 1 to 100 readable characters")]
    Approver(String),
    /// No reason.
    #[error("a revocation needs a reason: give --why TEXT")]
    NoReason,
    /// Not VERIFIED.
    #[error("proposal {id} is {status}: only VERIFIED proposals can be promoted")]
    NotVerified {
        /// Which.
        id: String,
        /// Where it stands.
        status: ProposalStatus,
    },
    /// The newest verification did not pass, or is not of the newest build.
    #[error("the newest verification of proposal {0} did not pass for its newest build")]
    NotPassed(String),
    /// The component or its sources are missing or changed.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The component cannot be looked at.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// The engine.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The component does not fit its class, or cannot be compiled.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The decision stands; the registry could not be derived.
    #[error("the decision is recorded, but the registry could not be written: {0}")]
    Registry(#[from] rebuild::RebuildError),
}

/// What a person is about to trust.
#[derive(Debug)]
pub struct Report {
    /// The proposal.
    pub proposal: Proposal,
    /// The verification it rests on.
    pub verification: Verification,
    /// The component.
    pub component_sha256: Digest,
    /// Its size in bytes.
    pub component_bytes: usize,
    /// What it imports, with versions.
    pub imports: Vec<String>,
    /// Lines and files of its source.
    pub source_lines: usize,
    /// Files of its source.
    pub source_files: usize,
    /// The revision that is active now and would be superseded.
    pub replaces: Option<Proposal>,
    /// What differs from the active revision in what it may do.
    pub changes: Vec<String>,
}

impl Report {
    /// What the component answered where the spec has no example: for the person to judge.
    pub fn answers(&self) -> impl Iterator<Item = &str> {
        let findings = self.gates().iter().flat_map(|gate| &gate.findings);
        findings.filter(|finding| finding.rule == verify::ASKS).map(|finding| finding.message.as_str())
    }

    /// How many recorded runs of the trusted revision give something else with this one.
    pub fn replayed(&self) -> Option<&str> {
        let mut findings = self.gates().iter().flat_map(|gate| &gate.findings);
        findings.find(|finding| finding.rule == verify::REPLAYED).map(|finding| finding.message.as_str())
    }

    /// The gates of the verification.
    pub fn gates(&self) -> &[GateRow] {
        &self.verification.gates
    }
}

/// Computes what would be trusted. Changes nothing.
///
/// # Errors
/// [`PromoteError`] when the proposal cannot be promoted.
pub fn report(forge: &Forge<'_>, proposal: Proposal) -> Result<Report, PromoteError> {
    if proposal.status != ProposalStatus::Verified {
        return Err(PromoteError::NotVerified { id: proposal.id.short(), status: proposal.status });
    }
    let not_passed = || PromoteError::NotPassed(proposal.id.short());
    let verification = forge.ledger.latest_verification(proposal.id)?.ok_or_else(not_passed)?;
    let newest = forge.ledger.builds_of(proposal.id)?.pop().ok_or_else(not_passed)?;
    let component_sha256 = verification.component_sha256.ok_or_else(not_passed)?;
    if verification.status != Verdict::Passed || newest.id != verification.build_id {
        return Err(not_passed());
    }
    let component = forge.store.get(StoredKind::Component, component_sha256)?;
    let snapshot = snapshots::load(forge.store, verification.snapshot_sha256)?;
    let interface = inspect::interface(&component)?;
    let replaces = forge.ledger.trusted(&proposal.spec.name)?;
    let changes = replaces.as_ref().map(|active| changes(active, &proposal)).unwrap_or_default();
    Ok(Report {
        component_sha256,
        component_bytes: component.len(),
        imports: interface
            .imports
            .into_iter()
            // A bare name is a type of the contract's, which gives nothing.
            .filter(|import| import.name.contains(':'))
            .map(|import| import.name)
            .collect(),
        source_lines: snapshot.lines(),
        source_files: snapshot.files().count(),
        replaces,
        changes,
        verification,
        proposal,
    })
}

/// What a new revision may do that the active one may not, and the other way round.
fn changes(active: &Proposal, next: &Proposal) -> Vec<String> {
    let (old, new) = (&active.spec, &next.spec);
    let mut changes = Vec::new();
    if old.side_effect_class != new.side_effect_class {
        changes.push(format!("class {} becomes {}", old.side_effect_class, new.side_effect_class));
    }
    let lists = |spec: &crate::model::spec::SkillSpec| {
        let paths = spec.paths.iter().map(|path| format!("folder `{path}`"));
        let clock = spec.reads_clock.then(|| "the clock".to_owned());
        let secrets = spec.required_secrets.iter().map(|name| format!("secret `{name}`"));
        paths.chain(secrets).chain(clock).collect::<Vec<_>>()
    };
    let (before, after) = (lists(old), lists(new));
    changes.extend(after.iter().filter(|item| !before.contains(item)).map(|item| format!("gains {item}")));
    changes.extend(before.iter().filter(|item| !after.contains(item)).map(|item| format!("loses {item}")));
    if old.io != new.io {
        changes.push("input or output schema differs".to_owned());
    }
    if old.description != new.description {
        changes.push("description differs".to_owned());
    }
    changes
}

/// Trusts exactly what the report shows.
///
/// # Errors
/// [`PromoteError`] when anything moved since the report was computed; nothing has changed then.
pub fn apply(
    forge: &Forge<'_>,
    report: &Report,
    limits: &Narrowed,
    approver: &Approver,
) -> Result<Proposal, PromoteError> {
    // Once more over the bytes, and durably: what the ledger is about to trust must be on disk.
    let component = forge.store.get(StoredKind::Component, report.component_sha256)?;
    forge.store.sync(StoredKind::Component, Digest::of(&component))?;
    prepare(forge, report, &component)?;
    let request = request(forge, approver, None);
    let (id, verification, component) = (report.proposal.id, report.verification.id, report.component_sha256);
    let promoted = forge.ledger.promote(id, verification, component, limits, &request)?;
    rebuild::after_decision(forge, &promoted)?;
    Ok(promoted)
}

/// Compares the component with its class and makes its machine code, before anybody trusts it: what cannot be run is
/// not promoted, and the first run compiles nothing.
fn prepare(forge: &Forge<'_>, report: &Report, component: &[u8]) -> Result<(), PromoteError> {
    let capabilities = SkillCapabilities::of(&report.proposal.spec);
    let digest = report.component_sha256;
    let skill = SkillComponent { component, digest, capabilities: &capabilities, trust: ComponentTrust::Untrusted };
    forge.loader.load(&Runtime::new(forge.limits)?, &skill)?;
    Ok(())
}

/// Goes back to the trusted revision before the active one.
///
/// # Errors
/// [`PromoteError`] when there is none, or its bytes are not the promoted ones any more.
pub fn rollback(forge: &Forge<'_>, name: &SkillName, approver: &Approver) -> Result<Proposal, PromoteError> {
    let target = forge.ledger.rollback_target(name)?;
    if let Some(trust) = target.trust {
        forge.store.get(StoredKind::Component, trust.component_sha256)?;
    }
    let back = forge.ledger.rollback(name, target.id, &request(forge, approver, None))?;
    rebuild::after_decision(forge, &back)?;
    Ok(back)
}

/// Takes the trust in a revision back for good.
///
/// # Errors
/// [`PromoteError`] when there is no such revision, or no reason is given.
pub fn revoke(
    forge: &Forge<'_>,
    name: &SkillName,
    revision: Option<u32>,
    approver: &Approver,
    why: &str,
) -> Result<Proposal, PromoteError> {
    let why = text::block(why.trim(), 2_000);
    if why.is_empty() {
        return Err(PromoteError::NoReason);
    }
    let revoked = forge.ledger.revoke(name, revision, &request(forge, approver, Some(why)))?;
    rebuild::after_decision(forge, &revoked)?;
    Ok(revoked)
}

fn request(forge: &Forge<'_>, approver: &Approver, reason: Option<String>) -> PromotionRequest {
    PromotionRequest { id: PromotionId::new(forge.ids), approved_by: approver.0.clone(), reason, at: forge.clock.now() }
}

/// The decisions about every revision of a name, oldest first.
///
/// # Errors
/// [`LedgerError`] when the ledger cannot be read.
pub fn lineage(forge: &Forge<'_>, name: &SkillName) -> Result<Vec<(Proposal, Vec<Promotion>)>, LedgerError> {
    let proposals = forge.ledger.proposals_named(name)?;
    proposals.into_iter().map(|proposal| Ok((proposal.clone(), forge.ledger.promotions_of(proposal.id)?))).collect()
}
