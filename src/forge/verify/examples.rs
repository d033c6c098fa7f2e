//! The examples gate: the spec's examples, run on the exact release component, each twice, in an instance and a vault of
//! its own, with another clock and seed the second time.

use super::gate::Said;
use super::runs::{self, Broken, Ended, Ran, Runner};
use super::{Subject, VerifyError};
use crate::model::{
    digest::Digest,
    example::{Example, Expectation},
    finding::Finding,
    json::{self, JsonLimits},
    text,
};
use crate::runtime::Compiled;

pub(super) fn check(subject: &Subject<'_>, compiled: &Compiled) -> Result<Said, VerifyError> {
    let runner = Runner::new(subject, compiled, subject.limits.clone());
    let mut findings = Vec::new();
    for example in &subject.proposal.spec.examples {
        if let Some((rule, message)) = one(subject, &runner, example)? {
            let finding = Finding::new(format!("examples/{rule}"), text::line(&message, 800));
            findings.push(finding.in_test(text::line(&example.name, 200)));
        }
    }
    let mut said = Said::from(findings);
    if subject.proposal.spec.examples.is_empty() {
        let message = "the spec has no example: nobody said what an input must give";
        said.remarks.push(Finding::new("examples/none", message));
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
    let second = run(subject, runner, example, runs::elsewhere())?;
    Ok(runs::differ(&first, &second).map(|message| ("repeat", message)))
}

/// Runs an example in a vault of its own.
pub(super) fn run(
    subject: &Subject<'_>,
    runner: &Runner<'_>,
    example: &Example,
    determinism: crate::model::execution::Determinism,
) -> Result<Ran, VerifyError> {
    let vault = tempfile::tempdir_in(subject.scratch).map_err(VerifyError::Folder)?;
    runs::seed(vault.path(), &example.vault).map_err(VerifyError::Folder)?;
    runner.run(&json::canonical(&example.input), vault.path(), determinism)
}

/// Whether a run gave what the example says.
pub(super) fn compare(example: &Example, ran: &Ran) -> Result<(), String> {
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

fn compare_files(example: &Example, ran: &Ran) -> Result<(), String> {
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
