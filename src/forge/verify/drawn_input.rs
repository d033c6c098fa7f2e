//! One input of the conformance gate, and its runs.
//!
//! Guarantees: each run of each input has a seed of its own. Deliberately never: decides whether a broken rule fails the gate.

use std::sync::Arc;

use serde_json::Value;
use tempfile::TempDir;

use super::draw::Draw;
use super::error::VerifyError;
use super::exchanges::TrialExchanges;
use super::trial::{self, RuleViolation, Trial, TrialInput, TrialRunner};
use super::twin::{InputOrigin, RecordedTrial};
use crate::model::{execution::Determinism, finding::Finding, json, spec::SkillSpec, text, time::Timestamp};

/// The purpose of a run at another time.
pub(super) const OTHER_TIME: &str = "other time";
/// What separates the reason of a finding from its input.
pub(super) const INPUT: &str = " (input ";

/// A drawn input, its number, and where it runs.
pub(super) struct DrawnInput<'a> {
    pub(super) number: usize,
    pub(super) input: &'a Value,
    pub(super) draw: &'a Draw,
    pub(super) vault: &'a Arc<TempDir>,
    pub(super) origin: InputOrigin,
    /// The time of its runs, if the source names one.
    pub(super) clock: Option<Timestamp>,
}

impl DrawnInput<'_> {
    pub(super) fn determinism(&self, run: &str) -> Determinism {
        let drawn = self.draw.determinism(&format!("input {run}"), self.number as u64);
        let clock = self.clock.filter(|_| run != OTHER_TIME).unwrap_or(drawn.clock);
        Determinism { clock, ..drawn }
    }

    pub(super) fn given<'g>(&'g self, input: &'g str, determinism: Determinism) -> TrialInput<'g> {
        TrialInput { input, vault: self.vault.path(), determinism, exchanges: TrialExchanges::Drawn }
    }

    pub(super) fn text(&self) -> String {
        json::canonical(self.input)
    }

    pub(super) fn record(&self, run: &str, trial: Trial) -> RecordedTrial {
        RecordedTrial {
            name: format!("input {}", self.number),
            input: self.text(),
            vault: Arc::clone(self.vault),
            determinism: self.determinism(run),
            trial,
            exchanges: Vec::new(),
            signatures: Vec::new(),
            origin: self.origin,
        }
    }

    pub(super) fn finding(&self, rule: &str, why: &str) -> Finding {
        let message = format!("{}{INPUT}{})", text::line(why, 500), text::line(&self.text(), 300));
        Finding::new(format!("conformance/{rule}"), message).in_test(format!("input {}", self.number))
    }

    /// Whether the input names every path that was written outside the folders. Then the input asked for it, and the skill may
    /// rely on the host, which refuses such a run. A skill that chooses such a path by itself fails the gate.
    pub(super) fn names_what_was_written(&self, spec: &SkillSpec, trial: &Trial) -> bool {
        fn within(value: &Value, path: &str) -> bool {
            match value {
                // A part of the path is enough if it is longer than three bytes. A shorter one is
                // in nearly every path by chance.
                Value::String(text) => path == text.trim_end_matches('/') || (text.len() > 3 && path.contains(text)),
                Value::Array(items) => items.iter().any(|item| within(item, path)),
                Value::Object(map) => map.values().any(|item| within(item, path)),
                Value::Null | Value::Bool(_) | Value::Number(_) => false,
            }
        }
        let staged = trial.staged.as_deref().unwrap_or_default();
        let mut outside = staged.iter().filter(|effect| !spec.may_write(&effect.path)).peekable();
        // All of them: with one path of its own the skill chose where it writes.
        outside.peek().is_some() && outside.all(|effect| within(self.input, effect.path.as_str()))
    }

    pub(super) fn unguarded(&self, broken: &RuleViolation) -> Finding {
        let why = format!("given an input that the host refuses ({}): {}", broken.rule, broken.message);
        self.finding("unguarded", &why)
    }
}

/// The first trial of a valid input, and the rule that one of its trials broke.
pub(super) struct Checked {
    pub(super) trial: Trial,
    pub(super) broken: Option<RuleViolation>,
    /// The trial at another time, if there was one.
    pub(super) later: Option<Trial>,
}

/// Runs a valid input twice, and a third time at another time if the skill may read the clock.
pub(super) fn check_valid(
    spec: &SkillSpec,
    runner: &TrialRunner<'_>,
    drawn: &DrawnInput<'_>,
) -> Result<Checked, VerifyError> {
    let input = drawn.text();
    let (first, mut again) = (drawn.determinism("first"), drawn.determinism("second"));
    let trial = runner.run(&drawn.given(&input, first))?;
    let (mut broken, mut later) = (trial::violation(spec, &trial), None);
    if broken.is_none() {
        if spec.reads_clock {
            // Only the seed may differ: the outcome may depend on the time.
            again.clock = first.clock;
        }
        let second = runner.run(&drawn.given(&input, again))?;
        broken = trial::repeat_violation(spec, &trial, &second);
        if spec.reads_clock && broken.is_none() {
            let other = runner.run(&drawn.given(&input, drawn.determinism(OTHER_TIME)))?;
            broken = trial::violation(spec, &other);
            later = Some(other);
        }
    }
    Ok(Checked { trial, broken, later })
}
