//! The mutation gate: the tests and the examples must notice most small changes (mutants) of the skill.
//!
//! All mutants are compiled into one program and switched on one at a time: forty of them cost one compilation. Each is run
//! against the tests until one fails, then against the examples. `source_analysis::mutants` makes them.
//!
//! Guarantees: what no test noticed is listed, also when the gate passes.

use std::time::Duration;

use super::context::GateContext;
use super::error::VerifyError;
use super::gate::{GateOutcome, Repeatable, TimeBudget};
use super::source_analysis::{Insertion, Mutant, SourceAnalysis, switch::CALLS_SUCCEED};
use super::test_harness::{self, RunLimits, TestHarness};
use super::trial::{self, TrialRunner};
use super::{determinism, examples, instrument};
use crate::forge::compile::ProgramKind;
use crate::model::{example::Example, finding::Finding, text};

/// The share of mutants that must be noticed, in percent.
const REQUIRED_PERCENT: usize = 80;
/// The time for all of them together.
const TIME: Duration = Duration::from_secs(90);

pub(super) fn check(context: &GateContext<'_>, analysis: &SourceAnalysis) -> Result<GateOutcome, VerifyError> {
    let changes: Vec<&[Insertion]> = analysis.mutants.iter().map(|mutant| mutant.insertions.as_slice()).collect();
    let Some(program) = instrument::compile(context, &changes, ProgramKind::Tests)? else {
        return Ok(vec![Finding::new("mutation/compile", "no mutant of the sources compiles")].into());
    };
    let mutants: Vec<&Mutant> = program.kept.iter().map(|at| &analysis.mutants[*at]).collect();
    if mutants.is_empty() {
        return nothing_to_change(context, analysis);
    }
    let budget = TimeBudget::new(context.clock, TIME);
    let (harness, names) = match TestHarness::open(context, &program.component)? {
        Ok(opened) => opened,
        Err(finding) => return Ok(vec![finding].into()),
    };
    let mut left = Vec::new();
    for mutant in &mutants {
        if budget.is_spent() {
            return Ok(late(&budget));
        }
        if !noticed_by_tests(&harness, &names, mutant)? {
            left.push(*mutant);
        }
    }
    if !left.is_empty() && !context.proposal.spec.examples.is_empty() {
        left = unnoticed_by_examples(context, &changes, &program.kept, left, &budget)?;
    }
    if budget.is_spent() {
        return Ok(late(&budget));
    }
    Ok(score(mutants.len(), &left))
}

/// The skill has nothing that can be mutated. Then at least one test must compare an output: it fails when the outputs change.
fn nothing_to_change(context: &GateContext<'_>, analysis: &SourceAnalysis) -> Result<GateOutcome, VerifyError> {
    let changes: Vec<&[Insertion]> = analysis.sabotage.iter().map(Vec::as_slice).collect();
    let finding = Finding::new(
        "mutation/none",
        "the source has nothing to mutate, and no test compares an output of `call` with an expected value",
    );
    let Some(program) = instrument::compile(context, &changes, ProgramKind::Tests)? else {
        return Ok(vec![finding].into());
    };
    let (harness, names) = match TestHarness::open(context, &program.component)? {
        Ok(opened) => opened,
        Err(finding) => return Ok(vec![finding].into()),
    };
    for name in names {
        if harness.failure(&name, CALLS_SUCCEED, RunLimits::Short)?.is_some() {
            return Ok(Vec::new().into());
        }
    }
    Ok(vec![finding].into())
}

fn noticed_by_tests(harness: &TestHarness<'_>, names: &[String], mutant: &Mutant) -> Result<bool, VerifyError> {
    for name in names {
        if harness.failure(name, mutant.number, RunLimits::Short)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn unnoticed_by_examples<'m>(
    context: &GateContext<'_>,
    changes: &[&[Insertion]],
    kept: &[usize],
    left: Vec<&'m Mutant>,
    budget: &TimeBudget<'_>,
) -> Result<Vec<&'m Mutant>, VerifyError> {
    let changes: Vec<&[Insertion]> = kept.iter().map(|at| changes[*at]).collect();
    let Some(program) = instrument::compile(context, &changes, ProgramKind::Instrumented)? else { return Ok(left) };
    let Ok(compiled) = context.runtime.compile_tests(&program.component) else { return Ok(left) };
    let runner = TrialRunner::new(context, &compiled, test_harness::short(context.limits));
    let holds = |example: &Example, number: u32| -> Result<bool, VerifyError> {
        let trial = examples::run(context, &runner, example, determinism::with_switch(number))?;
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

/// Compares the share that was noticed with the required one. Lists the others in either case.
fn score(tried: usize, left: &[&Mutant]) -> GateOutcome {
    let noticed = tried - left.len();
    let survivors = left.iter().map(|mutant| {
        let message = format!("no test and no example notices that {}", mutant.what);
        Finding::new("mutation/survivor", text::line(&message, 300)).at(mutant.file.clone(), mutant.line)
    });
    let survivors: Vec<Finding> = survivors.collect();
    if noticed * 100 >= tried * REQUIRED_PERCENT {
        return GateOutcome { remarks: survivors, ..Vec::new().into() };
    }
    let message = format!(
        "the tests and examples notice {noticed} of {tried} small changes of the skill, at least {REQUIRED_PERCENT} % are required"
    );
    let mut findings = vec![Finding::new("mutation/score", message)];
    findings.extend(survivors);
    findings.into()
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn four_of_five_are_enough_and_three_of_four_are_not() {
        let mutant = Mutant {
            number: 100,
            file: "src/lib.rs".to_owned(),
            line: 3,
            what: "x".to_owned(),
            insertions: Vec::new(),
        };
        let verdict = |tried, left| {
            let outcome = score(tried, &vec![&mutant; left]);
            (outcome.findings.len(), outcome.remarks.len())
        };
        assert_eq!(verdict(5, 1), (0, 1));
        assert_eq!(verdict(4, 1), (2, 0));
        assert_eq!(verdict(0, 0), (0, 0));
        assert_eq!(verdict(3, 0), (0, 0));
        assert_eq!(verdict(1, 1), (2, 0));
    }
}
