//! The conformance gate: the release component keeps the rules for inputs that nobody chose.
//!
//! Inputs are drawn from the schema, anew for every verification. A valid input runs twice, in new instances with different
//! seeds, and each input has a time of its own. The rules: no trap, the output matches its schema, no file before an error, no
//! file outside the declared folders, the same outcome both times. An invalid input must be refused by the host's own check of
//! inputs. The component gets it all the same, and a broken rule is then only a remark, because no run outside this gate gets
//! that far.
//!
//! Guarantees: the id of the verification repeats its inputs. The inputs of earlier verifications of the same sources are tried
//! again, so that another verification is no second chance.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::context::GateContext;
use super::draw::Draw;
use super::error::VerifyError;
use super::exchanges::TrialExchanges;
use super::gate::{GateOutcome, Repeatable, TimeBudget};
use super::neighbours::{AcceptedInput, Neighbour};
use super::source_analysis::InputHints;
use super::trial::{self, RuleViolation, TimedOut, Trial, TrialEnd, TrialInput, TrialRunner};
use super::twin::{Expected, RecordedTrial};
use super::{vaults, vectors};
use crate::model::{
    execution::Determinism,
    finding::Finding,
    json::{self, JsonLimits},
    spec::SkillSpec,
    text,
};
use crate::runtime::CompiledComponent;

/// Number of inputs of one verification.
const INPUTS: usize = 500;
/// The time for all runs of one verification together.
const TIME: Duration = Duration::from_secs(120);
/// The purpose of a run at another time.
const OTHER_TIME: &str = "other time";
/// After this many findings the gate stops.
const ENOUGH: usize = 10;
/// Fewest valid inputs that the skill must accept. Only one, because a schema cannot express every condition: hardly any drawn
/// text is the path of a note. But a skill that refuses every input is useless.
const MIN_ACCEPTED: usize = 1;
/// From this many inputs on that no test and no example names, one of them must be accepted.
const MANY_UNNAMED: usize = 100;
/// Most inputs beside accepted ones that are tried before that is said.
const NEIGHBOURS: usize = 64;

/// Runs the gate.
pub(super) fn check(
    context: &GateContext<'_>,
    compiled: &CompiledComponent,
    hints: &InputHints,
    recorded: &mut Vec<RecordedTrial>,
) -> Result<GateOutcome, VerifyError> {
    let runner = TrialRunner::new(context, compiled, context.limits.clone());
    let draws: Vec<&Draw> = std::iter::once(&context.draw).chain(&context.earlier_draws).collect();
    // Each draw has the time of a whole verification. The draws of earlier verifications of these
    // sources are repeated, so that luck with another draw cannot hide what one of them found.
    let time = TIME.saturating_mul(u32::try_from(draws.len()).unwrap_or(u32::MAX));
    // An input that needs its own vault gets an example, and one that holds is accepted.
    let examples = recorded.iter().filter(|it| it.expected == Expected::Yes);
    let accepted: Vec<AcceptedInput> = examples.filter_map(AcceptedInput::of_example).collect();
    let counts = InputCounts { accepted: accepted.len(), ..InputCounts::default() };
    let mut round = Round {
        context,
        runner: &runner,
        hints,
        budget: TimeBudget::new(context.clock, time),
        outcome: GateOutcome::from(Vec::new()),
        counts,
        accepted,
        recorded,
    };
    let mut progress = Progress::More;
    for draw in draws {
        if progress == Progress::More {
            progress = round.run(draw)?;
        }
    }
    let Round { mut outcome, counts, .. } = round;
    outcome.findings = one_for_each_reason(outcome.findings);
    outcome.remarks = one_for_each_reason(outcome.remarks);
    if progress == Progress::Enough {
        return Ok(outcome);
    }
    if outcome.findings.is_empty() {
        outcome.findings = counts.refuses_too_much();
    }
    Ok(outcome)
}

/// Puts findings that differ only in their input into one: the first, with the number of the
/// others.
fn one_for_each_reason(findings: Vec<Finding>) -> Vec<Finding> {
    let mut kept: Vec<(Finding, usize)> = Vec::new();
    for finding in findings {
        let reason = |finding: &Finding| finding.message.split(INPUT).next().unwrap_or_default().to_owned();
        match kept.iter_mut().find(|(one, _)| one.rule == finding.rule && reason(one) == reason(&finding)) {
            Some((_, others)) => *others += 1,
            None => kept.push((finding, 0)),
        }
    }
    let with_count = |(finding, others): (Finding, usize)| match others {
        0 => finding,
        1 => Finding { message: format!("{}, and with 1 more input", finding.message), ..finding },
        others => Finding { message: format!("{}, and with {others} more inputs", finding.message), ..finding },
    };
    kept.into_iter().map(with_count).collect()
}

/// What separates the reason of a finding from its input.
const INPUT: &str = " (input ";

/// Whether further inputs are of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    More,
    Enough,
}

/// The vaults of the inputs of one verification.
struct DrawnVaults {
    named: Arc<TempDir>,
    many: Arc<TempDir>,
    unreadable: Arc<TempDir>,
}

impl DrawnVaults {
    fn new(context: &GateContext<'_>, hints: &InputHints, draw: &Draw) -> Result<Self, VerifyError> {
        let spec = &context.proposal.spec;
        let named = trial::vault(context, &vaults::named(spec, hints, draw))?;
        let many = trial::vault(context, &vaults::many(spec, hints, draw))?;
        let unreadable = trial::vault(context, &vaults::unreadable(spec, hints, draw))?;
        Ok(Self { named, many, unreadable })
    }

    /// Two inputs in sixteen meet the vault of many notes, one that of notes that are no text.
    fn choose(&self, draw: &Draw, number: usize) -> &Arc<TempDir> {
        match draw.roll("vault", number as u64) % 16 {
            0 | 1 => &self.many,
            2 => &self.unreadable,
            _ => &self.named,
        }
    }
}

/// The inputs of the verifications, one after the other.
struct Round<'a> {
    context: &'a GateContext<'a>,
    runner: &'a TrialRunner<'a>,
    hints: &'a InputHints,
    budget: TimeBudget<'a>,
    outcome: GateOutcome,
    counts: InputCounts,
    /// Inputs that the skill accepted, those of examples first.
    accepted: Vec<AcceptedInput>,
    /// The runs, for the twin to repeat.
    recorded: &'a mut Vec<RecordedTrial>,
}

impl Round<'_> {
    fn run(&mut self, draw: &Draw) -> Result<Progress, VerifyError> {
        let spec = &self.context.proposal.spec;
        let vaults = DrawnVaults::new(self.context, self.hints, draw)?;
        for (number, vector) in vectors::draw(spec, self.hints, &draw.seed("inputs"), INPUTS).into_iter().enumerate() {
            if self.budget.is_spent() {
                // A faster machine may be in time, so this result must not be reused.
                let message = format!("{INPUTS} inputs take longer than {} s", self.budget.time.as_secs());
                self.outcome.findings.push(Finding::new("conformance/time", message));
                self.outcome.repeatable = Repeatable::No;
                return Ok(Progress::Enough);
            }
            let drawn = DrawnInput { number, input: &vector.input, draw, vault: vaults.choose(draw, number) };
            if vector.valid {
                self.valid(&drawn)?
            } else {
                self.invalid(&drawn)?
            }
            if self.outcome.findings.len() >= ENOUGH {
                return Ok(Progress::Enough);
            }
        }
        // Last: they are needed only where none of the drawn inputs was accepted.
        self.neighbours(draw)?;
        Ok(Progress::More)
    }

    /// Where no drawn input was accepted but for named ones, inputs beside accepted ones.
    fn neighbours(&mut self, draw: &Draw) -> Result<(), VerifyError> {
        let (accepted, seed) = (std::mem::take(&mut self.accepted), draw.seed("neighbours"));
        for (at, known) in accepted.iter().cycle().take(NEIGHBOURS).enumerate() {
            if self.counts.unnamed_accepted > 0 || self.budget.is_spent() || !self.outcome.findings.is_empty() {
                break;
            }
            if let Some(Neighbour { input, vault }) = known.neighbour(self.context, &seed, at as u64)? {
                self.valid(&DrawnInput { number: INPUTS + at, input: &input, draw, vault: &vault })?;
            }
        }
        Ok(())
    }

    fn valid(&mut self, drawn: &DrawnInput<'_>) -> Result<(), VerifyError> {
        let spec = &self.context.proposal.spec;
        let Checked { trial, broken, later } = check_valid(spec, self.runner, drawn)?;
        self.counts.valid += 1;
        // Also a run that ends in a refusal: the twin repeats every run, and counts what it reaches.
        self.recorded.push(drawn.record("first", trial.clone()));
        self.recorded.extend(later.map(|later| drawn.record(OTHER_TIME, later)));
        if let Some(broken) = broken.as_ref().filter(|broken| broken.rule == "path")
            // The caller asked for exactly this path, and the host refuses it in every run. The
            // skill need not check it as well.
            && drawn.names_what_was_written(spec, &trial)
        {
            if self.outcome.remarks.len() < ENOUGH {
                let why = format!("the host refuses this run: {}", broken.message);
                self.outcome.remarks.push(drawn.finding("elsewhere", &why));
            }
            return Ok(());
        }
        self.counts.add(&trial, vectors::is_named(spec, self.hints, drawn.input));
        if matches!(trial.end, TrialEnd::Output(_)) && self.accepted.len() < NEIGHBOURS {
            self.accepted.push(AcceptedInput { input: drawn.input.clone(), vault: Arc::clone(drawn.vault) });
        }
        let timed_out = matches!(trial.end, TrialEnd::Stopped { timed_out: TimedOut::Yes, .. });
        if timed_out || broken.as_ref().is_some_and(|broken| broken.rule == "time") {
            self.outcome.repeatable = Repeatable::No;
        }
        self.outcome.findings.extend(broken.map(|broken| drawn.finding(broken.rule, &broken.message)));
        Ok(())
    }

    fn invalid(&mut self, drawn: &DrawnInput<'_>) -> Result<(), VerifyError> {
        let text = drawn.text();
        if is_let_through(self.context, &text) {
            let why = "the input does not match the schema, and the check of inputs accepts it";
            self.outcome.findings.push(drawn.finding("accepted", why));
        // A run of it says nothing that counts: no such input reaches a skill. So each one is run
        // only while remarks are still shown.
        } else if self.outcome.remarks.len() < ENOUGH {
            let trial = self.runner.run(&drawn.given(&text, drawn.determinism("first")))?;
            let broken = trial::violation(&self.context.proposal.spec, &trial);
            self.outcome.remarks.extend(broken.map(|broken| drawn.unguarded(&broken)));
        }
        Ok(())
    }
}

/// How many valid inputs there were, and how many of them the skill accepted.
#[derive(Debug, Default, Clone, Copy)]
struct InputCounts {
    valid: usize,
    accepted: usize,
    /// Inputs that no test and no example names.
    unnamed: usize,
    unnamed_accepted: usize,
}

impl InputCounts {
    fn add(&mut self, trial: &Trial, is_named: bool) {
        let accepted = usize::from(matches!(trial.end, TrialEnd::Output(_)));
        self.accepted += accepted;
        if !is_named {
            self.unnamed += 1;
            self.unnamed_accepted += accepted;
        }
    }

    /// Why the skill refuses too many inputs, if it does: first what the author of the sources can
    /// do, then what only the author of the specification can.
    fn refuses_too_much(self) -> Vec<Finding> {
        let both = |build: String, spec: &str| {
            vec![Finding::new("conformance/refusals", build), Finding::new("conformance/refusals-spec", spec)]
        };
        if self.accepted < MIN_ACCEPTED {
            let build = format!(
                "the skill refuses every one of {} inputs that match its schema: accept more of them, or call it in a test with an \
                 input that it accepts (`call(run, json!({{…}}))`). Inputs are drawn near those of the tests",
                self.valid
            );
            let spec = "only the specification can tell which inputs are meant: propose the skill with an example that it accepts \
                        (`--example`), or with a schema that permits less (`enum`, `pattern`, `minLength`)";
            return both(build, spec);
        }
        if self.unnamed < MANY_UNNAMED || self.unnamed_accepted > 0 {
            return Vec::new();
        }
        let build = format!(
            "the skill accepts only inputs that its tests and examples name, and refuses all {} others that match its schema: \
             compute the answer from the input instead of looking it up",
            self.unnamed
        );
        let spec = "if the skill is meant for a few inputs only, the specification must say so: propose it with a schema that lists \
                    them (`enum`, `pattern`)";
        both(build, spec)
    }
}

/// The first trial of a valid input, and the rule that one of its trials broke.
struct Checked {
    trial: Trial,
    broken: Option<RuleViolation>,
    /// The trial at another time, if there was one.
    later: Option<Trial>,
}

/// Runs a valid input twice, and a third time at another time if the skill may read the clock.
fn check_valid(spec: &SkillSpec, runner: &TrialRunner<'_>, drawn: &DrawnInput<'_>) -> Result<Checked, VerifyError> {
    let input = drawn.text();
    let (first, mut again) = (drawn.determinism("first"), drawn.determinism("second"));
    let trial = runner.run(&drawn.given(&input, first))?;
    let (mut broken, mut later) = (trial::violation(spec, &trial), None);
    if broken.is_none() {
        if spec.reads_clock {
            // Only the seed may differ: the outcome may depend on the time.
            again.clock = first.clock;
        }
        let second = runner.run(&drawn.given(&input, again))?;
        broken = trial::repeat_violation(spec, &trial, &second);
        if spec.reads_clock && broken.is_none() {
            let other = runner.run(&drawn.given(&input, drawn.determinism(OTHER_TIME)))?;
            broken = trial::violation(spec, &other);
            later = Some(other);
        }
    }
    Ok(Checked { trial, broken, later })
}

/// Whether the check of inputs, which comes before every run, accepts an input.
fn is_let_through(context: &GateContext<'_>, input: &str) -> bool {
    let parsed = json::parse(input.as_bytes(), JsonLimits::default());
    parsed.is_ok_and(|value| context.proposal.spec.io.check_input(&value).is_ok())
}

/// A drawn input, its number, and where it runs.
struct DrawnInput<'a> {
    number: usize,
    input: &'a Value,
    draw: &'a Draw,
    vault: &'a Arc<TempDir>,
}

impl DrawnInput<'_> {
    fn determinism(&self, run: &str) -> Determinism {
        self.draw.determinism(&format!("input {run}"), self.number as u64)
    }

    fn given<'g>(&'g self, input: &'g str, determinism: Determinism) -> TrialInput<'g> {
        TrialInput { input, vault: self.vault.path(), determinism, exchanges: TrialExchanges::Drawn }
    }

    fn text(&self) -> String {
        json::canonical(self.input)
    }

    fn record(&self, run: &str, trial: Trial) -> RecordedTrial {
        RecordedTrial {
            name: format!("input {}", self.number),
            input: self.text(),
            vault: Arc::clone(self.vault),
            determinism: self.determinism(run),
            trial,
            exchanges: Vec::new(),
            signatures: Vec::new(),
            expected: Expected::No,
        }
    }

    fn finding(&self, rule: &str, why: &str) -> Finding {
        let message = format!("{}{INPUT}{})", text::line(why, 500), text::line(&self.text(), 300));
        Finding::new(format!("conformance/{rule}"), message).in_test(format!("input {}", self.number))
    }

    /// Whether the input names every path that was written outside the folders. Then the input asked for it, and the skill may
    /// rely on the host, which refuses such a run. A skill that chooses such a path by itself fails the gate.
    fn names_what_was_written(&self, spec: &SkillSpec, trial: &Trial) -> bool {
        fn within(value: &Value, path: &str) -> bool {
            match value {
                // A part of the path is enough if it is longer than three bytes. A shorter one is
                // in nearly every path by chance.
                Value::String(text) => path == text.trim_end_matches('/') || (text.len() > 3 && path.contains(text)),
                Value::Array(items) => items.iter().any(|item| within(item, path)),
                Value::Object(map) => map.values().any(|item| within(item, path)),
                Value::Null | Value::Bool(_) | Value::Number(_) => false,
            }
        }
        let staged = trial.staged.as_deref().unwrap_or_default();
        let mut outside = staged.iter().filter(|effect| !spec.may_write(&effect.path)).peekable();
        // All of them: with one path of its own the skill chose where it writes.
        outside.peek().is_some() && outside.all(|effect| within(self.input, effect.path.as_str()))
    }

    fn unguarded(&self, broken: &RuleViolation) -> Finding {
        let why = format!("given an input that the host refuses ({}): {}", broken.rule, broken.message);
        self.finding("unguarded", &why)
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_refusal_tells_builder_and_proposer_what_each_can_do() {
        let rules = |counts: InputCounts| {
            let found = counts.refuses_too_much();
            found.iter().map(|finding| (finding.rule.clone(), finding.message.clone())).collect::<Vec<_>>()
        };
        let all = InputCounts { valid: 375, accepted: 0, unnamed: 300, unnamed_accepted: 0 };
        let named = InputCounts { accepted: 20, ..all };
        for counts in [all, named] {
            let found = rules(counts);
            assert_eq!(found.len(), 2, "{found:?}");
            assert_eq!(found[0].0, "conformance/refusals");
            assert!(!found[0].1.contains("--example") && !found[0].1.contains("enum"), "{found:?}");
            assert_eq!(found[1].0, "conformance/refusals-spec");
            assert!(found[1].1.contains("propose"), "{found:?}");
        }
        assert!(rules(InputCounts { unnamed_accepted: 1, ..named }).is_empty());
    }

    #[test]
    fn ten_findings_with_one_reason_are_one() {
        let finding = |rule: &str, why: &str, number: u32| {
            Finding::new(rule, format!("{why}{INPUT}{{\"n\":{number}}})")).in_test(format!("input {number}"))
        };
        let mut findings: Vec<Finding> = (0..10).map(|n| finding("conformance/trap", "it trapped", n)).collect();
        findings.push(finding("conformance/trap", "it exited", 11));
        findings.push(finding("conformance/output", "it trapped", 12));
        let grouped = one_for_each_reason(findings);
        let messages: Vec<&str> = grouped.iter().map(|finding| finding.message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "it trapped (input {\"n\":0}), and with 9 more inputs",
                "it exited (input {\"n\":11})",
                "it trapped (input {\"n\":12})"
            ]
        );
    }
}
