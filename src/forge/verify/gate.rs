//! What a gate says, and the list of gates.

use std::time::Duration;

use super::VerifyError;
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
/// A version counts up when the gate would judge the same sources differently; results of other versions are not reused.
pub const VERSIONS: [(&str, u32); 12] = [
    ("format", 1),
    ("lint", 1),
    ("policy", 2),
    ("compile", 1),
    ("reproducible", 1),
    ("limits", 2),
    ("invariants", 2),
    ("test", 3),
    ("examples", 2),
    ("conformance", 2),
    ("replay", 1),
    ("mutation", 2),
];

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

/// The rule of a remark that asks a person: is this what the skill should do? Nobody gave an example.
pub const ASKS: &str = "examples/asked";

/// Whether another run over the same inputs would say the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lasting {
    /// It would: the result may be reused.
    Yes,
    /// It may depend on how busy the machine was.
    No,
}

/// What a gate said.
#[derive(Debug)]
pub(super) struct Said {
    /// Each of them fails the gate.
    pub(super) findings: Vec<Finding>,
    /// Worth knowing; none of them fails the gate.
    pub(super) remarks: Vec<Finding>,
    pub(super) lasting: Lasting,
}

impl From<Vec<Finding>> for Said {
    fn from(findings: Vec<Finding>) -> Self {
        Self { findings, remarks: Vec::new(), lasting: Lasting::Yes }
    }
}

/// A gate and its outcome.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) name: &'static str,
    pub(super) verdict: Verdict,
    pub(super) findings: Vec<Finding>,
    pub(super) lasting: Lasting,
    pub(super) millis: u64,
    /// Where it was taken from, when it was not run.
    pub(super) reused_from: Option<VerificationId>,
}

impl Gate {
    /// Runs a gate and takes its time.
    pub(super) fn run(
        clock: &dyn Clock,
        name: &'static str,
        work: impl FnOnce() -> Result<Said, VerifyError>,
    ) -> Result<Self, VerifyError> {
        let start = clock.now();
        let said = work()?;
        let verdict = if said.findings.is_empty() { Verdict::Passed } else { Verdict::Failed };
        let findings = said.findings.into_iter().chain(said.remarks).collect();
        let millis = millis_since(clock, start);
        Ok(Self { name, verdict, findings, lasting: said.lasting, millis, reused_from: None })
    }

    pub(super) fn skipped(name: &'static str, why: &str) -> Self {
        let findings = vec![Finding::new(format!("{name}/skipped"), why)];
        Self { name, verdict: Verdict::Skipped, findings, lasting: Lasting::No, millis: 0, reused_from: None }
    }

    /// As it is recorded. `key` is what names its inputs.
    pub(super) fn into_row(self, key: Digest) -> GateRow {
        GateRow {
            gate: self.name.to_owned(),
            status: self.verdict,
            findings: self.findings,
            duration_ms: self.millis,
            // A result without a key is never found again.
            check_key: (self.lasting == Lasting::Yes).then_some(key),
            reused_from: self.reused_from,
        }
    }
}

fn millis_since(clock: &dyn Clock, start: Timestamp) -> u64 {
    u64::try_from(clock.now().as_millis() - start.as_millis()).unwrap_or(0)
}

/// The time that a gate may take over all its runs. Each run has limits of its own, but there are many.
pub(super) struct Budget<'a> {
    clock: &'a dyn Clock,
    start: Timestamp,
    /// How much it is.
    pub(super) time: Duration,
}

impl<'a> Budget<'a> {
    pub(super) fn new(clock: &'a dyn Clock, time: Duration) -> Self {
        Self { clock, start: clock.now(), time }
    }

    pub(super) fn is_spent(&self) -> bool {
        Duration::from_millis(millis_since(self.clock, self.start)) > self.time
    }
}
