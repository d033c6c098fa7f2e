//! Promote, rollback, revoke: the decisions of a person about trust.
//!
//! Guarantees: the report is computed from the bytes that will be trusted. Those bytes are on disk (fsync) before the one
//! transaction that trusts them, and that transaction checks again that nothing has changed in between.
//!
//! Deliberately never: asks the person (the command line does), or trusts without a name.

use super::context::ForgeContext;
use super::record::{AffectedViews, RecordError, record, record_all};
use super::{snapshot_store, verify};
use crate::artifacts::{ArtifactError, StoredKind};
use crate::ledger::{GateRow, LedgerError, Promotion, PromotionRequest, PromotionSubject, Proposal, Verification};
use crate::model::{
    approver::Approver,
    capabilities::SkillCapabilities,
    digest::Digest,
    finding::Finding,
    id::PromotionId,
    lifecycle::{ProposalStatus, Verdict},
    limits::Narrowed,
    name::SkillName,
    snapshot::Snapshot,
    text,
};
use crate::runtime::inspect::{self, InspectError};
use crate::runtime::{ComponentTrust, LoadError, Runtime, RuntimeError, SkillComponent};

/// Why a decision is not carried out. Nothing has changed, unless it is [`RecordError::Views`].
#[derive(Debug, thiserror::Error)]
pub enum PromoteError {
    /// A revocation without a reason.
    #[error("a revocation needs a reason: give --why TEXT")]
    NoReason,
    /// The proposal is not VERIFIED.
    #[error("proposal {id} is {status}: only VERIFIED proposals can be promoted")]
    NotVerified {
        /// Which.
        id: String,
        /// Its status.
        status: ProposalStatus,
    },
    /// The newest verification did not pass, or is not of the newest build.
    #[error("the newest verification of proposal {0} did not pass for its newest build")]
    NotPassed(String),
    /// The component or its sources are missing or changed.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The component cannot be read as one.
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
    /// The ledger did not take the decision, or what is derived from it could not be written.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// What a person is about to trust, for that person to read.
#[derive(Debug)]
pub struct PromotionReport {
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
    /// What the gates noticed and did not refuse: changes that no test notices, branches that no
    /// check reached, and others.
    pub remarks: Vec<Remark>,
}

/// Something that the gates noticed and that did not fail them, with the line of the source that it
/// is about.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Remark {
    /// The finding.
    #[serde(flatten)]
    pub finding: Finding,
    /// The text of its line, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

impl PromotionReport {
    /// The outputs of the component for inputs without an example. The person judges them.
    pub fn answers(&self) -> impl Iterator<Item = &str> {
        let findings = self.gates().iter().flat_map(|gate| &gate.findings);
        findings.filter(|finding| finding.rule == verify::ASKED_RULE).map(|finding| finding.message.as_str())
    }

    /// The remark that counts the recorded runs whose outcome differs from the trusted revision's.
    pub fn replayed(&self) -> Option<&str> {
        let mut findings = self.gates().iter().flat_map(|gate| &gate.findings);
        findings.find(|finding| finding.rule == verify::REPLAY_SUMMARY_RULE).map(|finding| finding.message.as_str())
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
pub fn report(forge: &ForgeContext<'_>, proposal: Proposal) -> Result<PromotionReport, PromoteError> {
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
    let snapshot = snapshot_store::load(forge.store, verification.snapshot_sha256)?;
    let interface = inspect::interface(&component)?;
    let replaces = forge.ledger.trusted(&proposal.spec.name)?;
    let changes = replaces.as_ref().map(|active| changes(active, &proposal)).unwrap_or_default();
    Ok(PromotionReport {
        component_sha256,
        component_bytes: component.len(),
        imports: interface
            .imports
            .into_iter()
            // A name without a package is a type of the contract, which gives no access.
            .filter(|import| import.name.contains(':'))
            .map(|import| import.name)
            .collect(),
        source_lines: snapshot.lines(),
        source_files: snapshot.files().count(),
        remarks: remarks(&verification.gates, &snapshot),
        replaces,
        changes,
        verification,
        proposal,
    })
}

/// The remarks of the gates that are not shown elsewhere.
fn remarks(gates: &[GateRow], snapshot: &Snapshot) -> Vec<Remark> {
    let shown_elsewhere = [verify::ASKED_RULE, verify::REPLAY_SUMMARY_RULE];
    let findings = gates.iter().flat_map(|gate| &gate.findings);
    let remark = |finding: &Finding| {
        let text = finding.file.as_deref().and_then(|file| snapshot.get(file)).map(String::from_utf8_lossy);
        let index = finding.line.and_then(|line| usize::try_from(line).ok()?.checked_sub(1));
        let line = text.as_deref().zip(index).and_then(|(text, index)| text.lines().nth(index));
        Remark { source: line.map(|line| text::line(line.trim(), 200)), finding: finding.clone() }
    };
    findings.filter(|finding| !shown_elsewhere.contains(&finding.rule.as_str())).map(remark).collect()
}

/// What the new revision may do and the active one may not, and the reverse.
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
        let removals = spec.removes_files.then(|| "removing files".to_owned());
        paths.chain(secrets).chain(clock).chain(removals).collect::<Vec<_>>()
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
/// [`PromoteError`] when anything has changed since the report was computed.
pub fn apply(
    forge: &ForgeContext<'_>,
    report: &PromotionReport,
    limits: &Narrowed,
    approver: &Approver,
) -> Result<Proposal, PromoteError> {
    let subject = subject(forge, report, limits, approver)?;
    let name = &report.proposal.spec.name;
    Ok(record(forge, name, AffectedViews::IndexAndRegistry, |ledger| {
        let PromotionSubject { id, verification, component, limits, ref request } = subject;
        ledger.promote(id, verification, component, limits, request)
    })?)
}

/// Trusts exactly what several reports show: all of it, or nothing.
///
/// # Errors
/// [`PromoteError`] when anything has changed since the reports were computed.
pub fn apply_all(
    forge: &ForgeContext<'_>,
    reports: &[PromotionReport],
    approver: &Approver,
) -> Result<Vec<Proposal>, PromoteError> {
    let limits = Narrowed::default();
    let subjects = reports.iter().map(|report| subject(forge, report, &limits, approver));
    let subjects = subjects.collect::<Result<Vec<_>, _>>()?;
    let names: Vec<&SkillName> = reports.iter().map(|report| &report.proposal.spec.name).collect();
    Ok(record_all(forge, &names, |ledger| ledger.promote_all(&subjects))?)
}

/// What the ledger promotes, after its component was read, synced and compiled once more.
fn subject<'a>(
    forge: &ForgeContext<'_>,
    report: &PromotionReport,
    limits: &'a Narrowed,
    approver: &Approver,
) -> Result<PromotionSubject<'a>, PromoteError> {
    // Read and hashed again, and synced: the ledger must never trust bytes that a power loss could take.
    let component = forge.store.get(StoredKind::Component, report.component_sha256)?;
    forge.store.sync(StoredKind::Component, Digest::of(&component))?;
    prepare(forge, report, &component)?;
    Ok(PromotionSubject {
        id: report.proposal.id,
        verification: report.verification.id,
        component: report.component_sha256,
        limits,
        request: request(forge, approver, None),
    })
}

/// Compares the component with its class and compiles it to machine code. A component that cannot run is not promoted,
/// and the first run has nothing to compile.
fn prepare(forge: &ForgeContext<'_>, report: &PromotionReport, component: &[u8]) -> Result<(), PromoteError> {
    let capabilities = SkillCapabilities::of(&report.proposal.spec);
    let digest = report.component_sha256;
    let skill = SkillComponent { component, digest, capabilities: &capabilities, trust: ComponentTrust::Untrusted };
    forge.loader.load(&Runtime::new(forge.limits)?, &skill)?;
    Ok(())
}

/// Goes back to the trusted revision before the active one.
///
/// # Errors
/// [`PromoteError`] when there is none, or its bytes are no longer the promoted ones.
pub fn rollback(forge: &ForgeContext<'_>, name: &SkillName, approver: &Approver) -> Result<Proposal, PromoteError> {
    let target = forge.ledger.rollback_target(name)?;
    if let Some(trust) = target.trust {
        forge.store.get(StoredKind::Component, trust.component_sha256)?;
    }
    let request = request(forge, approver, None);
    Ok(record(forge, name, AffectedViews::IndexAndRegistry, |ledger| ledger.rollback(name, target.id, &request))?)
}

/// Ends the trust in a revision for good.
///
/// # Errors
/// [`PromoteError`] when there is no such revision, or no reason is given.
pub fn revoke(
    forge: &ForgeContext<'_>,
    name: &SkillName,
    revision: Option<u32>,
    approver: &Approver,
    why: &str,
) -> Result<Proposal, PromoteError> {
    let why = text::block(why.trim(), 2_000);
    if why.is_empty() {
        return Err(PromoteError::NoReason);
    }
    let request = request(forge, approver, Some(why));
    Ok(record(forge, name, AffectedViews::IndexAndRegistry, |ledger| ledger.revoke(name, revision, &request))?)
}

fn request(forge: &ForgeContext<'_>, approver: &Approver, reason: Option<String>) -> PromotionRequest {
    PromotionRequest {
        id: PromotionId::new(forge.ids),
        approved_by: approver.as_str().to_owned(),
        reason,
        at: forge.clock.now(),
    }
}

/// The decisions about every revision of a name, oldest first.
///
/// # Errors
/// [`LedgerError`] when the ledger cannot be read.
pub fn lineage(forge: &ForgeContext<'_>, name: &SkillName) -> Result<Vec<(Proposal, Vec<Promotion>)>, LedgerError> {
    let proposals = forge.ledger.proposals_named(name)?;
    proposals.into_iter().map(|proposal| Ok((proposal.clone(), forge.ledger.promotions_of(proposal.id)?))).collect()
}
