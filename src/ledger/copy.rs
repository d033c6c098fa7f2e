//! A copy of the whole ledger, as of one moment.
//!
//! Guarantees: nobody writes while it is made, so file and log belong together. The copy is one file, without a log. Deliberately
//! never: leaves rows out, or changes the order of rows, as SQLite's `VACUUM INTO` may.

use std::ffi::OsString;
use std::path::Path;

use rusqlite::Connection;

use super::{Ledger, LedgerError};
use crate::sync::uninterrupted;

impl Ledger {
    /// Copies the ledger to `to`, which must not exist.
    ///
    /// # Errors
    /// [`LedgerError`] when it cannot be read or written.
    pub fn copy_to(&self, to: &Path) -> Result<(), LedgerError> {
        let from = self.conn.path().unwrap_or_default().to_owned();
        self.write(|_| {
            // The file first: a checkpoint in between moves only what the log still has as well.
            for beside in ["", "-wal"] {
                let with = |path: &Path| {
                    let mut name = OsString::from(path);
                    name.push(beside);
                    std::path::PathBuf::from(name)
                };
                let (source, target) = (with(Path::new(&from)), with(to));
                if beside.is_empty() || source.exists() {
                    uninterrupted(|| std::fs::copy(&source, &target))
                        .map_err(|error| LedgerError::Copy { path: target, source: error })?;
                }
            }
            Ok(())
        })?;
        let copy = Connection::open(to)?;
        copy.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        copy.close().map_err(|(_, error)| LedgerError::from(error))
    }
}
