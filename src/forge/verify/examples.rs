//! The examples gate: the examples of the spec, run on the exact release component. Each runs twice, in a new instance with its
//! own vault, the second time with another seed. An example that names no time must hold at two times that are drawn.
//!
//! Where the spec has no example, a few outputs of the component become remarks, and promotion puts them before the person:
//! nobody else can tell whether they are right.
//!
//! Guarantees: an example passes only when output, error and files are those of the spec.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::context::GateContext;
use super::error::VerifyError;
use super::exchanges::TrialExchanges;
use super::gate::{ASKED_RULE, GateOutcome};
use super::source_analysis::InputHints;
use super::trial::{self, RuleViolation, Trial, TrialEnd, TrialInput, TrialRunner};
use super::twin::{InputOrigin, RecordedTrial};
use super::{vaults, vectors};
use crate::model::{
    capabilities::SkillCapabilities,
    digest::Digest,
    example::{Example, Expectation},
    execution::{Determinism, Effect},
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
    recorded: &mut Vec<RecordedTrial>,
) -> Result<GateOutcome, VerifyError> {
    let runner = TrialRunner::new(context, compiled, context.limits.clone());
    if context.proposal.spec.examples.is_empty() {
        return ask(context, &runner, hints());
    }
    let mut findings = Vec::new();
    for (number, example) in context.proposal.spec.examples.iter().enumerate() {
        if let Some(broken) = one(context, &runner, &Numbered { number, example }, recorded)? {
            let finding = Finding::new(format!("examples/{}", broken.rule), text::line(&broken.message, 800));
            findings.push(finding.in_test(text::line(&example.name, 200)));
        }
    }
    Ok(findings.into())
}

/// The outputs of the component for inputs of its tests, or for drawn ones that it accepts.
fn ask(context: &GateContext<'_>, runner: &TrialRunner<'_>, hints: &InputHints) -> Result<GateOutcome, VerifyError> {
    let spec = &context.proposal.spec;
    let drawn = vectors::draw(spec, hints, &context.draw.seed("asked"), TRIED);
    let fits = |input: &&serde_json::Value| spec.io.input().accepts(input) && vectors::can_be_given(input);
    let known = hints.objects.iter().filter(fits).cloned();
    let drawn = drawn.into_iter().filter(|vector| vector.valid).map(|vector| vector.input);
    let vault = tempfile::tempdir_in(context.scratch).map_err(VerifyError::Folder)?;
    let files = vaults::named(spec, hints, &context.draw);
    trial::seed(vault.path(), &files).map_err(VerifyError::Folder)?;
    // Without its vault an answer of a skill that reads notes cannot be judged by a person.
    let reads = SkillCapabilities::of(spec).reads_vault();
    let over = if reads { said_of(&files) } else { String::new() };
    // Answers that say the same are one case: a person learns nothing from the second. They come after the others.
    let (mut cases, mut alike, mut seen) = (Vec::new(), Vec::new(), Vec::new());
    for (number, input) in known.chain(drawn).take(TRIED).enumerate() {
        let determinism = context.draw.determinism("asked", number as u64);
        let trial = runner.run(&TrialInput {
            input: &json::canonical(&input),
            vault: vault.path(),
            determinism,
            exchanges: TrialExchanges::Drawn,
        })?;
        // A broken rule for a drawn input is the business of the conformance gate.
        if trial::violation(spec, &trial).is_some() {
            continue;
        }
        if let (TrialEnd::Output(output), Ok(staged)) = (&trial.end, &trial.staged) {
            let files: Vec<&str> = staged.iter().map(|effect| effect.path.as_str()).collect();
            let wrote = if files.is_empty() { String::new() } else { format!(" and writes {}", files.join(", ")) };
            let answer = (output.clone(), staged.clone());
            let is_new = !seen.contains(&answer);
            seen.push(answer);
            let (input, output) = (text::line(&json::canonical(&input), 300), text::line(output, 300));
            let case = Finding::new(ASKED_RULE, format!("given {input}{over} it answers {output}{wrote}"));
            if is_new { cases.push(case) } else { alike.push(case) }
        }
        if cases.len() == ASKED {
            break;
        }
    }
    let mut outcome = GateOutcome::from(Vec::new());
    outcome.remarks = cases.into_iter().chain(alike).take(ASKED).collect();
    if outcome.remarks.is_empty() {
        outcome.remarks.push(Finding::new(
            "examples/none",
            "the spec has no example, and no input was found that the skill accepts",
        ));
    }
    Ok(outcome)
}

/// A vault in words: its files, each with the beginning of its text.
fn said_of(files: &BTreeMap<VaultPath, String>) -> String {
    const SHOWN: usize = 3;
    let begins = |contents: &str| {
        let mut begins: String = contents.chars().take(40).collect();
        begins.extend((begins.len() < contents.len()).then_some('…'));
        begins
    };
    // Escaped once, as the answer is: a newline is `\n`.
    let named = files.iter().take(SHOWN).map(|(path, contents)| format!("{path} {:?}", begins(contents)));
    let named = named.collect::<Vec<_>>().join(", ");
    let more = files.len().saturating_sub(SHOWN);
    match (files.len(), more) {
        (0, _) => " over an empty vault".to_owned(),
        (_, 0) => format!(" over a vault with {named}"),
        (_, more) => format!(" over a vault with {named} and {more} more"),
    }
}

/// An example and its place in the spec.
struct Numbered<'a> {
    number: usize,
    example: &'a Example,
}

fn one(
    context: &GateContext<'_>,
    runner: &TrialRunner<'_>,
    numbered: &Numbered<'_>,
    recorded: &mut Vec<RecordedTrial>,
) -> Result<Option<RuleViolation>, VerifyError> {
    let (spec, example) = (&context.proposal.spec, numbered.example);
    let mut first = None;
    // Two instances with other seeds: an outcome that depends on chance fits an example only
    // sometimes.
    for run in 0..2 {
        let determinism = determinism(context, numbered.example, (numbered.number * 2 + run) as u64);
        // A vault of its own for each run, because the twin repeats the run later over exactly this
        // one.
        let (vault, input) = (Arc::new(vault(context, example)?), json::canonical(&example.input));
        let trial = runner.run(&TrialInput {
            input: &input,
            vault: vault.path(),
            determinism,
            exchanges: TrialExchanges::Declared { exchanges: &example.exchanges, signatures: &example.signatures },
        })?;
        let name = example.name.clone();
        recorded.push(RecordedTrial {
            name,
            input,
            vault,
            determinism,
            exchanges: example.exchanges.clone(),
            signatures: example.signatures.clone(),
            trial: trial.clone(),
            origin: InputOrigin::Example,
        });
        if let Some(broken) = trial::violation(spec, &trial) {
            return Ok(Some(broken));
        }
        if let Err(message) = compare(example, &trial) {
            // A skill that may ask for the time can be right once and wrong at another time.
            let clock = determinism.clock;
            let asks = spec.reads_clock && example.now.is_none();
            let hint =
                if asks { format!(" (at {clock}; an example can name its time: `\"now\"`)") } else { String::new() };
            return Ok(Some(RuleViolation { rule: "outcome", message: format!("{message}{hint}") }));
        }
        let same_time = !spec.reads_clock || example.now.is_some();
        if let Some(first) = first.as_ref().filter(|_| same_time)
            && let Some(broken) = trial::repeat_violation(spec, first, &trial)
        {
            return Ok(Some(broken));
        }
        first = Some(trial);
    }
    Ok(None)
}

/// The clock and seed of one run of an example: the time that it names, or a drawn one.
pub(super) fn determinism(context: &GateContext<'_>, example: &Example, number: u64) -> Determinism {
    let drawn = context.draw.determinism("example", number);
    Determinism { clock: example.now.unwrap_or(drawn.clock), ..drawn }
}

/// A vault with the files of an example.
pub(super) fn vault(context: &GateContext<'_>, example: &Example) -> Result<tempfile::TempDir, VerifyError> {
    let vault = tempfile::tempdir_in(context.scratch).map_err(VerifyError::Folder)?;
    trial::seed(vault.path(), &example.vault).map_err(VerifyError::Folder)?;
    Ok(vault)
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
        // Its files need no look: a run that fails and wrote has broken a rule already.
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
    // An example that says nothing about files leaves them open. One that lists any lists all.
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
