//! The one place where the ledger is written.
//!
//! Every change of the ledger is a [`WriteTransaction`]: [`write`] begins it, hands it to its caller, and commits it. No
//! other file of this module changes a row, except the migrations. So whatever must happen with every change has one place.
//! Its events are appended in it (`events`). A checkpoint over them is signed before the commit, and kept outside after it.
//!
//! Guarantees: a transaction takes the write lock before its first read, and is there whole after a crash or not at all. It
//! begins only on a schema that is Kavi's own. A row that was added was read back before the commit. Of changes under
//! [`WriteTransaction::attempt`], a refused one leaves nothing behind.
//!
//! Deliberately never: decides what is written.

use std::ops::Deref;

use rusqlite::{Connection, Params, ToSql, Transaction, TransactionBehavior, params_from_iter};

use super::durability::Durability;
use super::events::{self, EventLog};
use super::{Ledger, LedgerError};
use crate::history::anchor::HistoryAnchor;
use crate::history::approval::SignedStatement;

/// Most signatures that one decision asks for.
const MOST_SIGNATURES: usize = 64;

/// A transaction that holds the ledger's write lock. It derefs to a connection for reads.
#[derive(Debug)]
pub(super) struct WriteTransaction<'a>(Transaction<'a>, EventLog<'a>);

impl Deref for WriteTransaction<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0
    }
}

/// The values of one row, by column. The first column is the table's key, or the first part of it.
pub(super) type RowValues<'a> = [(&'static str, &'a dyn ToSql)];

impl<'a> WriteTransaction<'a> {
    /// The history, as this transaction sees it.
    pub(super) fn log(&self) -> &EventLog<'a> {
        &self.1
    }

    /// Adds a row, and reads it back: what the ledger says it took must be there.
    pub(super) fn insert(&self, table: &str, row: &RowValues<'_>) -> Result<(), LedgerError> {
        self.add("INSERT", table, row)
    }

    /// The same, for a row that may be there already with the same values.
    pub(super) fn insert_if_missing(&self, table: &str, row: &RowValues<'_>) -> Result<(), LedgerError> {
        self.add("INSERT OR IGNORE", table, row)
    }

    fn add(&self, verb: &str, table: &str, row: &RowValues<'_>) -> Result<(), LedgerError> {
        let each = |form: fn(&str, usize) -> String, between| {
            let parts: Vec<_> = row.iter().zip(1..).map(|((column, _), number)| form(column, number)).collect();
            parts.join(between)
        };
        let columns = each(|column, _| column.to_owned(), ", ");
        let values = each(|_, number| format!("?{number}"), ", ");
        let bound = || params_from_iter(row.iter().map(|(_, value)| value));
        self.change(&format!("{verb} INTO {table} ({columns}) VALUES ({values})"), bound())?;
        let same = each(|column, number| format!("{column} IS ?{number}"), " AND ");
        if self.0.prepare_cached(&format!("SELECT 1 FROM {table} WHERE {same}"))?.exists(bound())? {
            Ok(())
        } else {
            Err(LedgerError::Damaged(format!("a row that was written to `{table}` is not there")))
        }
    }

    /// Runs a statement that changes rows, and returns their number. The statement is kept prepared.
    pub(super) fn change(&self, sql: &str, values: impl Params) -> Result<usize, LedgerError> {
        Ok(self.0.prepare_cached(sql)?.execute(values)?)
    }

    /// Runs statements without values.
    pub(super) fn change_all(&self, sql: &str) -> Result<(), LedgerError> {
        Ok(self.0.execute_batch(sql)?)
    }

    /// Does one part of the transaction. When it is refused, only that part is taken back.
    ///
    /// # Errors
    /// When the whole transaction is lost: SQLite took it back (a full or failing disk), or cannot undo this part.
    pub(super) fn attempt(
        &self,
        part: impl FnOnce(&Self) -> Result<(), LedgerError>,
    ) -> Result<Result<(), LedgerError>, LedgerError> {
        // The name may repeat: steps come one after the other, and each is released before the next
        // begins.
        self.change("SAVEPOINT one", [])?;
        let done = part(self);
        if let Err(error) = &done {
            // SQLite rolls back by itself after some errors. Then the savepoint is gone, and every other part with it.
            if self.0.is_autocommit() {
                return Err(error.again());
            }
            self.change("ROLLBACK TO one", [])?;
            self.1.forget_end();
        }
        // `ROLLBACK TO` leaves the savepoint on the stack, so it is released after both outcomes.
        self.change("RELEASE one", [])?;
        Ok(done)
    }
}

/// Runs `work` in one transaction under the write lock, and commits it when `work` succeeds. It is on the disk when this
/// returns, with every commit before it.
pub(super) fn write<T>(
    ledger: &Ledger,
    work: impl FnOnce(&WriteTransaction<'_>) -> Result<T, LedgerError>,
) -> Result<T, LedgerError> {
    write_given(ledger, Durability::Now, &[], work)
}

/// The same, where the transaction may be on the disk later.
pub(super) fn write_with<T>(
    ledger: &Ledger,
    durability: Durability,
    work: impl FnOnce(&WriteTransaction<'_>) -> Result<T, LedgerError>,
) -> Result<T, LedgerError> {
    write_given(ledger, durability, &[], work)
}

fn write_given<T>(
    ledger: &Ledger,
    durability: Durability,
    given: &[SignedStatement],
    work: impl FnOnce(&WriteTransaction<'_>) -> Result<T, LedgerError>,
) -> Result<T, LedgerError> {
    ledger.commit_mode.set(&ledger.conn, durability)?;
    let tx = begin(ledger, EventLog::new(ledger.anchor.as_deref(), given))?;
    // On an error the transaction is dropped, and its destructor rolls it back.
    let value = work(&tx)?;
    // Last, because it covers the events that `work` appended.
    let checkpoint = events::seal::seal(&tx)?;
    tx.0.commit()?;
    ledger.commit_mode.committed();
    // Only now: a head that leads the ledger would refuse it after a crash. One that lags is mended by the next.
    if let (Some(note), Some(anchor)) = (checkpoint, &ledger.anchor)
        && (durability == Durability::Now || ledger.sync().is_ok())
    {
        let _ = anchor.advance(&note);
        ask_witness(ledger, anchor.as_ref(), &note);
    }
    Ok(value)
}

/// A witness that is not there stops nothing: the head is kept. One that saw another history is found at the next check.
fn ask_witness(ledger: &Ledger, anchor: &dyn HistoryAnchor, note: &str) {
    let path = |old: u64| events::prove::consistency(&ledger.conn, note, old).ok().flatten();
    if let Err(error) = anchor.ask_witness(note, &path) {
        tracing::warn!("the newest checkpoint is not cosigned: {error}");
    }
}

fn begin<'a>(ledger: &'a Ledger, log: EventLog<'a>) -> Result<WriteTransaction<'a>, LedgerError> {
    // Immediate: a transaction that reads first and asks for the write lock later can fail halfway with "database is locked".
    let tx = WriteTransaction(Transaction::new_unchecked(&ledger.conn, TransactionBehavior::Immediate)?, log);
    // Under the lock nobody can add a trigger between this look and the changes.
    ledger.schema.check(&tx)?;
    Ok(tx)
}

/// The same for a decision of a person, which may need their signature. It is asked for between two transactions, so nobody waits
/// for the lock while they think. `work` must do the same each time.
pub(super) fn write_decision<T>(
    ledger: &Ledger,
    work: impl Fn(&WriteTransaction<'_>) -> Result<T, LedgerError>,
) -> Result<T, LedgerError> {
    with_signatures(ledger, |given| write_given(ledger, Durability::Now, given, &work))
}

/// Tries again with each signature that is missing.
fn with_signatures<T>(
    ledger: &Ledger,
    attempt: impl Fn(&[SignedStatement]) -> Result<T, LedgerError>,
) -> Result<T, LedgerError> {
    let mut given = Vec::new();
    loop {
        match attempt(&given) {
            Err(LedgerError::NeedsSignature(request)) if given.len() < MOST_SIGNATURES => {
                given.push(events::approvals::ask(ledger.anchor.as_deref(), *request)?);
            }
            done => return done,
        }
    }
}

/// The same without the anchor: nothing is compared with it, and nothing is signed.
pub(super) fn write_unanchored<T>(
    ledger: &Ledger,
    work: impl Fn(&WriteTransaction<'_>) -> Result<T, LedgerError>,
) -> Result<T, LedgerError> {
    with_signatures(ledger, |given| {
        ledger.commit_mode.set(&ledger.conn, Durability::Now)?;
        let tx = begin(ledger, EventLog::unanchored(ledger.anchor.as_deref(), given))?;
        let value = work(&tx)?;
        tx.0.commit()?;
        ledger.commit_mode.committed();
        Ok(value)
    })
}

/// Runs `work` in a transaction that fills temporary tables, and keeps them. It takes no write lock.
pub(super) fn prepare<T>(
    ledger: &Ledger,
    work: impl FnOnce(&WriteTransaction<'_>) -> Result<T, LedgerError>,
) -> Result<T, LedgerError> {
    let tx =
        WriteTransaction(Transaction::new_unchecked(&ledger.conn, TransactionBehavior::Deferred)?, EventLog::default());
    ledger.schema.check(&tx)?;
    let value = work(&tx)?;
    tx.0.commit()?;
    Ok(value)
}

/// Runs `work` in a transaction that may fill temporary tables, and takes all of it back.
pub(super) fn look<T>(
    ledger: &Ledger,
    work: impl FnOnce(&WriteTransaction<'_>) -> Result<T, LedgerError>,
) -> Result<T, LedgerError> {
    let tx =
        WriteTransaction(Transaction::new_unchecked(&ledger.conn, TransactionBehavior::Deferred)?, EventLog::default());
    ledger.schema.check(&tx)?;
    let value = work(&tx)?;
    tx.0.rollback()?;
    Ok(value)
}
