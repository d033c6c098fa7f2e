//! A pass: asks a model for a better guidance of each candidate, and keeps what passes the checks for a person.
//!
//! The steps of an attempt are rows of the ledger: STARTED before the model is asked, ANSWERED with its answer, then CANDIDATE or
//! REFUSED. A pass that was killed is finished by the next one from these rows. An attempt that was STARTED then is LOST: whether
//! the model was asked is unknown, and it is not asked a second time.
//!
//! Guarantees: one pass at a time in a workspace. No attempt begins while the skill cools down, waits for a person, or had three
//! within a day. A clock that was set back makes no cooldown shorter. Nothing is published.

use std::fs::TryLockError;
use std::time::Duration;

use super::assessment;
use super::candidates::{self, Candidate, CandidatePart, UnreadableSkill};
use super::guidance::{GuidanceContext, GuidanceError};
use super::{fence, revision_check, rewrite_prompt};
use crate::artifacts::{self, ArtifactError};
use crate::ledger::{Improvement, ImprovementStep, LedgerError, NewImprovement};
use crate::llm::AdviceClient;
use crate::model::{
    guidance::{GuidanceText, ImprovementState},
    layout::Layout,
    name::SkillName,
    switch::Stopped,
    text,
    time::Timestamp,
};

/// The time between two attempts at a skill.
const COOLDOWN: Duration = Duration::from_secs(3_600);
/// The most attempts at a skill within a day.
const MOST_A_DAY: usize = 3;
/// The time over which attempts share their error probability.
const SHARED: Duration = Duration::from_hours(24 * 30);
/// The most attempts of one pass.
const MOST_A_PASS: usize = 8;
/// Longest reason that is kept, in characters.
const MOST_WHY: usize = 400;

/// Why there was no pass.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// Another one runs.
    #[error("another pass runs in this workspace")]
    Busy,
    /// The workspace is stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The guidance or the ledger.
    #[error(transparent)]
    Guidance(#[from] GuidanceError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The lock.
    #[error(transparent)]
    Lock(#[from] ArtifactError),
}

/// A candidate for which no attempt was made.
#[derive(Debug)]
pub struct SkippedCandidate {
    /// The skill.
    pub skill: SkillName,
    /// Why.
    pub why: String,
}

/// What a pass did.
#[derive(Debug, Default)]
pub struct PassReport {
    /// Attempts of an earlier pass that were finished.
    pub resumed: Vec<Improvement>,
    /// Attempts of this pass.
    pub attempts: Vec<Improvement>,
    /// Candidates without an attempt.
    pub skipped: Vec<SkippedCandidate>,
    /// Skills that could not be looked at.
    pub unreadable: Vec<UnreadableSkill>,
}

/// What a pass works with.
#[derive(Debug, Clone, Copy)]
pub struct PassContext<'a> {
    /// The guidance of the workspace.
    pub guidance: GuidanceContext<'a>,
    /// The files of the workspace.
    pub layout: &'a Layout,
    /// The model.
    pub client: &'a AdviceClient,
}

/// Makes one pass.
///
/// # Errors
/// [`PassError`] when nothing could be looked at. A skill that cannot be read is in the report, and the others go on.
pub fn run(context: &PassContext<'_>) -> Result<PassReport, PassError> {
    let path = context.layout.locks().join("improve");
    let lock = artifacts::open_lock(&context.layout.root, &path)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(PassError::Busy),
        Err(TryLockError::Error(source)) => return Err(ArtifactError::Io { path, source }.into()),
    }
    // Before a model is asked: a workspace that is stopped, or whose ledger is not believed, asks nobody.
    context.guidance.ledger.authorize()?;
    let mut report = PassReport { resumed: resume(context)?, ..PassReport::default() };
    let found = candidates::find(&context.guidance)?;
    report.unreadable = found.unreadable;
    for candidate in &found.candidates {
        let skip = |why: String| SkippedCandidate { skill: candidate.skill.clone(), why };
        if report.attempts.len() >= MOST_A_PASS {
            report.skipped.push(skip(format!("{MOST_A_PASS} attempts were made in this pass")));
            continue;
        }
        match begin(context, candidate)? {
            Begun::Skipped(why) => report.skipped.push(skip(why)),
            Begun::Attempt(attempt) => report.attempts.push(ask(context, candidate, attempt)?),
        }
    }
    Ok(report)
}

/// Finishes what an earlier pass left, without asking a model.
fn resume(context: &PassContext<'_>) -> Result<Vec<Improvement>, PassError> {
    let ledger = context.guidance.ledger;
    let mut resumed = Vec::new();
    for attempt in ledger.improvements(None)? {
        resumed.push(match attempt.state {
            ImprovementState::Started => {
                let lost = ImprovementStep::Lost("the pass ended while the model was asked");
                ledger.step_improvement(attempt.number, lost, context.guidance.clock.now())?
            }
            ImprovementState::Answered => judge(context, &attempt)?,
            // Published by a person, and killed before that was noted here.
            ImprovementState::Candidate => match published_as(context, &attempt) {
                Some(by) => {
                    let step = ImprovementStep::Published(&by);
                    ledger.step_improvement(attempt.number, step, context.guidance.clock.now())?
                }
                None => continue,
            },
            _ => continue,
        });
    }
    Ok(resumed)
}

/// Who published the text of an attempt, if somebody did.
fn published_as(context: &PassContext<'_>, attempt: &Improvement) -> Option<String> {
    let published = context.guidance.ledger.published_guidance(&attempt.skill).ok().flatten()?;
    let is_it = published.number > attempt.revision && attempt.body.as_deref() == Some(published.body.as_str());
    is_it.then_some(published.author)
}

enum Begun {
    Attempt(Improvement),
    Skipped(String),
}

fn begin(context: &PassContext<'_>, candidate: &Candidate) -> Result<Begun, PassError> {
    if candidate.part == CandidatePart::Code {
        return Ok(Begun::Skipped("its code is built again by `kavi propose-skill` and a person".to_owned()));
    }
    let (ledger, now) = (context.guidance.ledger, context.guidance.clock.now());
    let earlier = ledger.improvements(Some(&candidate.skill))?;
    if let Some(why) = must_wait(&earlier, now) {
        return Ok(Begun::Skipped(why));
    }
    let shared = earlier.iter().filter(|attempt| is_within(attempt.created_at, now, SHARED)).count();
    let new = NewImprovement {
        skill: &candidate.skill,
        revision: candidate.revision,
        attempt: u32::try_from(shared).unwrap_or(u32::MAX).saturating_add(1),
        e_value: candidate.e_value,
        at: now,
    };
    Ok(Begun::Attempt(ledger.begin_improvement(&new)?))
}

/// Whether a moment is less than `span` ago. One in the future is: the clock was set back, and nobody knows by how much.
fn is_within(at: Timestamp, now: Timestamp, span: Duration) -> bool {
    now < at.after(span)
}

/// Why no attempt may begin now. Pure.
fn must_wait(earlier: &[Improvement], now: Timestamp) -> Option<String> {
    let open = earlier.iter().find(|attempt| attempt.state == ImprovementState::Candidate);
    if let Some(open) = open {
        return Some(format!("improvement {} waits for a person", open.number));
    }
    if earlier.iter().any(|attempt| is_within(attempt.changed_at, now, COOLDOWN)) {
        return Some("an attempt was made within an hour".to_owned());
    }
    let day = Duration::from_hours(24);
    let of_today = earlier.iter().filter(|attempt| is_within(attempt.created_at, now, day)).count();
    (of_today >= MOST_A_DAY).then(|| format!("{MOST_A_DAY} attempts were made within a day"))
}

fn ask(context: &PassContext<'_>, candidate: &Candidate, attempt: Improvement) -> Result<Improvement, PassError> {
    let GuidanceContext { ledger, clock, .. } = context.guidance;
    let refuse = |why: &str| ledger.step_improvement(attempt.number, ImprovementStep::Refused(why), clock.now());
    let trusted = context.guidance.trusted(candidate.skill.as_str())?;
    let published = context.guidance.published(&trusted)?;
    let assessment = assessment::of(ledger, &trusted, &published)?;
    let prompt = rewrite_prompt::prompt(candidate, &assessment.guidance.failures, &published.body);
    if prompt.chars().count() > context.client.prompt_chars() {
        // A question that was cut would have the model answer with a text that was cut.
        return Ok(refuse("the question is longer than `prompt_chars` of [advice] in kavi.toml")?);
    }
    let answered = match context.client.ask_for_text(rewrite_prompt::SYSTEM, &prompt) {
        Ok(reply) if reply.text.len() <= fence::MAX_ANSWER_BYTES => reply,
        Ok(reply) => return Ok(refuse(&fence::NoFencedText::TooLong(reply.text.len()).to_string())?),
        Err(error) => return Ok(refuse(&text::line(&error.to_string(), MOST_WHY))?),
    };
    let step = ImprovementStep::Answered { model: &text::line(&answered.model, 100), answer: &answered.text };
    let attempt = ledger.step_improvement(attempt.number, step, clock.now())?;
    judge(context, &attempt)
}

/// Judges an answer that is in the ledger.
fn judge(context: &PassContext<'_>, attempt: &Improvement) -> Result<Improvement, PassError> {
    let GuidanceContext { ledger, clock, .. } = context.guidance;
    // Looked at again: the model takes minutes, and a person may have published another revision. A skill that cannot be
    // read ends its own attempt alone.
    let judged = match ledger.published_guidance(&attempt.skill) {
        Err(error) => Err(text::line(&error.to_string(), MOST_WHY)),
        Ok(published) if published.as_ref().is_none_or(|published| published.number != attempt.revision) => {
            Err("another revision is published by now".to_owned())
        }
        Ok(None) => Err("nothing is published".to_owned()),
        Ok(Some(published)) => text_of(&published.body, attempt.answer.as_deref().unwrap_or_default()),
    };
    let step = match &judged {
        Ok(body) => ImprovementStep::Passed(body.as_str()),
        Err(why) => ImprovementStep::Refused(why),
    };
    Ok(ledger.step_improvement(attempt.number, step, clock.now())?)
}

fn text_of(published: &GuidanceText, answer: &str) -> Result<GuidanceText, String> {
    let text = fence::text_of(answer).map_err(|error| error.to_string())?;
    revision_check::check(published, &text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(state: ImprovementState, at: i64) -> Result<Improvement, Box<dyn std::error::Error>> {
        let at = Timestamp::from_millis(at * 60_000)?;
        Ok(Improvement {
            number: 1,
            skill: SkillName::parse("peek")?,
            revision: 1,
            attempt: 1,
            state,
            e_value: 20.0,
            model: None,
            answer: None,
            body: None,
            why: None,
            decided_by: None,
            created_at: at,
            changed_at: at,
        })
    }

    #[test]
    fn an_attempt_waits_for_cooldown_budget_and_person() -> Result<(), Box<dyn std::error::Error>> {
        use ImprovementState::{Candidate, Lost, Refused};
        let wait = |earlier: &[(ImprovementState, i64)], now: i64| -> Result<String, Box<dyn std::error::Error>> {
            let earlier = earlier.iter().map(|(state, at)| attempt(*state, *at)).collect::<Result<Vec<_>, _>>()?;
            Ok(must_wait(&earlier, Timestamp::from_millis(now * 60_000)?).unwrap_or_default())
        };
        assert_eq!(wait(&[], 0)?, "");
        assert!(wait(&[(Refused, 0)], 59)?.contains("within an hour"));
        assert!(wait(&[(Lost, 0)], 59)?.contains("within an hour"));
        assert_eq!(wait(&[(Refused, 0)], 60)?, "");
        assert!(wait(&[(Refused, 0)], -100_000)?.contains("within an hour"), "the clock was set back");
        assert!(wait(&[(Candidate, 0)], 100_000)?.contains("waits for a person"));
        let three = [(Refused, 0), (Lost, 70), (Refused, 140)];
        assert!(wait(&three, 300)?.contains("within a day"));
        assert_eq!(wait(&three, 24 * 60)?, "");
        Ok(())
    }
}
