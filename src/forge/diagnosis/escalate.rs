//! Decides whether a person must look before the next attempt. Pure.
//!
//! Guarantees: every reason is listed, not only the first. Deliberately never: asks the person, or lets advice remove a reason.

use std::collections::BTreeSet;

use super::classify::AttemptOutcome;
use crate::forge::patch_summary;
use crate::ledger::Research;
use crate::model::{
    capabilities::SkillCapabilities,
    effect::EffectClass,
    lifecycle::{FailureKind, Trigger},
    research::{AdviceOutcome, Classified, Escalation},
    snapshot::Snapshot,
    spec::SkillSpec,
};

/// After this many failures in a row a person must look.
const REPEATED: usize = 3;

/// The facts that the decision rests on.
#[derive(Debug, Default)]
pub struct EscalationFacts<'a> {
    /// The newest failure; none when the newest attempt did not fail.
    pub failure: Option<&'a Classified>,
    /// How many attempts failed in a row, the newest included.
    pub consecutive_failures: usize,
    /// What the next packet would permit and the last one did not.
    pub widened_permissions: Vec<String>,
    /// How much the newest attempt changed of the sources that it started from.
    pub change: Option<ChangeSize>,
    /// The outcome of asking a model for advice about this failure.
    pub advice: Option<&'a AdviceOutcome>,
}

/// How many lines an attempt changed, of how many it started from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangeSize {
    /// Lines added or lines removed, whichever number is larger.
    pub changed: usize,
    /// Lines of the sources that it started from.
    pub of: usize,
}

impl ChangeSize {
    /// Compares the sources that an attempt started from with those that it left.
    pub fn between(before: &Snapshot, after: &Snapshot) -> Self {
        let lines = patch_summary::changed_lines(before, after);
        Self { changed: lines.removed.max(lines.added), of: before.lines() }
    }

    fn is_large(self) -> bool {
        self.changed * 2 > self.of
    }
}

/// Every reason why a person must look first.
pub fn escalations(seen: &EscalationFacts<'_>) -> Vec<Escalation> {
    let mut found = Vec::new();
    let mut add = |trigger: Trigger, why: String| found.push(Escalation { trigger, why });
    if let Some(failure) = seen.failure {
        if seen.consecutive_failures >= REPEATED {
            add(Trigger::RepeatedFailure, format!("{} attempts in a row failed", seen.consecutive_failures));
        }
        if matches!(failure.kind, FailureKind::VerifyPolicy | FailureKind::VerifyInvariant) {
            let gate = failure.facts.gate.as_deref().unwrap_or("a gate");
            add(Trigger::SecurityClass, format!("{gate} failed ({})", failure.kind));
        }
        if let Some(change) = seen.change.filter(|change| change.is_large()) {
            let ChangeSize { changed, of } = change;
            add(Trigger::LargeDiff, format!("the failed attempt changed {changed} of {of} lines"));
        }
        if failure.kind == FailureKind::Unknown {
            add(Trigger::Ambiguous, "the cause of the failure is unknown".to_owned());
        }
        if let Some(AdviceOutcome::Unreachable { why } | AdviceOutcome::Invalid { why, .. }) = seen.advice {
            add(Trigger::Ambiguous, format!("a model was asked for advice and gave none: {why}"));
        }
    }
    // Independent of a failure, because the first attempt of a new proposal has none.
    if !seen.widened_permissions.is_empty() {
        let list = seen.widened_permissions.join(", ");
        add(Trigger::PermissionWidening, format!("the packet would permit more than the last one: {list}"));
    }
    found
}

/// How many attempts failed in a row, the newest first.
pub fn consecutive_failures<'a>(events: impl Iterator<Item = AttemptOutcome<'a>>) -> usize {
    events.take_while(AttemptOutcome::failed).count()
}

/// The newest outcome of asking for advice. A later diagnosis that did not ask does not cancel it.
pub fn advice<'a>(diagnoses: impl DoubleEndedIterator<Item = &'a Research>) -> Option<&'a AdviceOutcome> {
    diagnoses.rev().map(|diagnosis| &diagnosis.advice).find(|advice| **advice != AdviceOutcome::NotAsked)
}

/// What `next` permits and `last` did not.
pub fn widened_permissions(last: &SkillSpec, next: &SkillSpec) -> Vec<String> {
    let (had, has) = (permissions(last), permissions(next));
    has.difference(&had).cloned().collect()
}

/// Everything that a packet permits, as text. READ_ONLY is not listed: every class includes it.
fn permissions(spec: &SkillSpec) -> BTreeSet<String> {
    let class = (spec.side_effect_class != EffectClass::ReadOnly).then(|| format!("class {}", spec.side_effect_class));
    let paths = spec.paths.iter().map(|path| format!("folder {path}/"));
    let secrets = spec.required_secrets.iter().map(|name| format!("secret {name}"));
    let clock = spec.reads_clock.then(|| "the clock".to_owned());
    let removals = spec.removes_files.then(|| "removing files".to_owned());
    let hosts = spec.hosts.iter().map(|rule| format!("host {rule}"));
    let private = spec.allow_private.iter().map(|host| format!("private host {host}"));
    let bindings = spec.secrets.iter().map(|binding| format!("{} {binding}", binding.use_of_value()));
    // Every class reads the vault by default, so only the combination with a host is more.
    let both = SkillCapabilities::of(spec).can_carry_out().then(|| "the vault beside a host".to_owned());
    let files = class.into_iter().chain(paths).chain(clock).chain(removals);
    files.chain(hosts).chain(private).chain(secrets).chain(bindings).chain(both).collect()
}
