//! What keeps SQLite from opening the ledger. It says the same for a full disk, a read-only one, a link and more.
//!
//! Guarantees: an error of the disk is told as what it is. Nothing that is no file is opened. Deliberately never: writes.

use std::path::Path;

use rustix::fs::{Access, StatVfsMountFlags, access, statvfs};
use rustix::io::retry_on_intr;

use super::LedgerError;

/// What SQLite needs to begin: its index, and a first page of the log.
const NEEDED: u64 = 64 << 10;

/// Finds out what kept SQLite from opening the ledger. It says the same for several causes.
pub(super) fn explain(ledger: &Path, error: LedgerError) -> LedgerError {
    if !matches!(error, LedgerError::Disk(_) | LedgerError::Sqlite(_)) {
        return error;
    }
    let folder = ledger.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let is_link = |path: &Path| path.symlink_metadata().is_ok_and(|meta| meta.is_symlink());
    if is_link(folder) || is_link(ledger) {
        return LedgerError::Damaged(
            "its file, or the folder of its file, is a link, and no link is followed".to_owned(),
        );
    }
    let Ok(disk) = retry_on_intr(|| statvfs(folder)) else { return error };
    let unwritable = |path: &Path| retry_on_intr(|| access(path, Access::WRITE_OK)).is_err();
    if disk.f_flag.contains(StatVfsMountFlags::RDONLY) || unwritable(folder) || (ledger.exists() && unwritable(ledger))
    {
        LedgerError::ReadOnly
    } else if disk.f_bavail.saturating_mul(disk.f_frsize) < NEEDED || (disk.f_files > 0 && disk.f_favail == 0) {
        LedgerError::Full
    } else {
        error
    }
}

/// Refuses what is neither a file nor a link, which SQLite itself refuses: to open a pipe waits for its other end.
pub(super) fn check_files(ledger: &Path) -> Result<(), LedgerError> {
    for suffix in ["", "-wal", "-shm"] {
        let mut path = ledger.as_os_str().to_owned();
        path.push(suffix);
        if std::fs::symlink_metadata(path).is_ok_and(|meta| !meta.is_file() && !meta.is_symlink()) {
            return Err(LedgerError::Damaged(format!("what lies at `ledger.db{suffix}` is no regular file")));
        }
    }
    Ok(())
}
