//! Promote, rollback, revoke, reject: the decisions of a person about trust.
//!
//! Guarantees: the report is computed from the bytes that will be trusted. Those bytes are on disk (fsync) before the one
//! transaction that trusts them, and that transaction checks again that nothing has changed in between.
//!
//! Deliberately never: asks the person (the command line does), or trusts without a name.

use super::context::ForgeContext;
use super::record::{AffectedViews, RecordError, record, record_all};
use super::source_review;
use super::{snapshot_store, spec_differences, statements, verify};
use crate::artifacts::{ArtifactError, StoredKind};
use crate::ledger::{
    ForgeStore, GateRow, LedgerError, Promotion, PromotionRequest, PromotionSubject, Proposal, Rejection,
};
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
    spec::SkillSpec,
    text,
};
use crate::runtime::inspect::{self, InspectError};
use crate::runtime::{ComponentTrust, LoadError, Runtime, RuntimeError, SkillComponent};

pub use super::promotion_report::{PromotionReport, Remark};

/// Why a decision is not carried out. Nothing has changed, unless it is [`RecordError::Views`].
#[derive(Debug, thiserror::Error)]
pub enum PromoteError {
    /// A revocation or a rejection without a reason.
    #[error("a {0} needs a reason: give --why TEXT")]
    NoReason(&'static str),
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
    // The status alone is not enough: a build that came after the verification has other sources.
    if verification.status != Verdict::Passed || newest.id != verification.build_id {
        return Err(not_passed());
    }
    let component = forge.store.get(StoredKind::Component, component_sha256)?;
    // From the store and by digest. What lies in `artifacts_out/` may have been edited, and is
    // never read to decide anything.
    let snapshot = snapshot_store::load(forge.store, verification.snapshot_sha256)?;
    let interface = inspect::interface(&component)?;
    let replaces = forge.ledger.trusted(&proposal.spec.name)?;
    let changes = differences(forge, &proposal)?;
    let trusted = replaces.as_ref().and_then(|active| active.trust);
    let imports: Vec<String> = interface
        .imports
        .into_iter()
        // A name without a package is a type of the contract, which gives no access.
        .filter(|import| import.name.contains(':'))
        .map(|import| import.name)
        .collect();
    Ok(PromotionReport {
        sources: source_review::review(forge.store, verification.snapshot_sha256, trusted)?,
        source: forge.ledger.proposal_source(proposal.id)?,
        origin: forge.ledger.proposal_origin(proposal.id)?,
        times: forge.ledger.times_proposed(proposal.id)?,
        unused: unused(&proposal.spec, &imports),
        build: newest,
        component_sha256,
        component_bytes: component.len(),
        imports,
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
    let shown_elsewhere = [verify::ASKED_RULE, verify::REPLAY_SUMMARY_RULE, verify::REPLAY_FLIPS_RULE];
    let findings = gates.iter().flat_map(|gate| &gate.findings);
    let remark = |finding: &Finding| {
        let text = finding.file.as_deref().and_then(|file| snapshot.get(file)).map(String::from_utf8_lossy);
        let index = finding.line.and_then(|line| usize::try_from(line).ok()?.checked_sub(1));
        let line = text.as_deref().zip(index).and_then(|(text, index)| text.lines().nth(index));
        Remark { source: line.map(|line| text::line(line.trim(), 200)), finding: finding.clone() }
    };
    findings.filter(|finding| !shown_elsewhere.contains(&finding.rule.as_str())).map(remark).collect()
}

/// The capabilities that the specification asks for and the component has no import to use.
fn unused(spec: &SkillSpec, imports: &[String]) -> Vec<String> {
    let has_files = imports.iter().any(|import| import.starts_with("wasi:filesystem/"));
    let mut unused = Vec::new();
    if !has_files && SkillCapabilities::of(spec).reads_vault() {
        unused.push(format!("class {} lets it read the vault, and it imports no files", spec.side_effect_class));
    }
    if !has_files {
        let folders = spec.paths.iter().map(|path| format!("it may write below {path}/, and it imports no files"));
        unused.extend(folders);
    }
    if !spec.hosts.is_empty() && !imports.iter().any(|import| import.starts_with("kavi:skill/http@")) {
        unused.push("it may reach hosts, and it imports no http".to_owned());
    }
    if SkillCapabilities::of(spec).signs() && !imports.iter().any(|import| import.starts_with("kavi:skill/sign@")) {
        unused.push("it may sign with a secret, and it imports no signing".to_owned());
    }
    unused
}

/// What differs between the specification of a proposal and that of the trusted revision of its name, in words.
///
/// # Errors
/// [`LedgerError`] when the ledger cannot be read.
pub fn differences(forge: &ForgeContext<'_>, proposal: &Proposal) -> Result<Vec<String>, LedgerError> {
    // A proposal that is trusted itself has nothing to be compared with.
    let trusted = forge.ledger.trusted(&proposal.spec.name)?.filter(|trusted| trusted.id != proposal.id);
    Ok(trusted.map(|active| spec_differences::of(&active.spec, &proposal.spec)).unwrap_or_default())
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
    let promoted = record_all(forge, &[name], |ledger| ledger.promote_all(std::slice::from_ref(&subject)))?;
    promoted.into_iter().next().ok_or_else(|| PromoteError::NotPassed(report.proposal.id.short()))
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
    // All of them are read, synced and compiled before the first row changes.
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
    let request = request(forge, approver, None);
    Ok(PromotionSubject {
        statements: statements::signed(forge, report, &request)?,
        id: report.proposal.id,
        verification: report.verification.id,
        component: report.component_sha256,
        limits,
        request,
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
    let request = request(forge, approver, Some(reason("revocation", why)?));
    Ok(record(forge, name, AffectedViews::IndexAndRegistry, |ledger| ledger.revoke(name, revision, &request))?)
}

/// Turns an open proposal down. It is never built, verified or promoted then.
///
/// # Errors
/// [`PromoteError`] when it is not open, or no reason is given.
pub fn reject(
    forge: &ForgeContext<'_>,
    proposal: &Proposal,
    approver: &Approver,
    why: &str,
) -> Result<Proposal, PromoteError> {
    let (by, at) = (approver.as_str().to_owned(), forge.clock.now());
    let rejection = Rejection { by, why: reason("rejection", why)?, at };
    let reject = |ledger: &dyn ForgeStore| ledger.reject_proposal(proposal.id, &rejection);
    Ok(record(forge, &proposal.spec.name, AffectedViews::Index, reject)?)
}

/// The reason of a decision that needs one.
fn reason(decision: &'static str, why: &str) -> Result<String, PromoteError> {
    let why = text::block(why.trim(), 2_000);
    if why.is_empty() { Err(PromoteError::NoReason(decision)) } else { Ok(why) }
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
