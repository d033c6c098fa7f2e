//! A process that is killed while many threads record: whatever a caller was told is durable is in the ledger.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use kavi::ledger::{Create, EffectsState, Journal as _, Ledger, Recorder};
use kavi::model::{
    digest::Digest,
    effect::EffectClass,
    execution::ExecutionRecord,
    id::{ExecutionId, RandomIds},
    name::SkillName,
    time::Timestamp,
};
use serde_json::json;

/// Names the ledger to a process that was started to be killed.
const LEDGER: &str = "KAVI_TEST_RECORDER";
const TEST: &str = "a_killed_process_loses_only_what_nobody_was_told_is_durable";

fn record() -> Result<ExecutionRecord, Box<dyn Error + Send + Sync>> {
    let now = Timestamp::from_millis(1_763_624_000_000)?;
    Ok(ExecutionRecord {
        v: 1,
        execution_id: ExecutionId::new(&RandomIds),
        parent_execution_id: None,
        skill_name: SkillName::parse("note")?,
        revision: 1,
        source_hash: Digest::of(b"component"),
        side_effect_class: EffectClass::ReadOnly,
        input_json: json!({ "title": "Title" }),
        output_json: Some(json!({ "said": "yes" })),
        success: true,
        error: None,
        clock: now,
        seed: Digest::of(b"seed").to_string(),
        effects: Vec::new(),
        started_at: now,
        finished_at: now,
        second_wall: None,
        said: None,
    })
}

/// Records for ever from 16 threads, and says of each record that it is durable.
fn record_until_killed(ledger: &Path) -> Result<(), Box<dyn Error + Send + Sync>> {
    let recorder = Recorder::start(Ledger::open(ledger, Create::Never)?)?;
    let go_on = || -> Result<(), Box<dyn Error + Send + Sync>> {
        loop {
            let record = record()?;
            recorder.insert_execution(&record, EffectsState::Applied)?;
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
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--exact", TEST, "--nocapture"])
            .env(LEDGER, &path)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
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
        ledger.check_integrity()?;
        for id in &told {
            // A line may be cut where the process was killed.
            if let Ok(id) = ExecutionId::parse(id) {
                ledger.execution(id)?;
            }
        }
    }
    Ok(())
}
