//! Live shadow: a candidate repeats calls of the trusted revision, as many as a person decided, after they were made.
//!
//! Guarantees: nothing is repeated without a person's decision about the exact component and a number of calls. Only calls that
//! came after the decision are repeated. The candidate runs in a pass, so no caller waits for it. It has no hosts, secrets or sends,
//! and nothing of what it writes, answers or logs is kept.
//!
//! Deliberately never: promotes, or repeats a call twice.

use std::collections::BTreeSet;

use super::guidance::{GuidanceContext, GuidanceError};
use super::skill_forge::SkillForge;
use crate::ledger::{
    CodeAttempt, Decided, LedgerError, NewShadowOrder, Proposal, RecordFilter, ShadowOrder, Verification,
};
use crate::model::{
    approver::Approver,
    digest::Digest,
    effect::EffectClass,
    guidance::CodeAttemptState,
    id::ExecutionId,
    lifecycle::{ProposalStatus, Verdict},
    name::SkillName,
    spec::SkillSpec,
};

/// The most calls of one decision.
pub const MOST_CALLS: u32 = 100;
/// Records that are read at once.
const PAGE: u32 = 512;

/// Why there is no live shadow.
#[derive(Debug, thiserror::Error)]
pub enum ShadowError {
    /// There is no candidate.
    #[error("no attempt at the code of `{0}` waits for a person")]
    NoCandidate(SkillName),
    /// It is not verified any more.
    #[error("proposal {0} is not verified")]
    NotVerified(String),
    /// It may do more than read and write files.
    #[error("`{0}` has hosts, secrets or sends, so a candidate of it never meets calls before its promotion")]
    Reaches(SkillName),
    /// Too many calls.
    #[error("{0} calls are too many: 1 to {MOST_CALLS} can be repeated")]
    Calls(u32),
    /// The skill.
    #[error(transparent)]
    Guidance(#[from] GuidanceError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// What a person decides about.
#[derive(Debug, Clone)]
pub struct ShadowReview {
    /// The attempt.
    pub attempt: CodeAttempt,
    /// Its proposal.
    pub proposal: Proposal,
    /// The exact component.
    pub component: Digest,
    /// How many calls.
    pub calls: u32,
}

/// A verified component and the sources that it was compiled from.
struct VerifiedComponent {
    component: Digest,
    snapshot_sha256: Digest,
}

fn verified(context: &GuidanceContext<'_>, proposal: &Proposal) -> Result<VerifiedComponent, ShadowError> {
    let missing = || ShadowError::NotVerified(proposal.id.short());
    let passed = |verification: &Verification| verification.status == Verdict::Passed;
    let newest = context.ledger.verifications_of(proposal.id)?.pop().filter(passed);
    let newest = newest.filter(|_| proposal.status == ProposalStatus::Verified).ok_or_else(missing)?;
    let component = newest.component_sha256.ok_or_else(missing)?;
    Ok(VerifiedComponent { component, snapshot_sha256: newest.snapshot_sha256 })
}

/// Whether a skill reaches anything but files.
fn reaches(spec: &SkillSpec) -> bool {
    let only_files = matches!(spec.side_effect_class, EffectClass::ReadOnly | EffectClass::FileWrite);
    // A repeated call would send a second time, or show a server that somebody looks.
    !only_files || !spec.hosts.is_empty() || !spec.required_secrets.is_empty()
}

/// What a person would decide about.
///
/// # Errors
/// [`ShadowError`] when there is no candidate, or it may not be run so.
pub fn review(context: &GuidanceContext<'_>, skill: &str, calls: u32) -> Result<ShadowReview, ShadowError> {
    let trusted = context.trusted(skill)?;
    let name = &trusted.spec.name;
    if !(1..=MOST_CALLS).contains(&calls) {
        return Err(ShadowError::Calls(calls));
    }
    if reaches(&trusted.spec) {
        return Err(ShadowError::Reaches(name.clone()));
    }
    let attempts = context.ledger.code_attempts(Some(name))?;
    let open = attempts.into_iter().find(|attempt| attempt.state == CodeAttemptState::Candidate);
    let attempt = open.ok_or_else(|| ShadowError::NoCandidate(name.clone()))?;
    let id = attempt.details.proposal.ok_or_else(|| ShadowError::NoCandidate(name.clone()))?;
    let proposal = context.ledger.proposal(id)?;
    let component = verified(context, &proposal)?.component;
    Ok(ShadowReview { attempt, proposal, component, calls })
}

/// Records a person's decision about exactly what the review shows.
///
/// # Errors
/// [`ShadowError`] when it cannot be written.
pub fn order(
    context: &GuidanceContext<'_>,
    review: &ShadowReview,
    approver: &Approver,
) -> Result<ShadowOrder, ShadowError> {
    let ShadowReview { attempt, proposal, component, calls } = review;
    let new = NewShadowOrder { skill: &attempt.skill, proposal: proposal.id, component: *component, calls: *calls };
    let decided = Decided { by: approver.as_str(), at: context.clock.now() };
    Ok(context.ledger.give_shadow_order(&new, decided)?)
}

/// Repeats the calls of one skill that came since the decision. Gives the order with them, or none where nothing was repeated.
///
/// # Errors
/// Why they could not be repeated.
pub(super) fn follow(
    context: &GuidanceContext<'_>,
    forge: &dyn SkillForge,
    skill: &SkillName,
) -> Result<Option<ShadowOrder>, String> {
    let said = |error: &dyn std::error::Error| error.to_string();
    let ledger = context.ledger;
    let Some(order) = ledger.open_shadow_order(skill).map_err(|error| said(&error))? else { return Ok(None) };
    let proposal = ledger.proposal(order.proposal).map_err(|error| said(&error))?;
    // Promoted, rejected or verified again: the person decided about another component.
    let Some(found) = verified(context, &proposal).ok().filter(|found| found.component == order.component) else {
        return Ok(None);
    };
    let calls = new_calls(context, &order).map_err(|error| said(&error))?;
    // Asked again, because the specification of the proposal can differ from the trusted one.
    if calls.is_empty() || reaches(&proposal.spec) {
        return Ok(None);
    }
    let runs = forge.shadow(&proposal, order.component, found.snapshot_sha256, &calls)?;
    if runs.is_empty() {
        return Ok(None);
    }
    let written = ledger.add_shadow_runs(order.number, &runs, context.clock.now());
    written.map_err(|error| said(&error))?;
    Ok(Some(ShadowOrder { runs: [order.runs.clone(), runs].concat(), ..order }))
}

/// The calls that came after the decision and were not repeated yet, oldest first, as many as are left.
fn new_calls(context: &GuidanceContext<'_>, order: &ShadowOrder) -> Result<Vec<ExecutionId>, LedgerError> {
    let ledger = context.ledger;
    let done: BTreeSet<ExecutionId> = order.runs.iter().map(|run| run.execution).collect();
    // A call that the host ended says nothing about the code, so it is left out.
    let can_be_repeated: BTreeSet<ExecutionId> = ledger.runs_to_replay(&order.skill)?.into_iter().collect();
    let filter = RecordFilter { skill: Some(order.skill.clone()), ..RecordFilter::default() };
    let (mut calls, mut seen) = (Vec::new(), order.after_record);
    while calls.len() < order.left() {
        let page = ledger.written_after(&filter, seen, PAGE)?;
        if page.rows.is_empty() {
            break;
        }
        seen = page.seen;
        let ids = page.rows.iter().map(|row| row.record.execution_id);
        calls.extend(ids.filter(|id| can_be_repeated.contains(id) && !done.contains(id)));
    }
    // A page brings more than the person allowed.
    calls.truncate(order.left());
    Ok(calls)
}
