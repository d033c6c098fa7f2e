//! How much of a limit was used: runs of agents within a minute, overrides within a day.
//!
//! What is used is counted in the transaction that writes the record, under the write lock, so over all processes. Its place
//! is on a time line of its own. Within one start of the machine it goes on with the clock that nobody can set. Over a
//! restart it goes on with the wall clock, never backwards.
//!
//! Guarantees: a window never holds more than its limit. A clock that is set back or ahead refills nothing within one start of
//! the machine; set back, it refills nothing at all. Deliberately never: decides the limit.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::write_transaction::WriteTransaction;
use super::{Ledger, LedgerError};
use crate::model::time::ClockMoment;

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllowanceKind {
    /// Runs of agents, within a minute.
    Run,
    /// What a person let through, within 24 hours.
    Override,
}

impl AllowanceKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Override => "override",
        }
    }

    fn window_ms(self) -> i64 {
        match self {
            Self::Run => 60_000,
            Self::Override => 24 * 60 * 60 * 1_000,
        }
    }

    /// The policy key that sets the limit.
    pub fn key(self) -> &'static str {
        match self {
            Self::Run => "rate_limit_per_minute",
            Self::Override => "max_nonsecurity_overrides_per_24h",
        }
    }
}

/// One use of something that is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// What is used.
    pub kind: AllowanceKind,
    /// How often it may be within the window.
    pub most: u64,
    /// When it is used.
    pub at: ClockMoment,
}

/// The newest use, and the clocks at that time.
struct Used {
    position: i64,
    wall_ms: i64,
    boot_id: String,
    boot_ms: i64,
}

const NEWEST: &str = "SELECT position_ms, wall_ms, boot_id, boot_ms FROM used_allowances
     WHERE kind = ?1 ORDER BY position_ms DESC, number DESC LIMIT 1";

const COUNT: &str = "SELECT count(*) FROM used_allowances WHERE kind = ?1 AND position_ms > ?2";

/// Where now is on the time line of a kind.
fn position(conn: &Connection, kind: AllowanceKind, at: ClockMoment) -> Result<i64, LedgerError> {
    let newest = conn.prepare_cached(NEWEST)?.query_row([kind.as_str()], |row| {
        Ok(Used { position: row.get(0)?, wall_ms: row.get(1)?, boot_id: row.get(2)?, boot_ms: row.get(3)? })
    });
    let Some(used) = newest.optional()? else { return Ok(at.wall.as_millis()) };
    let passed = match at.boot_id() == used.boot_id {
        true => at.boot_ms.saturating_sub(used.boot_ms),
        false => at.wall.as_millis().saturating_sub(used.wall_ms),
    };
    // Never backwards: what is in the window stays in it.
    Ok(used.position.saturating_add(passed.max(0)))
}

/// Fails when nothing is left.
fn check_at(conn: &Connection, allowance: &Allowance, position: i64) -> Result<(), LedgerError> {
    let since = position.saturating_sub(allowance.kind.window_ms());
    let used: u64 = conn.prepare_cached(COUNT)?.query_row(params![allowance.kind.as_str(), since], |row| row.get(0))?;
    match used < allowance.most {
        true => Ok(()),
        false => Err(LedgerError::OverLimit { key: allowance.kind.key(), most: allowance.most }),
    }
}

/// Whether something is left now.
pub(super) fn check(conn: &Connection, allowance: &Allowance) -> Result<(), LedgerError> {
    check_at(conn, allowance, position(conn, allowance.kind, allowance.at)?)
}

/// Notes one use, also where nothing is left.
pub(super) fn note(tx: &WriteTransaction<'_>, allowance: &Allowance) -> Result<(), LedgerError> {
    let Allowance { kind, at, .. } = allowance;
    let position = position(tx, *kind, *at)?;
    // What is before the window counts no more. The new row stays, so the time line goes on with it.
    let since = position.saturating_sub(kind.window_ms());
    tx.change("DELETE FROM used_allowances WHERE kind = ?1 AND position_ms <= ?2", params![kind.as_str(), since])?;
    let sql = "INSERT INTO used_allowances (kind, position_ms, wall_ms, boot_id, boot_ms) VALUES (?1, ?2, ?3, ?4, ?5)";
    tx.change(sql, params![kind.as_str(), position, at.wall.as_millis(), at.boot_id(), at.boot_ms])?;
    Ok(())
}

/// Uses one, if one is left. Under the write lock, so that no other process uses the same one.
pub(super) fn take(tx: &WriteTransaction<'_>, allowance: &Allowance) -> Result<(), LedgerError> {
    check(tx, allowance)?;
    note(tx, allowance)
}

impl Ledger {
    /// Whether something is left now. The transaction that records the use says so for good.
    ///
    /// # Errors
    /// [`LedgerError::OverLimit`].
    pub fn check_allowance(&self, allowance: &Allowance) -> Result<(), LedgerError> {
        check(self.reader()?, allowance)
    }
}

#[cfg(test)]
#[path = "allowance_tests.rs"]
mod tests;
