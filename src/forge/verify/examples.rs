//! The examples gate: the spec's examples, run on the exact release component, each twice, in an instance and a vault of
//! its own, with another clock and seed the second time.
//!
//! Where the spec gives none, the proposer is asked: what the component answers to a few inputs is put before the person
//! at promotion, for nobody else can tell whether it is what was wanted.

use super::gate::ASKS;
use super::gate::Said;
use super::plan::Hints;
use super::runs::{self, Broken, CheckedRun, Ended, Runner};
use super::{Subject, VerifyError, vectors};
use crate::model::{
    digest::Digest,
    example::{Example, Expectation},
    finding::Finding,
    json::{self, JsonLimits},
    text,
};
use crate::runtime::CompiledComponent;

/// How many answers a person is asked to judge, where the spec has no example.
const ASKED: usize = 3;
/// Inputs that are tried to get them.
const TRIED: usize = 40;

/// `hints` is called only where the spec has no example.
pub(super) fn check<'h>(
    subject: &Subject<'_>,
    compiled: &CompiledComponent,
    hints: impl FnOnce() -> &'h Hints,
) -> Result<Said, VerifyError> {
    let runner = Runner::new(subject, compiled, subject.limits.clone());
    if subject.proposal.spec.examples.is_empty() {
        return ask(subject, &runner, hints());
    }
    let mut findings = Vec::new();
    for example in &subject.proposal.spec.examples {
        if let Some((rule, message)) = one(subject, &runner, example)? {
            let finding = Finding::new(format!("examples/{rule}"), text::line(&message, 800));
            findings.push(finding.in_test(text::line(&example.name, 200)));
        }
    }
    Ok(findings.into())
}

/// What the component answers to inputs of its tests, or to drawn ones that it takes.
fn ask(subject: &Subject<'_>, runner: &Runner<'_>, hints: &Hints) -> Result<Said, VerifyError> {
    let spec = &subject.proposal.spec;
    let seed = subject.snapshot.digest().to_string();
    let drawn = vectors::draw(spec, hints, seed.as_bytes(), TRIED);
    let known = hints.objects.iter().filter(|input| spec.io.input().accepts(input)).cloned();
    let drawn = drawn.into_iter().filter(|vector| vector.valid).map(|vector| vector.input);
    let vault = tempfile::tempdir_in(subject.scratch).map_err(VerifyError::Folder)?;
    runs::seed(vault.path(), &vectors::files(spec, hints)).map_err(VerifyError::Folder)?;
    let mut said = Said::from(Vec::new());
    for input in known.chain(drawn).take(TRIED) {
        let ran = runner.run(&json::canonical(&input), vault.path(), runs::switched(0))?;
        // What is wrong with an input that nobody chose is for the gate of such inputs to say.
        if runs::broken(spec, &ran).is_some() {
            continue;
        }
        if let (Ended::Output(output), Ok(staged)) = (&ran.ended, &ran.staged) {
            let files: Vec<&str> = staged.iter().map(|effect| effect.path.as_str()).collect();
            let wrote = if files.is_empty() { String::new() } else { format!(" and writes {}", files.join(", ")) };
            let (input, output) = (text::line(&json::canonical(&input), 300), text::line(output, 300));
            said.remarks.push(Finding::new(ASKS, format!("given {input} it answers {output}{wrote}")));
        }
        if said.remarks.len() == ASKED {
            break;
        }
    }
    if said.remarks.is_empty() {
        said.remarks
            .push(Finding::new("examples/none", "the spec has no example, and no input was found that it takes"));
    }
    Ok(said)
}

fn one(subject: &Subject<'_>, runner: &Runner<'_>, example: &Example) -> Result<Option<Broken>, VerifyError> {
    let spec = &subject.proposal.spec;
    let first = run(subject, runner, example, runs::switched(0))?;
    if let Some(broken) = runs::broken(spec, &first) {
        return Ok(Some(broken));
    }
    if let Err(message) = compare(example, &first) {
        return Ok(Some(("outcome", message)));
    }
    let second = run(subject, runner, example, runs::elsewhere(spec))?;
    Ok(runs::differ(&first, &second).map(|message| ("repeat", message)))
}

/// Runs an example in a vault of its own.
pub(super) fn run(
    subject: &Subject<'_>,
    runner: &Runner<'_>,
    example: &Example,
    determinism: crate::model::execution::Determinism,
) -> Result<CheckedRun, VerifyError> {
    let vault = tempfile::tempdir_in(subject.scratch).map_err(VerifyError::Folder)?;
    runs::seed(vault.path(), &example.vault).map_err(VerifyError::Folder)?;
    runner.run(&json::canonical(&example.input), vault.path(), determinism)
}

/// Whether a run gave what the example says.
pub(super) fn compare(example: &Example, ran: &CheckedRun) -> Result<(), String> {
    match (&example.expect, &ran.ended) {
        (_, Ended::Stopped(why, _)) => return Err(why.clone()),
        (Expectation::Ok(expected), Ended::Output(output)) => {
            let output = json::parse(output.as_bytes(), JsonLimits::default())
                .map_err(|error| format!("the output is not JSON: {error}"))?;
            if output != *expected {
                return Err(format!("expected {}, got {}", json::canonical(expected), json::canonical(&output)));
            }
        }
        (Expectation::Err(expected), Ended::Refused(error)) if error.kind == *expected => return Ok(()),
        (Expectation::Ok(_), Ended::Refused(error)) => {
            return Err(format!("{}: {}", error.kind.as_str(), error.message));
        }
        (Expectation::Err(expected), Ended::Refused(error)) => {
            let got = format!("{}: {}", error.kind.as_str(), error.message);
            return Err(format!("expected the error {}, got {got}", expected.as_str()));
        }
        (Expectation::Err(expected), Ended::Output(output)) => {
            return Err(format!("expected the error {}, got {output}", expected.as_str()));
        }
    }
    compare_files(example, ran)
}

fn compare_files(example: &Example, ran: &CheckedRun) -> Result<(), String> {
    let staged = ran.staged.as_deref().map_err(Clone::clone)?;
    if example.files.is_empty() {
        return Ok(());
    }
    if let Some(effect) = staged.iter().find(|effect| !example.files.contains_key(&effect.path)) {
        return Err(format!("it wrote `{}`, which the example does not name", effect.path));
    }
    for (path, contents) in &example.files {
        match staged.iter().find(|effect| effect.path == *path) {
            None => return Err(format!("it did not write `{path}`")),
            Some(effect) if effect.sha256 != Digest::of(contents.as_bytes()) => {
                return Err(format!("it wrote other bytes to `{path}` than the example has"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}
