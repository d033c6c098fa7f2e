//! Which trusted skills are candidates for an improvement, and why.
//!
//! Guarantees: a candidate has evidence that is valid at every look. A skill whose guidance or records cannot be read is an error
//! of its own, and the others are looked at all the same.
//!
//! Deliberately never: writes anything.

use serde::Serialize;

use super::assessment::{self, Assessment, PROMISED_RATE, SubjectOutcomes};
use super::guidance::{GuidanceContext, GuidanceError};
use super::statistics::{EVIDENCE, UseCounts, Z_90};
use crate::ledger::Proposal;
use crate::model::{id::ExecutionId, name::SkillName};

/// Most failures that are named.
const MOST_FAILED: usize = 12;

/// What could be improved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CandidatePart {
    /// The guidance.
    Guidance,
    /// The code.
    Code,
}

/// A skill with evidence against it.
#[derive(Debug, Clone, Serialize)]
pub struct Candidate {
    /// The skill.
    pub skill: SkillName,
    /// What could be improved.
    pub part: CandidatePart,
    /// The revision.
    pub revision: u32,
    /// Its uses in the environment of the newest run.
    pub counts: UseCounts,
    /// The e-value against the promised rate.
    pub e_value: f64,
    /// Why, in one sentence.
    pub why: String,
    /// Its newest failures that count, newest first.
    pub failed_runs: Vec<ExecutionId>,
}

/// A skill that could not be looked at.
#[derive(Debug)]
pub struct UnreadableSkill {
    /// The skill.
    pub skill: SkillName,
    /// Why.
    pub error: GuidanceError,
}

/// What a look at every trusted skill gives.
#[derive(Debug, Default)]
pub struct CandidateReport {
    /// The candidates, worst first.
    pub candidates: Vec<Candidate>,
    /// The skills without evidence.
    pub healthy: Vec<SkillName>,
    /// The skills that could not be looked at.
    pub unreadable: Vec<UnreadableSkill>,
}

/// Looks at every trusted skill.
///
/// # Errors
/// [`GuidanceError`] when nobody can say what is trusted.
pub fn find(context: &GuidanceContext<'_>) -> Result<CandidateReport, GuidanceError> {
    let mut report = CandidateReport::default();
    for trusted in context.ledger.all_trusted()? {
        let skill = trusted.spec.name.clone();
        match assess(context, &trusted) {
            Ok(assessment) => {
                let found = of(&assessment);
                if found.is_empty() {
                    report.healthy.push(skill);
                }
                report.candidates.extend(found);
            }
            // One skill that cannot be read must not keep all others from being looked at.
            Err(error) => report.unreadable.push(UnreadableSkill { skill, error }),
        }
    }
    report.candidates.sort_by(|a, b| b.e_value.total_cmp(&a.e_value));
    Ok(report)
}

fn assess(context: &GuidanceContext<'_>, trusted: &Proposal) -> Result<Assessment, GuidanceError> {
    let published = context.published(trusted)?;
    Ok(assessment::of(context.ledger, trusted, &published)?)
}

/// The candidates of one skill.
pub fn of(assessment: &Assessment) -> Vec<Candidate> {
    let parts = [(CandidatePart::Guidance, &assessment.guidance), (CandidatePart::Code, &assessment.code)];
    parts.into_iter().filter_map(|(part, subject)| candidate(&assessment.skill, part, subject)).collect()
}

fn candidate(skill: &SkillName, part: CandidatePart, subject: &SubjectOutcomes) -> Option<Candidate> {
    // Only the environment of today. What failed under another component or other limits may be
    // mended already.
    let current = subject.current().filter(|current| current.e_value() >= EVIDENCE)?;
    let (counts, e_value) = (current.counts, current.e_value());
    let upper = counts.wilson(Z_90).high;
    let why = format!(
        "{} of {} uses succeeded (90 %: at most {upper:.2}); e-value {e_value:.1} against a rate of {PROMISED_RATE:.2}, \
         {EVIDENCE:.0} is evidence",
        counts.ok,
        counts.total(),
    );
    let counted = subject.failures.iter().rev().filter(|failure| !failure.set_aside);
    let failed_runs = counted.take(MOST_FAILED).map(|failure| failure.run).collect();
    Some(Candidate { skill: skill.clone(), part, revision: subject.revision, counts, e_value, why, failed_runs })
}
