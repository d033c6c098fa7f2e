//! A process that is killed while many threads record: whatever a caller was told is durable is in the ledger.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::Stdio;
use std::thread;

use kavi::ledger::{Create, Journal as _, Ledger, Recorder};
use kavi::model::{
    execution::ExecutionRecord,
    id::{ExecutionId, RandomIds},
};

use crate::support::alone;

/// Names the ledger to a process that was started to be killed.
const LEDGER: &str = "KAVI_TEST_RECORDER";
const TEST: &str = "a_killed_process_loses_only_what_nobody_was_told_is_durable";

fn record() -> Result<ExecutionRecord, Box<dyn Error + Send + Sync>> {
    let record = serde_json::from_str(include_str!("../support/record.json"))?;
    Ok(ExecutionRecord { execution_id: ExecutionId::new(&RandomIds), ..record })
}

/// Records for ever from 16 threads, and says of each record that it is durable.
fn record_until_killed(ledger: &Path) -> Result<(), Box<dyn Error + Send + Sync>> {
    let recorder = Recorder::start(Ledger::open(ledger, Create::Never)?)?;
    let go_on = || -> Result<(), Box<dyn Error + Send + Sync>> {
        loop {
            let record = record()?;
            recorder.insert_execution(&record)?;
            writeln!(std::io::stdout().lock(), "durable {}", record.execution_id)?;
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(go_on)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| Err("a thread panicked".into())))
    })
}

#[test]
fn a_killed_process_loses_only_what_nobody_was_told_is_durable() -> Result<(), Box<dyn Error + Send + Sync>> {
    if let Some(ledger) = std::env::var_os(LEDGER) {
        return record_until_killed(Path::new(&ledger));
    }
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("ledger.db");
    Ledger::open(&path, Create::IfMissing)?;
    let mut told = Vec::new();
    for wanted in [1, 40, 300] {
        let mut child =
            alone(module_path!(), TEST).env(LEDGER, &path).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut said = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
        let mut durable = said.by_ref().filter_map(|line| {
            // The first one stands behind what the test harness says.
            line.ok().and_then(|line| line.split_once("durable ").map(|(_, id)| id.to_owned()))
        });
        let mut ids: Vec<String> = durable.by_ref().take(wanted).collect();
        child.kill()?;
        ids.extend(durable);
        child.wait()?;
        assert!(ids.len() >= wanted, "it ended by itself after {} records", ids.len());
        told.extend(ids);
        let ledger = Ledger::open(&path, Create::Never)?;
        ledger.check_fully()?;
        for id in &told {
            // A line may be cut where the process was killed.
            if let Ok(id) = ExecutionId::parse(id) {
                ledger.execution(id)?;
            }
        }
    }
    Ok(())
}
