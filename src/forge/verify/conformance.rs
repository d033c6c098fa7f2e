//! The conformance gate: the release component keeps the rules for inputs that nobody chose.
//!
//! Inputs are drawn from the schema, seeded by the digest of the sources. A valid input runs twice, in new instances with
//! different clocks and seeds. The rules: no trap, the output matches its schema, no file before an error, no file outside the
//! declared folders, the same outcome both times. An invalid input must be refused by the host's own check of inputs. The
//! component gets it all the same, and a broken rule is then only a remark, because no run outside this gate gets that far.
//!
//! Guarantees: the same sources are checked with the same inputs.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::context::GateContext;
use super::error::VerifyError;
use super::gate::{GateOutcome, Repeatable, TimeBudget};
use super::source_analysis::InputHints;
use super::trial::{self, RuleViolation, TimedOut, Trial, TrialEnd, TrialRunner};
use super::{determinism, vectors};
use crate::model::{
    finding::Finding,
    json::{self, JsonLimits},
    spec::SkillSpec,
    text,
};
use crate::runtime::CompiledComponent;

/// Number of inputs.
const INPUTS: usize = 500;
/// The time for all runs together.
const TIME: Duration = Duration::from_secs(60);
/// After this many findings the gate stops.
const ENOUGH: usize = 10;
/// Fewest valid inputs that the skill must accept. Only one, because a schema cannot express every condition: hardly any drawn
/// text is the path of a note. But a skill that refuses every input is useless.
const MIN_ACCEPTED: usize = 1;
/// From this many inputs on that no test and no example names, one of them must be accepted.
const MANY_UNNAMED: usize = 100;

/// Runs the gate.
pub(super) fn check(
    context: &GateContext<'_>,
    compiled: &CompiledComponent,
    hints: &InputHints,
) -> Result<GateOutcome, VerifyError> {
    let spec = &context.proposal.spec;
    let seed = context.snapshot.digest().to_string();
    let vault = tempfile::tempdir_in(context.scratch).map_err(VerifyError::Folder)?;
    trial::seed(vault.path(), &vectors::files(spec, hints)).map_err(VerifyError::Folder)?;
    let runner = TrialRunner::new(context, compiled, context.limits.clone());
    let budget = TimeBudget::new(context.clock, TIME);
    let mut outcome = GateOutcome::from(Vec::new());
    let mut counts = InputCounts::default();
    for (number, vector) in vectors::draw(spec, hints, seed.as_bytes(), INPUTS).into_iter().enumerate() {
        if budget.is_spent() {
            let message = format!("{INPUTS} inputs take longer than {} s", budget.time.as_secs());
            outcome.findings.push(Finding::new("conformance/time", message));
            outcome.repeatable = Repeatable::No;
            return Ok(outcome);
        }
        let drawn = DrawnInput { number, input: &vector.input };
        if vector.valid {
            let Checked { trial, broken } = check_valid(context, &runner, &drawn, vault.path())?;
            counts.valid += 1;
            if let Some(broken) = broken.as_ref().filter(|broken| broken.rule == "path")
                && drawn.names_what_was_written(spec, &trial)
            {
                if outcome.remarks.len() < ENOUGH {
                    let why = format!("the host refuses this run: {}", broken.message);
                    outcome.remarks.push(drawn.finding("elsewhere", &why));
                }
                continue;
            }
            counts.add(&trial, vectors::is_named(spec, hints, &vector.input));
            if matches!(trial.end, TrialEnd::Stopped { timed_out: TimedOut::Yes, .. }) {
                outcome.repeatable = Repeatable::No;
            }
            outcome.findings.extend(broken.map(|broken| drawn.finding(broken.rule, &broken.message)));
        } else if is_let_through(context, &drawn.text()) {
            let why = "the input does not match the schema, and the check of inputs accepts it";
            outcome.findings.push(drawn.finding("accepted", why));
        } else if outcome.remarks.len() < ENOUGH {
            let trial = runner.run(&drawn.text(), vault.path(), determinism::with_switch(0))?;
            let broken = trial::violation(spec, &trial);
            outcome.remarks.extend(broken.map(|broken| drawn.unguarded(&broken)));
        }
        if outcome.findings.len() >= ENOUGH {
            outcome.findings = one_for_each_reason(outcome.findings);
            return Ok(outcome);
        }
    }
    outcome.findings = one_for_each_reason(outcome.findings);
    outcome.remarks = one_for_each_reason(outcome.remarks);
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
                 input that it accepts (`call(run, json!({{…}}))`), because inputs are drawn near those of the tests",
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
}

/// Runs a valid input twice, and a third time on another day if the skill may read the clock.
fn check_valid(
    context: &GateContext<'_>,
    runner: &TrialRunner<'_>,
    drawn: &DrawnInput<'_>,
    vault: &Path,
) -> Result<Checked, VerifyError> {
    let (spec, input) = (&context.proposal.spec, drawn.text());
    let trial = runner.run(&input, vault, determinism::with_switch(0))?;
    let mut broken = trial::violation(spec, &trial);
    if broken.is_none() {
        let second = runner.run(&input, vault, determinism::second(spec))?;
        let difference = trial::repeat_difference(&trial, &second);
        broken = difference.map(|message| RuleViolation { rule: "repeat", message: message.to_owned() });
        if spec.reads_clock && broken.is_none() {
            let other_day = runner.run(&input, vault, determinism::other_day(drawn.number as u64))?;
            broken = trial::violation(spec, &other_day);
        }
    }
    Ok(Checked { trial, broken })
}

/// Whether the check of inputs, which comes before every run, accepts an input.
fn is_let_through(context: &GateContext<'_>, input: &str) -> bool {
    let parsed = json::parse(input.as_bytes(), JsonLimits::default());
    parsed.is_ok_and(|value| context.proposal.spec.io.check_input(&value).is_ok())
}

/// A drawn input and its number.
struct DrawnInput<'a> {
    number: usize,
    input: &'a Value,
}

impl DrawnInput<'_> {
    fn text(&self) -> String {
        json::canonical(self.input)
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
                Value::String(text) => path == text.trim_end_matches('/') || (text.len() > 3 && path.contains(text)),
                Value::Array(items) => items.iter().any(|item| within(item, path)),
                Value::Object(map) => map.values().any(|item| within(item, path)),
                Value::Null | Value::Bool(_) | Value::Number(_) => false,
            }
        }
        let staged = trial.staged.as_deref().unwrap_or_default();
        let mut outside = staged.iter().filter(|effect| !spec.may_write(&effect.path)).peekable();
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
