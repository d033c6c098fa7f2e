//! The policy gate: what the source may name. The scan itself is pure and lies in `policy::scan`; here it is run in a
//! child that may be killed, because a parser fed by an enemy can be made to hang or to overflow its stack.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::process::ExitCode;
use std::time::Duration;

use super::{Subject, VerifyError};
use crate::cage::{Job, Limits, Mount};
use crate::model::{finding::Finding, snapshot::Snapshot};
use crate::policy::scan;

/// The hidden verb of the child.
pub(super) const VERB: &str = "__scan";

pub(super) fn check(subject: &Subject<'_>) -> Result<Vec<Finding>, VerifyError> {
    // Sizes, nesting, encoding: cheap and safe in this process, and what makes the rest safe to parse.
    let early = scan::precheck(subject.snapshot);
    if !early.is_empty() {
        return Ok(early);
    }
    let files: BTreeMap<&str, &str> = subject
        .snapshot
        .files()
        .map(|(path, bytes)| std::str::from_utf8(bytes).map(|text| (path, text)))
        .collect::<Result<_, _>>()
        .map_err(|error| VerifyError::Scan(error.to_string()))?;
    let input = serde_json::to_vec(&files).map_err(|error| VerifyError::Scan(error.to_string()))?;
    let limits = Limits {
        wall: Duration::from_secs(20),
        cpu: Some(Duration::from_secs(10)),
        data: Some(512 << 20),
        ..Limits::default()
    };
    let exe = subject.cage.exe();
    let job = Job::new(exe).mount(Mount::read_only(exe, "/kavi")).arg(VERB).stdin(input).limits(limits);
    let done = subject.cage.run(&job, &mut |_, _| {}).map_err(super::CompileError::from)?;
    if !done.exit.success() {
        let message = format!("the source cannot be scanned within the limits ({:?})", done.exit);
        return Ok(vec![Finding::new("policy/limits", message)]);
    }
    serde_json::from_slice(&done.stdout).map_err(|error| VerifyError::Scan(error.to_string()))
}

/// The child: files as JSON from `from`, findings as JSON to `to`.
pub(super) fn child(mut from: impl Read, mut to: impl Write) -> ExitCode {
    let mut input = Vec::new();
    let read = from.read_to_end(&mut input);
    let files = read.ok().and_then(|_| serde_json::from_slice::<BTreeMap<String, String>>(&input).ok());
    let Some(files) = files else { return ExitCode::FAILURE };
    let snapshot = Snapshot::new(files.into_iter().map(|(path, text)| (path, text.into_bytes())).collect());
    let findings = serde_json::to_vec(&scan::scan(&snapshot)).unwrap_or_default();
    match to.write_all(&findings).and_then(|()| to.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
