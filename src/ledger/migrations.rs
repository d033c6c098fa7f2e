//! Dated SQL files, applied in order, each once.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::LedgerError;

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
    include_str!("migrations/0010_records_in_order.sql"),
    include_str!("migrations/0011_history.sql"),
    include_str!("migrations/0012_rejections.sql"),
    include_str!("migrations/0013_guidance.sql"),
    include_str!("migrations/0014_network_calls.sql"),
    include_str!("migrations/0015_improvements.sql"),
    include_str!("migrations/0016_governance.sql"),
    include_str!("migrations/0017_trust_policies.sql"),
    include_str!("migrations/0018_statements.sql"),
    include_str!("migrations/0021_released_evidence.sql"),
    include_str!("migrations/0022_code_attempts.sql"),
    include_str!("migrations/0023_step_back_orders.sql"),
    include_str!("migrations/0024_shadow_orders.sql"),
    include_str!("migrations/0025_guidance_pairs.sql"),
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

/// Whether a file that cannot be written is a ledger of exactly this version.
pub(super) fn check_unwritten(conn: &Connection) -> Result<(), LedgerError> {
    let current = state(conn)?;
    if current.is_empty() {
        return Err(LedgerError::Damaged("it is empty".to_owned()));
    }
    if current.is_foreign() {
        return Err(LedgerError::NotALedger);
    }
    check_version(conn)?;
    match current.version == MIGRATIONS.len() as i64 {
        true => Ok(()),
        false => {
            Err(LedgerError::Sqlite("it is of an older version, and cannot be brought up to date here".to_owned()))
        }
    }
}

fn apply_missing(conn: &mut Connection) -> Result<(), LedgerError> {
    let known = MIGRATIONS.len() as i64;
    let tx = Transaction::new(conn, TransactionBehavior::Immediate)?;
    check_version(&tx)?;
    let found = state(&tx)?.version;
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

/// Whether this build knows the version of the file's schema.
pub(super) fn check_version(conn: &Connection) -> Result<(), LedgerError> {
    let known = MIGRATIONS.len() as i64;
    let found = state(conn)?.version;
    if (0..=known).contains(&found) { Ok(()) } else { Err(LedgerError::Newer { found, known }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_database_and_a_newer_ledger_are_refused() -> Result<(), LedgerError> {
        let foreign = Connection::open_in_memory()?;
        foreign.execute_batch("CREATE TABLE t (a)")?;
        assert!(state(&foreign)?.is_foreign());

        let mut newer = Connection::open_in_memory()?;
        newer.pragma_update(None, "user_version", 99)?;
        assert!(matches!(bring_up(&mut newer), Err(LedgerError::Newer { found: 99, .. })));
        Ok(())
    }
}
