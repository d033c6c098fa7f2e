//! An attempt at the code of a skill: a proposal with the released failures as examples, built and verified by the forge.
//!
//! The steps of an attempt are rows of the ledger: STARTED, then PROPOSED before a builder is asked, then CANDIDATE or REFUSED. An
//! attempt that was killed is finished from these rows and those of the forge. A builder is asked once for each attempt.
//!
//! Guarantees: the specification of the proposal is the trusted one with further examples, so its grants are the same. Only texts
//! that a person released become examples. A candidate passed every gate, and no recorded run that succeeded fails with it.
//!
//! Deliberately never: promotes. A person does, as with every proposal.

use serde::Serialize;

use super::candidates::Candidate;
use super::cooldown::{self, EarlierAttempt};
use super::guidance::GuidanceContext;
use super::pass_context::{PassError, SkippedCandidate};
use super::skill_forge::{ForgeEnd, SkillForge};
use super::statistics::{PairCounts, PairVerdict, attempt_threshold};
use crate::forge::verify;
use crate::ledger::{CodeAttempt, CodeAttemptStep, LedgerError, NewAttempt, ReleasedEvidence, Verification};
use crate::model::{
    guidance::CodeAttemptState,
    id::{ExecutionId, ProposalId},
    lifecycle::ProposalStatus,
    name::SkillName,
    run_flips::RunFlips,
    spec::SkillSpec,
    text,
};

/// Longest reason that is kept, in characters.
const MOST_WHY: usize = 400;
/// The most runs that are named where nothing was released.
const MOST_NAMED: usize = 3;

/// What recorded runs say about a candidate, against "it is no better".
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ReplayEvidence {
    /// The e-value of the pairs.
    pub e_value: f64,
    /// The e-value that this attempt needs.
    pub threshold: f64,
    /// What that means.
    pub verdict: PairVerdict,
}

/// What the recorded runs say about the candidate of an attempt. None where nothing was repeated.
pub fn replay_evidence(attempt: &CodeAttempt) -> Option<ReplayEvidence> {
    let RunFlips { gains, losses, same } = attempt.details.flips?;
    let pairs = PairCounts { gains, losses, same };
    let (threshold, verdict) = (attempt_threshold(attempt.attempt), pairs.verdict(attempt.attempt));
    Some(ReplayEvidence { e_value: pairs.e_value(), threshold, verdict })
}

/// What attempts at code work with.
#[derive(Clone, Copy)]
pub(super) struct CodeContext<'a> {
    pub(super) guidance: GuidanceContext<'a>,
    pub(super) forge: &'a dyn SkillForge,
}

/// Attempts that moved, and candidates for which none was made.
#[derive(Debug, Default)]
pub(super) struct CodeReport {
    pub(super) attempts: Vec<CodeAttempt>,
    pub(super) skipped: Vec<SkippedCandidate>,
}

impl CodeContext<'_> {
    /// Goes on with every attempt that is not over: what a person decided, and what an earlier pass left.
    pub(super) fn resume(&self) -> Result<CodeReport, PassError> {
        let mut report = CodeReport::default();
        for attempt in self.guidance.ledger.code_attempts(None)? {
            let before = attempt.state;
            let moved = match (attempt.state, attempt.details.proposal) {
                (CodeAttemptState::Started, _) => self.propose(attempt)?,
                (CodeAttemptState::Published | CodeAttemptState::Rejected, _) | (_, None) => continue,
                (_, Some(proposal)) => self.follow(attempt, proposal)?,
            };
            if moved.state != before {
                report.attempts.push(moved);
            } else if moved.state == CodeAttemptState::Proposed {
                let why = format!("improvement {} of its code is proposed and not built", moved.number);
                report.skipped.push(SkippedCandidate { skill: moved.skill, why });
            }
        }
        Ok(report)
    }

    /// Begins an attempt, or says why none may begin.
    pub(super) fn begin(&self, candidate: &Candidate) -> Result<Result<CodeAttempt, String>, PassError> {
        let (ledger, now) = (self.guidance.ledger, self.guidance.clock.now());
        let earlier: Vec<EarlierAttempt> = ledger.code_attempts(Some(&candidate.skill))?.iter().map(earlier).collect();
        if let Some(why) = cooldown::must_wait(&earlier, now) {
            return Ok(Err(why));
        }
        let spec = match self.spec(&candidate.skill, candidate.revision) {
            Ok(spec) => spec,
            Err(why) => return Ok(Err(why)),
        };
        if spec.is_none() {
            let named = candidate.failed_runs.iter().take(MOST_NAMED).map(ExecutionId::short).collect::<Vec<_>>();
            return Ok(Err(format!(
                "say what should have come of its failures: kavi improve evidence RUN --expect JSON (runs {})",
                named.join(", ")
            )));
        }
        let new = NewAttempt {
            skill: &candidate.skill,
            revision: candidate.revision,
            attempt: cooldown::next_attempt(&earlier, now),
            e_value: candidate.e_value,
            at: now,
        };
        Ok(Ok(self.propose(ledger.begin_code_attempt(&new)?)?))
    }

    fn step(&self, attempt: &CodeAttempt, step: CodeAttemptStep<'_>) -> Result<CodeAttempt, LedgerError> {
        self.guidance.ledger.step_code_attempt(attempt.number, step, self.guidance.clock.now())
    }

    fn refuse(&self, attempt: &CodeAttempt, why: &str) -> Result<CodeAttempt, LedgerError> {
        self.step(attempt, CodeAttemptStep::Refused { why: &text::line(why, MOST_WHY), flips: None })
    }

    /// The specification of a trusted revision with the released failures as examples. None where that adds nothing.
    fn spec(&self, skill: &SkillName, revision: u32) -> Result<Option<SkillSpec>, String> {
        let trusted = self.guidance.trusted(skill.as_str()).map_err(|error| error.to_string())?;
        if trusted.trust.is_none_or(|trust| trust.revision != revision) {
            return Err("another revision is trusted by now".to_owned());
        }
        let released = self.guidance.ledger.released_evidence(skill).map_err(|error| error.to_string())?;
        Ok(with_examples(&trusted.spec, &released))
    }

    /// Writes the proposal of an attempt. No builder was asked before it is there.
    fn propose(&self, attempt: CodeAttempt) -> Result<CodeAttempt, PassError> {
        let spec = match self.spec(&attempt.skill, attempt.revision) {
            Ok(Some(spec)) => spec,
            Ok(None) => return Ok(self.refuse(&attempt, "every released text is an example by now")?),
            Err(why) => return Ok(self.refuse(&attempt, &why)?),
        };
        let why = format!("improvement {} of the code of revision {}", attempt.number, attempt.revision);
        let proposal = match self.forge.propose(&spec, &why) {
            Ok(proposal) => proposal,
            Err(why) => return Ok(self.refuse(&attempt, &why)?),
        };
        self.follow(self.step(&attempt, CodeAttemptStep::Proposed(proposal.id))?, proposal.id)
    }

    /// Follows the proposal of an attempt, and has it built if no builder was asked yet.
    fn follow(&self, attempt: CodeAttempt, proposal: ProposalId) -> Result<CodeAttempt, PassError> {
        let ledger = self.guidance.ledger;
        match ledger.proposal(proposal)?.status {
            ProposalStatus::Trusted | ProposalStatus::Superseded | ProposalStatus::Revoked => {
                return Ok(self.step(&attempt, CodeAttemptStep::Published)?);
            }
            ProposalStatus::Rejected => return Ok(self.step(&attempt, CodeAttemptStep::Rejected)?),
            _ if attempt.state != CodeAttemptState::Proposed => return Ok(attempt),
            _ => {}
        }
        let was_asked = || Ok::<_, LedgerError>(!ledger.builds_of(proposal)?.is_empty());
        match self.forge.until_verified(proposal, u32::from(!was_asked()?)) {
            Ok(ForgeEnd::Verified) => self.judge(&attempt, ledger.verifications_of(proposal)?.last()),
            Ok(ForgeEnd::Failed(why)) => Ok(self.refuse(&attempt, &why)?),
            // Without a build nobody was asked, and the next pass tries again.
            Err(why) if !was_asked()? => {
                tracing::warn!("improvement {} of the code of `{}`: {why}", attempt.number, attempt.skill);
                Ok(attempt)
            }
            Err(why) => Ok(self.refuse(&attempt, &why)?),
        }
    }

    /// Keeps a verified proposal for a person, unless a recorded run that succeeded fails with it.
    fn judge(&self, attempt: &CodeAttempt, verification: Option<&Verification>) -> Result<CodeAttempt, PassError> {
        let replay = verification.and_then(|found| found.gates.iter().find(|gate| gate.gate == "replay"));
        let flips = replay.and_then(|gate| verify::flips(&gate.findings));
        Ok(match flips {
            Some(flips) if flips.losses > 0 => {
                let why = format!("{flips}");
                self.step(attempt, CodeAttemptStep::Refused { why: &why, flips: Some(flips) })?
            }
            flips => self.step(attempt, CodeAttemptStep::Passed(flips))?,
        })
    }
}

fn earlier(attempt: &CodeAttempt) -> EarlierAttempt {
    use CodeAttemptState::{Candidate, Proposed, Started};
    EarlierAttempt {
        number: attempt.number,
        is_open: matches!(attempt.state, Started | Proposed | Candidate),
        created_at: attempt.created_at,
        changed_at: attempt.changed_at,
    }
}

/// The trusted specification with what persons expect of released runs as further examples. None where that adds nothing.
fn with_examples(trusted: &SkillSpec, released: &[ReleasedEvidence]) -> Option<SkillSpec> {
    let mut spec = trusted.clone();
    for example in released.iter().filter_map(|released| released.evidence.example()) {
        let before = spec.examples.clone();
        // The newest expectation counts where an earlier attempt brought another one.
        let known = spec.examples.iter().position(|known| known.name == example.name);
        match known {
            Some(place) => spec.examples[place] = example,
            None => spec.examples.push(example),
        }
        if spec.check().is_err() {
            // It does not fit the schema, or there are too many.
            spec.examples = before;
        }
    }
    (spec.examples != trusted.examples).then_some(spec)
}
