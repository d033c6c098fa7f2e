//! The test gate: the skill's own tests, in wasm, each in an instance and a vault of its own, under the grants of the
//! skill's class. What a guest prints decides nothing: a test passed when its export returned.
//!
//! Every test that passed is run again while the skill is sabotaged: its exported function fails, its answers become
//! successes, its branches are taken the other way, its other functions return nothing of use. A test that notices none
//! of this is *hollow*. The program with the sabotage in it is the program that is tested, its switch off: one
//! compilation, and what is sabotaged is what passed.

use std::time::Duration;

use super::gate::{Budget, Lasting, Said};
use super::harness::{Harness, Patience};
use super::plan::{CALLS_SUCCEED, EMPTY_VALUES, Edit, OTHER_BRANCHES, OTHER_VALUES, Plan, RUN_FAILS, TestFacts};
use super::{Subject, VerifyError, programs};
use crate::forge::compile::Product;
use crate::model::{finding::Finding, text};

/// Fewest tests of a skill.
const MIN_TESTS: usize = 3;
/// Fewest of them that notice when the exported function fails.
const MIN_LIVE: usize = 2;
/// Most tests of a skill.
const MAX_TESTS: usize = 200;
/// What all tests may take together, sabotage included.
const TIME: Duration = Duration::from_secs(120);

pub(super) fn check(subject: &Subject<'_>, plan: Result<&Plan, &str>) -> Result<Said, VerifyError> {
    let probed = match plan {
        Ok(plan) if plan.entry.is_some() => probe(subject, plan)?,
        _ => None,
    };
    let component = match probed {
        Some(component) => component,
        None => match own_program(subject, plan)? {
            Ok(component) => component,
            Err(findings) => return Ok(findings.into()),
        },
    };
    let (harness, names) = match Harness::open(subject, &component)? {
        Ok(opened) => opened,
        Err(finding) => return Ok(vec![finding].into()),
    };
    let mut findings = count(names.len());
    findings.extend(missing(&names, &subject.proposal.spec.required_tests));
    if names.len() > MAX_TESTS {
        return Ok(findings.into());
    }
    let facts = |name: &str| plan.ok().and_then(|plan| plan.tests.get(name)).cloned().unwrap_or_default();
    let mut said = run(subject, &harness, &names, &facts)?;
    findings.append(&mut said.findings);
    Ok(Said { findings, ..said })
}

/// The program with the sabotage in it, when it compiles with that of the exported function.
fn probe(subject: &Subject<'_>, plan: &Plan) -> Result<Option<Vec<u8>>, VerifyError> {
    let changes: Vec<&[Edit]> = plan.probes.iter().map(Vec::as_slice).collect();
    let fails = format!("on({RUN_FAILS})");
    let is_entry = |at: &usize| changes[*at].iter().any(|edit| edit.text.contains(&fails));
    let program = programs::compile(subject, &changes, Product::Tests)?;
    Ok(program.filter(|program| program.kept.iter().any(is_entry)).map(|program| program.component))
}

/// The sources as they are. Never good enough: either they do not compile, or nothing is known of their tests.
fn own_program(subject: &Subject<'_>, plan: Result<&Plan, &str>) -> Result<Result<Vec<u8>, Vec<Finding>>, VerifyError> {
    let made = subject.bench(subject.snapshot)?.compile(Product::Tests)?;
    let rename = |finding: Finding| Finding { rule: finding.rule.replacen("compile/", "test/compile/", 1), ..finding };
    if made.component.is_none() {
        return Ok(Err(made.findings.into_iter().map(rename).collect()));
    }
    let (why, place) = match plan {
        Err(why) => (why.to_owned(), None),
        Ok(Plan { entry: None, .. }) => ("`export_skill!` names no function of these sources".to_owned(), None),
        Ok(Plan { entry: Some((name, file, line)), .. }) => {
            (format!("`{name}` cannot be replaced by an error: make it a plain function"), Some((file, line)))
        }
    };
    let finding = Finding::new("test/entry", text::line(&why, 300));
    Ok(Err(vec![match place {
        Some((file, line)) => finding.at(file.clone(), *line),
        None => finding,
    }]))
}

fn run(
    subject: &Subject<'_>,
    harness: &Harness<'_>,
    names: &[String],
    facts: &dyn Fn(&str) -> TestFacts,
) -> Result<Said, VerifyError> {
    let budget = Budget::new(subject.clock, TIME);
    let mut said = Said::from(Vec::new());
    let mut live = 0;
    for name in names {
        if budget.is_spent() {
            let message = format!("the tests together take longer than {} s", budget.time.as_secs());
            said.findings.push(Finding::new("test/time", message).in_test(text::line(name, 200)));
            said.lasting = Lasting::No;
            return Ok(said);
        }
        if let Some(finding) = harness.failure(name, 0, Patience::Full)? {
            if finding.rule == "test/time" {
                said.lasting = Lasting::No;
            }
            said.findings.push(finding);
        } else if notices(harness, name, &OF_THE_ENTRY)? {
            live += 1;
        } else if !notices(harness, name, &OF_THE_REST)? {
            hollow(name, &facts(name), &subject.proposal.spec.required_tests, &mut said);
        }
    }
    if live < MIN_LIVE && said.findings.is_empty() {
        let message = format!(
            "{live} of {} tests notice when the exported function fails, at least {MIN_LIVE} must",
            names.len()
        );
        said.findings.push(Finding::new("test/hollow", message));
    }
    Ok(said)
}

/// Sabotage of the exported function. Only a test that notices it is one of the skill.
const OF_THE_ENTRY: [u32; 1] = [RUN_FAILS];
/// Sabotage of what a test is answered, and of everything around the exported function.
const OF_THE_REST: [u32; 4] = [CALLS_SUCCEED, OTHER_BRANCHES, EMPTY_VALUES, OTHER_VALUES];

/// Whether a test that passes fails when the skill is sabotaged in one of these ways.
fn notices(harness: &Harness<'_>, name: &str, ways: &[u32]) -> Result<bool, VerifyError> {
    for sabotage in ways {
        if harness.failure(name, *sabotage, Patience::Short)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A hollow test is a finding when it claims to test the skill or tests nothing at all. One about a type or a constant
/// of the skill can be honest: it is a remark, and no test of the skill.
fn hollow(name: &str, facts: &TestFacts, required: &[String], said: &mut Said) {
    let is_required = required.iter().any(|wanted| is_named(name, wanted));
    let honest = facts.mentions_skill && facts.asserts && !facts.mentions_entry && !is_required;
    let message = if facts.mentions_entry {
        "it passes unchanged when the skill's function is replaced by an error, and in every other way of breaking it"
    } else if !facts.asserts {
        "nothing in it can fail: it has no assertion"
    } else if !facts.mentions_skill {
        "nothing in it can fail through the skill: it tests nothing of it"
    } else {
        "it passes however the skill's functions are broken: it is about something else, and does not count as a test of them"
    };
    let finding = Finding::new("test/hollow", message).in_test(text::line(name, 200));
    let finding = if facts.file.is_empty() { finding } else { finding.at(facts.file.clone(), facts.line) };
    if honest { said.remarks.push(finding) } else { said.findings.push(finding) }
}

fn count(tests: usize) -> Vec<Finding> {
    match tests {
        n if n < MIN_TESTS => vec![Finding::new("test/count", format!("{n} tests, at least {MIN_TESTS} are wanted"))],
        n if n > MAX_TESTS => vec![Finding::new("test/count", format!("{n} tests, at most {MAX_TESTS} are run"))],
        _ => Vec::new(),
    }
}

/// The required tests that are not there.
fn missing(names: &[String], required: &[String]) -> Vec<Finding> {
    let gone = required.iter().filter(|wanted| !names.iter().any(|name| is_named(name, wanted)));
    gone.map(|wanted| {
        Finding::new("test/required", "the specification asks for this test, and it is not there")
            .in_test(wanted.clone())
    })
    .collect()
}

/// Whether a test has this name, in whatever module.
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
            let mut said = Said::from(Vec::new());
            hollow("tests::a", &facts, required, &mut said);
            said.findings.is_empty()
        };
        assert!(judge(false, true, true, &[]));
        assert!(!judge(true, true, true, &[]));
        assert!(!judge(false, false, true, &[]));
        assert!(!judge(false, true, false, &[]));
        assert!(!judge(false, true, true, &["a".to_owned()]));
    }
}
