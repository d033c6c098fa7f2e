//! A pass: asks a model for a better guidance of each candidate, and keeps what passes the checks for a person.
//!
//! The steps of an attempt are rows of the ledger: STARTED before the model is asked, ANSWERED with its answer, then CANDIDATE or
//! REFUSED. A pass that was killed is finished by the next one from these rows. An attempt that was STARTED then is LOST: whether
//! the model was asked is unknown, and it is not asked a second time.
//!
//! The code of a skill is attempted by `code_attempt`.
//!
//! Guarantees: one pass at a time in a workspace. No attempt begins while the skill cools down, waits for a person, or had three
//! within a day. A clock that was set back makes no cooldown shorter. No new text is published. A standing
//! order may bring an earlier one back.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};

use super::assessment::{self, FailedUse};
use super::candidates::{self, Candidate, CandidatePart, UnreadableSkill};
use super::code_attempt::{CodeContext, CodeReport};
use super::cooldown::{self, EarlierAttempt, MOST_A_DAY};
use super::guidance::{GuidanceContext, GuidanceError};
use super::outcome::OutcomeSource;
use super::pass_context::{PassContext, PassError, SkippedCandidate};
use super::rewrite_prompt::{self, RewriteQuestion};
use super::shadow;
use super::step_back::{self, SteppedBack};
use super::{episodes, fence, revision_check};
use crate::artifacts::{self, ArtifactError};
use crate::ledger::{CodeAttempt, ImproveStore, Improvement, ImprovementStep, LedgerError, NewAttempt, ShadowOrder};
use crate::model::{
    guidance::{GuidanceText, ImprovementState},
    layout::Layout,
    spec::SkillSpec,
    text,
};

/// The most attempts of one pass.
const MOST_A_PASS: usize = 8;
/// The most failures whose broken rules are counted.
const MOST_LOOKED_AT: usize = 64;
/// Longest reason that is kept, in characters.
const MOST_WHY: usize = 400;

/// What a pass did.
#[derive(Debug, Default)]
pub struct PassReport {
    /// Attempts of an earlier pass that were finished.
    pub resumed: Vec<Improvement>,
    /// Attempts of this pass.
    pub attempts: Vec<Improvement>,
    /// Attempts at code that moved in this pass.
    pub code: Vec<CodeAttempt>,
    /// Pairs of texts that were compared.
    pub pairs: usize,
    /// Live shadows in which calls were repeated.
    pub shadows: Vec<ShadowOrder>,
    /// Guidance that stepped back under standing orders.
    pub stepped_back: Vec<SteppedBack>,
    /// Candidates without an attempt.
    pub skipped: Vec<SkippedCandidate>,
    /// Skills that could not be looked at.
    pub unreadable: Vec<UnreadableSkill>,
}

/// Makes one pass.
///
/// # Errors
/// [`PassError`] when nothing could be looked at. A skill that cannot be read is in the report, and the others go on.
pub fn run(context: &PassContext<'_>) -> Result<PassReport, PassError> {
    let _lock = lock(context.layout)?;
    // Before a model is asked: a workspace that is stopped, or whose ledger is not believed, asks nobody.
    context.guidance.ledger.authorize()?;
    let stepped_back = step_back(context)?;
    let code = CodeContext { guidance: context.guidance, forge: context.forge };
    let CodeReport { attempts, skipped } = code.resume()?;
    let mut report = PassReport {
        resumed: resume(context)?,
        code: attempts,
        skipped,
        stepped_back,
        shadows: shadow(context)?,
        ..PassReport::default()
    };
    attempt(context, &code, &mut report)?;
    for attempt in context.guidance.ledger.improvements(None)? {
        if attempt.state == ImprovementState::Candidate {
            match episodes::run(context, &attempt) {
                Ok(pairs) => report.pairs += pairs,
                Err(error) => tracing::warn!("improvement {} is not compared: {error}", attempt.number),
            }
        }
    }
    Ok(report)
}

/// One pass at a time: whoever holds the file may make it.
fn lock(layout: &Layout) -> Result<File, PassError> {
    let path = layout.locks().join("improve");
    let lock = artifacts::open_lock(&layout.root, &path)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(PassError::Busy),
        Err(TryLockError::Error(source)) => Err(ArtifactError::Io { path, source }.into()),
    }
}

/// Makes an attempt for each candidate that need not wait.
fn attempt(context: &PassContext<'_>, code: &CodeContext<'_>, report: &mut PassReport) -> Result<(), PassError> {
    let found = candidates::find(&context.guidance)?;
    report.unreadable = found.unreadable;
    let mut made = 0;
    for candidate in &found.candidates {
        let begun = match candidate.part {
            _ if made >= MOST_A_PASS => Err(format!("{MOST_A_PASS} attempts were made in this pass")),
            CandidatePart::Code => code.begin(candidate)?.map(|attempt| report.code.push(attempt)),
            CandidatePart::Guidance => match begin(context, candidate)? {
                Ok(attempt) => {
                    report.attempts.push(ask(context, candidate, attempt)?);
                    Ok(())
                }
                Err(why) => Err(why),
            },
        };
        match begun {
            Ok(()) => made += 1,
            Err(why) => report.skipped.push(SkippedCandidate { skill: candidate.skill.clone(), why }),
        }
    }
    Ok(())
}

/// Uses the standing orders for which there is evidence. First of all, so that no model is asked about a text that goes.
fn step_back(context: &PassContext<'_>) -> Result<Vec<SteppedBack>, PassError> {
    let mut steps = Vec::new();
    for trusted in context.guidance.ledger.all_trusted()? {
        match step_back::step(&context.guidance, &trusted) {
            Ok(step) => steps.extend(step),
            // The look for candidates reports the skill, and the others go on.
            Err(error) => tracing::warn!("the standing order of `{}` is not used: {error}", trusted.spec.name),
        }
    }
    Ok(steps)
}

/// Repeats the calls that came since the pass before, where a person let a candidate do that.
fn shadow(context: &PassContext<'_>) -> Result<Vec<ShadowOrder>, PassError> {
    let mut followed = Vec::new();
    for trusted in context.guidance.ledger.all_trusted()? {
        match shadow::follow(&context.guidance, context.forge, &trusted.spec.name) {
            Ok(order) => followed.extend(order),
            Err(why) => tracing::warn!("no call of `{}` is repeated: {why}", trusted.spec.name),
        }
    }
    Ok(followed)
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
    let is_it = published.number > attempt.revision && attempt.details.body.as_deref() == Some(published.body.as_str());
    is_it.then_some(published.author)
}

/// Begins an attempt, or says why none may begin.
fn begin(context: &PassContext<'_>, candidate: &Candidate) -> Result<Result<Improvement, String>, PassError> {
    let (ledger, now) = (context.guidance.ledger, context.guidance.clock.now());
    let earlier: Vec<_> = ledger.improvements(Some(&candidate.skill))?.iter().map(earlier_attempt).collect();
    if let Some(why) = cooldown::must_wait(&earlier, now) {
        return Ok(Err(why));
    }
    let new = NewAttempt {
        skill: &candidate.skill,
        revision: candidate.revision,
        attempt: cooldown::next_attempt(&earlier, now),
        e_value: candidate.e_value,
        at: now,
    };
    Ok(Ok(ledger.begin_improvement(&new)?))
}

fn earlier_attempt(attempt: &Improvement) -> EarlierAttempt {
    EarlierAttempt {
        number: attempt.number,
        is_open: attempt.state == ImprovementState::Candidate,
        created_at: attempt.created_at,
        changed_at: attempt.changed_at,
    }
}

fn ask(context: &PassContext<'_>, candidate: &Candidate, attempt: Improvement) -> Result<Improvement, PassError> {
    let GuidanceContext { ledger, clock, .. } = context.guidance;
    let refuse = |why: &str| ledger.step_improvement(attempt.number, ImprovementStep::Refused(why), clock.now());
    let prompt = match question(context, candidate) {
        Ok(Some(prompt)) => prompt,
        // A question that was cut would have the model answer with a text that was cut.
        Ok(None) => return Ok(refuse("the question is longer than `prompt_chars` of [advice] in kavi.toml")?),
        // A skill that cannot be read ends its own attempt alone.
        Err(error) => return Ok(refuse(&text::line(&error.to_string(), MOST_WHY))?),
    };
    let answered = match context.client.ask_for_text(rewrite_prompt::SYSTEM, &prompt) {
        Ok(reply) if reply.text.len() <= fence::MAX_ANSWER_BYTES => reply,
        Ok(reply) => return Ok(refuse(&fence::NoFencedText::TooLong(reply.text.len()).to_string())?),
        Err(error) => return Ok(refuse(&text::line(&error.to_string(), MOST_WHY))?),
    };
    let step = ImprovementStep::Answered { model: &text::line(&answered.model, 100), answer: &answered.text };
    let attempt = ledger.step_improvement(attempt.number, step, clock.now())?;
    judge(context, &attempt)
}

/// What the model is asked. None where that is too long.
fn question(context: &PassContext<'_>, candidate: &Candidate) -> Result<Option<String>, GuidanceError> {
    let ledger = context.guidance.ledger;
    let trusted = context.guidance.trusted(candidate.skill.as_str())?;
    let published = context.guidance.published(&trusted)?;
    let assessment = assessment::of(ledger, &trusted, &published)?;
    let question = RewriteQuestion {
        candidate,
        failures: &assessment.guidance.failures,
        broken_rules: &broken_rules(ledger, &trusted.spec, &assessment.guidance.failures)?,
        released: &ledger.released_evidence(&candidate.skill)?,
        refused: &refused(&ledger.improvements(Some(&candidate.skill))?),
        published: &published.body,
    };
    Ok(question.within(context.client.prompt_chars()))
}

/// How often the newest failures broke each rule of the input schema. Paths in the schema, and nothing of an input.
fn broken_rules(
    ledger: &dyn ImproveStore,
    spec: &SkillSpec,
    failures: &[FailedUse],
) -> Result<BTreeMap<String, u32>, LedgerError> {
    let mut rules = BTreeMap::new();
    let of_schema = |failure: &&FailedUse| failure.outcome.source == OutcomeSource::Schema && !failure.set_aside;
    for failure in failures.iter().rev().filter(of_schema).take(MOST_LOOKED_AT) {
        let record = ledger.execution(failure.run)?.record;
        // Null where the input was no JSON, or is too large for the record.
        if record.input_json.is_null() {
            continue;
        }
        let Err(mismatch) = spec.io.check_input(&record.input_json) else { continue };
        for problem in mismatch.problems() {
            *rules.entry(problem.schema_path.clone()).or_default() += 1;
        }
    }
    Ok(rules)
}

/// Why the newest earlier texts were refused or rejected, oldest first.
fn refused(earlier: &[Improvement]) -> Vec<String> {
    use ImprovementState::{Refused, Rejected};
    let without_text =
        earlier.iter().rev().filter(|it| matches!(it.state, Refused | Rejected) && it.details.answer.is_some());
    let newest = without_text.filter_map(|it| it.why.as_ref()).take(MOST_A_DAY);
    let mut reasons: Vec<String> = newest.map(|why| text::line(why, MOST_WHY)).collect();
    reasons.reverse();
    reasons
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
        Ok(Some(published)) => text_of(&published.body, attempt.details.answer.as_deref().unwrap_or_default()),
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
