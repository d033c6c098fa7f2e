//! The list of gates, and the outcome of one.
//!
//! Guarantees: a gate passes only when it has no finding. Deliberately never: knows what a gate checks.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::error::VerifyError;
use crate::ledger::GateRow;
use crate::model::{
    digest::Digest,
    finding::Finding,
    id::VerificationId,
    lifecycle::Verdict,
    time::{Clock, Timestamp},
};

/// The gates, in the order they are shown, each with the version of what it checks.
///
/// A version is increased when the gate would judge the same sources differently. Results of other versions are not reused.
pub const VERSIONS: [(&str, u32); 12] = [
    ("lint", 2),
    ("policy", 3),
    ("compile", 1),
    ("reproducible", 1),
    ("limits", 2),
    ("invariants", 2),
    ("test", 5),
    ("examples", 3),
    ("conformance", 6),
    ("replay", 2),
    ("coverage", 3),
    ("mutation", 6),
];

/// The version of the gates as a whole. It is increased when they would refuse what they accepted
/// before, so that a person can see on which gates the trust in a revision rests.
pub const GATES_VERSION: u32 = 5;

/// The names of the gates, in the order they are shown.
pub const GATES: [&str; VERSIONS.len()] = {
    let mut names = [""; VERSIONS.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = VERSIONS[at].0;
        at += 1;
    }
    names
};

/// The rule of a remark that puts an output before a person, because the spec has no example.
pub const ASKED_RULE: &str = "examples/asked";

/// Whether a second run over the same inputs would have the same outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeatable {
    /// It would, so the result may be reused.
    Yes,
    /// It may depend on how busy the machine was.
    No,
}

/// The outcome of a gate.
#[derive(Debug)]
pub(super) struct GateOutcome {
    /// Reasons to fail. Any one fails the gate.
    pub(super) findings: Vec<Finding>,
    /// Remarks for a person. They do not fail the gate.
    pub(super) remarks: Vec<Finding>,
    pub(super) repeatable: Repeatable,
}

impl From<Vec<Finding>> for GateOutcome {
    fn from(findings: Vec<Finding>) -> Self {
        Self { findings, remarks: Vec::new(), repeatable: Repeatable::Yes }
    }
}

/// A gate with its outcome and its verdict.
#[derive(Debug)]
pub(super) struct GateResult {
    pub(super) name: &'static str,
    pub(super) verdict: Verdict,
    pub(super) findings: Vec<Finding>,
    pub(super) repeatable: Repeatable,
    pub(super) millis: u64,
    /// The verification that the result was reused from, if it was.
    pub(super) reused_from: Option<VerificationId>,
}

impl GateResult {
    /// Runs a gate and measures its time.
    pub(super) fn run(
        clock: &dyn Clock,
        name: &'static str,
        work: impl FnOnce() -> Result<GateOutcome, VerifyError>,
    ) -> Result<Self, VerifyError> {
        let start = clock.now();
        let outcome = work()?;
        let verdict = if outcome.findings.is_empty() { Verdict::Passed } else { Verdict::Failed };
        let findings = outcome.findings.into_iter().chain(outcome.remarks).collect();
        let millis = millis_since(clock, start);
        Ok(Self { name, verdict, findings, repeatable: outcome.repeatable, millis, reused_from: None })
    }

    /// The result of a gate that could not run.
    pub(super) fn skipped(name: &'static str, why: &str) -> Self {
        let findings = vec![Finding::new(format!("{name}/skipped"), why)];
        Self { name, verdict: Verdict::Skipped, findings, repeatable: Repeatable::No, millis: 0, reused_from: None }
    }

    /// The row for the ledger. `key` is the digest of the inputs.
    pub(super) fn into_row(self, key: Digest) -> GateRow {
        GateRow {
            gate: self.name.to_owned(),
            status: self.verdict,
            findings: self.findings,
            duration_ms: self.millis,
            // Without a key the row is never found by a later verification, so it is never reused.
            check_key: (self.repeatable == Repeatable::Yes).then_some(key),
            reused_from: self.reused_from,
        }
    }
}

fn millis_since(clock: &dyn Clock, start: Timestamp) -> u64 {
    u64::try_from(clock.now().as_millis() - start.as_millis()).unwrap_or(0)
}

/// A budget is spent after this many times its length, however little processor time there was.
const PATIENCE: u32 = 5;

/// The time that a gate may take over all its runs. Every run has its own limits, but a gate has many runs.
///
/// On a busy machine the clock goes on while no run gets further, and no verdict may rest on that. So the processor time of this
/// process must be spent as well.
pub(super) struct TimeBudget<'a> {
    clock: &'a dyn Clock,
    start: Timestamp,
    start_cpu: Duration,
    /// The whole budget.
    pub(super) time: Duration,
}

impl<'a> TimeBudget<'a> {
    pub(super) fn new(clock: &'a dyn Clock, time: Duration) -> Self {
        Self { clock, start: clock.now(), start_cpu: process_cpu(), time }
    }

    pub(super) fn is_spent(&self) -> bool {
        let wall = Duration::from_millis(millis_since(self.clock, self.start));
        // The clock comes first: it is nearly always the reason to go on, and the other one is a call of the kernel.
        wall > self.time && self.is_spent_after(wall, process_cpu().saturating_sub(self.start_cpu))
    }

    fn is_spent_after(&self, wall: Duration, cpu: Duration) -> bool {
        wall > self.time && (cpu > self.time || wall > self.time.saturating_mul(PATIENCE))
    }
}

fn process_cpu() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::model::time::SystemClock;

    #[test]
    fn a_busy_machine_spends_no_budget_by_itself() {
        let budget = TimeBudget::new(&SystemClock, Duration::from_secs(10));
        let after = |wall: u64, cpu: u64| budget.is_spent_after(Duration::from_secs(wall), Duration::from_secs(cpu));
        assert!(!after(9, 30));
        assert!(after(11, 11));
        assert!(!after(40, 9));
        assert!(after(51, 1));
    }
}
