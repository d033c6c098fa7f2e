//! The reader: Kavi's own executable, started again with a hidden verb. It reads one value and hands it over.
//!
//! Guarantees: it can be traced or dumped by no other process of this user, and nothing of the value is in its arguments or
//! environment. What it hands over is the whole value or nothing. Its report has no part of the value.
//!
//! Deliberately never: serves a second order, or keeps anything.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

use super::error::ReadRefusal;
use super::hand_over;
use super::stores::{self, Asker};
use crate::model::secret::SecretStore;

/// The hidden verb.
pub(super) const VERB: &str = "__read-secret";

/// What the reader is to do. There is no secret in it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ReaderOrder {
    pub(super) store: SecretStore,
    /// Kavi's executable.
    pub(super) exe: PathBuf,
    /// The process that asks.
    pub(super) process: i32,
}

/// How it went. `short` says that the value is too short to be recognised.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ReaderReport {
    Done { short: bool },
    Refused(ReadRefusal),
}

/// Performs the work of the reader when this process was started as one.
///
/// `args` are the process's arguments, the program's name included. The value goes to `output`, the report to
/// `report`. `None` means that this is no reader.
pub fn child_entry(
    args: impl IntoIterator<Item = std::ffi::OsString>,
    input: impl Read,
    output: impl Write,
    mut report: impl Write,
) -> Option<ExitCode> {
    if args.into_iter().nth(1)? != VERB {
        return None;
    }
    let done = hide().and_then(|()| Ok(serde_json::from_reader::<_, ReaderOrder>(input)?));
    // An order comes from Kavi itself, so one that cannot be read is a bug: there is nobody to explain it to.
    let Ok(order) = done else { return Some(ExitCode::FAILURE) };
    let done = match work(&order, output) {
        Ok(short) => ReaderReport::Done { short },
        Err(refusal) => ReaderReport::Refused(refusal),
    };
    let told = serde_json::to_writer(&mut report, &done).is_ok() && report.flush().is_ok();
    Some(if told { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// No core dump, and no other process of this user may read this one's memory.
fn hide() -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    // The limit on core files that the stage of the cage set is inherited.
    Ok(())
}

/// Reads the value and hands it over. Says whether the value is short.
fn work(order: &ReaderOrder, mut output: impl Write) -> Result<bool, ReadRefusal> {
    let value = stores::read(&order.store, Asker { exe: &order.exe, process: order.process })?;
    let undelivered = |error: std::io::Error| ReadRefusal::Undelivered(error.to_string());
    hand_over::write_value(&mut output, &value).map_err(undelivered)?;
    Ok(value.is_short())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_program_call_is_no_reader() {
        let args = |verb: &str| ["kavi".into(), verb.into()];
        assert!(child_entry(args("status"), std::io::empty(), Vec::new(), Vec::new()).is_none());
        assert!(child_entry(["kavi".into()], std::io::empty(), Vec::new(), Vec::new()).is_none());
    }
}
