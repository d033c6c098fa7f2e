//! Reading a ledger where nothing can be written: on a full disk, or on a read-only file system.
//!
//! SQLite needs an index of the write-ahead log in a file beside the ledger, and makes room for it first. There are three ways
//! without. A ledger without a log needs no index. An index that is only read is built in memory. A connection that has the
//! ledger for itself needs no file for it.
//!
//! Guarantees: what is in the log is read too. Deliberately never: changes a byte of ledger or log.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::{Ledger, LedgerError};

/// A connection that only reads.
///
/// # Errors
/// [`LedgerError`] with what the first way that applies says.
pub(super) fn open(path: &Path) -> Result<Connection, LedgerError> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    // Immutable means no lock, no index and no log, so what is in a log would be left out without a word.
    if std::fs::metadata(log).map_or(true, |meta| meta.len() == 0) {
        return connect(path, "immutable=1", Lock::Shared);
    }
    // The first way works beside other processes and on a read-only file system. It needs the file of the index.
    connect(path, "mode=ro&readonly_shm=1", Lock::Shared).or_else(|error| {
        // Only a descriptor that could write can lock the ledger for itself, so this one is not opened read-only.
        connect(path, "mode=rw", Lock::Alone).map_err(|_| error)
    })
}

/// Who else may use the ledger meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lock {
    Shared,
    Alone,
}

fn connect(path: &Path, options: &str, lock: Lock) -> Result<Connection, LedgerError> {
    let access = match lock {
        Lock::Shared => OpenFlags::SQLITE_OPEN_READ_ONLY,
        Lock::Alone => OpenFlags::SQLITE_OPEN_READ_WRITE,
    };
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW | OpenFlags::SQLITE_OPEN_URI;
    let conn = Connection::open_with_flags(uri(path, options), flags)?;
    if lock == Lock::Alone {
        // Before the first read: only then is the index kept in memory.
        conn.pragma_update_and_check(None, "locking_mode", "EXCLUSIVE", |_| Ok(()))?;
    }
    Ledger::protect(&conn)?;
    // One of the ways opens the file for writing, and nothing here may do so.
    conn.pragma_update(None, "query_only", "ON")?;
    // Each way fails here at the latest, and the next one is tried.
    conn.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(conn)
}

/// A path as SQLite reads it with options: what means something in an address is written as its number.
fn uri(path: &Path, options: &str) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-".contains(byte);
    let escaped = path.as_os_str().as_bytes().iter().map(|byte| match plain(byte) {
        true => char::from(*byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    format!("file:{}?{options}", escaped.collect::<String>())
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::super::Create;
    use super::*;

    type Tested = Result<(), Box<dyn Error>>;

    /// A ledger of which everything is in the log.
    fn ledger(folder: &Path) -> Result<PathBuf, LedgerError> {
        let path = folder.join("ledger.db");
        drop(Ledger::open(&path, Create::IfMissing)?);
        Ok(path)
    }

    fn events(conn: &Connection) -> Result<i64, LedgerError> {
        Ok(conn.query_row("SELECT count(*) FROM history", [], |row| row.get(0))?)
    }

    fn bytes(folder: &Path) -> std::io::Result<(Vec<u8>, Vec<u8>)> {
        Ok((fs::read(folder.join("ledger.db"))?, fs::read(folder.join("ledger.db-wal"))?))
    }

    #[test]
    fn what_is_in_the_log_is_read_with_and_without_an_index_and_nothing_is_changed() -> Tested {
        let folder = tempfile::tempdir()?;
        let path = ledger(folder.path())?;
        let (before, index) = (bytes(folder.path())?, folder.path().join("ledger.db-shm"));
        let without_log = connect(&path, "immutable=1", Lock::Shared).and_then(|conn| events(&conn));
        assert!(without_log.is_err(), "the ledger alone has nothing yet");
        assert!(index.exists());
        assert_eq!(events(&connect(&path, "mode=ro&readonly_shm=1", Lock::Shared)?)?, 1);
        fs::remove_file(&index)?;
        symlink("/nowhere/at/all", &index)?;
        assert!(connect(&path, "mode=ro&readonly_shm=1", Lock::Shared).is_err());
        let conn = open(&path)?;
        assert_eq!(events(&conn)?, 1);
        assert!(conn.execute("DELETE FROM history", []).is_err());
        drop(conn);
        assert_eq!(bytes(folder.path())?, before);
        Ok(())
    }

    #[test]
    fn another_process_that_has_it_open_is_no_obstacle() -> Tested {
        let folder = tempfile::tempdir()?;
        let path = ledger(folder.path())?;
        let other = Ledger::open(&path, Create::Never)?;
        assert_eq!(events(&open(&path)?)?, events(other.reader()?)?);
        Ok(())
    }
}
