//! The conformance gate: the release component keeps its word for inputs that nobody chose.
//!
//! Inputs are drawn from the schema, the seed out of the digest of the sources. One that fits is run twice, in fresh
//! instances with different clocks and seeds: no trap, the output on its schema, nothing written before an error, nothing
//! outside the declared folders, twice the same. One that does not fit must be refused by what stands before every
//! run. The component is given it all the same, and what it does then is a remark: nothing of it can reach a person.

use std::time::Duration;

use serde_json::Value;

use super::gate::{Budget, Lasting, Said};
use super::plan::Hints;
use super::runs::{self, Broken, CheckedRun, Ended, Hurry, Runner};
use super::{Subject, VerifyError, vectors};
use crate::model::{
    finding::Finding,
    json::{self, JsonLimits},
    spec::SkillSpec,
    text,
};
use crate::runtime::CompiledComponent;

/// How many inputs.
const INPUTS: usize = 500;
/// What all runs may take together.
const TIME: Duration = Duration::from_secs(60);
/// Findings after which there is nothing more to learn.
const ENOUGH: usize = 10;
/// Fewest valid inputs that the skill must not refuse. One: a skill may have reasons that its schema cannot say, and
/// most drawn texts are no path of a note. One that refuses everything does nothing.
const MIN_ACCEPTED: usize = 1;
/// So many inputs that no test and no example names are enough to expect one of them to be taken.
const MANY_OTHERS: usize = 100;

pub(super) fn check(subject: &Subject<'_>, compiled: &CompiledComponent, hints: &Hints) -> Result<Said, VerifyError> {
    let spec = &subject.proposal.spec;
    let seed = subject.snapshot.digest().to_string();
    let vault = tempfile::tempdir_in(subject.scratch).map_err(VerifyError::Folder)?;
    runs::seed(vault.path(), &vectors::files(spec, hints)).map_err(VerifyError::Folder)?;
    let runner = Runner::new(subject, compiled, subject.limits.clone());
    let budget = Budget::new(subject.clock, TIME);
    let mut said = Said::from(Vec::new());
    let (mut accepted, mut valid, mut others, mut others_accepted) = (0, 0, 0, 0);
    for (number, vector) in vectors::draw(spec, hints, seed.as_bytes(), INPUTS).into_iter().enumerate() {
        if budget.is_spent() {
            let message = format!("{INPUTS} inputs take longer than {} s", budget.time.as_secs());
            said.findings.push(Finding::new("conformance/time", message));
            said.lasting = Lasting::No;
            return Ok(said);
        }
        let place = Place { number, input: &vector.input };
        if vector.valid {
            let (ran, broken) = twice(subject, &runner, &place.text(), vault.path(), number as u64)?;
            if let Some(("path", why)) = &broken
                && place.names(spec, &ran)
            {
                if said.remarks.len() < ENOUGH {
                    said.remarks.push(place.finding("elsewhere", &format!("the host refuses this run: {why}")));
                }
                valid += 1;
                continue;
            }
            valid += 1;
            let took = matches!(ran.ended, Ended::Output(_));
            accepted += usize::from(took);
            if !vectors::is_named(spec, hints, &vector.input) {
                others += 1;
                others_accepted += usize::from(took);
            }
            if matches!(ran.ended, Ended::Stopped(_, Hurry::Yes)) {
                said.lasting = Lasting::No;
            }
            said.findings.extend(broken.map(|(rule, why)| place.finding(rule, &why)));
        } else if is_let_through(subject, &place.text()) {
            said.findings.push(place.finding("accepted", "the input is off its schema, and nothing refuses it"));
        } else if said.remarks.len() < ENOUGH {
            let ran = runner.run(&place.text(), vault.path(), runs::switched(0))?;
            let broken = runs::broken(spec, &ran);
            said.remarks.extend(broken.map(|(rule, why)| place.unguarded(rule, &why)));
        }
        if said.findings.len() >= ENOUGH {
            return Ok(said);
        }
    }
    if said.findings.is_empty() {
        let refusal = refusals(accepted, valid, others_accepted, others);
        said.findings.extend(refusal.map(|message| Finding::new("conformance/refusals", message)));
    }
    Ok(said)
}

/// Why the skill refuses too much.
fn refusals(accepted: usize, valid: usize, others_accepted: usize, others: usize) -> Option<String> {
    if accepted < MIN_ACCEPTED {
        let message = "inputs that fit its schema: give the spec an example that it accepts";
        return Some(format!("the skill refuses every one of {valid} {message}"));
    }
    (others >= MANY_OTHERS && others_accepted == 0).then(|| {
        format!(
            "the skill takes what its tests and examples name and refuses all {others} other inputs that fit its schema: \
             if it takes nothing else, say so in the schema (`enum`, `pattern`)"
        )
    })
}

/// Runs an input twice, and on another day if the skill asks for the time. The first run, and what is wrong.
fn twice(
    subject: &Subject<'_>,
    runner: &Runner<'_>,
    input: &str,
    vault: &std::path::Path,
    number: u64,
) -> Result<(CheckedRun, Option<Broken>), VerifyError> {
    let first = runner.run(input, vault, runs::switched(0))?;
    if let Some(broken) = runs::broken(&subject.proposal.spec, &first) {
        return Ok((first, Some(broken)));
    }
    let spec = &subject.proposal.spec;
    let second = runner.run(input, vault, runs::elsewhere(spec))?;
    let mut broken = runs::differ(&first, &second).map(|why| ("repeat", why));
    if spec.reads_clock && broken.is_none() {
        let another_day = runner.run(input, vault, runs::some_day(number))?;
        broken = runs::broken(spec, &another_day);
    }
    Ok((first, broken))
}

/// Whether the checks that stand before every run take an input.
fn is_let_through(subject: &Subject<'_>, input: &str) -> bool {
    let parsed = json::parse(input.as_bytes(), JsonLimits::default());
    parsed.is_ok_and(|value| subject.proposal.spec.io.check_input(&value).is_ok())
}

/// Which input it was.
struct Place<'a> {
    number: usize,
    input: &'a Value,
}

impl Place<'_> {
    fn text(&self) -> String {
        json::canonical(self.input)
    }

    fn finding(&self, rule: &str, why: &str) -> Finding {
        let message = format!("{} (input {})", text::line(why, 500), text::line(&self.text(), 300));
        Finding::new(format!("conformance/{rule}"), message).in_test(format!("input {}", self.number))
    }

    /// Whether the input itself names what was written. Then the input asked for it, and the host refuses such a run: a
    /// skill may leave that to it. One that goes elsewhere by itself may not.
    fn names(&self, spec: &SkillSpec, ran: &CheckedRun) -> bool {
        fn within(value: &Value, path: &str) -> bool {
            match value {
                Value::String(text) => path == text.trim_end_matches('/') || (text.len() > 3 && path.contains(text)),
                Value::Array(items) => items.iter().any(|item| within(item, path)),
                Value::Object(map) => map.values().any(|item| within(item, path)),
                Value::Null | Value::Bool(_) | Value::Number(_) => false,
            }
        }
        let staged = ran.staged.as_deref().unwrap_or_default();
        let mut outside = staged.iter().filter(|effect| !spec.may_write(&effect.path)).peekable();
        outside.peek().is_some() && outside.all(|effect| within(self.input, effect.path.as_str()))
    }

    fn unguarded(&self, rule: &str, why: &str) -> Finding {
        self.finding("unguarded", &format!("given an input that the host refuses ({rule}): {why}"))
    }
}
