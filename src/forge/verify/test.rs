//! The test gate: the skill's own tests, in wasm. Each runs in its own instance with its own vault, under the grants of the class.
//!
//! Every test that passed runs again while the skill is sabotaged. In turn the exported function fails, calls succeed with other
//! outputs, branches go the other way, other functions return useless values. A test that notices none of this is *hollow*.
//!
//! Guarantees: output of a guest decides nothing; a test passed when its export returned. The tested program contains the
//! sabotage with the switch off, so the program that is sabotaged is exactly the one that passed.

use std::time::Duration;

use super::context::GateContext;
use super::error::VerifyError;
use super::gate::{GateOutcome, Repeatable, TimeBudget};
use super::source_analysis::switch::{CALLS_SUCCEED, EMPTY_VALUES, OTHER_BRANCHES, OTHER_VALUES, RUN_FAILS};
use super::source_analysis::{SourceAnalysis, TestFacts};
use super::test_calls::TestedComponents;
use super::test_harness::{RunLimits, TestHarness, TestedProgram};
use super::test_program::TestProgram;
use crate::forge::compile::ProgramKind;
use crate::model::{finding::Finding, text};

/// Fewest tests of a skill.
const MIN_TESTS: usize = 3;
/// Fewest of them that must notice when the exported function fails.
const MIN_LIVE: usize = 2;
/// Most tests of a skill.
const MAX_TESTS: usize = 200;
/// The time for all tests together, sabotage included.
const TIME: Duration = Duration::from_secs(120);

/// What the gate found, and the program for the gates after it.
pub(super) struct Tested<'a> {
    pub(super) outcome: GateOutcome,
    pub(super) program: Option<TestProgram<'a>>,
}

pub(super) fn check<'a>(
    context: &'a GateContext<'a>,
    analysis: Result<&SourceAnalysis, &str>,
    components: impl FnOnce(&SourceAnalysis) -> Result<TestedComponents, VerifyError>,
) -> Result<Tested<'a>, VerifyError> {
    let failed = |findings: Vec<Finding>| Ok(Tested { outcome: findings.into(), program: None });
    let made = match analysis {
        Ok(analysis) if analysis.entry.is_some() => TestProgram::make(context, analysis, || components(analysis))?,
        _ => None,
    };
    // Without the sabotage of the exported function nothing of it could be tested.
    let sabotaged = |made: &Result<TestProgram<'_>, Finding>| match made {
        Ok(program) => program.program.sabotages(RUN_FAILS),
        Err(_) => true,
    };
    let program = match made.filter(sabotaged) {
        Some(Ok(program)) => program,
        Some(Err(finding)) => return failed(vec![finding]),
        None => return failed(unchanged_program(context, analysis)?),
    };
    let names = &program.names;
    let mut findings = count(names.len());
    findings.extend(missing(names, &context.proposal.spec.required_tests));
    // Before any of them runs.
    if names.len() > MAX_TESTS {
        return failed(findings);
    }
    let facts = |name: &str| analysis.ok().and_then(|analysis| analysis.tests.get(name)).cloned().unwrap_or_default();
    let replaced = analysis.map(|analysis| analysis.replaced.as_slice()).unwrap_or_default();
    let sources = TestedSources { facts: &facts, replaced };
    let mut outcome = run(context, &program.harness, names, &sources)?;
    findings.append(&mut outcome.findings);
    Ok(Tested { outcome: GateOutcome { findings, ..outcome }, program: Some(program) })
}

/// The program of the unchanged sources. It never passes: either it does not compile, or its tests cannot be sabotaged.
fn unchanged_program(
    context: &GateContext<'_>,
    analysis: Result<&SourceAnalysis, &str>,
) -> Result<Vec<Finding>, VerifyError> {
    let made = context.sandbox(context.snapshot)?.compile(ProgramKind::Tests)?;
    let rename = |finding: Finding| Finding { rule: finding.rule.replacen("compile/", "test/compile/", 1), ..finding };
    if made.component.is_none() {
        return Ok(made.findings.into_iter().map(rename).collect());
    }
    let (why, place) = match analysis {
        Err(why) => (why.to_owned(), None),
        Ok(SourceAnalysis { entry: None, .. }) => {
            ("`export_skill!` names no function of these sources".to_owned(), None)
        }
        Ok(SourceAnalysis { entry: Some(entry), .. }) => {
            let why = format!("`{}` cannot be replaced by an error: make it a plain function", entry.name);
            (why, Some((&entry.file, entry.line)))
        }
    };
    let finding = Finding::new("test/entry", text::line(&why, 300));
    Ok(vec![match place {
        Some((file, line)) => finding.at(file.clone(), line),
        None => finding,
    }])
}

/// What is known of the tested sources.
struct TestedSources<'a> {
    /// What the test of this name mentions.
    facts: &'a dyn Fn(&str) -> TestFacts,
    /// The functions that the sabotage replaces.
    replaced: &'a [String],
}

fn run(
    context: &GateContext<'_>,
    harness: &TestHarness<'_>,
    names: &[String],
    sources: &TestedSources<'_>,
) -> Result<GateOutcome, VerifyError> {
    let budget = TimeBudget::new(context.clock, TIME);
    let mut outcome = GateOutcome::from(Vec::new());
    let mut live = 0;
    for name in names {
        if budget.is_spent() {
            let message = format!("the tests together take longer than {} s", budget.time.as_secs());
            outcome.findings.push(Finding::new("test/time", message).in_test(text::line(name, 200)));
            outcome.repeatable = Repeatable::No;
            return Ok(outcome);
        }
        // First with the component that would be promoted. Only its result says that the test
        // passes.
        let mut failure = harness.failure(name, TestedProgram::Released, RunLimits::Full)?;
        if failure.is_none() {
            failure = harness.failure(name, TestedProgram::Counted, RunLimits::Full)?.map(differs);
        }
        if let Some(finding) = failure {
            if finding.rule == "test/time" {
                outcome.repeatable = Repeatable::No;
            }
            outcome.findings.push(finding);
        // Only after it passed: a test that fails anyway notices everything.
        } else if notices(harness, name, &ENTRY_SABOTAGE)? {
            live += 1;
        } else if !notices(harness, name, &OTHER_SABOTAGE)? {
            let test = HollowTest { name, facts: &(sources.facts)(name), replaced: sources.replaced };
            test.report(&context.proposal.spec.required_tests, &mut outcome);
        }
    }
    // A hollow test was reported by itself. The count would say the same once more.
    if live < MIN_LIVE && outcome.findings.is_empty() {
        let message = format!(
            "{live} of {} tests notice when the component fails, at least {MIN_LIVE} must: give the exported function itself to \
             `call` (`call(run, json!({{…}}))`), because no other call runs the component",
            names.len()
        );
        outcome.findings.push(Finding::new("test/hollow", message));
    }
    Ok(outcome)
}

/// The finding for a test that fails with the twin only.
fn differs(finding: Finding) -> Finding {
    if finding.rule == "test/time" {
        return finding;
    }
    let message = format!(
        "it passes, and fails when the same sources are compiled with counters, so they can tell one program from another: {}",
        finding.message
    );
    Finding { rule: "test/differs".to_owned(), message: text::line(&message, 600), ..finding }
}

/// Sabotage of the exported function, in the component alone. Only a test that notices it counts as a test of the skill.
const ENTRY_SABOTAGE: [TestedProgram; 1] = [TestedProgram::TwinChanged(RUN_FAILS)];
/// Sabotage of the outputs that a test gets, and of all functions.
const OTHER_SABOTAGE: [TestedProgram; 5] = [
    TestedProgram::Changed(RUN_FAILS),
    TestedProgram::Changed(CALLS_SUCCEED),
    TestedProgram::Changed(OTHER_BRANCHES),
    TestedProgram::Changed(EMPTY_VALUES),
    TestedProgram::Changed(OTHER_VALUES),
];

/// Whether a test that passed fails under one of these kinds of sabotage.
fn notices(harness: &TestHarness<'_>, name: &str, ways: &[TestedProgram]) -> Result<bool, VerifyError> {
    for sabotage in ways {
        // A sabotaged program may loop for ever. A short limit ends it, and that is a failure like
        // any other.
        if harness.failure(name, *sabotage, RunLimits::Short)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A test that passed under every sabotage.
struct HollowTest<'a> {
    name: &'a str,
    facts: &'a TestFacts,
    /// The functions that the sabotage replaced, the exported one first.
    replaced: &'a [String],
}

impl HollowTest<'_> {
    /// Reports the test. It is a finding when it claims to test the skill, or tests nothing. A test
    /// of a type or a constant of the skill can be honest: it is a remark, and does not count as a
    /// test of the skill.
    fn report(&self, required: &[String], outcome: &mut GateOutcome) {
        let facts = self.facts;
        let is_required = required.iter().any(|wanted| is_named(self.name, wanted));
        // A test of a constant cannot notice a broken function, and is no lie. One that names the
        // exported function claims to test it.
        let honest = facts.mentions_skill && facts.asserts && !facts.mentions_entry && !is_required;
        let message = if facts.mentions_entry {
            let entry = self.replaced.first().map_or("the exported function", String::as_str);
            format!(
                "it still passes when `{entry}` is replaced by an error, {}: compare the output of `call`, or the error, with \
                 the value that you expect",
                self.also_broken()
            )
        } else if !facts.asserts {
            "it cannot fail: it has no assertion. Add an `assert_eq!` on a value that the skill computes".to_owned()
        } else if !facts.mentions_skill {
            "it uses nothing of the skill, so it tests nothing of it. Call the skill with `call(run, json!({…}))`"
                .to_owned()
        } else {
            format!("it does not count as a test of the skill's functions: it passes {}", self.also_broken())
        };
        let finding = Finding::new("test/hollow", message).in_test(text::line(self.name, 200));
        let finding = if facts.file.is_empty() { finding } else { finding.at(facts.file.clone(), facts.line) };
        if honest { outcome.remarks.push(finding) } else { outcome.findings.push(finding) }
    }

    /// What else was broken while the test passed.
    fn also_broken(&self) -> String {
        const NAMED: usize = 8;
        let others = self.replaced.get(1..).unwrap_or_default();
        let names: Vec<String> = others.iter().take(NAMED).map(|name| format!("`{name}`")).collect();
        let more = others.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let functions = match names.as_slice() {
            [] => String::new(),
            names => format!(", when {}{more} return an empty or another value", names.join(", ")),
        };
        format!("when `call` gives a meaningless output, when every `if` takes its other branch{functions}")
    }
}

fn count(tests: usize) -> Vec<Finding> {
    match tests {
        n if n < MIN_TESTS => vec![Finding::new("test/count", format!("{n} tests, at least {MIN_TESTS} are required"))],
        n if n > MAX_TESTS => vec![Finding::new("test/count", format!("{n} tests, at most {MAX_TESTS} are run"))],
        _ => Vec::new(),
    }
}

/// The required tests that are missing.
fn missing(names: &[String], required: &[String]) -> Vec<Finding> {
    let gone = required.iter().filter(|wanted| !names.iter().any(|name| is_named(name, wanted)));
    gone.map(|wanted| {
        Finding::new("test/required", "the specification requires this test, and it is missing").in_test(wanted.clone())
    })
    .collect()
}

/// Whether a test has this name, in any module.
fn is_named(test: &str, name: &str) -> bool {
    test.rsplit("::").next() == Some(name)
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn three_tests_at_least_and_not_too_many() {
        assert_eq!(count(0).len(), 1);
        assert_eq!(count(MIN_TESTS - 1).len(), 1);
        assert_eq!(count(MAX_TESTS + 1).len(), 1);
        assert!(count(MIN_TESTS).is_empty());
    }

    #[test]
    fn a_required_test_is_found_in_any_module() {
        let names = ["tests::works".to_owned(), "tests::inner::refuses".to_owned()];
        assert!(missing(&names, &["works".to_owned(), "refuses".to_owned()]).is_empty());
        assert_eq!(missing(&names, &["inner".to_owned(), "orks".to_owned()]).len(), 2);
    }

    #[test]
    fn only_a_hollow_test_about_something_else_is_forgiven() {
        let judge = |mentions_entry, mentions_skill, asserts, required: &[String]| {
            let facts = TestFacts { mentions_entry, mentions_skill, asserts, ..TestFacts::default() };
            let mut outcome = GateOutcome::from(Vec::new());
            HollowTest { name: "tests::a", facts: &facts, replaced: &[] }.report(required, &mut outcome);
            outcome.findings.is_empty()
        };
        assert!(judge(false, true, true, &[]));
        assert!(!judge(true, true, true, &[]));
        assert!(!judge(false, false, true, &[]));
        assert!(!judge(false, true, false, &[]));
        assert!(!judge(false, true, true, &["a".to_owned()]));
    }

    #[test]
    fn a_hollow_test_is_told_what_was_broken() {
        let facts = TestFacts { mentions_entry: true, asserts: true, mentions_skill: true, ..TestFacts::default() };
        let replaced = ["run".to_owned(), "words_of".to_owned(), "is_blank".to_owned()];
        let mut outcome = GateOutcome::from(Vec::new());
        HollowTest { name: "tests::a", facts: &facts, replaced: &replaced }.report(&[], &mut outcome);
        let message = &outcome.findings[0].message;
        for part in ["when `run` is replaced by an error", "when `words_of`, `is_blank` return an empty", "compare"] {
            assert!(message.contains(part), "{part}: {message}");
        }
    }
}
