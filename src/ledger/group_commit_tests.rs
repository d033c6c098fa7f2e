//! Tests of the group commit. `tests/library/recorder.rs` kills a process in the middle of it.

use std::error::Error;
use std::fs;
use std::path::Path;

use serde_json::json;

use std::sync::atomic::{AtomicU32, Ordering};

use rusqlite::{Transaction, TransactionBehavior};

use super::*;
use crate::ledger::{AllowanceKind, Create, LostRecords, MOST_LOG};
use crate::model::{
    commit::{FileChange, VaultChange},
    digest::Digest,
    execution::Effect,
    id::{ExecutionId, RandomIds},
    lifecycle::{CommitKind, CommitState},
    record_sync::RecordSync,
    time::ClockMoment,
    vault_path::VaultPath,
};

type Done = Result<(), Box<dyn Error>>;

fn record() -> Result<ExecutionRecord, Box<dyn Error>> {
    let record = serde_json::from_str(include_str!("../../tests/support/record.json"))?;
    Ok(ExecutionRecord { execution_id: ExecutionId::new(&RandomIds), ..record })
}

/// The same of a run that wrote a file, and its commit.
fn with_commit() -> Result<(ExecutionRecord, Commit), Box<dyn Error>> {
    let record = record()?;
    let (id, path, sha256) = (record.execution_id.into(), VaultPath::parse("a.md")?, Digest::of(b"a"));
    let effect = Effect { path, sha256: Some(sha256), bytes: 1, before: None };
    let commit =
        Commit::pending(id, CommitKind::Run, vec![VaultChange::File(FileChange::from(&effect))], record.finished_at);
    Ok((ExecutionRecord { effects: vec![effect], commit_id: Some(id), ..record }, commit))
}

fn records(count: usize) -> Result<Vec<ExecutionRecord>, Box<dyn Error>> {
    (0..count).map(|_| record()).collect()
}

fn inserts(records: &[ExecutionRecord]) -> Result<Vec<RecordStep>, LedgerError> {
    records.iter().map(RecordStep::insert).collect()
}

fn open(folder: &Path) -> Result<Ledger, LedgerError> {
    Ledger::open(&folder.join("ledger.db"), Create::IfMissing)
}

#[test]
fn what_many_threads_hand_in_is_what_another_connection_reads() -> Done {
    let folder = tempfile::tempdir()?;
    let ledger = open(folder.path())?;
    let authorization = ledger.authorize()?;
    let recorder = Recorder::start(ledger)?;
    let some = || (0..25).map(|_| with_commit()).collect::<Result<Vec<_>, _>>();
    let mine: Vec<Vec<(ExecutionRecord, Commit)>> = (0..8).map(|_| some()).collect::<Result<_, _>>()?;
    thread::scope(|scope| {
        let hand_in = |records: &[(ExecutionRecord, Commit)]| -> Result<(), LedgerError> {
            for (record, commit) in records {
                recorder.insert_success(record, Some(commit), authorization)?;
                recorder.settle(commit.id, &Settled::Applied)?;
            }
            Ok(())
        };
        let threads: Vec<_> = mine.iter().map(|records| scope.spawn(move || hand_in(records))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or(Err(LedgerError::NoWriter)))
    })?;
    let reader = open(folder.path())?;
    for (record, _) in mine.iter().flatten() {
        let row = reader.execution(record.execution_id)?;
        assert_eq!((&row.record, row.commit_state), (record, Some(CommitState::Applied)));
    }
    assert_eq!(reader.count_executions()?, (200, 0));
    assert_eq!(reader.settled_up_to()?, 200);
    Ok(())
}

#[test]
fn a_record_is_there_for_everybody_when_its_caller_goes_on() -> Done {
    let folder = tempfile::tempdir()?;
    let ledger = open(folder.path())?;
    let authorization = ledger.authorize()?;
    let recorder = Recorder::start(ledger)?;
    let reader = open(folder.path())?;
    for _ in 0..20 {
        let (record, commit) = with_commit()?;
        let state = || reader.execution(record.execution_id).map(|row| row.commit_state);
        recorder.insert_success(&record, Some(&commit), authorization)?;
        assert_eq!(state()?, Some(CommitState::Pending));
        assert_eq!(reader.pending_commits()?, std::slice::from_ref(&commit));
        recorder.settle(commit.id, &Settled::Applied)?;
        assert_eq!(state()?, Some(CommitState::Applied));
        assert!(recorder.settle(commit.id, &Settled::Applied).is_err(), "once");
    }
    Ok(())
}

fn write(ledger: &Ledger, steps: &[RecordStep]) -> Vec<Answer> {
    Writer { ledger, change_detector: None, own_commits: &OwnCommits::default(), log_sync: OnceCell::new() }
        .write(steps)
}

#[test]
fn a_refused_record_fails_alone() -> Done {
    let ledger = Ledger::in_memory()?;
    let mut given = records(5)?;
    given[1].execution_id = given[0].execution_id;
    given[3].error = Some("a success with an error".to_owned());
    let mut changes = inserts(&given)?;
    changes.push(RecordStep::Settle(ExecutionId::new(&RandomIds).into(), Settled::Applied));
    let answers = write(&ledger, &changes);
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
    let answers = write(&ledger, &inserts(&given)?);
    assert_eq!(answers.len(), 4);
    assert!(answers.iter().all(|answer| matches!(answer, Err(LedgerError::Busy))), "{answers:?}");
    held.rollback()?;
    assert_eq!(ledger.count_executions()?, (0, 0));
    assert!(write(&ledger, &inserts(&given)?).iter().all(Result::is_ok));
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
    let answers = write(&ledger, &inserts(&given)?);
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
    for step in inserts(&records(BATCH + 1)?)? {
        queue.send(Job { step, answer: sync_channel(1).0 })?;
    }
    drop(queue);
    assert_eq!(gather(waiting.recv()?, &waiting, PATIENCE).len(), BATCH, "a batch has an end");
    assert_eq!(gather(waiting.recv()?, &waiting, PATIENCE).len(), 1);
    Ok(())
}

#[test]
fn dropping_it_ends_the_writer_and_lets_the_ledger_go() -> Done {
    let folder = tempfile::tempdir()?;
    let recorder = Recorder::start(open(folder.path())?)?;
    let record = record()?;
    recorder.insert_execution(&record)?;
    drop(recorder);
    // The log stays, and the next process reads it.
    assert!(folder.path().join("ledger.db-wal").exists());
    assert_eq!(open(folder.path())?.execution(record.execution_id)?.record, record);
    Ok(())
}

/// Records of this process need no second look; whatever another connection does, or a commit of files, does.
#[cfg(target_os = "linux")]
#[test]
fn a_trail_leads_over_records_alone() -> Done {
    let folder = tempfile::tempdir()?;
    let ledger = open(folder.path())?;
    let authorization = ledger.authorize()?;
    let recorder = Recorder::start(ledger)?;
    let other = open(folder.path())?;
    let mut change_detector = other.change_detector().ok_or("no change detector")?;
    let mut unchanged = || change_detector.unchanged_except(recorder.own_commits());
    assert!(!unchanged() && unchanged());
    for round in 0..40 {
        for record in records(3)? {
            recorder.insert_execution(&record)?;
            recorder.insert_success(&records(1)?[0], None, authorization)?;
            assert!(unchanged() && unchanged(), "{round}");
        }
        match round % 4 {
            // Before a record of ours, after one, between two, and a commit of files.
            0 => drop(other.conn.execute("UPDATE switch_turns SET why = ?1", [round])?),
            1 => {
                other.conn.execute("UPDATE switch_turns SET why = ?1", [round])?;
                recorder.insert_execution(&records(1)?[0])?;
            }
            2 => {
                recorder.insert_execution(&records(1)?[0])?;
                other.conn.execute("UPDATE switch_turns SET why = ?1", [round])?;
                recorder.insert_execution(&records(1)?[0])?;
            }
            _ => {
                let (record, commit) = with_commit()?;
                recorder.insert_success(&record, Some(&commit), authorization)?;
                assert!(!unchanged());
                recorder.settle(commit.id, &Settled::Applied)?;
            }
        }
        assert!(!unchanged(), "{round}");
        if round % 8 == 7 {
            other.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
            unchanged();
        }
    }
    Ok(())
}

/// Whoever looks out while others write never takes a change for none: the sum that it last read is the one that holds.
#[cfg(target_os = "linux")]
#[test]
fn a_trail_hides_no_commit_of_somebody_elses() -> Done {
    let folder = tempfile::tempdir()?;
    let recorder = Recorder::start(open(folder.path())?)?;
    let turns = AtomicU32::new(0);
    std::thread::scope(|scope| -> Done {
        let records = records(400)?;
        let (recorder, turns) = (&recorder, &turns);
        let writer = scope.spawn(move || records.iter().try_for_each(|record| recorder.insert_execution(record)));
        let other = open(folder.path())?;
        let turning = scope.spawn(move || -> Result<(), rusqlite::Error> {
            for turn in 1..=200_u32 {
                other.conn.execute("UPDATE switch_turns SET why = ?1", [turn.to_string()])?;
                turns.store(turn, Ordering::SeqCst);
            }
            Ok(())
        });
        let reader = open(folder.path())?;
        let mut change_detector = reader.change_detector().ok_or("no change detector")?;
        let mut known = 0_u32;
        while !(writer.is_finished() && turning.is_finished()) {
            let done = turns.load(Ordering::SeqCst);
            if !change_detector.unchanged_except(recorder.own_commits()) {
                let sql = "SELECT CASE why WHEN '' THEN '0' ELSE why END FROM switch_turns";
                known = reader.conn.query_row(sql, [], |row| row.get::<_, String>(0))?.parse().unwrap_or(0);
            }
            assert!(known >= done, "turn {done} was hidden: {known}");
        }
        writer.join().unwrap_or(Err(LedgerError::NoWriter))?;
        turning.join().map_err(|_| "the other writer panicked")??;
        Ok(())
    })
}

#[test]
fn only_records_of_runs_that_changed_nothing_may_wait_for_the_disk() -> Done {
    let ledger = Ledger::in_memory()?;
    let authorization = ledger.authorize()?;
    let (record, commit) = with_commit()?;
    let plain = ExecutionRecord { effects: Vec::new(), commit_id: None, ..record.clone() };
    let moment = ClockMoment { wall: record.finished_at, boot: 1, boot_ms: 1 };
    let used = |kind| Allowance { kind, most: 10, at: moment };
    let reached = |step: RecordStep| match step {
        RecordStep::Insert(mut row, used) => {
            row.reached_out = true;
            RecordStep::Insert(row, used)
        }
        other => other,
    };
    for (what, step, group) in [
        ("a failure", RecordStep::failure(&plain, None)?, Durability::Soon),
        ("a run of an agent", RecordStep::failure(&plain, Some(used(AllowanceKind::Run)))?, Durability::Soon),
        ("a success", RecordStep::success(&plain, None, authorization)?, Durability::Soon),
        ("files", RecordStep::success(&record, Some(&commit), authorization)?, Durability::Now),
        ("moved files", RecordStep::Settle(commit.id, Settled::Applied), Durability::Now),
        ("a request", reached(RecordStep::failure(&plain, None)?), Durability::Now),
        ("an override", RecordStep::failure(&plain, Some(used(AllowanceKind::Override)))?, Durability::Now),
    ] {
        assert_eq!(step.durability(RecordSync::Group), group, "{what}");
        assert_eq!(step.durability(RecordSync::Always), Durability::Now, "{what}");
    }
    Ok(())
}

#[test]
fn what_waits_for_the_disk_is_marked_until_it_is_there() -> Done {
    let folder = tempfile::tempdir()?;
    let mark = folder.path().join("unsynced");
    let ledger = open(folder.path())?.with_record_sync(RecordSync::Group);
    let (authorization, reader) = (ledger.authorize()?, open(folder.path())?);
    let recorder = Recorder::start(ledger)?;
    assert!(!mark.exists(), "nothing waits yet");
    let waiting = record()?;
    recorder.insert_execution(&waiting)?;
    assert!(mark.exists() && reader.execution(waiting.execution_id).is_ok(), "the next reader sees it");
    let (with_files, commit) = with_commit()?;
    recorder.insert_success(&with_files, Some(&commit), authorization)?;
    recorder.settle(commit.id, &Settled::Applied)?;
    assert_eq!(reader.lost_records(), LostRecords::None, "it is at work");
    drop(recorder);
    assert!(!mark.exists());
    Ok(())
}

#[test]
fn a_log_that_grew_is_put_into_the_ledger_when_it_is_closed() -> Done {
    let folder = tempfile::tempdir()?;
    let length = || fs::metadata(folder.path().join("ledger.db-wal")).map(|meta| meta.len());
    let ledger = open(folder.path())?;
    // Nothing is put into the ledger while it is open, so that the log grows.
    ledger.conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    let record = record()?;
    let long = ExecutionRecord { input_json: json!("x".repeat(3 << 20)), ..record };
    ledger.insert_execution(&long)?;
    assert!(length()? > MOST_LOG);
    // Another reader keeps it.
    let other = open(folder.path())?;
    let reading = Transaction::new_unchecked(&other.conn, TransactionBehavior::Deferred)?;
    reading.query_row("SELECT count(*) FROM executions", [], |_| Ok(()))?;
    drop(ledger);
    assert!(length()? > MOST_LOG);
    drop(reading);
    // Whoever only read changes nothing, and the next one who writes does.
    drop(other);
    assert!(length()? > MOST_LOG);
    let next = open(folder.path())?;
    next.insert_execution(&records(1)?.remove(0))?;
    drop(next);
    assert_eq!(length()?, 0);
    assert_eq!(open(folder.path())?.execution(long.execution_id)?.record, long);
    Ok(())
}
