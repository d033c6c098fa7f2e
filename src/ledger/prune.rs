//! Old records are thrown away.
//!
//! What stays: every record from the cutoff on; those that such a record follows from, however old; all runs of a commit that one
//! of these is part of; runs whose files are on their way or wait for a person. Of commits: those of a record that stays,
//! those that are pending or held or from the cutoff on, and where one takes back another, both or neither. The record and
//! the commit that were written last stay as well, so that no number is ever given twice.
//!
//! Guarantees: one transaction, in which a row of `prunes` says who threw away what; nothing refers to what is gone but the
//! id of a parent. Deliberately never: decides by itself, or removes a file: whoever does asks [`Ledger::kept_files`] first.

use rusqlite::{Connection, params};

use super::Decided;
use super::write_transaction::{self, WriteTransaction};
use super::{Ledger, LedgerError, codec};
use crate::model::{
    commit::VaultChange,
    digest::Digest,
    execution::{Effect, StoredValue},
    time::Timestamp,
};

/// How much is thrown away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pruned {
    /// Records.
    pub executions: u64,
    /// Commits.
    pub commits: u64,
}

/// Memory for pages of the ledger while much of it is looked through in no order, in KiB below zero.
const MUCH: i64 = -128 * 1_024;

/// Two tables of this connection alone, for one transaction.
const TABLES: &str = "
    CREATE TEMP TABLE needed_executions (id TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TEMP TABLE needed_commits (id TEXT PRIMARY KEY) WITHOUT ROWID;";

const NO_TABLES: &str = "DROP TABLE temp.needed_executions; DROP TABLE temp.needed_commits;";

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

const NOTE: &str =
    "INSERT INTO prunes (older_than, executions, commits, pruned_by, created_at) VALUES (?1, ?2, ?3, ?4, ?5)";

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

/// Whether every row of a table refers to what is there.
fn check_references(conn: &Connection, table: &str) -> Result<(), LedgerError> {
    match conn.prepare(&format!("PRAGMA foreign_key_check({table})"))?.exists([])? {
        true => Err(LedgerError::Damaged(format!("a row of {table} would refer to one that is gone"))),
        false => Ok(()),
    }
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
        write_transaction::look(&self.conn, |tx| {
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
    /// [`LedgerError`]; nothing is thrown away then.
    pub fn prune(&self, older_than: Timestamp, decided: Decided<'_>) -> Result<Pruned, LedgerError> {
        // For each commit that goes all others would be looked through for one that takes it back. All of them are looked
        // at once instead, before the transaction ends.
        self.conn.pragma_update(None, "foreign_keys", "OFF")?;
        let pruned = self.with_much_memory(|| self.prune_unchecked(older_than, decided));
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

    fn prune_unchecked(&self, older_than: Timestamp, decided: Decided<'_>) -> Result<Pruned, LedgerError> {
        self.write(|tx| {
            find(tx, older_than)?;
            // Records refer to commits and to limits, so they go first.
            let executions = tx.change(&format!("DELETE FROM executions AS e WHERE {OLD}"), [older_than])? as u64;
            let commits = tx.change(&format!("DELETE {NO_COMMITS}"), [])? as u64;
            tx.change(NO_LIMITS, [])?;
            // In the same transaction, so that no row is ever deleted without a row that says who
            // decided it.
            tx.change(NOTE, params![older_than, executions, commits, decided.by, decided.at])?;
            // References were not enforced during the deletes. An error here takes the whole prune
            // back.
            for table in ["executions", "commits"] {
                check_references(tx, table)?;
            }
            tx.change_all(NO_TABLES)?;
            Ok(Pruned { executions, commits })
        })
    }

    /// Gives every file that a commit or a record refers to, and every value that a record has in the store.
    ///
    /// # Errors
    /// [`LedgerError`] when a row cannot be read: then nobody knows what is needed.
    pub fn kept_files(&self, file: &mut dyn FnMut(Digest), value: &mut dyn FnMut(Digest)) -> Result<(), LedgerError> {
        // One read transaction for both queries. A commit recorded between them would otherwise be
        // missed, and its files would be swept away.
        let moment = self.conn.unchecked_transaction()?;
        let mut commits = moment.prepare("SELECT changes_json FROM commits")?;
        let mut rows = commits.query([])?;
        while let Some(row) = rows.next()? {
            let changes: Vec<VaultChange> = codec::json_column(row, "changes_json")?;
            changes
                .iter()
                .filter_map(VaultChange::as_file)
                // The replaced bytes too: undo puts them back.
                .flat_map(|change| [change.before, change.after])
                .flatten()
                .for_each(&mut *file);
        }
        let mut executions = moment.prepare(
            "SELECT effects_json, input_stored_json, output_stored_json FROM executions
             WHERE effects_json <> '[]' OR input_stored_json IS NOT NULL OR output_stored_json IS NOT NULL",
        )?;
        let mut rows = executions.query([])?;
        while let Some(row) = rows.next()? {
            let effects: Vec<Effect> = codec::json_column(row, "effects_json")?;
            effects.iter().flat_map(|effect| [effect.before, Some(effect.sha256)]).flatten().for_each(&mut *file);
            for name in ["input_stored_json", "output_stored_json"] {
                let stored: Option<StoredValue> = codec::maybe_json_column(row, name)?;
                stored.iter().for_each(|stored| value(stored.sha256));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "prune_tests.rs"]
mod tests;
