//! The loop build → verify → research → build.
//!
//! Guarantees: the loop continues only while nothing waits for a person. It makes no more attempts than it was given.
//! Deliberately never: promotes, or acknowledges anything by itself.

use super::attempts::{AttemptService, DiagnosisOptions};
use crate::error::Error;
use crate::forge::build::{BuildAttempt, Builder};
use crate::forge::diagnosis::{self, NextStep};
use crate::forge::verify::{Reuse, Verified};
use crate::ledger::{LedgerError, Research};
use crate::log_targets::NOTE;
use crate::model::approver::Approver;
use crate::model::{
    id::ProposalId,
    lifecycle::{BuildStatus, Verdict},
    research::Escalation,
};
use crate::policy::actor_capability::ActorCapability;

/// What the loop may do.
#[derive(Debug, Clone, Copy)]
pub struct RetryOptions<'a> {
    /// Who writes the sources.
    pub builder: &'a Builder,
    /// Most attempts.
    pub attempts: u32,
    /// A person's approval of the first attempt.
    pub by: Option<&'a Approver>,
    /// How each failure is diagnosed.
    pub diagnosis: DiagnosisOptions<'a>,
}

/// One step of the loop.
#[derive(Debug)]
pub enum RetryStep {
    /// An attempt.
    Built(BuildAttempt),
    /// A verification.
    Verified(Verified),
    /// The diagnosis of a failure.
    Researched(Research),
}

/// How the loop ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RetryEnd {
    /// Every gate passed.
    Verified,
    /// A person must approve the next attempt.
    Escalated(Vec<Escalation>),
    /// The last attempt failed before its verification.
    BuildFailed,
    /// The last attempt did not pass the gates.
    VerificationFailed,
}

/// The steps of the loop, and how it ended.
#[derive(Debug)]
pub struct RetryReport {
    /// The steps, in order.
    pub steps: Vec<RetryStep>,
    /// How it ended.
    pub end: RetryEnd,
}

impl AttemptService<'_> {
    /// Repeats build → verify → research until the proposal is VERIFIED, a person must decide, or the attempts are
    /// used up. A build that was not verified yet is verified first, which costs no attempt. Never promotes.
    ///
    /// # Errors
    /// When a step could not be made or recorded; a failed attempt or gate is an [`RetryEnd`].
    pub fn forge_until_verified(&self, id: ProposalId, options: &RetryOptions<'_>) -> Result<RetryReport, Error> {
        self.workspace.allow_person(ActorCapability::RetrySkill)?;
        // Before the first step, so that a stopped workspace starts no tool at all.
        let ledger = &self.workspace.ledger;
        let authorization = ledger.authorize()?;
        let (mut steps, mut made, mut last) = (Vec::new(), 0, RetryEnd::BuildFailed);
        loop {
            // Each step begins with an authorization of its own. The loop is one piece of work, which a
            // stop between two steps ends too.
            ledger.check_authorization(authorization).map_err(|halt| LedgerError::Halted(Box::new(halt)))?;
            // Read at every turn: a person or another process may have moved it meanwhile.
            let proposal = ledger.proposal(id)?;
            let progress_so_far = diagnosis::attempt_history(&self.workspace.forge(), &proposal)?;
            let failed = match progress_so_far.next_step(proposal.status) {
                NextStep::Nothing => return Ok(RetryReport { steps, end: RetryEnd::Verified }),
                NextStep::Verify => {
                    let toolchain = self.toolchain()?;
                    let verified = self.verify(&proposal, &toolchain, Reuse::Allowed)?;
                    last = RetryEnd::VerificationFailed;
                    let build = verified.verification.build_id;
                    let failed = (verified.verification.status != Verdict::Passed).then_some(build);
                    steps.push(RetryStep::Verified(verified));
                    failed
                }
                NextStep::Build => {
                    // The person saw the state before the first attempt, and what comes later needs
                    // another look.
                    let by = options.by.filter(|_| made == 0);
                    if by.is_none() && !progress_so_far.escalations.is_empty() {
                        return Ok(RetryReport { steps, end: RetryEnd::Escalated(progress_so_far.escalations) });
                    }
                    // After the escalation: a person should learn that they are needed, even when
                    // the attempts are used up.
                    if made == options.attempts {
                        return Ok(RetryReport { steps, end: last });
                    }
                    made += 1;
                    tracing::info!(target: NOTE, "attempt {made} of {}", options.attempts);
                    let attempt = self.build(&proposal, options.builder, by)?;
                    last = RetryEnd::BuildFailed;
                    let failed = (attempt.build.status != BuildStatus::Succeeded).then_some(attempt.build.id);
                    steps.push(RetryStep::Built(attempt));
                    failed
                }
            };
            if let Some(build) = failed {
                steps.push(RetryStep::Researched(self.research(build, options.diagnosis)?));
            }
        }
    }
}
