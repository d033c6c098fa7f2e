//! Dated SQL files, applied in order, each once.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::LedgerError;
use crate::model::digest::Digest;

/// "Kavi" in ASCII, in the database header: tells a ledger from any other SQLite file.
const APPLICATION_ID: i64 = 0x4B61_7669;

/// Every migration; the position, from 1, is the schema version it leads to. Append only.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_spine.sql"),
    include_str!("migrations/0002_research.sql"),
    include_str!("migrations/0003_gate_results.sql"),
    include_str!("migrations/0004_switch_and_limits.sql"),
    include_str!("migrations/0005_proposals_by_name.sql"),
    include_str!("migrations/0006_what_a_run_said.sql"),
    include_str!("migrations/0007_transactions.sql"),
    include_str!("migrations/0008_who_proposed.sql"),
    include_str!("migrations/0009_gates_version.sql"),
];

/// What the header of a file says.
#[derive(Debug, Clone, Copy)]
pub(super) struct SchemaState {
    application_id: i64,
    version: i64,
    tables: i64,
}

impl SchemaState {
    /// Whether nothing was ever written to the file.
    pub(super) fn is_empty(self) -> bool {
        self.version == 0 && self.tables == 0 && self.application_id == 0
    }

    /// Whether the file belongs to another program.
    pub(super) fn is_foreign(self) -> bool {
        self.application_id != APPLICATION_ID && (self.tables > 0 || self.application_id != 0)
    }
}

pub(super) fn state(conn: &Connection) -> Result<SchemaState, LedgerError> {
    Ok(SchemaState {
        application_id: conn.pragma_query_value(None, "application_id", |row| row.get(0))?,
        version: conn.pragma_query_value(None, "user_version", |row| row.get(0))?,
        tables: conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?,
    })
}

/// Applies what is missing, all in one transaction.
pub(super) fn bring_up(conn: &mut Connection) -> Result<(), LedgerError> {
    // The common case takes no write lock, so that opening does not wait for a process that writes.
    if state(conn)?.version == MIGRATIONS.len() as i64 {
        return Ok(());
    }
    // A table that is made anew is dropped in between, which its references would not let happen. What they say is
    // checked before the transaction ends.
    conn.pragma_update(None, "foreign_keys", "OFF")?;
    // The pragma has no effect inside a transaction, so it is set around it. It must be on again
    // after a failure too.
    let brought_up = apply_missing(conn);
    conn.pragma_update(None, "foreign_keys", "ON")?;
    brought_up
}

fn apply_missing(conn: &mut Connection) -> Result<(), LedgerError> {
    let known = MIGRATIONS.len() as i64;
    let tx = Transaction::new(conn, TransactionBehavior::Immediate)?;
    // Read again under the write lock: two processes can both have found an old version.
    let found = state(&tx)?.version;
    // A newer Kavi may have changed what a column means. Writing with old rules would damage its
    // ledger.
    if !(0..=known).contains(&found) {
        return Err(LedgerError::Newer { found, known });
    }
    for sql in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        tx.execute_batch(sql)?;
    }
    if found == 0 {
        // A migration says what is in it, so it cannot know when this workspace is made.
        tx.execute("UPDATE switch_turns SET created_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')", [])?;
    }
    if tx.prepare("PRAGMA foreign_key_check")?.query([])?.next()?.is_some() {
        return Err(LedgerError::Damaged("a row refers to one that is missing".to_owned()));
    }
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    // The header is part of page one and is written in the same transaction. A crash leaves the old
    // version with the old tables.
    tx.pragma_update(None, "user_version", known)?;
    tx.commit()?;
    Ok(())
}

/// Compares the tables, indexes, triggers and views of the file with those that the migrations make.
pub(super) fn check_schema(conn: &Connection) -> Result<(), LedgerError> {
    if digest_of_schema(conn)?.to_string() == SCHEMA_SHA256 { Ok(()) } else { Err(LedgerError::ForeignSchema) }
}

/// The digest of the schema after all migrations; a test says what it must be.
const SCHEMA_SHA256: &str = "f7c5a6e233376d48cb669dc5cf813bd4a77d143752386caa35a0c69d620dfc1e";

fn digest_of_schema(conn: &Connection) -> Result<Digest, LedgerError> {
    let mut text = String::new();
    // `sqlite_stat*` tables hold the planner's statistics and nothing else.
    let mut statement = conn.prepare(
        "SELECT type, name, coalesce(sql, '') FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_stat%' ESCAPE '\\' ORDER BY type, name",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        for column in 0..3 {
            text.push_str(&row.get::<_, String>(column)?);
            // A separator that SQL text cannot contain, so that no two schemas give the same text.
            text.push('\0');
        }
    }
    Ok(Digest::of(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_digest_is_that_of_the_migrations() -> Result<(), LedgerError> {
        let mut conn = Connection::open_in_memory()?;
        bring_up(&mut conn)?;
        assert_eq!(digest_of_schema(&conn)?.to_string(), SCHEMA_SHA256, "put the left value into SCHEMA_SHA256");
        Ok(())
    }

    #[test]
    fn a_foreign_database_a_newer_ledger_and_a_planted_trigger_are_refused() -> Result<(), LedgerError> {
        let foreign = Connection::open_in_memory()?;
        foreign.execute_batch("CREATE TABLE t (a)")?;
        assert!(state(&foreign)?.is_foreign());

        let mut newer = Connection::open_in_memory()?;
        newer.pragma_update(None, "user_version", 99)?;
        assert!(matches!(bring_up(&mut newer), Err(LedgerError::Newer { found: 99, .. })));

        let mut planted = Connection::open_in_memory()?;
        bring_up(&mut planted)?;
        planted.execute_batch(
            "CREATE TRIGGER sly AFTER INSERT ON builds BEGIN UPDATE skill_proposals SET status = 'TRUSTED'; END",
        )?;
        assert!(matches!(check_schema(&planted), Err(LedgerError::ForeignSchema)));
        Ok(())
    }
}
