//! What was run, looked back on: the newest records, those of a time, and those that follow from one another.
//!
//! Guarantees: the order is the one in which records were written, whatever the clock said. No question reads more of the
//! ledger than what it is about. Whatever one call gives was all true at one moment; only [`Ledger::each_execution`] reads
//! page by page, up to the record that was the last one when it began.
//!
//! Deliberately never: holds more records in memory than it gives back, or keeps a read open while a caller works on a
//! record. A read that stays open would keep the write-ahead log from being emptied.

use std::collections::{BTreeSet, VecDeque};

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params_from_iter, types::Value};

use super::{ExecutionRow, Ledger, LedgerError, executions};
use crate::model::{id::ExecutionId, name::SkillName, session::RunEntry, time::Timestamp};

/// Which records are asked for.
#[derive(Debug, Clone, Default)]
pub struct RecordFilter {
    /// Those of one skill.
    pub skill: Option<SkillName>,
    /// How they ended.
    pub outcome: OutcomeFilter,
    /// Those that started then or later.
    pub since: Option<Timestamp>,
    /// Those that started before.
    pub until: Option<Timestamp>,
}

/// How the runs that are asked for ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OutcomeFilter {
    /// However they did.
    #[default]
    Any,
    /// They failed.
    Failed,
}

/// The newest records, and up to where that was.
#[derive(Debug)]
pub struct RecordTail {
    /// The records, newest last.
    pub rows: Vec<ExecutionRow>,
    /// The number of the record that was written last, whatever it is about.
    pub seen: i64,
}

impl RecordFilter {
    /// The index to go by. The planner does not know how many there are of what.
    fn index(&self) -> &'static str {
        match self {
            Self { outcome: OutcomeFilter::Failed, .. } => "INDEXED BY executions_that_failed",
            Self { skill: Some(_), .. } => "INDEXED BY executions_of_skill",
            _ => "NOT INDEXED",
        }
    }

    /// What a record must be, and the values for that.
    fn conditions(&self) -> (String, Vec<Value>) {
        let mut conditions = vec!["TRUE"];
        let mut values = Vec::new();
        let mut with = |condition, value: Option<String>| {
            if let Some(value) = value {
                conditions.push(condition);
                values.push(Value::Text(value));
            }
        };
        with("e.skill_name = ?", self.skill.as_ref().map(ToString::to_string));
        with("e.started_at >= ?", self.since.as_ref().map(ToString::to_string));
        with("e.started_at < ?", self.until.as_ref().map(ToString::to_string));
        if self.outcome == OutcomeFilter::Failed {
            conditions.push("e.success = 0");
        }
        (conditions.join(" AND "), values)
    }

    /// The numbers between which all of it is.
    fn range(&self, moment: &Connection) -> Result<RowRange, LedgerError> {
        let of_time = |sql: &str, time: &Option<Timestamp>| match time {
            Some(time) => moment.query_row(sql, [time], |row| row.get(0)),
            None => Ok(None),
        };
        let last: i64 = moment.query_row(LAST, [], |row| row.get(0))?;
        let first: Option<i64> = of_time(FIRST_SINCE, &self.since)?;
        let before: Option<i64> = of_time(LAST_BEFORE, &self.until)?;
        Ok(RowRange {
            // A time that nothing is from leaves an empty range.
            first: if self.since.is_some() { first.unwrap_or(i64::MAX) } else { i64::MIN },
            last: if self.until.is_some() { before.unwrap_or(i64::MIN) } else { last },
        })
    }

    /// At most so many of them within the range, in the order in which they were written.
    fn in_order(&self, order: &str, range: RowRange, most: u32) -> (String, Vec<Value>) {
        let (conditions, mut values) = self.conditions();
        values.extend([range.first.into(), range.last.into(), most.into()]);
        let sql = format!(
            "{} WHERE {conditions} AND e.rowid >= ? AND e.rowid <= ? ORDER BY e.rowid {order} LIMIT ?",
            select(self.index())
        );
        (sql, values)
    }
}

/// The numbers of the first and the last record that may be of interest.
#[derive(Debug, Clone, Copy)]
struct RowRange {
    first: i64,
    last: i64,
}

/// Records, found in the way that `how` says.
fn select(how: &str) -> String {
    // SQLite accepts the hint only directly after the table's alias, in the middle of the shared
    // text.
    let found = executions::SELECT.replacen("executions AS e", &format!("executions AS e {how}"), 1);
    found.replacen("SELECT e.*", "SELECT e.rowid AS number, e.*", 1)
}

const LAST: &str = "SELECT coalesce(max(rowid), 0) FROM executions";

const ENTRY: &str =
    "SELECT e.execution_id, e.parent_execution_id, e.skill_name, e.revision, e.purpose, e.door, e.success,
         e.error, e.started_at, e.finished_at, c.state AS commit_state,
         EXISTS (SELECT 1 FROM commits AS u WHERE u.undoes = e.commit_id AND u.state IN ('PENDING', 'APPLIED')) AS undone
     FROM executions AS e LEFT JOIN commits AS c ON c.id = e.commit_id";

const PARENT: &str = "SELECT parent_execution_id FROM executions WHERE execution_id = ?1";
const BELOW: &str = "WHERE e.parent_execution_id = ?1";
const DURING: &str = "WHERE e.started_at >= ?1 AND e.started_at < ?2";
const NEWEST: &str = "SELECT execution_id FROM executions WHERE rowid = (SELECT max(rowid) FROM executions)";
const FIRST_SINCE: &str = "SELECT min(rowid) FROM executions INDEXED BY executions_by_time WHERE started_at >= ?1";
const LAST_BEFORE: &str = "SELECT max(rowid) FROM executions INDEXED BY executions_by_time WHERE started_at < ?1";

/// Records that are read at once for a caller who takes all of them.
const PAGE: u32 = 256;

fn entry(row: &Row<'_>) -> rusqlite::Result<RunEntry> {
    Ok(RunEntry {
        execution_id: row.get("execution_id")?,
        parent_execution_id: row.get("parent_execution_id")?,
        skill_name: row.get("skill_name")?,
        revision: row.get("revision")?,
        purpose: row.get("purpose")?,
        channel: row.get("door")?,
        success: row.get("success")?,
        error: row.get("error")?,
        commit_state: row.get("commit_state")?,
        undone: row.get("undone")?,
        started_at: row.get("started_at")?,
        finished_at: row.get("finished_at")?,
    })
}

impl From<&ExecutionRow> for RunEntry {
    fn from(row: &ExecutionRow) -> Self {
        let record = &row.record;
        Self {
            execution_id: record.execution_id,
            parent_execution_id: record.parent_execution_id,
            skill_name: record.skill_name.clone(),
            revision: record.revision,
            purpose: record.purpose,
            channel: record.channel,
            success: record.success,
            error: record.error.clone(),
            commit_state: row.commit_state,
            undone: row.undone,
            started_at: record.started_at,
            finished_at: record.finished_at,
        }
    }
}

impl Ledger {
    /// One moment of the ledger, for several questions.
    fn moment(&self) -> Result<Transaction<'_>, LedgerError> {
        Ok(self.reader()?.unchecked_transaction()?)
    }

    /// The newest `most` of these records.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn tail(&self, filter: &RecordFilter, most: u32) -> Result<RecordTail, LedgerError> {
        let moment = self.moment()?;
        // The last number of all records, not of the matching ones. A follower would otherwise read
        // the same unmatched records at every turn.
        let seen = moment.query_row(LAST, [], |row| row.get(0))?;
        let (sql, values) = filter.in_order("DESC", filter.range(&moment)?, most);
        let mut statement = moment.prepare(&sql)?;
        let found = statement.query_map(params_from_iter(values), executions::from_row)?;
        let mut rows = found.collect::<Result<Vec<_>, _>>()?;
        rows.reverse();
        Ok(RecordTail { rows, seen })
    }

    /// The records of a range, with their numbers.
    fn page(&self, filter: &RecordFilter, range: RowRange, most: u32) -> Result<Vec<(i64, ExecutionRow)>, LedgerError> {
        let (sql, values) = filter.in_order("ASC", range, most);
        let mut statement = self.reader()?.prepare_cached(&sql)?;
        let found = statement
            .query_map(params_from_iter(values), |row| Ok((row.get("number")?, executions::from_row(row)?)))?;
        Ok(found.collect::<Result<_, _>>()?)
    }

    /// At most so many of these records that were written after the one with this number, in the order in which they were.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn written_after(&self, filter: &RecordFilter, seen: i64, most: u32) -> Result<RecordTail, LedgerError> {
        self.written_between(filter, seen, i64::MAX, most)
    }

    /// The same up to the record with the number `until`.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn written_between(
        &self,
        filter: &RecordFilter,
        seen: i64,
        until: i64,
        most: u32,
    ) -> Result<RecordTail, LedgerError> {
        let _moment = self.moment()?;
        let last: i64 = self.conn.query_row(LAST, [], |row| row.get(0))?;
        let last = last.min(until);
        let found = self.page(filter, RowRange { first: seen.saturating_add(1), last }, most)?;
        let full = found.len() >= most as usize;
        let seen = found.last().map(|(number, _)| *number).filter(|_| full).unwrap_or(last);
        Ok(RecordTail { rows: found.into_iter().map(|(_, row)| row).collect(), seen })
    }

    /// Gives each of these records, oldest first, and how many they were.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read, and whatever `each` says.
    pub fn each_execution<E: From<LedgerError>>(
        &self,
        filter: &RecordFilter,
        mut each: impl FnMut(ExecutionRow) -> Result<(), E>,
    ) -> Result<u64, E> {
        let moment = self.moment()?;
        let mut range = filter.range(&moment)?;
        drop(moment);
        let mut count = 0;
        loop {
            let page = self.page(filter, range, PAGE)?;
            let full = page.len() >= PAGE as usize;
            for (number, row) in page {
                range.first = number.saturating_add(1);
                each(row)?;
                count += 1;
            }
            if !full {
                return Ok(count);
            }
        }
    }

    /// The run that was recorded last.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] when there was none.
    pub fn newest_execution(&self) -> Result<ExecutionId, LedgerError> {
        let found = self.reader()?.query_row(NEWEST, [], |row| row.get(0)).optional()?;
        found.ok_or_else(|| LedgerError::NotFound { what: "execution", key: "the latest".to_owned() })
    }

    /// When the newest record was written; none before the first one.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn newest_time(&self) -> Result<Option<Timestamp>, LedgerError> {
        let sql = "SELECT finished_at FROM executions WHERE rowid = (SELECT max(rowid) FROM executions)";
        Ok(self.reader()?.query_row(sql, [], |row| row.get(0)).optional()?)
    }

    /// The runs that this one belongs to: from the first that it follows from, and is still on record, all that follow.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn session(&self, of: ExecutionId) -> Result<Vec<RunEntry>, LedgerError> {
        let moment = self.moment()?;
        let mut parent = moment.prepare(PARENT)?;
        let (mut root, mut above) = (of, BTreeSet::from([of]));
        while let Some(next) =
            parent.query_row([root], |row| row.get::<_, Option<ExecutionId>>(0)).optional()?.flatten()
        {
            // A record that was pruned is above nothing, and neither is one that is below itself.
            // The parent is no foreign key, so a cycle is possible in an edited file and would
            // never end.
            if !parent.exists([next])? || !above.insert(next) {
                break;
            }
            root = next;
        }
        let mut one = moment.prepare(&format!("{ENTRY} WHERE e.execution_id = ?1"))?;
        let mut entries = one.query_map([root], entry)?.collect::<Result<Vec<_>, _>>()?;
        let mut below = moment.prepare(&format!("{ENTRY} {BELOW}"))?;
        let (mut seen, mut waiting) = (BTreeSet::from([root]), VecDeque::from([root]));
        while let Some(next) = waiting.pop_front() {
            for found in below.query_map([next], entry)? {
                let found = found?;
                // Breadth first and each record once, for the same reason.
                if seen.insert(found.execution_id) {
                    waiting.push_back(found.execution_id);
                    entries.push(found);
                }
            }
        }
        Ok(entries)
    }

    /// The runs that started from `since` until before `until`.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn entries_during(&self, since: Timestamp, until: Timestamp) -> Result<Vec<RunEntry>, LedgerError> {
        let mut statement = self.reader()?.prepare(&format!("{ENTRY} {DURING}"))?;
        Ok(statement.query_map([since, until], entry)?.collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
#[path = "record_queries_tests.rs"]
mod tests;
