//! The policy gate: what the source may name. The scan itself is pure and lies in `policy::scan`; here it is run in a
//! child that may be killed, because a parser fed by an enemy can be made to hang or to overflow its stack. The same
//! child makes the plan of the source that later gates go by.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::process::ExitCode;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::plan::{self, Plan};
use super::{Subject, VerifyError, programs};
use crate::cage::{Job, JobLimits, Mount};
use crate::model::{finding::Finding, snapshot::Snapshot};
use crate::policy::scan;

/// The hidden verb of the child.
pub(super) const VERB: &str = "__scan";

/// What was read out of a source.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    /// What the policy gate found.
    pub(super) findings: Vec<Finding>,
    /// The plan, or why there is none.
    pub(super) plan: Result<Plan, String>,
}

impl Answer {
    fn refused(findings: Vec<Finding>) -> Self {
        Self { findings, plan: Err("the source is not safe to parse".to_owned()) }
    }
}

pub(super) fn read(subject: &Subject<'_>) -> Result<Answer, VerifyError> {
    // Sizes, nesting, encoding: cheap and safe in this process, and what makes the rest safe to parse.
    let early = scan::precheck(subject.snapshot);
    if !early.is_empty() {
        return Ok(Answer::refused(early));
    }
    let files = programs::text_files(subject.snapshot)?;
    let input = serde_json::to_vec(&files).map_err(|error| VerifyError::Scan(error.to_string()))?;
    let limits = JobLimits {
        wall: Duration::from_secs(20),
        cpu: Some(Duration::from_secs(10)),
        data: Some(512 << 20),
        ..JobLimits::default()
    };
    let exe = subject.cage.exe();
    let job = Job::new(exe).mount(Mount::read_only(exe, "/kavi")).arg(VERB).stdin(input).limits(limits);
    let done = subject.cage.run(&job.capture(64 << 20), &mut |_, _| {}).map_err(super::CompileError::from)?;
    if !done.exit.success() {
        let message = format!("the source cannot be scanned within the limits ({:?})", done.exit);
        return Ok(Answer::refused(vec![Finding::new("policy/limits", message)]));
    }
    let mut answer: Answer =
        serde_json::from_slice(&done.stdout).map_err(|error| VerifyError::Scan(error.to_string()))?;
    if subject.proposal.spec.reads_clock {
        answer.findings.retain(|finding| finding.rule != scan::CLOCK);
    }
    Ok(answer)
}

/// The child: files as JSON from `from`, what was read out of them as JSON to `to`.
pub(super) fn child(mut from: impl Read, mut to: impl Write) -> ExitCode {
    let mut input = Vec::new();
    let read = from.read_to_end(&mut input);
    let files = read.ok().and_then(|_| serde_json::from_slice::<BTreeMap<String, String>>(&input).ok());
    let Some(files) = files else { return ExitCode::FAILURE };
    let bytes = files.iter().map(|(path, text)| (path.clone(), text.clone().into_bytes())).collect();
    let snapshot = Snapshot::new(bytes);
    let seed = snapshot.digest().to_string();
    let read = Answer { findings: scan::scan(&snapshot), plan: plan::make(&files, seed.as_bytes()) };
    let answer = serde_json::to_vec(&read).unwrap_or_default();
    match to.write_all(&answer).and_then(|()| to.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
