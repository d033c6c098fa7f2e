//! What has been tried for a proposal: its builds, their verifications, the diagnoses of its failures.
//!
//! Guarantees: all of it comes from one reading of the ledger and the stored sources. Deliberately never: decides what happens
//! next (`retry`, `escalate`), or writes anything.

use super::classify::AttemptOutcome;
use super::error::DiagnosisError;
use super::escalate::{self, ChangeSize, EscalationFacts};
use crate::forge::attempt::PreviousAttempt;
use crate::forge::context::ForgeContext;
use crate::forge::snapshot_store;
use crate::ledger::{Build, LedgerError, Proposal, Research, Verification};
use crate::model::{
    digest::Digest,
    id::VerificationId,
    research::{AdviceOutcome, Classified, Escalation},
};

/// The attempts at a proposal so far, and what they ask of a person.
#[derive(Debug)]
pub struct AttemptHistory {
    builds: Vec<Build>,
    verifications: Vec<Verification>,
    diagnoses: Vec<Research>,
    failure: Option<Classified>,
    change: Option<ChangeSize>,
    /// Why a person must acknowledge the next attempt.
    pub escalations: Vec<Escalation>,
}

/// Reads the attempts at a proposal.
///
/// # Errors
/// [`DiagnosisError`] when the ledger or a stored source cannot be read.
pub fn attempt_history(forge: &ForgeContext<'_>, proposal: &Proposal) -> Result<AttemptHistory, DiagnosisError> {
    let mut history = AttemptHistory {
        builds: forge.ledger.builds_of(proposal.id)?,
        verifications: forge.ledger.verifications_of(proposal.id)?,
        diagnoses: forge.ledger.research_of(proposal.id)?,
        failure: None,
        change: None,
        escalations: Vec::new(),
    };
    history.failure = history.newest().and_then(|outcome| outcome.classify());
    history.change = change_size(forge, &history)?;
    // Only the first packet of a proposal can allow more than the packet before it: its spec never changes.
    let widened_permissions = match history.builds.is_empty() {
        true => last_packet(forge, proposal)?.map(|last| escalate::widened_permissions(&last.spec, &proposal.spec)),
        false => None,
    };
    history.escalations = escalate::escalations(&EscalationFacts {
        failure: history.failure.as_ref(),
        consecutive_failures: history.consecutive_failures(),
        widened_permissions: widened_permissions.unwrap_or_default(),
        change: history.change,
        advice: escalate::advice(history.diagnoses_of_newest()),
    });
    Ok(history)
}

impl AttemptHistory {
    /// The newest attempt whose builder ran, with its verification.
    pub fn newest(&self) -> Option<AttemptOutcome<'_>> {
        self.outcomes().next()
    }

    /// The attempts whose builder ran, newest first.
    fn outcomes(&self) -> impl Iterator<Item = AttemptOutcome<'_>> {
        AttemptOutcome::newest_first(&self.builds, &self.verifications)
    }

    /// Why the newest attempt failed, if it did.
    pub fn failure(&self) -> Option<&Classified> {
        self.failure.as_ref()
    }

    /// How much the newest attempt changed of the sources that it started from.
    pub fn change(&self) -> Option<ChangeSize> {
        self.change
    }

    /// How many attempts failed in a row, up to the newest one.
    pub fn consecutive_failures(&self) -> usize {
        escalate::consecutive_failures(self.outcomes())
    }

    /// The diagnoses of the newest attempt and of the same verification of it, oldest first.
    pub fn diagnoses_of_newest(&self) -> impl DoubleEndedIterator<Item = &Research> {
        let newest = self.newest();
        let same = move |diagnosis: &&Research| {
            newest.is_some_and(|newest| {
                // Advice about another verification of the same sources may speak of another
                // failure.
                diagnosis.build_id == newest.build.id
                    && diagnosis.verification_id == newest.verification.map(|found| found.id)
            })
        };
        self.diagnoses.iter().filter(same)
    }

    /// What the next packet tells of the attempt before.
    pub fn previous_attempt(&self) -> Option<PreviousAttempt<'_>> {
        let newest = self.newest()?;
        let advice = self.diagnoses_of_newest().rev().find_map(|diagnosis| match &diagnosis.advice {
            AdviceOutcome::Given { advice, .. } => Some(advice),
            _ => None,
        });
        let hint = self.diagnoses_of_newest().rev().find_map(|diagnosis| diagnosis.hint.as_deref());
        Some(PreviousAttempt { build: newest.build, failure: self.failure.as_ref(), hint, advice })
    }

    /// The sources that the next attempt starts from: the last ones that were accepted.
    pub fn sources(&self) -> Option<Digest> {
        // A failed attempt leaves none, so the next one starts from the last that was accepted.
        self.builds.iter().rev().find_map(|build| build.snapshot_sha256)
    }

    /// The newest attempt, also when its builder did not run.
    pub fn newest_build(&self) -> Option<&Build> {
        self.builds.last()
    }

    /// The newest verification of the proposal.
    pub fn newest_verification(&self) -> Option<VerificationId> {
        self.verifications.last().map(|found| found.id)
    }
}

/// How much the newest attempt changed of the sources that it started from.
fn change_size(forge: &ForgeContext<'_>, history: &AttemptHistory) -> Result<Option<ChangeSize>, DiagnosisError> {
    let Some(newest) = history.newest() else { return Ok(None) };
    let earlier = history.builds.iter().rev().filter(|build| build.attempt_number < newest.build.attempt_number);
    let base = earlier.filter_map(|build| build.snapshot_sha256).next();
    let (Some(base), Some(result)) = (base, newest.build.snapshot_sha256) else { return Ok(None) };
    let (base, result) = (snapshot_store::load(forge.store, base)?, snapshot_store::load(forge.store, result)?);
    Ok(Some(ChangeSize::between(&base, &result)))
}

/// The proposal of the same name that the newest packet was written for.
fn last_packet(forge: &ForgeContext<'_>, proposal: &Proposal) -> Result<Option<Proposal>, LedgerError> {
    let mut last: Option<(Build, Proposal)> = None;
    for other in forge.ledger.proposals_named(&proposal.spec.name)? {
        let newest = forge.ledger.builds_of(other.id)?.pop();
        if let Some(build) = newest
            // Equal times go to the later proposal, which the list has behind the earlier one.
            && last.as_ref().is_none_or(|(last, _)| build.started_at >= last.started_at)
        {
            last = Some((build, other));
        }
    }
    Ok(last.map(|(_, proposal)| proposal))
}
