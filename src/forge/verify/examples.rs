//! The examples gate: the examples of the spec, run on the exact release component. Each runs twice, in a new instance with its
//! own vault, the second time with another clock and seed.
//!
//! Where the spec has no example, a few outputs of the component become remarks, and promotion puts them before the person:
//! nobody else can tell whether they are right.
//!
//! Guarantees: an example passes only when output, error and files are those of the spec.

use super::context::GateContext;
use super::error::VerifyError;
use super::gate::{ASKED_RULE, GateOutcome};
use super::source_analysis::InputHints;
use super::trial::{self, RuleViolation, Trial, TrialEnd, TrialRunner};
use super::{determinism, vectors};
use crate::model::{
    digest::Digest,
    example::{Example, Expectation},
    execution::Effect,
    finding::Finding,
    json::{self, JsonLimits},
    text,
    vault_path::VaultPath,
};
use crate::runtime::CompiledComponent;

/// How many outputs a person is asked about, where the spec has no example.
const ASKED: usize = 3;
/// Most inputs that are tried to get them.
const TRIED: usize = 40;

/// Runs the gate. `hints` is called only where the spec has no example.
pub(super) fn check<'h>(
    context: &GateContext<'_>,
    compiled: &CompiledComponent,
    hints: impl FnOnce() -> &'h InputHints,
) -> Result<GateOutcome, VerifyError> {
    let runner = TrialRunner::new(context, compiled, context.limits.clone());
    if context.proposal.spec.examples.is_empty() {
        return ask(context, &runner, hints());
    }
    let mut findings = Vec::new();
    for example in &context.proposal.spec.examples {
        if let Some(broken) = one(context, &runner, example)? {
            let finding = Finding::new(format!("examples/{}", broken.rule), text::line(&broken.message, 800));
            findings.push(finding.in_test(text::line(&example.name, 200)));
        }
    }
    Ok(findings.into())
}

/// The outputs of the component for inputs of its tests, or for drawn ones that it accepts.
fn ask(context: &GateContext<'_>, runner: &TrialRunner<'_>, hints: &InputHints) -> Result<GateOutcome, VerifyError> {
    let spec = &context.proposal.spec;
    let seed = context.snapshot.digest().to_string();
    let drawn = vectors::draw(spec, hints, seed.as_bytes(), TRIED);
    let known = hints.objects.iter().filter(|input| spec.io.input().accepts(input)).cloned();
    let drawn = drawn.into_iter().filter(|vector| vector.valid).map(|vector| vector.input);
    let vault = tempfile::tempdir_in(context.scratch).map_err(VerifyError::Folder)?;
    trial::seed(vault.path(), &vectors::files(spec, hints)).map_err(VerifyError::Folder)?;
    let mut outcome = GateOutcome::from(Vec::new());
    for input in known.chain(drawn).take(TRIED) {
        let trial = runner.run(&json::canonical(&input), vault.path(), determinism::with_switch(0))?;
        // A broken rule for a drawn input is the business of the conformance gate.
        if trial::violation(spec, &trial).is_some() {
            continue;
        }
        if let (TrialEnd::Output(output), Ok(staged)) = (&trial.end, &trial.staged) {
            let files: Vec<&str> = staged.iter().map(|effect| effect.path.as_str()).collect();
            let wrote = if files.is_empty() { String::new() } else { format!(" and writes {}", files.join(", ")) };
            let (input, output) = (text::line(&json::canonical(&input), 300), text::line(output, 300));
            outcome.remarks.push(Finding::new(ASKED_RULE, format!("given {input} it answers {output}{wrote}")));
        }
        if outcome.remarks.len() == ASKED {
            break;
        }
    }
    if outcome.remarks.is_empty() {
        outcome.remarks.push(Finding::new(
            "examples/none",
            "the spec has no example, and no input was found that the skill accepts",
        ));
    }
    Ok(outcome)
}

fn one(
    context: &GateContext<'_>,
    runner: &TrialRunner<'_>,
    example: &Example,
) -> Result<Option<RuleViolation>, VerifyError> {
    let spec = &context.proposal.spec;
    let first = run(context, runner, example, determinism::with_switch(0))?;
    if let Some(broken) = trial::violation(spec, &first) {
        return Ok(Some(broken));
    }
    if let Err(message) = compare(example, &first) {
        return Ok(Some(RuleViolation { rule: "outcome", message }));
    }
    let second = run(context, runner, example, determinism::second(spec))?;
    let difference = trial::repeat_difference(&first, &second);
    Ok(difference.map(|message| RuleViolation { rule: "repeat", message: message.to_owned() }))
}

/// Runs an example with its own vault.
pub(super) fn run(
    context: &GateContext<'_>,
    runner: &TrialRunner<'_>,
    example: &Example,
    determinism: crate::model::execution::Determinism,
) -> Result<Trial, VerifyError> {
    let vault = tempfile::tempdir_in(context.scratch).map_err(VerifyError::Folder)?;
    trial::seed(vault.path(), &example.vault).map_err(VerifyError::Folder)?;
    runner.run(&json::canonical(&example.input), vault.path(), determinism)
}

/// Compares a trial with the example. The error says in what they differ.
pub(super) fn compare(example: &Example, trial: &Trial) -> Result<(), String> {
    match (&example.expect, &trial.end) {
        (_, TrialEnd::Stopped { why, .. }) => return Err(why.clone()),
        (Expectation::Ok(expected), TrialEnd::Output(output)) => {
            let output = json::parse(output.as_bytes(), JsonLimits::default())
                .map_err(|error| format!("the output is not JSON: {error}"))?;
            if !json::same(&output, expected) {
                return Err(format!("expected {}, got {}", json::canonical(expected), json::canonical(&output)));
            }
        }
        (Expectation::Err(expected), TrialEnd::Refused(error)) if error.kind == *expected => return Ok(()),
        (Expectation::Ok(_), TrialEnd::Refused(error)) => {
            return Err(format!("{}: {}", error.kind.as_str(), error.message));
        }
        (Expectation::Err(expected), TrialEnd::Refused(error)) => {
            let got = format!("{}: {}", error.kind.as_str(), error.message);
            return Err(format!("expected the error {}, got {got}", expected.as_str()));
        }
        (Expectation::Err(expected), TrialEnd::Output(output)) => {
            return Err(format!("expected the error {}, got {output}", expected.as_str()));
        }
    }
    compare_files(example, trial)
}

fn compare_files(example: &Example, trial: &Trial) -> Result<(), String> {
    let staged = trial.staged.as_deref().map_err(Clone::clone)?;
    if example.files.is_empty() && example.removed.is_empty() {
        return Ok(());
    }
    for Effect { path, sha256, .. } in staged {
        match sha256 {
            Some(_) if !example.files.contains_key(path) => {
                return Err(format!("it wrote `{path}`, which the example does not list"));
            }
            None if !example.removed.contains(path) => {
                return Err(format!("it removed `{path}`, which the example does not list"));
            }
            _ => {}
        }
    }
    let is_removed = |path: &VaultPath| staged.iter().any(|effect| effect.path == *path && effect.sha256.is_none());
    if let Some(path) = example.removed.iter().find(|path| !is_removed(path)) {
        return Err(format!("it did not remove `{path}`"));
    }
    for (path, contents) in &example.files {
        match staged.iter().find(|effect| effect.path == *path) {
            None => return Err(format!("it did not write `{path}`")),
            Some(effect) if effect.sha256 != Some(Digest::of(contents.as_bytes())) => {
                return Err(format!("it wrote other bytes to `{path}` than the example has"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}
