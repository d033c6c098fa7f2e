//! What a run gives back.

use crate::model::{
    example::ErrorKind,
    execution::{GuestOutput, SecondWall},
};

use super::error::RunError;

pub use crate::model::execution::{LogLevel, LogLine, RunUsage};

/// A skill that returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkillOutcome {
    /// Its output or its error.
    pub result: Result<String, GuestError>,
    /// Its telemetry.
    pub observed: GuestTelemetry,
}

/// An error that a skill returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestError {
    /// Its kind.
    pub kind: ErrorKind,
    /// Its text, as the guest wrote it.
    pub message: String,
}

/// A test component that ran.
#[derive(Debug)]
pub struct TestOutcome {
    /// How it ended.
    pub exit: TestExit,
    /// Its telemetry.
    pub observed: GuestTelemetry,
}

/// How a test component ended.
#[derive(Debug)]
pub enum TestExit {
    /// `run` returned ok.
    Returned,
    /// `run` returned an error.
    ReturnedErr,
    /// The guest called exit. A test harness that finished does not.
    GuestExit(u8),
    /// It was ended: a trap, a limit, a deadline.
    Trap(RunError),
}

/// What a guest logged, printed and used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GuestTelemetry {
    /// Its log, in order.
    pub logs: Vec<LogLine>,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
    /// What it used.
    pub usage: RunUsage,
    /// The second wall of its thread; none where no guest was started.
    pub second_wall: Option<SecondWall>,
    /// A checksum over its calls for files, to compare two runs of one process. It is never recorded.
    pub calls: u64,
}

impl GuestTelemetry {
    /// The part that the run's record keeps; none where no guest was started.
    pub fn to_record(&self) -> Option<GuestOutput> {
        // Every started run sets it, so its absence means that there is nothing to record.
        self.second_wall?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Some(GuestOutput {
            logs: self.logs.clone(),
            stdout: text(&self.stdout),
            stderr: text(&self.stderr),
            usage: self.usage,
            coerced: Vec::new(),
            exchanges: Vec::new(),
            signatures: Vec::new(),
            label: None,
        })
    }
}

/// A run without a result.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct RunFailure {
    /// Why there is no result.
    #[source]
    pub error: RunError,
    /// The telemetry until then.
    pub observed: Box<GuestTelemetry>,
}

impl From<RunError> for RunFailure {
    fn from(error: RunError) -> Self {
        Self { error, observed: Box::default() }
    }
}

impl From<RunFailure> for RunError {
    fn from(failure: RunFailure) -> Self {
        failure.error
    }
}
