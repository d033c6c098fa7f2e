//! Tests of looking back: what is found, in which order, and what is read for it.

use std::error::Error;

use super::*;
use crate::ledger::codec::full_scans;
use crate::model::{execution::ExecutionRecord, id::RandomIds};

type Done = Result<(), Box<dyn Error>>;

fn at(second: i64) -> Result<Timestamp, Box<dyn Error>> {
    Ok(Timestamp::from_millis(Timestamp::parse("2026-11-20T00:00:00Z")?.as_millis() + second * 1_000)?)
}

/// A record of a run that started so many seconds after midnight.
fn record(skill: &str, at: i64, error: Option<&str>) -> Result<ExecutionRecord, Box<dyn Error>> {
    let record: ExecutionRecord = serde_json::from_str(include_str!("../../tests/support/record.json"))?;
    let time = self::at(at)?;
    Ok(ExecutionRecord {
        execution_id: ExecutionId::new(&RandomIds),
        skill_name: SkillName::parse(skill)?,
        started_at: time,
        finished_at: time,
        success: error.is_none(),
        output_json: record.output_json.filter(|_| error.is_none()),
        error: error.map(str::to_owned),
        ..record
    })
}

/// A ledger with five records, written in another order than they started in.
fn ledger() -> Result<Ledger, Box<dyn Error>> {
    let ledger = Ledger::in_memory()?;
    for (skill, at, error) in
        [("a", 1, None), ("b", 3, Some("Kind: x")), ("a", 2, Some("Kind: y")), ("b", 4, None), ("a", 4, None)]
    {
        ledger.insert_execution(&record(skill, at, error)?)?;
    }
    Ok(ledger)
}

/// Skill and second of each.
fn named(rows: &[ExecutionRow]) -> Vec<String> {
    let one = |row: &ExecutionRow| {
        let time = row.record.started_at.to_string();
        format!("{}{}", row.record.skill_name, &time[18..19])
    };
    rows.iter().map(one).collect()
}

fn of(skill: &str) -> RecordFilter {
    RecordFilter { skill: SkillName::parse(skill).ok(), ..RecordFilter::default() }
}

#[test]
fn the_newest_are_those_that_were_written_last_whatever_the_clock_said() -> Done {
    let ledger = ledger()?;
    let failed = RecordFilter { outcome: OutcomeFilter::Failed, ..RecordFilter::default() };
    let since = |second| at(second).map(|at| RecordFilter { since: Some(at), ..RecordFilter::default() });
    for (which, most, found) in [
        (RecordFilter::default(), 9, &["a1", "b3", "a2", "b4", "a4"][..]),
        (RecordFilter::default(), 2, &["b4", "a4"]),
        (RecordFilter::default(), 0, &[]),
        (of("a"), 2, &["a2", "a4"]),
        (of("c"), 2, &[]),
        (failed.clone(), 9, &["b3", "a2"]),
        (RecordFilter { outcome: OutcomeFilter::Failed, ..of("a") }, 9, &["a2"]),
        (since(3)?, 9, &["b3", "b4", "a4"]),
        (RecordFilter { until: Some(at(3)?), ..since(2)? }, 9, &["a2"]),
        (RecordFilter { since: Some(at(2)?), until: Some(at(4)?), ..failed }, 9, &["b3", "a2"]),
        (since(9)?, 9, &[]),
        (RecordFilter { until: Some(at(0)?), ..RecordFilter::default() }, 9, &[]),
    ] {
        let tail = ledger.tail(&which, most)?;
        assert_eq!(named(&tail.rows), found, "{which:?}");
        assert_eq!(tail.seen, 5);
        let mut all = Vec::new();
        let count = ledger.each_execution(&which, |row| -> Result<(), LedgerError> {
            all.push(row);
            Ok(())
        })?;
        assert_eq!(count, all.len() as u64);
        let all = named(&all);
        assert!(all.ends_with(&found.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>()), "{which:?}: {all:?}");
    }
    Ok(())
}

#[test]
fn what_was_written_since_comes_in_the_order_in_which_it_was_and_only_once() -> Done {
    let ledger = ledger()?;
    let mut seen = 0;
    let mut all = Vec::new();
    for _ in 0..4 {
        let tail = ledger.written_after(&RecordFilter::default(), seen, 2)?;
        seen = tail.seen;
        all.extend(named(&tail.rows));
    }
    assert_eq!((all, seen), (["a1", "b3", "a2", "b4", "a4"].map(str::to_owned).to_vec(), 5));
    // What does not fit has been looked at as well.
    let tail = ledger.written_after(&of("b"), 2, 9)?;
    assert_eq!((named(&tail.rows), tail.seen), (vec!["b4".to_owned()], 5));
    let stopped = ledger.each_execution(&RecordFilter::default(), |_| Err(LedgerError::NotStopped));
    assert!(matches!(stopped, Err(LedgerError::NotStopped)), "whoever takes them can end it");
    Ok(())
}

#[test]
fn a_clock_that_was_set_back_moves_no_record_and_is_no_news() -> Done {
    let ledger = ledger()?;
    // A day earlier than all of the others.
    let late = record("a", -86_400, None)?;
    ledger.insert_execution(&late)?;
    let newest = ledger.tail(&RecordFilter::default(), 1)?;
    assert_eq!(newest.rows[0].record.execution_id, late.execution_id);
    assert_eq!(ledger.newest_execution()?, late.execution_id);
    assert_eq!(ledger.runs_to_replay(&SkillName::parse("a")?)?.last(), Some(&late.execution_id));
    Ok(())
}

#[test]
fn a_caller_who_takes_long_over_a_record_keeps_no_read_open() -> Done {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("ledger.db");
    let ledger = Ledger::open(&path, crate::ledger::Create::IfMissing)?;
    for second in 0..i64::from(PAGE) + 10 {
        ledger.insert_execution(&record("a", second, None)?)?;
    }
    let other = Ledger::open(&path, crate::ledger::Create::Never)?;
    let mut taken = 0;
    let count = ledger.each_execution(&RecordFilter::default(), |_| -> Result<(), LedgerError> {
        taken += 1;
        if taken == 5 {
            // The whole log can be emptied meanwhile, and what is written meanwhile is not part of it.
            other.insert_execution(&record("b", 1, None).map_err(|error| LedgerError::BadValue(error.to_string()))?)?;
            let busy: i64 = other.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
            assert_eq!(busy, 0, "a reader was in the way");
        }
        Ok(())
    })?;
    assert_eq!(count, u64::from(PAGE) + 10);
    Ok(())
}

#[test]
fn a_session_is_all_that_follows_from_where_it_began() -> Done {
    let ledger = Ledger::in_memory()?;
    let mut ids = Vec::new();
    // The parent of each: none, or the number of another; the last two of a circle of two come later.
    for parent in [None, Some(0), Some(1), Some(0), None] {
        let parent: Option<usize> = parent;
        let record = ExecutionRecord {
            parent_execution_id: parent.map(|parent| ids[parent]),
            ..record("a", ids.len() as i64, None)?
        };
        ledger.insert_execution(&record)?;
        ids.push(record.execution_id);
    }
    let found = |of: usize| -> Result<Vec<ExecutionId>, LedgerError> {
        Ok(ledger.session(ids[of])?.iter().map(|entry| entry.execution_id).collect())
    };
    for of in 0..4 {
        assert_eq!(found(of)?, [ids[0], ids[1], ids[3], ids[2]], "from {of}: the root, then level by level");
    }
    assert_eq!(found(4)?, [ids[4]]);
    assert_eq!(ledger.newest_execution()?, ids[4]);
    // Without its first record the next one is what it begins with.
    ledger.conn.execute("DELETE FROM executions WHERE execution_id = ?1", [ids[0]])?;
    assert_eq!((found(2)?, found(3)?), (vec![ids[1], ids[2]], vec![ids[3]]));
    // A record that says it follows from one of its own.
    let sql = "UPDATE executions SET parent_execution_id = ?2 WHERE execution_id = ?1";
    ledger.conn.execute(sql, [ids[1], ids[2]])?;
    assert_eq!((found(1)?.len(), found(2)?.len()), (2, 2));
    ledger.conn.execute(sql, [ids[1], ids[1]])?;
    assert_eq!(found(2)?, [ids[1], ids[2]]);
    Ok(())
}

#[test]
fn nothing_is_read_whole_to_look_at_a_little() -> Done {
    let ledger = Ledger::in_memory()?;
    let time = Some(Timestamp::from_millis(0)?);
    let mut queries = [LAST, PARENT, NEWEST, FIRST_SINCE, LAST_BEFORE].map(str::to_owned).to_vec();
    queries.extend([BELOW, DURING].map(|part| format!("{ENTRY} {part}")));
    for skill in [None, SkillName::parse("a").ok()] {
        for outcome in [OutcomeFilter::Any, OutcomeFilter::Failed] {
            for (since, until) in [(None, None), (time, None), (time, time)] {
                let which = RecordFilter { skill: skill.clone(), outcome, since, until };
                let all = RowRange { first: 0, last: 9 };
                queries.extend(["DESC", "ASC"].map(|order| which.in_order(order, all, 1).0));
            }
        }
    }
    for sql in queries {
        let plan = plan(&ledger, &sql)?;
        assert_eq!(full_scans(&ledger.conn, &sql)?, [""; 0], "{sql}: {plan:?}");
        assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{sql} sorts: {plan:?}");
    }
    Ok(())
}

fn plan(ledger: &Ledger, sql: &str) -> Result<Vec<String>, LedgerError> {
    let mut statement = ledger.conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
    Ok(statement.raw_query().mapped(|row| row.get("detail")).collect::<Result<_, _>>()?)
}
