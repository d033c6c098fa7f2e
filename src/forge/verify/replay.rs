//! The replay gate: runs a new revision of a trusted skill, and the trusted one, with the inputs of recorded runs.
//!
//! Both get the input, the clock and the seed of each recorded run, and read the vault as it is now. So a difference is one
//! between the two revisions. A new revision is made to differ: a difference is a remark, and the person who promotes sees how many
//! there are.
//!
//! Guarantees: a finding says where two outcomes differ, never what they contain. Findings go into a report and into the packet of
//! the next attempt, and the contents of the vault must not.
//!
//! Deliberately never: keeps what a run wrote, or fails a verification.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::context::GateContext;
use super::error::VerifyError;
use super::exchanges::TrialExchanges;
use super::gate::{GateOutcome, Repeatable, TimeBudget};
use super::trial::{Trial, TrialEnd, TrialInput, TrialRunner};
use crate::artifacts::StoredKind;
use crate::egress::RecordedExchanges;
use crate::forge::context::ForgeContext;
use crate::model::{
    capabilities::SkillCapabilities,
    digest::Digest,
    exchange::{ExchangeRecord, HttpPort, RecordedEnd},
    execution::{self, Determinism, ExecutionRecord},
    finding::Finding,
    id::ExecutionId,
    json::{self, JsonLimits},
    limits::Limits,
    run_flips::{RunFlip, RunFlips},
    signing::SignatureRecord,
    text,
};
use crate::registry::{self, TrustError, TrustedSkill};
use crate::runtime::{CompiledComponent, ComponentTrust, SkillComponent};

/// How many of the newest recorded runs are repeated.
const MOST: usize = 1_000;
/// How many differences are reported one by one.
const TOLD: usize = 10;
/// The time for all runs together.
const TIME: Duration = Duration::from_secs(60);

/// The rule of the remark that says how many runs differ.
pub const REPLAY_SUMMARY_RULE: &str = "replay/summary";
/// The rule of the remark that says how many runs flip between success and failure.
pub const REPLAY_FLIPS_RULE: &str = "replay/flips";

/// The trusted revision and its recorded runs.
pub(super) struct Baseline {
    skill: TrustedSkill,
    /// Its machine code, or why there is none.
    compiled: Result<CompiledComponent, String>,
    capabilities: SkillCapabilities,
    limits: Limits,
    recorded: Vec<RecordedRun>,
    vault: PathBuf,
}

/// One run to be repeated.
struct RecordedRun {
    id: ExecutionId,
    input: Value,
    given: Determinism,
    /// What hosts answered then.
    exchanges: Vec<(ExchangeRecord, Vec<u8>)>,
    signatures: Vec<SignatureRecord>,
}

/// The trusted revision of the same name and its newest recorded runs, if it has any.
pub(super) fn load_baseline(
    forge: &ForgeContext<'_>,
    context: &GateContext<'_>,
) -> Result<Option<Baseline>, VerifyError> {
    let ids = forge.ledger.runs_to_replay(&context.proposal.spec.name)?;
    let newest: Vec<ExecutionId> = ids.into_iter().rev().take(MOST).collect();
    baseline_of(forge, context, &newest)
}

/// The trusted revision of the same name and these of its recorded runs, if any can be repeated.
pub(super) fn baseline_of(
    forge: &ForgeContext<'_>,
    context: &GateContext<'_>,
    ids: &[ExecutionId],
) -> Result<Option<Baseline>, VerifyError> {
    let name = &context.proposal.spec.name;
    let skill = match registry::load(forge.ledger, forge.store, name) {
        Ok(skill) => skill,
        Err(TrustError::Ledger(error)) => return Err(error.into()),
        // A revision that cannot run is no baseline.
        Err(_) => return Ok(None),
    };
    let mut recorded = Vec::new();
    for id in ids {
        // A prune or an interrupted run may have taken the input away. Those runs are left out, and
        // the others still count.
        recorded.extend(to_repeat(forge, forge.ledger.execution(*id)?.record));
    }
    if recorded.is_empty() {
        return Ok(None);
    }
    let capabilities = SkillCapabilities::of(skill.spec());
    let (component, digest) = (skill.component(), skill.digest());
    let asked = SkillComponent { component, digest, capabilities: &capabilities, trust: ComponentTrust::Promoted };
    let compiled =
        forge.loader.load(context.runtime, &asked).map(|(compiled, _)| compiled).map_err(|error| error.to_string());
    let limits = context.limits.narrowed(skill.limits());
    Ok(Some(Baseline { skill, compiled, capabilities, limits, recorded, vault: forge.layout.vault.clone() }))
}

/// A record as a run to be repeated, or `None` when its input is no longer stored.
fn to_repeat(forge: &ForgeContext<'_>, record: ExecutionRecord) -> Option<RecordedRun> {
    let given = record.determinism().ok()?;
    let input = match record.input_stored {
        None => record.input_json,
        Some(stored) => json::parse_kept(&forge.store.get(StoredKind::Value, stored.sha256).ok()?).ok()?,
    };
    let exchanges = record.said.iter().flat_map(|said| said.exchanges.clone());
    let exchanges = exchanges.map(|exchange| {
        let body = match &exchange.end {
            RecordedEnd::Reply { body, .. } if body.bytes > 0 => {
                forge.store.get(StoredKind::Value, body.sha256).ok()?
            }
            _ => Vec::new(),
        };
        Some((exchange, body))
    });
    // All or none: with one reply missing, the run would fail for a reason that is not the
    // candidate's.
    let exchanges = exchanges.collect::<Option<Vec<_>>>()?;
    let signatures = record.said.iter().flat_map(|said| said.signatures.clone()).collect();
    Some(RecordedRun { id: record.execution_id, input, given, exchanges, signatures })
}

/// Repeats the recorded runs with both revisions.
pub(super) fn check(
    context: &GateContext<'_>,
    compiled: &CompiledComponent,
    baseline: Option<&Baseline>,
) -> Result<GateOutcome, VerifyError> {
    let mut outcome = GateOutcome::from(Vec::new());
    let Some(baseline) = baseline else { return Ok(outcome) };
    // The vault and the records will have changed by the next verification.
    outcome.repeatable = Repeatable::No;
    let revisions = match Revisions::of(context, compiled, baseline) {
        Ok(revisions) => revisions,
        Err(why) => {
            let message = format!("the trusted revision cannot be loaded to be compared with: {why}");
            outcome.remarks.push(Finding::new("replay/skipped", text::line(&message, 500)));
            return Ok(outcome);
        }
    };
    let budget = TimeBudget::new(context.clock, TIME);
    let (mut compared, mut differ, mut flips) = (0, 0, RunFlips::default());
    for recorded in &baseline.recorded {
        context.check_halted()?;
        if budget.is_spent() {
            let message = format!("only {compared} of {} runs were repeated within the time", baseline.recorded.len());
            outcome.remarks.push(Finding::new("replay/time", message));
            break;
        }
        compared += 1;
        let Some(pair) = compare(context, &revisions, recorded, baseline)? else { continue };
        flips.add(pair.flip);
        let Some(what) = pair.difference else { continue };
        differ += 1;
        if differ <= TOLD {
            outcome.remarks.push(Finding::new("replay/differs", format!("execution {}: {what}", recorded.id.short())));
        }
    }
    let revision = baseline.skill.revision();
    let message = format!("{differ} of {compared} recorded runs have another outcome than with revision {revision}");
    outcome.remarks.push(Finding::new(REPLAY_SUMMARY_RULE, message));
    outcome.remarks.push(Finding::new(REPLAY_FLIPS_RULE, flips.to_string()));
    Ok(outcome)
}

/// Both revisions, ready to run.
struct Revisions<'a> {
    trusted: TrialRunner<'a>,
    candidate: TrialRunner<'a>,
}

impl<'a> Revisions<'a> {
    fn of(
        context: &'a GateContext<'a>,
        candidate: &'a CompiledComponent,
        baseline: &'a Baseline,
    ) -> Result<Self, &'a str> {
        let trusted = baseline.compiled.as_ref().map_err(String::as_str)?;
        let (capabilities, limits) = (baseline.capabilities.clone(), baseline.limits.clone());
        Ok(Self {
            trusted: TrialRunner::with_capabilities(context, trusted, capabilities, limits),
            candidate: TrialRunner::new(context, candidate, context.limits.clone()),
        })
    }
}

/// Repeats some runs with both revisions, and gives each with what came of it. Nothing where the trusted one cannot be loaded.
pub(super) fn repeat(
    context: &GateContext<'_>,
    compiled: &CompiledComponent,
    baseline: &Baseline,
) -> Result<Vec<(ExecutionId, Compared)>, VerifyError> {
    let Ok(revisions) = Revisions::of(context, compiled, baseline) else { return Ok(Vec::new()) };
    let budget = TimeBudget::new(context.clock, TIME);
    let mut repeated = Vec::new();
    for recorded in &baseline.recorded {
        context.check_halted()?;
        if budget.is_spent() {
            break;
        }
        repeated.extend(compare(context, &revisions, recorded, baseline)?.map(|compared| (recorded.id, compared)));
    }
    Ok(repeated)
}

/// The two revisions on one input.
pub(super) struct Compared {
    pub(super) flip: RunFlip,
    /// In what they differ.
    pub(super) difference: Option<String>,
    /// The digest of what the trusted revision did.
    pub(super) trusted: Option<Digest>,
    /// The digest of what the candidate did.
    pub(super) candidate: Option<Digest>,
}

/// How many recorded runs flipped, as the remarks of the replay gate say. None where nothing was repeated.
pub fn flips(remarks: &[Finding]) -> Option<RunFlips> {
    remarks.iter().find(|remark| remark.rule == REPLAY_FLIPS_RULE).and_then(|remark| remark.message.parse().ok())
}

/// The two revisions on the input of one run; none where the trusted one could not be given it.
fn compare(
    context: &GateContext<'_>,
    revisions: &Revisions<'_>,
    recorded: &RecordedRun,
    baseline: &Baseline,
) -> Result<Option<Compared>, VerifyError> {
    if context.proposal.spec.io.check_input(&recorded.input).is_err() {
        let difference = Some("its input no longer matches the schema".to_owned());
        // A run that the candidate does not even accept counts as one that fails now.
        let flip = RunFlip::of(baseline.skill.spec().io.check_input(&recorded.input).is_ok(), false);
        return Ok(Some(Compared { flip, difference, trusted: None, candidate: None }));
    }
    if baseline.skill.spec().io.check_input(&recorded.input).is_err() {
        // An earlier revision with another schema made this run.
        return Ok(None);
    }
    let input = json::canonical(&recorded.input);
    let run = |runner: &TrialRunner<'_>| {
        // Each revision uses the recorded exchanges up.
        let answers = RecordedExchanges::new(recorded.exchanges.iter().cloned());
        let port: Arc<dyn HttpPort> = Arc::new(answers.with_signatures(recorded.signatures.clone()));
        let exchanges = TrialExchanges::Recorded(&port);
        runner.run(&TrialInput { input: &input, vault: &baseline.vault, determinism: recorded.given, exchanges })
    };
    // Both now and over the vault of today. The record's own outcome is from another vault, so it
    // is not compared with.
    let before = run(&revisions.trusted)?;
    let now = run(&revisions.candidate)?;
    let succeeded = |trial: &Trial| matches!(trial.end, TrialEnd::Output(_));
    Ok(Some(Compared {
        flip: RunFlip::of(succeeded(&before), succeeded(&now)),
        difference: difference(&before, &now),
        trusted: Some(digest(&before)),
        candidate: Some(digest(&now)),
    }))
}

/// A digest of the end and the files of a trial.
fn digest(trial: &Trial) -> Digest {
    // Only the digest is kept: outputs of recorded runs are private, and a gate's remarks are shown
    // to a model.
    Digest::of(format!("kavi-trial 1\n{:?}\n{:?}", trial.end, trial.staged).as_bytes())
}

fn difference(before: &Trial, now: &Trial) -> Option<String> {
    let outcome = match (&before.end, &now.end) {
        (TrialEnd::Output(before), TrialEnd::Output(now)) if before == now => None,
        (TrialEnd::Output(before), TrialEnd::Output(now)) => in_outputs(before, now),
        (TrialEnd::Refused(before), TrialEnd::Refused(now)) if before == now => None,
        (TrialEnd::Stopped { why: before, .. }, TrialEnd::Stopped { why: now, .. }) if before == now => None,
        (TrialEnd::Stopped { .. }, TrialEnd::Stopped { .. }) => Some("it is stopped for another reason".to_owned()),
        (TrialEnd::Refused(_), TrialEnd::Refused(_)) => Some("it fails in another way".to_owned()),
        (TrialEnd::Output(_), _) => Some("it fails now".to_owned()),
        (_, TrialEnd::Output(_)) => Some("it succeeds now".to_owned()),
        _ => Some("it ends in another way".to_owned()),
    };
    outcome.or_else(|| {
        let staged = |trial: &Trial| trial.staged.clone().unwrap_or_default();
        let other = execution::other_files(&staged(before), &staged(now)).len();
        (other > 0).then(|| format!("{other} other files"))
    })
}

/// In what two outputs differ. `None` when they differ only in how a number is written.
fn in_outputs(before: &str, now: &str) -> Option<String> {
    let parse = |text: &str| json::parse(text.as_bytes(), JsonLimits::default());
    match (parse(before), parse(now)) {
        (Ok(before), Ok(now)) => match pointer(&before, &now, String::new()) {
            Some(at) => Some(format!("another output at `{}`", text::line(&at, 200))),
            None => (before == now).then(|| "the output is written in another way".to_owned()),
        },
        _ => Some("another output".to_owned()),
    }
}

/// The first place at which two values differ, as a JSON pointer.
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
        // The place and not the value: what a run answered must not get into a remark.
        (before, now) => (!json::same(before, now)).then_some(at),
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
            let outcome = in_outputs(&before.to_string(), &now.to_string()).unwrap_or_default();
            assert_eq!(outcome, format!("another output at `{at}`"));
            assert!(!outcome.contains("secret"), "{outcome}");
        }
        let outcome = in_outputs("{\"a\":1}", "{ \"a\": 1 }");
        assert_eq!(outcome.as_deref(), Some("the output is written in another way"));
        assert_eq!(in_outputs("{\"a\":1}", "{\"a\":1.0}"), None);
    }
}
