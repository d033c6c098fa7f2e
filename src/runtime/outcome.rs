//! What a run is asked and what it gives back.

use std::path::Path;

use crate::model::{
    example::ErrorKind,
    execution::{Determinism, Said, SecondWall},
    grants::Grants,
    limits::Limits,
    switch::Watch,
};

use super::error::RunError;

pub use crate::model::execution::{LogLevel, LogLine, Usage};

/// Everything that one run is given. Nothing else reaches the guest.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The input, JSON as far as the skill is concerned.
    pub input: &'a str,
    /// What the run may use.
    pub grants: &'a Grants,
    /// The folder that the guest sees as `/vault`, if its grants include it.
    pub vault: Option<&'a Path>,
    /// The empty folder that the guest sees as `/out`, if its grants include it.
    pub out: Option<&'a Path>,
    /// The guest's clock and the seed of its random numbers.
    pub determinism: Determinism,
    /// The limits of this run.
    pub limits: &'a Limits,
    /// Looked at while the guest runs, to end it when it may not run any more.
    pub watch: &'a dyn Watch,
}

/// A skill that returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Its output or its error.
    pub result: Result<String, GuestError>,
    /// What it said and used on the way.
    pub observed: Observed,
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
    /// What it said and used on the way.
    pub observed: Observed,
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

/// What a guest said and used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// Its log, in order.
    pub logs: Vec<LogLine>,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
    /// What it used.
    pub usage: Usage,
    /// What stood behind the first wall; none where no guest was started.
    pub second_wall: Option<SecondWall>,
}

impl Observed {
    /// As the run's record keeps it. Nothing where no guest was started.
    pub fn said(&self) -> Option<Said> {
        self.second_wall?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Some(Said {
            logs: self.logs.clone(),
            stdout: text(&self.stdout),
            stderr: text(&self.stderr),
            usage: self.usage,
        })
    }
}
