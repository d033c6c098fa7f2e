//! Kavi's side: starts a reader for one secret and judges its report.
//!
//! Guarantees: this process gets a report and never a value. When a call returns, the reader is dead.
//! Deliberately never: starts a reader for a name that kavi.toml does not have, or tries twice.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::Duration;

use super::error::SecretError;
use super::reader_child::{ReaderOrder, ReaderReport, VERB};
use super::stores::COMMAND_WALL;
use crate::cage::{Cage, Finished, Job, JobLimits};
use crate::model::secret::{SecretName, SecretStore};

/// Time for everything but the command of a store.
const READER_WALL: Duration = Duration::from_secs(5);
/// The most that a reader reports.
const REPORT_BYTES: usize = 16 * 1024;

/// Whether a value can be recognised where it must not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueLength {
    /// It can.
    Recognisable,
    /// It has fewer than [`super::SHORTEST_RECOGNISABLE`] bytes, so the leak scan does not look for it.
    Short,
}

/// Reads the secrets of one workspace, each by a child of its own.
#[derive(Debug, Clone, Copy)]
pub struct SecretReader<'a> {
    /// Starts the children.
    pub cage: &'a Cage,
    /// The stores of kavi.toml.
    pub stores: &'a BTreeMap<SecretName, SecretStore>,
}

impl SecretReader<'_> {
    /// Reads a secret and throws it away: whether it can be used.
    ///
    /// # Errors
    /// [`SecretError`]
    pub fn check(&self, name: &SecretName) -> Result<ValueLength, SecretError> {
        let nowhere = File::options()
            .write(true)
            .open("/dev/null")
            .map_err(|source| SecretError::Io { action: "open /dev/null", source })?;
        self.hand_over(name, nowhere.as_fd())
    }

    /// Has the reader write the value to `receiver`, for [`super::read_value`]. When the store gives none, nothing is written.
    /// The receiver must have room for [`super::MAX_VALUE_BYTES`].
    ///
    /// # Errors
    /// [`SecretError`]
    pub fn hand_over(&self, name: &SecretName, receiver: BorrowedFd<'_>) -> Result<ValueLength, SecretError> {
        let job = self.job(name)?;
        let finished = self.cage.run_tool_into(&job, receiver).map_err(|source| reader_failed(name, source))?;
        judge(name, &finished)
    }

    fn job(&self, name: &SecretName) -> Result<Job, SecretError> {
        let store = self.stores.get(name).ok_or_else(|| SecretError::Unknown(name.clone()))?;
        let exe = self.cage.exe();
        let order = ReaderOrder {
            store: store.clone(),
            exe: exe.to_owned(),
            process: rustix::process::getpid().as_raw_nonzero().get(),
        };
        let order = serde_json::to_vec(&order)
            .map_err(|error| SecretError::Io { action: "write the order of a reader", source: error.into() })?;
        let limits = JobLimits {
            wall: READER_WALL + COMMAND_WALL,
            // A command may write files of its own, such as a lock.
            file_size: None,
            ..JobLimits::default()
        };
        Ok(Job::new(exe).arg(VERB).stdin(order).limits(limits).capture(REPORT_BYTES))
    }
}

fn reader_failed(name: &SecretName, source: crate::cage::CageError) -> SecretError {
    SecretError::Reader { name: name.clone(), source: Box::new(source) }
}

/// What the reader reports.
fn judge(name: &SecretName, finished: &Finished) -> Result<ValueLength, SecretError> {
    let report = serde_json::from_slice(&finished.stderr).ok().filter(|_| finished.exit.success());
    match report {
        Some(ReaderReport::Done { short: false }) => Ok(ValueLength::Recognisable),
        Some(ReaderReport::Done { short: true }) => Ok(ValueLength::Short),
        Some(ReaderReport::Refused(refusal)) => Err(SecretError::Refused { name: name.clone(), refusal }),
        // Nothing of its output is repeated: a broken reader may have printed anything.
        None => Err(SecretError::Lost(name.clone())),
    }
}
