//! When a commit must be on the disk, and how one that was not is put there.
//!
//! A commit is always in the write-ahead log when it returns, so it survives the end of the process. Whether it also survives the
//! end of the machine is [`Durability`]. SQLite waits for the disk with `synchronous=FULL`. With `NORMAL` it does not, and
//! [`WriteAheadLog::sync`] does so later. The log is one file that only grows between checkpoints, so a sync puts every commit
//! before it on the disk as well.
//!
//! Guarantees: a file that marks unsynced commits is on the disk before the first of them. Whoever opens the ledger after a power
//! cut finds it, and says so. Deliberately never: decides which commit may wait.

use std::cell::Cell;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::retry_on_intr;

use super::LedgerError;
use crate::sync::uninterrupted;

/// When a commit is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// When it returns.
    Now,
    /// After the next sync.
    Soon,
}

/// What a power cut may have taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LostRecords {
    /// Nothing.
    None,
    /// Records of the last 20 ms before the machine stopped, of runs that changed nothing outside.
    Possible,
}

/// How a connection commits now.
#[derive(Debug)]
pub(super) struct CommitDurability {
    durability: Cell<Durability>,
    unsynced: Cell<bool>,
    has_committed: Cell<bool>,
}

impl CommitDurability {
    /// The mode of a connection whose `synchronous` is FULL.
    pub(super) fn full() -> Self {
        Self { durability: Cell::new(Durability::Now), unsynced: Cell::new(false), has_committed: Cell::new(false) }
    }

    /// Sets it. Outside of a transaction, because SQLite ignores it inside of one.
    pub(super) fn set(&self, conn: &Connection, durability: Durability) -> Result<(), LedgerError> {
        if self.durability.get() != durability {
            let value = if durability == Durability::Now { "FULL" } else { "NORMAL" };
            conn.pragma_update(None, "synchronous", value)?;
            self.durability.set(durability);
        }
        Ok(())
    }

    /// Notes a commit.
    pub(super) fn committed(&self) {
        self.unsynced.set(self.durability.get() == Durability::Soon);
        self.has_committed.set(true);
    }

    /// Whether this connection changed the ledger.
    pub(super) fn has_committed(&self) -> bool {
        self.has_committed.get()
    }

    /// Whether a commit of this connection is not on the disk.
    pub(super) fn is_unsynced(&self) -> bool {
        self.unsynced.get()
    }

    /// Notes that the log was synced.
    pub(super) fn synced(&self) {
        self.unsynced.set(false);
    }
}

/// The write-ahead log of a ledger.
#[derive(Debug, Clone)]
pub(super) struct WriteAheadLog {
    ledger: PathBuf,
}

impl WriteAheadLog {
    /// The log of this connection. None for a ledger that is no file.
    pub(super) fn of(conn: &Connection) -> Option<Self> {
        conn.path().filter(|path| !path.is_empty()).map(|path| Self { ledger: path.into() })
    }

    fn path(&self) -> PathBuf {
        let mut path = self.ledger.as_os_str().to_owned();
        path.push("-wal");
        path.into()
    }

    /// How long it is.
    pub(super) fn bytes(&self) -> u64 {
        self.path().symlink_metadata().map_or(0, |meta| meta.len())
    }

    /// Puts every commit of every process on the disk.
    ///
    /// # Errors
    /// [`LedgerError::Unsynced`] when the disk does not take it.
    pub(super) fn sync(&self) -> Result<(), LedgerError> {
        let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::CLOEXEC).bits()).unwrap_or(0);
        // Opened anew: SQLite's own descriptor is not to be had, and the bytes of a file are synced through any of them.
        // SQLite locks the ledger and its index and never the log, so closing this one drops no lock of this process.
        let opened = OpenOptions::new().read(true).write(true).custom_flags(flags).open(self.path());
        match opened.and_then(|log| log.sync_data()) {
            Ok(()) => Ok(()),
            // Whoever closed the ledger last has put the log into it, and synced both.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(LedgerError::Unsynced(error)),
        }
    }
}

/// The file that says that a process commits before the disk has it. It has the id of the machine's start.
#[derive(Debug)]
pub(super) struct UnsyncedMark {
    path: PathBuf,
    /// Shared by all processes that commit so, and locked by nobody after a crash.
    file: File,
}

impl UnsyncedMark {
    /// Makes it, durably. None for a ledger that is no file.
    pub(super) fn make(log: &WriteAheadLog) -> io::Result<Self> {
        let path = beside(&log.ledger);
        loop {
            let mut file = open(&path, true)?;
            retry_on_intr(|| flock(&file, FlockOperation::LockShared))?;
            // Whoever removed it in between took the name from the file that was just locked.
            if !is_at(&file, &path) {
                continue;
            }
            if file.metadata()?.len() == 0 {
                file.write_all(boot_id()?.as_bytes())?;
                file.sync_all()?;
                let folder = path.parent().unwrap_or(Path::new("."));
                File::open(folder)?.sync_all()?;
            }
            return Ok(Self { path, file });
        }
    }

    /// Removes it, when everything is on the disk and no other process commits so.
    pub(super) fn remove(self) {
        let alone = retry_on_intr(|| flock(&self.file, FlockOperation::NonBlockingLockExclusive)).is_ok();
        if alone && is_at(&self.file, &self.path) {
            // A mark that stays says nothing worse than the truth: something may have been lost.
            let _ = uninterrupted(|| fs::remove_file(&self.path));
        }
    }
}

/// Looks for the mark of a process that ended without a sync, removes it, and tells what may be missing.
pub(super) fn after_a_crash(log: &WriteAheadLog) -> LostRecords {
    let path = beside(&log.ledger);
    let Ok(mut file) = open(&path, false) else { return LostRecords::None };
    match retry_on_intr(|| flock(&file, FlockOperation::NonBlockingLockExclusive)) {
        Ok(()) if is_at(&file, &path) => {}
        // A process that commits so is at work, or somebody else has just removed it.
        Ok(()) | Err(_) => return LostRecords::None,
    }
    let mut noted = String::new();
    let read = (&mut file).take(128).read_to_string(&mut noted).is_ok();
    let same_start = read && boot_id().is_ok_and(|id| id == noted);
    // After the end of a process alone, the kernel still has everything, and the disk gets it now.
    let kept = same_start && log.sync().is_ok();
    let _ = uninterrupted(|| fs::remove_file(&path));
    if kept { LostRecords::None } else { LostRecords::Possible }
}

fn beside(ledger: &Path) -> PathBuf {
    ledger.with_file_name("unsynced")
}

fn open(path: &Path, create: bool) -> io::Result<File> {
    // Not blocking: a pipe in the place of the mark would hold every command.
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK).bits()).unwrap_or(0);
    OpenOptions::new().read(true).write(true).create(create).mode(0o600).custom_flags(flags).open(path)
}

/// Whether this open file still has that name.
fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(ours), Ok(there)) = (file.metadata(), path.symlink_metadata()) else { return false };
    (ours.dev(), ours.ino()) == (there.dev(), there.ino())
}

fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Tested = Result<(), Box<dyn std::error::Error>>;

    #[test]
    fn a_mark_that_a_crash_left_tells_only_after_another_start_of_the_machine() -> Tested {
        let folder = tempfile::tempdir()?;
        let log = WriteAheadLog { ledger: folder.path().join("ledger.db") };
        assert_eq!(after_a_crash(&log), LostRecords::None);
        let (one, two) = (UnsyncedMark::make(&log)?, UnsyncedMark::make(&log)?);
        // While somebody commits so, it says nothing.
        assert_eq!(after_a_crash(&log), LostRecords::None);
        one.remove();
        assert!(beside(&log.ledger).exists(), "another process still needs it");
        drop(two);
        assert_eq!((after_a_crash(&log), beside(&log.ledger).exists()), (LostRecords::None, false));

        fs::write(beside(&log.ledger), "another start")?;
        assert_eq!((after_a_crash(&log), beside(&log.ledger).exists()), (LostRecords::Possible, false));
        UnsyncedMark::make(&log)?.remove();
        assert!(!beside(&log.ledger).exists());
        Ok(())
    }

    #[test]
    fn a_mark_is_made_only_where_no_link_lies() -> Tested {
        let folder = tempfile::tempdir()?;
        let log = WriteAheadLog { ledger: folder.path().join("ledger.db") };
        let elsewhere = folder.path().join("elsewhere");
        fs::write(&elsewhere, "")?;
        std::os::unix::fs::symlink(&elsewhere, beside(&log.ledger))?;
        assert!(UnsyncedMark::make(&log).is_err());
        assert_eq!((after_a_crash(&log), fs::read(&elsewhere)?.len()), (LostRecords::None, 0));
        Ok(())
    }
}
