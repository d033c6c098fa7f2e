//! The policy gate: what the source may name.
//!
//! The scan itself is pure and is in [`policy::scan`](crate::policy::scan). Here it runs in a child process that may be killed,
//! because a hostile source can make a parser hang or overflow its stack. The same child analyses the source for later gates.
//!
//! Guarantees: this process parses no source. A child that fails gives a finding, never a pass.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::process::ExitCode;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::context::GateContext;
use super::error::VerifyError;
use super::instrument;
use super::source_analysis::{self, SourceAnalysis};
use crate::cage::{Job, JobLimits, Mount};
use crate::forge::compile::CompileError;
use crate::model::{finding::Finding, snapshot::Snapshot};
use crate::policy::scan::{self, CompileSafety};

/// The hidden verb of the child.
const VERB: &str = "__scan";

/// The output of the child process.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ScanOutput {
    /// The findings of the policy gate.
    pub(super) findings: Vec<Finding>,
    /// Whether a tool may compile, lint or test the sources.
    pub(super) safety: CompileSafety,
    /// The analysis of the source, or why there is none.
    pub(super) analysis: Result<SourceAnalysis, String>,
}

impl ScanOutput {
    fn refused(findings: Vec<Finding>) -> Self {
        let analysis = Err("the source is not safe to parse".to_owned());
        Self { findings, safety: CompileSafety::Unsafe, analysis }
    }
}

/// Scans and analyses the sources in a child process.
pub(super) fn scan_source(context: &GateContext<'_>) -> Result<ScanOutput, VerifyError> {
    // Sizes, nesting and encoding are cheap and safe to check here. They bound what the child has to parse.
    let early = scan::precheck(context.snapshot);
    if !early.is_empty() {
        return Ok(ScanOutput::refused(early));
    }
    let files = instrument::text_files(context.snapshot)?;
    let input = serde_json::to_vec(&files).map_err(VerifyError::ScanInput)?;
    let limits = JobLimits {
        // Five times the processor time: on a busy machine the clock goes on, and no verdict may rest on
        // that.
        wall: Duration::from_secs(50),
        cpu: Some(Duration::from_secs(10)),
        data: Some(512 << 20),
        ..JobLimits::default()
    };
    let exe = context.cage.exe();
    let job = Job::new(exe).mount(Mount::read_only(exe, "/kavi")).arg(VERB).hide_proc().stdin(input).limits(limits);
    let done = context.cage.run(&job.capture(64 << 20), &mut |_, _| {}).map_err(CompileError::from)?;
    if !done.exit.success() {
        let message = format!("the source cannot be scanned within the limits ({:?})", done.exit);
        return Ok(ScanOutput::refused(vec![Finding::new("policy/limits", message)]));
    }
    let mut output: ScanOutput = serde_json::from_slice(&done.stdout).map_err(VerifyError::ScanOutput)?;
    if context.proposal.spec.reads_clock {
        output.findings.retain(|finding| finding.rule != scan::CLOCK);
    }
    Ok(output)
}

/// Does the work of the child process when this process was started as one, else gives `None`.
///
/// `args` are the arguments of the process, its name included.
pub fn child_entry(args: impl IntoIterator<Item = OsString>, input: impl Read, output: impl Write) -> Option<ExitCode> {
    match args.into_iter().nth(1)?.to_str()? {
        VERB => Some(child(input, output)),
        _ => None,
    }
}

/// The child: reads the files as JSON from `from`, writes its output as JSON to `to`.
fn child(mut from: impl Read, mut to: impl Write) -> ExitCode {
    let mut input = Vec::new();
    let read = from.read_to_end(&mut input);
    let files = read.ok().and_then(|_| serde_json::from_slice::<BTreeMap<String, String>>(&input).ok());
    let Some(files) = files else { return ExitCode::FAILURE };
    let bytes = files.iter().map(|(path, text)| (path.clone(), text.clone().into_bytes())).collect();
    let snapshot = Snapshot::new(bytes);
    let seed = snapshot.digest().to_string();
    let analysis = source_analysis::analyze(&files, seed.as_bytes());
    let verdict = scan::judge(&snapshot);
    let output = ScanOutput { findings: verdict.findings, safety: verdict.safety, analysis };
    let answer = serde_json::to_vec(&output).unwrap_or_default();
    match to.write_all(&answer).and_then(|()| to.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
