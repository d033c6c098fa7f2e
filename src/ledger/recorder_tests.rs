//! Tests of the group commit. `tests/recorder.rs` kills a process in the middle of it.

use std::error::Error;
use std::path::Path;

use serde_json::json;

use super::*;
use crate::ledger::Create;
use crate::model::{
    digest::Digest,
    effect::EffectClass,
    id::{IdSource, RandomIds},
    name::SkillName,
    time::Timestamp,
};

type Done = Result<(), Box<dyn Error>>;

fn record(ids: &dyn IdSource) -> Result<ExecutionRecord, Box<dyn Error>> {
    let now = Timestamp::from_millis(1_763_624_000_000)?;
    Ok(ExecutionRecord {
        v: 1,
        execution_id: ExecutionId::new(ids),
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

fn records(count: usize) -> Result<Vec<ExecutionRecord>, Box<dyn Error>> {
    (0..count).map(|_| record(&RandomIds)).collect()
}

fn inserts(records: &[ExecutionRecord]) -> Result<Vec<Change>, LedgerError> {
    records.iter().map(|record| Change::insert(record, EffectsState::Applied)).collect()
}

fn open(folder: &Path) -> Result<Ledger, LedgerError> {
    Ledger::open(&folder.join("ledger.db"), Create::IfMissing)
}

#[test]
fn what_many_threads_hand_in_is_what_another_connection_reads() -> Done {
    let folder = tempfile::tempdir()?;
    let recorder = Recorder::start(open(folder.path())?)?;
    let mine: Vec<Vec<ExecutionRecord>> = (0..8).map(|_| records(25)).collect::<Result<_, _>>()?;
    thread::scope(|scope| {
        let hand_in = |records: &[ExecutionRecord]| -> Result<(), LedgerError> {
            for record in records {
                recorder.insert_execution(record, EffectsState::Pending)?;
                recorder.effects_applied(record.execution_id)?;
            }
            Ok(())
        };
        let threads: Vec<_> = mine.iter().map(|records| scope.spawn(move || hand_in(records))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or(Err(LedgerError::NoWriter)))
    })?;
    let reader = open(folder.path())?;
    for record in mine.iter().flatten() {
        let row = reader.execution(record.execution_id)?;
        assert_eq!((&row.record, row.effects_state), (record, EffectsState::Applied));
    }
    assert_eq!(reader.count_executions()?, (200, 0));
    Ok(())
}

#[test]
fn a_record_is_there_for_everybody_when_its_caller_goes_on() -> Done {
    let folder = tempfile::tempdir()?;
    let recorder = Recorder::start(open(folder.path())?)?;
    let reader = open(folder.path())?;
    for record in records(20)? {
        recorder.insert_execution(&record, EffectsState::Pending)?;
        assert_eq!(reader.execution(record.execution_id)?.effects_state, EffectsState::Pending);
        recorder.effects_applied(record.execution_id)?;
        assert_eq!(reader.execution(record.execution_id)?.effects_state, EffectsState::Applied);
    }
    Ok(())
}

#[test]
fn a_refused_record_fails_alone() -> Done {
    let ledger = Ledger::in_memory()?;
    let mut given = records(5)?;
    given[1].execution_id = given[0].execution_id;
    given[3].error = Some("a success with an error".to_owned());
    let mut changes = inserts(&given)?;
    changes.push(Change::Applied(ExecutionId::new(&RandomIds)));
    let answers = write(&ledger.conn, &changes);
    let fine: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(fine, [true, false, true, false, true, false]);
    assert!(matches!(answers[5], Err(LedgerError::NotFound { .. })));
    assert_eq!(ledger.count_executions()?, (3, 0));
    assert!(ledger.conn.is_autocommit(), "a transaction was left open");
    Ok(())
}

#[test]
fn a_batch_that_cannot_begin_fails_for_every_caller() -> Done {
    let folder = tempfile::tempdir()?;
    let (ledger, other) = (open(folder.path())?, open(folder.path())?);
    ledger.conn.busy_timeout(std::time::Duration::ZERO)?;
    let held = Transaction::new_unchecked(&other.conn, TransactionBehavior::Immediate)?;
    let given = records(4)?;
    let answers = write(&ledger.conn, &inserts(&given)?);
    assert_eq!(answers.len(), 4);
    assert!(answers.iter().all(|answer| matches!(answer, Err(LedgerError::Busy(_)))), "{answers:?}");
    held.rollback()?;
    assert_eq!(ledger.count_executions()?, (0, 0));
    assert!(write(&ledger.conn, &inserts(&given)?).iter().all(Result::is_ok));
    Ok(())
}

#[test]
fn a_full_disk_leaves_nothing_of_what_it_failed_for() -> Done {
    let folder = tempfile::tempdir()?;
    let ledger = open(folder.path())?;
    let pages: i64 = ledger.conn.pragma_query_value(None, "page_count", |row| row.get(0))?;
    ledger.conn.pragma_update_and_check(None, "max_page_count", pages + 8, |_| Ok(()))?;
    let mut given = records(6)?;
    given[3].input_json = json!("long ".repeat(40_000));
    let answers = write(&ledger.conn, &inserts(&given)?);
    assert!(answers[3].is_err(), "{answers:?}");
    for (record, answer) in given.iter().zip(&answers) {
        assert_eq!(ledger.execution(record.execution_id).is_ok(), answer.is_ok(), "{answers:?}");
    }
    assert!(ledger.conn.is_autocommit(), "a transaction was left open");
    Ok(())
}

#[test]
fn what_waits_together_is_one_transaction() -> Done {
    let (queue, waiting) = sync_channel(QUEUE);
    for change in inserts(&records(BATCH + 1)?)? {
        queue.send(Job { change, answer: sync_channel(1).0 })?;
    }
    drop(queue);
    assert_eq!(gather(waiting.recv()?, &waiting).len(), BATCH, "a batch has an end");
    assert_eq!(gather(waiting.recv()?, &waiting).len(), 1);
    Ok(())
}

#[test]
fn dropping_it_ends_the_writer_and_lets_the_ledger_go() -> Done {
    let folder = tempfile::tempdir()?;
    let recorder = Recorder::start(open(folder.path())?)?;
    recorder.insert_execution(&record(&RandomIds)?, EffectsState::Applied)?;
    drop(recorder);
    // The last connection of a ledger takes its write-ahead log with it.
    assert!(!folder.path().join("ledger.db-wal").exists());
    Ok(())
}
