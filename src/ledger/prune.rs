//! Old records are thrown away.
//!
//! What stays: every record from the cutoff on, and those that such a record follows from, however old. All runs of a commit
//! stay that one of these is part of. So do runs whose files are on their way or wait for a person. Of commits: those of a
//! record that stays, those that are pending or held or from the cutoff on, and where one takes back another, both or
//! neither. The record and the commit that were written last stay as well, so that no number is ever given twice.
//!
//! What goes, goes in slices, each a short transaction, so that others can write in between and the write-ahead log stays
//! small. What must stay is found out once, and completed in each slice by what was written since.
//!
//! Guarantees: a row of `prunes` says who threw away what, and each slice adds to it what the slice took. Nothing refers to
//! what is gone but the id of a parent. A crash leaves what the next prune takes. A commit goes with its undo in one slice,
//! after all of its runs. Deliberately never: decides by itself, or removes a file: whoever does asks [`Ledger::kept_files`]
//! first.

use std::cell::Cell;
use std::thread;
use std::time::Duration;

use rusqlite::{ToSql, params};

use super::Decided;
use super::events::{self, NewEvent};
use super::write_transaction::{self, WriteTransaction};
use super::{Ledger, LedgerError, codec};
use crate::history::event::EventKind;
use crate::model::{
    commit::VaultChange,
    digest::Digest,
    exchange::ExchangeRecord,
    execution::{Effect, GuestOutput, StoredValue},
    id::CommitId,
    time::Timestamp,
};

/// How much is thrown away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    /// Records.
    pub executions: u64,
    /// Commits.
    pub commits: u64,
}

/// Memory for pages of the ledger while much of it is looked through in no order, in KiB below zero.
const MUCH: i64 = -128 * 1_024;

/// Records, or commits, of one slice.
const SLICE: u32 = 1_000;
/// Between two slices. Whoever waits for the write lock asks for it again and again, and must find it free.
const PAUSE: Duration = Duration::from_millis(10);

/// Three tables of this connection alone.
const TABLES: &str = "
    DROP TABLE IF EXISTS temp.needed_executions; DROP TABLE IF EXISTS temp.needed_commits; DROP TABLE IF EXISTS temp.slice;
    CREATE TEMP TABLE needed_executions (id TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TEMP TABLE needed_commits (id TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TEMP TABLE slice (id TEXT PRIMARY KEY) WITHOUT ROWID;";

const NO_TABLES: &str = "DROP TABLE temp.needed_executions; DROP TABLE temp.needed_commits; DROP TABLE temp.slice;
    DROP TABLE temp.run_leaves;";

/// Nobody decided these in time, and now nobody can any more.
const EXPIRE: &str = "UPDATE commits SET state = 'EXPIRED' WHERE state = 'HELD' AND expires_at < ?1";

/// The commits that came after the one with this number, and what they take back.
const NEEDED_COMMITS_SINCE: &str = "INSERT OR IGNORE INTO temp.needed_commits
    SELECT undoes FROM commits WHERE rowid > ?1 AND undoes IS NOT NULL UNION SELECT id FROM commits WHERE rowid > ?1";

/// The records that came after the one with this number, and those that they follow from.
const NEEDED_EXECUTIONS_SINCE: &str = "INSERT OR IGNORE INTO temp.needed_executions
    WITH RECURSIVE needed (id) AS (
        SELECT execution_id FROM executions WHERE rowid > ?1
        UNION
        SELECT e.parent_execution_id FROM needed JOIN executions AS e ON e.execution_id = needed.id
            WHERE e.parent_execution_id IS NOT NULL
        UNION
        SELECT other.execution_id FROM needed JOIN executions AS e ON e.execution_id = needed.id
            JOIN executions AS other ON other.commit_id = e.commit_id
    )
    SELECT id FROM needed";

const LAST: &str =
    "SELECT coalesce((SELECT max(rowid) FROM executions), 0), coalesce((SELECT max(rowid) FROM commits), 0)";

/// The next records that go. By their number, so that nothing is looked at twice; `?1` as above, `?2` is the last number.
const NEXT_EXECUTIONS: &str = "SELECT rowid FROM executions AS e NOT INDEXED
    WHERE e.rowid > ?2 AND e.rowid <= ?4 AND e.started_at < ?1 AND e.execution_id NOT IN (SELECT id FROM temp.needed_executions)
    ORDER BY e.rowid LIMIT ?3";

/// The next commits that go, but for undos, which go with what they took back.
const NEXT_COMMITS: &str = "INSERT INTO temp.slice
    SELECT id FROM commits AS c
    WHERE c.rowid > ?1 AND c.rowid <= ?3 AND c.undoes IS NULL AND c.id NOT IN (SELECT id FROM temp.needed_commits)
        AND NOT EXISTS (SELECT 1 FROM executions WHERE commit_id = c.id)
    ORDER BY c.rowid LIMIT ?2";

const TAKE_COMMITS: [&str; 2] = [
    "DELETE FROM commits WHERE undoes IN (SELECT id FROM temp.slice)",
    "DELETE FROM commits WHERE id IN (SELECT id FROM temp.slice)",
];

const COUNT: &str = "UPDATE prunes SET executions = executions + ?2, commits = commits + ?3 WHERE number = ?1";

/// The old records that must stay.
const NEEDED_EXECUTIONS: &str = "INSERT INTO temp.needed_executions
    WITH RECURSIVE needed (id) AS (
        SELECT execution_id FROM executions WHERE rowid = (SELECT max(rowid) FROM executions)
        UNION
        SELECT parent_execution_id FROM executions WHERE started_at >= ?1 AND parent_execution_id IS NOT NULL
        UNION
        SELECT old.execution_id FROM executions AS new JOIN executions AS old ON old.commit_id = new.commit_id
            WHERE new.started_at >= ?1 AND old.started_at < ?1
        UNION
        SELECT e.execution_id FROM commits AS c JOIN executions AS e ON e.commit_id = c.id
            WHERE c.state IN ('PENDING', 'HELD')
        UNION
        SELECT e.parent_execution_id FROM needed JOIN executions AS e ON e.execution_id = needed.id
            WHERE e.parent_execution_id IS NOT NULL
        UNION
        SELECT other.execution_id FROM needed JOIN executions AS e ON e.execution_id = needed.id
            JOIN executions AS other ON other.commit_id = e.commit_id
    )
    SELECT id FROM needed";

/// What goes, as a condition on `executions AS e`.
const OLD: &str = "e.started_at < ?1 AND e.execution_id NOT IN (SELECT id FROM temp.needed_executions)";

/// The commits that must stay, as far as they say so themselves. `?1` as above.
const NEEDED_COMMITS: &str = "INSERT INTO temp.needed_commits
    SELECT c.id FROM commits AS c
    WHERE c.state IN ('PENDING', 'HELD') OR c.created_at >= ?1 OR c.number = (SELECT max(number) FROM commits)
        OR EXISTS (SELECT 1 FROM executions AS e WHERE e.commit_id = c.id AND NOT (e.started_at < ?1
            AND e.execution_id NOT IN (SELECT id FROM temp.needed_executions)))";

/// An undo without what it took back says nothing; what was taken back must not look as if it were not. No undo is undone, so
/// that one step each way is all there is.
const WITH_UNDOS: [&str; 2] = [
    "INSERT OR IGNORE INTO temp.needed_commits
     SELECT undoes FROM commits WHERE undoes IS NOT NULL AND id IN (SELECT id FROM temp.needed_commits)",
    "INSERT OR IGNORE INTO temp.needed_commits
     SELECT id FROM commits WHERE undoes IS NOT NULL AND undoes IN (SELECT id FROM temp.needed_commits)",
];

const NO_COMMITS: &str = "FROM commits WHERE id NOT IN (SELECT id FROM temp.needed_commits)";

const NO_LIMITS: &str = "DELETE FROM limit_sets
    WHERE NOT EXISTS (SELECT 1 FROM executions WHERE limits_sha256 = limit_sets.sha256)";

/// Where the events of the runs are, so that each slice finds its own. One walk over the history.
const LEAVES: &str = "
    DROP TABLE IF EXISTS temp.run_leaves;
    CREATE TEMP TABLE run_leaves (id TEXT PRIMARY KEY, place INTEGER NOT NULL) WITHOUT ROWID;
    INSERT OR IGNORE INTO temp.run_leaves
        SELECT subject, position FROM history WHERE kind = 'run' AND body IS NOT NULL;";

/// The bytes of the event of a run go with its record. The leaf stays.
const NO_BODY: &str = "UPDATE history SET body = NULL, subject = ''
    WHERE position = (SELECT place FROM temp.run_leaves
        WHERE id = (SELECT execution_id FROM executions WHERE rowid = ?1))";

const EXPIRED: &str = "SELECT id FROM commits WHERE state = 'HELD' AND expires_at < ?1";

/// Finds out what must stay, into the two tables.
fn find(tx: &WriteTransaction<'_>, older_than: Timestamp) -> Result<(), LedgerError> {
    tx.change_all(TABLES)?;
    tx.change(NEEDED_EXECUTIONS, [older_than])?;
    // Needs the first table: which commits stay depends on which records do.
    tx.change(NEEDED_COMMITS, [older_than])?;
    for step in WITH_UNDOS {
        tx.change(step, [])?;
    }
    Ok(())
}

impl Ledger {
    /// How much a prune would throw away now.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn would_prune(&self, older_than: Timestamp) -> Result<Pruned, LedgerError> {
        self.with_much_memory(|| self.would_prune_now(older_than))
    }

    fn would_prune_now(&self, older_than: Timestamp) -> Result<Pruned, LedgerError> {
        write_transaction::look(self, |tx| {
            find(tx, older_than)?;
            let count = format!("SELECT count(*) FROM executions AS e WHERE {OLD}");
            let executions = tx.query_row(&count, [older_than], |row| row.get(0))?;
            let commits = tx.query_row(&format!("SELECT count(*) {NO_COMMITS}"), [], |row| row.get(0))?;
            Ok(Pruned { executions, commits })
        })
    }

    /// Throws away what started before `older_than` and nobody needs any more, by this person's word.
    ///
    /// # Errors
    /// [`LedgerError`]. What was thrown away until then is on record, and the next prune goes on.
    pub fn prune(&self, older_than: Timestamp, decided: Decided<'_>) -> Result<Pruned, LedgerError> {
        // For each commit that goes all others would be looked through for one that takes it back. A slice has both.
        self.conn.pragma_update(None, "foreign_keys", "OFF")?;
        let pruned = self.with_much_memory(|| Prune { ledger: self, older_than, decided }.run());
        self.conn.pragma_update(None, "foreign_keys", "ON")?;
        pruned
    }

    fn with_much_memory<T>(&self, work: impl FnOnce() -> Result<T, LedgerError>) -> Result<T, LedgerError> {
        // The walk visits rows in no order. With the usual cache SQLite reads the same pages again
        // and again.
        let usual: i64 = self.conn.pragma_query_value(None, "cache_size", |row| row.get(0))?;
        self.conn.pragma_update(None, "cache_size", MUCH)?;
        let done = work();
        self.conn.pragma_update(None, "cache_size", usual)?;
        done
    }

    /// Gives every file that a commit or a record refers to, and every value that a record has in the store.
    ///
    /// # Errors
    /// [`LedgerError`] when a row cannot be read: then nobody knows what is needed.
    pub fn kept_files(&self, file: &mut dyn FnMut(Digest), value: &mut dyn FnMut(Digest)) -> Result<(), LedgerError> {
        // One read transaction for both queries. A commit recorded between them would otherwise be
        // missed, and its files would be swept away.
        let moment = self.reader()?.unchecked_transaction()?;
        let mut commits = moment.prepare("SELECT changes_json FROM commits")?;
        let mut rows = commits.query([])?;
        while let Some(row) = rows.next()? {
            let changes: Vec<VaultChange> = codec::json_column(row, "changes_json")?;
            changes
                .iter()
                // The replaced bytes too: undo puts them back.
                .flat_map(|change| [change.before(), change.after()])
                .flatten()
                .for_each(&mut *file);
        }
        let mut executions = moment.prepare(
            // `exchanges` is left out of a record that has none, so most rows are not parsed.
            "SELECT effects_json, input_stored_json, output_stored_json,
                 CASE WHEN instr(said_json, '\"exchanges\":') > 0 THEN said_json END AS said_json FROM executions
             WHERE effects_json <> '[]' OR input_stored_json IS NOT NULL OR output_stored_json IS NOT NULL
                 OR instr(said_json, '\"exchanges\":') > 0",
        )?;
        let mut rows = executions.query([])?;
        while let Some(row) = rows.next()? {
            let effects: Vec<Effect> = codec::json_column(row, "effects_json")?;
            effects.iter().flat_map(|effect| [effect.before, effect.sha256]).flatten().for_each(&mut *file);
            for name in ["input_stored_json", "output_stored_json"] {
                let stored: Option<StoredValue> = codec::maybe_json_column(row, name)?;
                stored.iter().for_each(|stored| value(stored.sha256));
            }
            let said: Option<GuestOutput> = codec::maybe_json_column(row, "said_json")?;
            let exchanges = said.iter().flat_map(|said| &said.exchanges);
            exchanges.flat_map(ExchangeRecord::bodies).for_each(|body| value(body.sha256));
        }
        Ok(())
    }
}

/// One prune under way.
struct Prune<'a> {
    ledger: &'a Ledger,
    older_than: Timestamp,
    decided: Decided<'a>,
}

/// The number of one record and of one commit.
#[derive(Clone, Copy)]
struct RowNumbers {
    execution: i64,
    commit: i64,
}

/// What a prune takes, as far as it is known before the first slice.
struct PruneScope {
    /// The last ones that were there.
    seen: Cell<RowNumbers>,
    /// The last ones that go. A slice that looked further would hold the lock for nothing.
    last: RowNumbers,
}

impl Prune<'_> {
    fn run(&self) -> Result<Pruned, LedgerError> {
        let number = self.ledger.write(|tx| self.note(tx))?;
        let scope = self.scope()?;
        let executions = self.slices(|at| self.take_executions(number, at, &scope))?;
        let commits = self.slices(|at| self.take_commits(number, at, &scope))?;
        self.ledger.write(|tx| {
            tx.change(NO_LIMITS, [])?;
            let mut expired = tx.prepare_cached(EXPIRED)?;
            let ids = expired.query_map([self.decided.at], |row| row.get(0))?.collect::<Result<Vec<CommitId>, _>>()?;
            tx.change(EXPIRE, [self.decided.at])?;
            // One event each, so that the newest event about a commit is about that one alone.
            ids.iter().try_for_each(|id| {
                events::append(tx, &NewEvent::new(EventKind::EffectExpired, id, self.decided.at).row("commits", id))
            })
        })?;
        self.ledger.conn.execute_batch(NO_TABLES)?;
        Ok(Pruned { executions, commits })
    }

    /// Finds out what must stay. A read, although it fills tables: those are this connection's own.
    fn scope(&self) -> Result<PruneScope, LedgerError> {
        write_transaction::prepare(self.ledger, |tx| {
            find(tx, self.older_than)?;
            tx.change_all(LEAVES)?;
            let number = |sql: &str, values: &[&dyn ToSql]| tx.query_row(sql, values, |row| row.get(0));
            let last_old = format!("SELECT coalesce(max(e.rowid), 0) FROM executions AS e WHERE {OLD}");
            let last = RowNumbers {
                execution: number(&last_old, &[&self.older_than])?,
                commit: number(&format!("SELECT coalesce(max(rowid), 0) {NO_COMMITS}"), &[])?,
            };
            Ok(PruneScope { seen: Cell::new(newest(tx)?), last })
        })
    }

    fn note(&self, tx: &WriteTransaction<'_>) -> Result<u64, LedgerError> {
        let number: u64 = tx.query_row("SELECT coalesce(max(number), 0) + 1 FROM prunes", [], |row| row.get(0))?;
        tx.insert(
            "prunes",
            &[
                ("number", &number),
                ("older_than", &self.older_than),
                ("executions", &0),
                ("commits", &0),
                ("pruned_by", &self.decided.by),
                ("created_at", &self.decided.at),
            ],
        )?;
        self.append(tx, number)?;
        Ok(number)
    }

    /// Adds to the row of this prune what a slice took.
    fn count(&self, tx: &WriteTransaction<'_>, number: u64, took: Pruned) -> Result<(), LedgerError> {
        if took == Pruned::default() {
            return Ok(());
        }
        tx.change(COUNT, params![number, took.executions, took.commits])?;
        self.append(tx, number)
    }

    fn append(&self, tx: &WriteTransaction<'_>, number: u64) -> Result<(), LedgerError> {
        events::append(tx, &NewEvent::new(EventKind::Prune, &number, self.decided.at).row("prunes", &number))
    }

    /// Takes one slice after the other, and gives how many rows went. A slice gives how many it took, and where it ended.
    fn slices(
        &self,
        mut slice: impl FnMut(i64) -> Result<(u64, Option<i64>), LedgerError>,
    ) -> Result<u64, LedgerError> {
        let (mut taken, mut at) = (0, 0);
        loop {
            let (more, end) = slice(at)?;
            taken += more;
            match end {
                Some(end) => at = end,
                None => return Ok(taken),
            }
            thread::sleep(PAUSE);
        }
    }

    fn take_executions(&self, number: u64, at: i64, scope: &PruneScope) -> Result<(u64, Option<i64>), LedgerError> {
        self.ledger.write(|tx| {
            catch_up(tx, &scope.seen)?;
            let mut next = tx.prepare_cached(NEXT_EXECUTIONS)?;
            let rows = next
                .query_map(params![self.older_than, at, SLICE, scope.last.execution], |row| row.get::<_, i64>(0))?
                .collect::<Result<Vec<_>, _>>()?;
            for row in &rows {
                tx.change(NO_BODY, [row])?;
                tx.change("DELETE FROM executions WHERE rowid = ?1", [row])?;
            }
            self.count(tx, number, Pruned { executions: rows.len() as u64, commits: 0 })?;
            let full = rows.len() >= SLICE as usize;
            Ok((rows.len() as u64, rows.last().copied().filter(|_| full)))
        })
    }

    fn take_commits(&self, number: u64, at: i64, scope: &PruneScope) -> Result<(u64, Option<i64>), LedgerError> {
        self.ledger.write(|tx| {
            catch_up(tx, &scope.seen)?;
            tx.change("DELETE FROM temp.slice", [])?;
            let found = tx.change(NEXT_COMMITS, params![at, SLICE, scope.last.commit])?;
            let end: Option<i64> =
                tx.query_row("SELECT max(c.rowid) FROM temp.slice AS s JOIN commits AS c ON c.id = s.id", [], |row| {
                    row.get(0)
                })?;
            let mut taken = 0;
            for step in TAKE_COMMITS {
                taken += tx.change(step, [])?;
            }
            self.count(tx, number, Pruned { executions: 0, commits: taken as u64 })?;
            Ok((taken as u64, end.filter(|_| found >= SLICE as usize)))
        })
    }
}

fn newest(tx: &WriteTransaction<'_>) -> Result<RowNumbers, LedgerError> {
    Ok(tx.query_row(LAST, [], |row| Ok(RowNumbers { execution: row.get(0)?, commit: row.get(1)? }))?)
}

/// Adds to what must stay whatever came since the last look. Under the write lock, nothing comes until the slice is over.
fn catch_up(tx: &WriteTransaction<'_>, seen: &Cell<RowNumbers>) -> Result<(), LedgerError> {
    let (from, now) = (seen.get(), newest(tx)?);
    if from.execution < now.execution {
        tx.change(NEEDED_EXECUTIONS_SINCE, [from.execution])?;
    }
    if from.commit < now.commit {
        tx.change(NEEDED_COMMITS_SINCE, [from.commit])?;
    }
    seen.set(now);
    Ok(())
}

#[cfg(test)]
#[path = "prune_tests.rs"]
mod tests;
