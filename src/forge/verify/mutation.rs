//! The mutation gate: the tests and the examples must notice most small changes (mutants) of the skill.
//!
//! All mutants are compiled into the instrumented programs and switched on one at a time. Each is run against the tests until one
//! fails, then against the examples. `source_analysis::mutants` makes them.
//!
//! Guarantees: what no test noticed is listed, also when the gate passes.

use std::time::Duration;

use super::context::GateContext;
use super::error::VerifyError;
use super::examples;
use super::exchanges::TrialExchanges;
use super::gate::{GateOutcome, Repeatable, TimeBudget};
use super::source_analysis::{ChangeKind, Mutant, SourceAnalysis, Touch, switch, switch::CALLS_SUCCEED};
use super::test_harness::{self, RunLimits, TestHarness, TestedProgram};
use super::test_program::TestProgram;
use super::trial::{self, TrialInput, TrialRunner};
use super::twin::{RecordedTrial, Twin};
use super::unused_texts;
use crate::model::{example::Example, finding::Finding, json, text};

/// The share of mutants that must be noticed, in percent.
const REQUIRED_PERCENT: usize = 80;
/// The time for all of them together.
const TIME: Duration = Duration::from_secs(90);

/// What the gate needs besides the sources.
pub(super) struct Programs<'a> {
    pub(super) tests: &'a TestProgram<'a>,
    /// The twin of the component. `None` when it does not compile.
    pub(super) twin: Option<&'a Twin>,
    /// The runs of the component.
    pub(super) trials: &'a [RecordedTrial],
}

pub(super) fn check(
    context: &GateContext<'_>,
    analysis: &SourceAnalysis,
    programs: &Programs<'_>,
) -> Result<GateOutcome, VerifyError> {
    let tests = programs.tests;
    let mutants = tests.program.mutants(analysis);
    let budget = TimeBudget::new(context.clock, TIME);
    let mut left = Vec::new();
    for mutant in &mutants {
        if budget.is_spent() {
            return Ok(late(&budget));
        }
        if !noticed_by_tests(&tests.harness, &tests.names, mutant)? {
            left.push(*mutant);
        }
    }
    if let Some(twin) = programs.twin.filter(|_| !left.is_empty() && !context.proposal.spec.examples.is_empty()) {
        left = unnoticed_by_examples(context, twin, left, &budget)?;
    }
    if budget.is_spent() {
        return Ok(late(&budget));
    }
    let mut outcome = score(&mutants, &left);
    if mutants.iter().all(|mutant| mutant.change == ChangeKind::Fails) {
        outcome.findings.extend(nothing_to_change(tests)?);
    }
    if let Some(twin) = programs.twin {
        outcome.remarks.extend(unused_texts::remarks(context, &twin.texts(analysis), tests, programs.trials, twin)?);
    }
    Ok(outcome)
}

/// The skill has nothing that can be mutated. Then at least one test must compare an output: it fails when the outputs change.
fn nothing_to_change(tests: &TestProgram<'_>) -> Result<Option<Finding>, VerifyError> {
    for name in &tests.names {
        if tests.harness.failure(name, TestedProgram::Changed(CALLS_SUCCEED), RunLimits::Short)?.is_some() {
            return Ok(None);
        }
    }
    let message = "the source has nothing to mutate, and no test compares an output of `call` with an expected value";
    Ok(Some(Finding::new("mutation/none", message)))
}

fn noticed_by_tests(harness: &TestHarness<'_>, names: &[String], mutant: &Mutant) -> Result<bool, VerifyError> {
    // Whether a call through the host is asked for can be told by a run of the skill alone. A test of an inner function could
    // ask for what no run does.
    let program = match mutant.change {
        ChangeKind::Fails => TestedProgram::TwinChanged(mutant.number),
        ChangeKind::Alters | ChangeKind::LeavesOut => TestedProgram::Changed(mutant.number),
    };
    for name in names {
        if harness.failure(name, program, RunLimits::Short)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn unnoticed_by_examples<'m>(
    context: &GateContext<'_>,
    twin: &Twin,
    left: Vec<&'m Mutant>,
    budget: &TimeBudget<'_>,
) -> Result<Vec<&'m Mutant>, VerifyError> {
    let runner = TrialRunner::new(context, &twin.compiled, test_harness::short(context.limits, 0));
    let holds = |example: &Example, number: u32| -> Result<bool, VerifyError> {
        let (vault, input) = (examples::vault(context, example)?, json::canonical(&example.input));
        let determinism = examples::determinism(context, example, 0);
        let given = TrialInput {
            input: &input,
            vault: vault.path(),
            determinism,
            exchanges: TrialExchanges::Declared { exchanges: &example.exchanges, signatures: &example.signatures },
        };
        let trial = runner.run_instrumented(&given, &switch::environment(number))?;
        let fine = trial::violation(&context.proposal.spec, &trial).is_none();
        Ok(fine && examples::compare(example, &trial).is_ok())
    };
    let mut sound = Vec::new();
    for example in &context.proposal.spec.examples {
        // An example that already fails without a mutant proves nothing.
        if holds(example, 0)? {
            sound.push(example);
        }
    }
    let mut unnoticed = Vec::new();
    for mutant in left {
        let mut noticed = false;
        for example in &sound {
            noticed = noticed || budget.is_spent() || !holds(example, mutant.number)?;
        }
        if !noticed {
            unnoticed.push(mutant);
        }
    }
    Ok(unnoticed)
}

fn late(budget: &TimeBudget<'_>) -> GateOutcome {
    let message = format!("the mutants take longer than {} s", budget.time.as_secs());
    GateOutcome { repeatable: Repeatable::No, ..vec![Finding::new("mutation/time", message)].into() }
}

/// How much a mutant counts: one that reaches the vault, the log, an error or the output counts
/// more than one of a value or its format.
fn weight(mutant: &Mutant) -> usize {
    match mutant.touch {
        Touch::Values => 1,
        Touch::Outcome | Touch::Access => 2,
    }
}

/// Whether a mutant that nobody noticed leaves out a read or a write, or makes it fail. Then the skill reads or writes what no
/// test asks for.
fn is_unasked_access(mutant: &Mutant) -> bool {
    mutant.touch == Touch::Access && mutant.change != ChangeKind::Alters
}

/// Compares the share that was noticed with the required one. Lists the others in either case.
fn score(tried: &[&Mutant], left: &[&Mutant]) -> GateOutcome {
    let counts = |mutant: &&&Mutant| mutant.change != ChangeKind::Fails;
    let number = |mutants: &[&Mutant]| mutants.iter().filter(counts).count();
    let sum = |mutants: &[&Mutant]| mutants.iter().filter(counts).map(|mutant| weight(mutant)).sum::<usize>();
    let at = |rule: &str, message: &str, mutant: &Mutant| {
        Finding::new(rule, text::line(message, 400)).at(mutant.file.clone(), mutant.line)
    };
    let survivors: Vec<Finding> = left
        .iter()
        .filter(counts)
        .map(|mutant| at("mutation/survivor", &format!("no test and no example notices that {}", mutant.what), mutant))
        .collect();
    let mut findings: Vec<Finding> = left
        .iter()
        .filter(|mutant| is_unasked_access(mutant))
        .map(|mutant| {
            let message = format!(
                "no test asks for what this reads or writes, because none notices that {}: check in a test of the whole skill \
                 (`call(run, …)`) what it does, or remove it",
                mutant.what
            );
            at("mutation/access", &message, mutant)
        })
        .collect();
    let (all, missed) = (sum(tried), sum(left));
    if (all - missed) * 100 < all * REQUIRED_PERCENT {
        let message = format!(
            "the tests and examples notice {} of {} small changes of the skill. Those of the vault, the log, errors and the output \
             count twice, which makes {} of {all}. At least {REQUIRED_PERCENT} % are required: compare outputs and written files in \
             more tests",
            number(tried) - number(left),
            number(tried),
            all - missed,
        );
        findings.insert(0, Finding::new("mutation/score", message));
    }
    if findings.is_empty() {
        return GateOutcome { remarks: survivors, ..Vec::new().into() };
    }
    findings.extend(survivors);
    findings.into()
}

#[cfg(test)]
mod unit {
    use super::*;

    fn mutant(touch: Touch, change: ChangeKind) -> Mutant {
        let (file, what) = ("src/lib.rs".to_owned(), "x".to_owned());
        Mutant { number: 100, file, line: 3, what, touch, change, insertions: Vec::new() }
    }

    #[test]
    fn four_of_five_are_enough_and_three_of_four_are_not() {
        let mutant = mutant(Touch::Values, ChangeKind::Alters);
        let verdict = |tried, left| {
            let outcome = score(&vec![&mutant; tried], &vec![&mutant; left]);
            (outcome.findings.len(), outcome.remarks.len())
        };
        assert_eq!(verdict(5, 1), (0, 1));
        assert_eq!(verdict(4, 1), (2, 0));
        assert_eq!(verdict(0, 0), (0, 0));
        assert_eq!(verdict(3, 0), (0, 0));
        assert_eq!(verdict(1, 1), (2, 0));
    }

    #[test]
    fn what_reaches_the_vault_or_the_output_counts_twice() {
        let (value, outcome) = (mutant(Touch::Values, ChangeKind::Alters), mutant(Touch::Outcome, ChangeKind::Alters));
        // Five mutants, one of them survives: a value is 1 of 6, the output is 2 of 6.
        let tried = [&value, &value, &value, &value, &outcome];
        assert!(score(&tried, &[&value]).findings.is_empty());
        assert_eq!(score(&tried, &[&outcome]).findings[0].rule, "mutation/score");
    }

    #[test]
    fn a_read_that_can_be_left_out_unnoticed_is_refused_whatever_the_score() {
        let value = mutant(Touch::Values, ChangeKind::Alters);
        let access = mutant(Touch::Access, ChangeKind::LeavesOut);
        let mut tried = vec![&value; 40];
        tried.push(&access);
        let outcome = score(&tried, &[&access]);
        let rules: Vec<&str> = outcome.findings.iter().map(|finding| finding.rule.as_str()).collect();
        assert_eq!(rules, ["mutation/access", "mutation/survivor"]);
        let fails = mutant(Touch::Access, ChangeKind::Fails);
        tried.push(&fails);
        let rules: Vec<String> = score(&tried, &[&fails]).findings.into_iter().map(|finding| finding.rule).collect();
        assert_eq!(rules, ["mutation/access"]);
        let altered = mutant(Touch::Access, ChangeKind::Alters);
        assert!(score(&tried, &[&altered]).findings.is_empty());
    }
}
