//! The replay gate: a new version of a trusted skill, and the trusted one, over the inputs that were recorded.
//!
//! Both get the input, the clock and the seed of each recorded run, and the vault as it is now, to read; so a difference is one
//! between the two versions. A difference is no fault: a new version is made to be another. It is a remark, and a person who
//! promotes sees how many there are. What a run gave or read is not in it, only where the two differ: findings travel, to a
//! report and into the packet of the next attempt, and the vault is nobody's business there.
//!
//! Deliberately never: keeps anything that a run wrote, or fails a verification.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::gate::{Budget, Lasting, Said};
use super::runs::{CheckedRun, Ended, Runner};
use super::{Subject, VerifyError};
use crate::artifacts::StoredKind;
use crate::forge::Forge;
use crate::model::{
    capabilities::SkillCapabilities,
    execution::{self, Determinism, ExecutionRecord},
    finding::Finding,
    json::{self, JsonLimits},
    limits::Limits,
    text,
};
use crate::registry::{self, TrustError, TrustedSkill};
use crate::runtime::{CompiledComponent, ComponentTrust, SkillComponent};

/// Recorded runs that are repeated: the newest.
const MOST: usize = 50;
/// Differences that are told one by one.
const TOLD: usize = 10;
/// What all runs may take together.
const TIME: Duration = Duration::from_secs(60);

/// The rule of the remark that says how many differ.
pub const SUMMARY: &str = "replay/summary";

/// The trusted version, and runs of it.
pub(super) struct Earlier {
    skill: TrustedSkill,
    /// Its machine code, or why there is none.
    compiled: Result<CompiledComponent, String>,
    capabilities: SkillCapabilities,
    limits: Limits,
    recorded: Vec<Recorded>,
    vault: PathBuf,
}

/// One run to be repeated.
struct Recorded {
    id: String,
    input: Value,
    given: Determinism,
}

/// What is trusted under the name of a proposal, if it was ever run.
pub(super) fn find(forge: &Forge<'_>, subject: &Subject<'_>) -> Result<Option<Earlier>, VerifyError> {
    let name = &subject.proposal.spec.name;
    let skill = match registry::load(forge.ledger, forge.store, name) {
        Ok(skill) => skill,
        Err(TrustError::Ledger(error)) => return Err(error.into()),
        // What cannot be run is nothing to compare with.
        Err(_) => return Ok(None),
    };
    let ids = forge.ledger.runs_to_replay(name)?;
    let mut recorded = Vec::new();
    for id in ids.into_iter().rev().take(MOST) {
        recorded.extend(to_repeat(forge, forge.ledger.execution(id)?.record));
    }
    if recorded.is_empty() {
        return Ok(None);
    }
    let capabilities = SkillCapabilities::of(skill.spec());
    let (component, digest) = (skill.component(), skill.digest());
    let asked = SkillComponent { component, digest, capabilities: &capabilities, trust: ComponentTrust::Promoted };
    let compiled =
        forge.loader.load(subject.runtime, &asked).map(|(compiled, _)| compiled).map_err(|error| error.to_string());
    let limits = subject.limits.narrowed(skill.limits());
    Ok(Some(Earlier { skill, compiled, capabilities, limits, recorded, vault: forge.layout.vault.clone() }))
}

/// A record as a run to be repeated; none where its input is not to be had any more.
fn to_repeat(forge: &Forge<'_>, record: ExecutionRecord) -> Option<Recorded> {
    let given = record.determinism().ok()?;
    let input = match record.input_stored {
        None => record.input_json,
        Some(stored) => json::parse_kept(&forge.store.get(StoredKind::Value, stored.sha256).ok()?).ok()?,
    };
    Some(Recorded { id: record.execution_id.short(), input, given })
}

/// Repeats what was recorded with both versions.
pub(super) fn check(
    subject: &Subject<'_>,
    compiled: &CompiledComponent,
    earlier: Option<&Earlier>,
) -> Result<Said, VerifyError> {
    let mut said = Said::from(Vec::new());
    let Some(earlier) = earlier else { return Ok(said) };
    // The vault and the records are other ones the next time.
    said.lasting = Lasting::No;
    let before = match &earlier.compiled {
        Ok(before) => before,
        Err(why) => {
            let message = format!("the trusted revision cannot be loaded to be compared with: {why}");
            said.remarks.push(Finding::new("replay/skipped", text::line(&message, 500)));
            return Ok(said);
        }
    };
    let old = Runner::with(subject, before, earlier.capabilities.clone(), earlier.limits.clone());
    let new = Runner::new(subject, compiled, subject.limits.clone());
    let budget = Budget::new(subject.clock, TIME);
    let (mut compared, mut differ) = (0, 0);
    for recorded in &earlier.recorded {
        subject.go_on()?;
        if budget.is_spent() {
            let message = format!("only {compared} of {} runs were repeated: they take long", earlier.recorded.len());
            said.remarks.push(Finding::new("replay/time", message));
            break;
        }
        compared += 1;
        let Some(what) = compare(subject, (&old, &new), recorded, earlier)? else { continue };
        differ += 1;
        if differ <= TOLD {
            said.remarks.push(Finding::new("replay/differs", format!("execution {}: {what}", recorded.id)));
        }
    }
    let revision = earlier.skill.revision();
    let message = format!("{differ} of {compared} recorded runs give something else than revision {revision} does");
    said.remarks.push(Finding::new(SUMMARY, message));
    Ok(said)
}

/// In what the two versions differ over one input.
fn compare(
    subject: &Subject<'_>,
    (old, new): (&Runner<'_>, &Runner<'_>),
    recorded: &Recorded,
    earlier: &Earlier,
) -> Result<Option<String>, VerifyError> {
    if subject.proposal.spec.io.check_input(&recorded.input).is_err() {
        return Ok(Some("its input does not fit the schema any more".to_owned()));
    }
    if earlier.skill.spec().io.check_input(&recorded.input).is_err() {
        // It was made by a revision before the trusted one.
        return Ok(None);
    }
    let input = json::canonical(&recorded.input);
    let before = old.run(&input, &earlier.vault, recorded.given)?;
    let now = new.run(&input, &earlier.vault, recorded.given)?;
    Ok(difference(&before, &now))
}

fn difference(before: &CheckedRun, now: &CheckedRun) -> Option<String> {
    let outcome = match (&before.ended, &now.ended) {
        (Ended::Output(before), Ended::Output(now)) if before == now => None,
        (Ended::Output(before), Ended::Output(now)) => Some(in_outputs(before, now)),
        (Ended::Refused(before), Ended::Refused(now)) if before == now => None,
        (Ended::Stopped(..), Ended::Stopped(..)) => None,
        (Ended::Refused(_), Ended::Refused(_)) => Some("it fails in another way".to_owned()),
        (Ended::Output(_), _) => Some("it fails now".to_owned()),
        (_, Ended::Output(_)) => Some("it succeeds now".to_owned()),
        _ => Some("it ends in another way".to_owned()),
    };
    outcome.or_else(|| {
        let staged = |ran: &CheckedRun| ran.staged.clone().unwrap_or_default();
        let other = execution::other_files(&staged(before), &staged(now)).len();
        (other > 0).then(|| format!("{other} other files"))
    })
}

fn in_outputs(before: &str, now: &str) -> String {
    let parse = |text: &str| json::parse(text.as_bytes(), JsonLimits::default());
    match (parse(before), parse(now)) {
        (Ok(before), Ok(now)) => match pointer(&before, &now, String::new()) {
            Some(at) => format!("another output at `{}`", text::line(&at, 200)),
            None => "the output is written in another way".to_owned(),
        },
        _ => "another output".to_owned(),
    }
}

/// Where two values differ first, as a JSON pointer.
fn pointer(before: &Value, now: &Value, at: String) -> Option<String> {
    match (before, now) {
        (Value::Object(before), Value::Object(now)) => {
            let missing =
                before.keys().chain(now.keys()).find(|key| !before.contains_key(*key) || !now.contains_key(*key));
            let below = |(key, value): (&String, &Value)| pointer(value, now.get(key)?, format!("{at}/{key}"));
            before.iter().find_map(below).or_else(|| missing.map(|key| format!("{at}/{key}")))
        }
        (Value::Array(before), Value::Array(now)) => {
            let pairs = before.iter().zip(now).enumerate();
            let below =
                |(number, (before, now)): (usize, (&Value, &Value))| pointer(before, now, format!("{at}/{number}"));
            let longer = || (before.len() != now.len()).then(|| format!("{at}/{}", before.len().min(now.len())));
            pairs.into_iter().find_map(below).or_else(longer)
        }
        (before, now) => (before != now).then_some(at),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_difference_is_a_place_and_never_what_is_there() {
        for (before, now, at) in [
            (json!({ "a": [1, { "b": "secret" }] }), json!({ "a": [1, { "b": "other" }] }), "/a/1/b"),
            (json!({ "a": [1] }), json!({ "a": [1, 2] }), "/a/1"),
            (json!({ "a": 1 }), json!({ "a": 1, "c": 2 }), "/c"),
            (json!({ "a": 1 }), json!({}), "/a"),
            (json!({ "a": 1 }), json!({ "a": null }), "/a"),
        ] {
            let said = in_outputs(&before.to_string(), &now.to_string());
            assert_eq!(said, format!("another output at `{at}`"));
            assert!(!said.contains("secret"), "{said}");
        }
        assert_eq!(in_outputs("{\"a\":1}", "{ \"a\": 1 }"), "the output is written in another way");
    }
}
