//! The mutation gate: of small changes of the skill, the tests and the examples must notice most.
//!
//! All changes are compiled into one program and switched on one at a time, so that forty of them cost one compilation
//! and not forty. Each is tried on the tests until one fails, then on the examples.

use std::time::Duration;

use super::gate::{Budget, Lasting, Said};
use super::harness::{self, Harness, Patience};
use super::plan::{CALLS_SUCCEED, Edit, Mutant, Plan};
use super::runs::{self, Runner};
use super::{Subject, VerifyError, examples, programs};
use crate::forge::compile::Product;
use crate::model::{example::Example, finding::Finding, text};

/// How many of a hundred must be noticed.
const WANTED: usize = 80;
/// What all of them may take together.
const TIME: Duration = Duration::from_secs(90);

pub(super) fn check(subject: &Subject<'_>, plan: &Plan) -> Result<Said, VerifyError> {
    let changes: Vec<&[Edit]> = plan.mutants.iter().map(|mutant| mutant.edits.as_slice()).collect();
    let Some(program) = programs::compile(subject, &changes, Product::Tests)? else {
        return Ok(vec![Finding::new("mutation/compile", "no changed version of the sources compiles")].into());
    };
    let mutants: Vec<&Mutant> = program.kept.iter().map(|at| &plan.mutants[*at]).collect();
    if mutants.is_empty() {
        return nothing_to_change(subject, plan);
    }
    let budget = Budget::new(subject.clock, TIME);
    let (harness, names) = match Harness::open(subject, &program.component)? {
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
    if !left.is_empty() && !subject.proposal.spec.examples.is_empty() {
        left = unnoticed_by_examples(subject, &changes, &program.kept, left, &budget)?;
    }
    if budget.is_spent() {
        return Ok(late(&budget));
    }
    Ok(judge(mutants.len(), &left))
}

/// There is no small change in what the skill computes. What can still be asked is whether any test looks at an answer.
fn nothing_to_change(subject: &Subject<'_>, plan: &Plan) -> Result<Said, VerifyError> {
    let changes: Vec<&[Edit]> = plan.probes.iter().map(Vec::as_slice).collect();
    let finding = Finding::new(
        "mutation/none",
        "nothing in the source can be changed a little, and no test compares an answer of `call` with what it must be",
    );
    let Some(program) = programs::compile(subject, &changes, Product::Tests)? else { return Ok(vec![finding].into()) };
    let (harness, names) = match Harness::open(subject, &program.component)? {
        Ok(opened) => opened,
        Err(finding) => return Ok(vec![finding].into()),
    };
    for name in names {
        if harness.failure(&name, CALLS_SUCCEED, Patience::Short)?.is_some() {
            return Ok(Vec::new().into());
        }
    }
    Ok(vec![finding].into())
}

fn noticed_by_tests(harness: &Harness<'_>, names: &[String], mutant: &Mutant) -> Result<bool, VerifyError> {
    for name in names {
        if harness.failure(name, mutant.number, Patience::Short)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn unnoticed_by_examples<'m>(
    subject: &Subject<'_>,
    changes: &[&[Edit]],
    kept: &[usize],
    left: Vec<&'m Mutant>,
    budget: &Budget<'_>,
) -> Result<Vec<&'m Mutant>, VerifyError> {
    let changes: Vec<&[Edit]> = kept.iter().map(|at| changes[*at]).collect();
    let Some(program) = programs::compile(subject, &changes, Product::Changed)? else { return Ok(left) };
    let Ok(compiled) = subject.runtime.compile_tests(&program.component) else { return Ok(left) };
    let runner = Runner::new(subject, &compiled, harness::short(subject.limits));
    let holds = |example: &Example, number: u32| -> Result<bool, VerifyError> {
        let ran = examples::run(subject, &runner, example, runs::switched(number))?;
        let fine = runs::broken(&subject.proposal.spec, &ran).is_none();
        Ok(fine && examples::compare(example, &ran).is_ok())
    };
    let mut sound = Vec::new();
    for example in &subject.proposal.spec.examples {
        // An example that does not hold without a change notices nothing.
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

fn late(budget: &Budget<'_>) -> Said {
    let message = format!("trying the changes takes longer than {} s", budget.time.as_secs());
    Said { lasting: Lasting::No, ..vec![Finding::new("mutation/time", message)].into() }
}

/// Whether enough was noticed. What was not is listed in either case.
fn judge(tried: usize, left: &[&Mutant]) -> Said {
    let noticed = tried - left.len();
    let survivors = left.iter().map(|mutant| {
        let message = format!("no test and no example notices that {}", mutant.what);
        Finding::new("mutation/survivor", text::line(&message, 300)).at(mutant.file.clone(), mutant.line)
    });
    let survivors: Vec<Finding> = survivors.collect();
    if noticed * 100 >= tried * WANTED {
        return Said { remarks: survivors, ..Vec::new().into() };
    }
    let message = format!(
        "the tests and examples notice {noticed} of {tried} small changes of the skill, at least {WANTED} % are wanted"
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
        let mutant =
            Mutant { number: 100, file: "src/lib.rs".to_owned(), line: 3, what: "x".to_owned(), edits: Vec::new() };
        let verdict = |tried, left| {
            let said = judge(tried, &vec![&mutant; left]);
            (said.findings.len(), said.remarks.len())
        };
        assert_eq!(verdict(5, 1), (0, 1));
        assert_eq!(verdict(4, 1), (2, 0));
        assert_eq!(verdict(0, 0), (0, 0));
        assert_eq!(verdict(3, 0), (0, 0));
        assert_eq!(verdict(1, 1), (2, 0));
    }
}
