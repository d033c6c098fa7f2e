//! Decides whether a person must look before the next attempt. Pure.

use std::collections::BTreeSet;

use super::classify::Event;
use crate::forge::patch;
use crate::ledger::Research;
use crate::model::{
    effect::EffectClass,
    lifecycle::{FailureKind, Trigger},
    research::{AdviceOutcome, Classified, Escalation},
    snapshot::Snapshot,
    spec::SkillSpec,
};

/// So many failures in a row need a person.
const REPEATED: usize = 3;

/// What the decision rests on.
#[derive(Debug, Default)]
pub struct Seen<'a> {
    /// The newest failure; none when the newest attempt did not fail.
    pub failure: Option<&'a Classified>,
    /// How many attempts failed in a row, the newest included.
    pub in_a_row: usize,
    /// What the next packet would allow that the last one did not.
    pub widened: Vec<String>,
    /// How much of the sources that came with its packet the newest attempt changed.
    pub change: Option<Change>,
    /// What came of asking for advice about this failure.
    pub advice: Option<&'a AdviceOutcome>,
}

/// Lines that an attempt changed, of how many it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Lines added or removed, whichever are more.
    pub changed: usize,
    /// Lines of the sources that came with the packet.
    pub of: usize,
}

impl Change {
    /// Compares the sources that came with a packet with those that the attempt left.
    pub fn between(before: &Snapshot, after: &Snapshot) -> Self {
        let (removed, added) = patch::changed_lines(before, after);
        Self { changed: removed.max(added), of: before.lines() }
    }

    fn is_large(self) -> bool {
        self.changed * 2 > self.of
    }
}

/// Every reason why a person must look.
pub fn escalations(seen: &Seen<'_>) -> Vec<Escalation> {
    let mut found = Vec::new();
    let mut add = |trigger: Trigger, why: String| found.push(Escalation { trigger, why });
    if let Some(failure) = seen.failure {
        if seen.in_a_row >= REPEATED {
            add(Trigger::RepeatedFailure, format!("{} attempts in a row failed", seen.in_a_row));
        }
        if matches!(failure.kind, FailureKind::VerifyPolicy | FailureKind::VerifyInvariant) {
            let gate = failure.facts.gate.as_deref().unwrap_or("a gate");
            add(Trigger::SecurityClass, format!("{gate} failed ({})", failure.kind));
        }
        if let Some(change) = seen.change.filter(|change| change.is_large()) {
            let Change { changed, of } = change;
            add(Trigger::LargeDiff, format!("the failed attempt changed {changed} lines of the {of} it was given"));
        }
        if failure.kind == FailureKind::Unknown {
            add(Trigger::Ambiguous, "nothing says why the attempt failed".to_owned());
        }
        if let Some(AdviceOutcome::Unreachable { why } | AdviceOutcome::Invalid { why, .. }) = seen.advice {
            add(Trigger::Ambiguous, format!("advice was asked for and there is none: {why}"));
        }
    }
    if !seen.widened.is_empty() {
        let list = seen.widened.join(", ");
        add(Trigger::PermissionWidening, format!("the packet would allow what the last one did not: {list}"));
    }
    found
}

/// How many attempts failed in a row, the newest first.
pub fn in_a_row<'a>(events: impl Iterator<Item = Event<'a>>) -> usize {
    events.take_while(Event::failed).count()
}

/// What came of asking for advice: a look without asking does not take an earlier answer back.
pub fn advice<'a>(looks: impl DoubleEndedIterator<Item = &'a Research>) -> Option<&'a AdviceOutcome> {
    looks.rev().map(|look| &look.advice).find(|advice| **advice != AdviceOutcome::NotAsked)
}

/// What `next` allows and `last` did not.
pub fn widened(last: &SkillSpec, next: &SkillSpec) -> Vec<String> {
    let (had, has) = (permissions(last), permissions(next));
    has.difference(&had).cloned().collect()
}

/// Everything that a packet allows, in words. READ_ONLY is what every class has.
fn permissions(spec: &SkillSpec) -> BTreeSet<String> {
    let class = (spec.side_effect_class != EffectClass::ReadOnly).then(|| format!("class {}", spec.side_effect_class));
    let paths = spec.paths.iter().map(|path| format!("folder {path}/"));
    let secrets = spec.required_secrets.iter().map(|name| format!("secret {name}"));
    let clock = spec.reads_clock.then(|| "the clock".to_owned());
    class.into_iter().chain(paths).chain(secrets).chain(clock).collect()
}
