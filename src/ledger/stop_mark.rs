//! The mark of a stop that the ledger has not taken yet: a file beside the ledger, with who stopped and why.
//!
//! Guarantees: a mark is removed only by whoever names that very file, so that a `resume` lifts no stop that came after
//! it looked. Making a mark never depends on the ledger, and never waits long for another process.
//!
//! Deliberately never: follows a link, or reads more than a few kilobytes of text that anybody may have written.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use rustix::fs::OFlags;

use super::reserve;
use crate::model::text;
use crate::sync::uninterrupted;

/// The name of the mark, beside the ledger.
pub(super) const MARK: &str = "stop";
const UNRECORDED: &str = "a stop was asked for that the ledger has not taken yet";
/// Longest mark that is read, in bytes.
const MAX_MARK: u64 = 4 << 10;
/// How often a process tries to lock the folder, and its pause after each time. Whoever has the lock needs it for a few
/// system calls.
const LOCK_TRIES: u32 = 500;
const LOCK_PAUSE: Duration = Duration::from_millis(1);

/// Where the mark of a ledger is.
#[derive(Debug, Clone)]
pub(super) struct StopMark(PathBuf);

/// One mark: another file under the same name has another id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MarkId {
    file: (u64, u64),
    // The number of a removed file is used again. The time tells the two apart.
    changed: (i64, i64),
}

impl From<Metadata> for MarkId {
    fn from(meta: Metadata) -> Self {
        Self { file: (meta.dev(), meta.ino()), changed: (meta.ctime(), meta.ctime_nsec()) }
    }
}

impl StopMark {
    /// The mark of this ledger. None for a ledger that is no file.
    pub(super) fn of(conn: &Connection) -> Option<Self> {
        conn.path().filter(|path| !path.is_empty()).map(|path| Self::beside(Path::new(path)))
    }

    /// The mark of the ledger at `path`.
    pub(super) fn beside(path: &Path) -> Self {
        Self(path.with_file_name(MARK))
    }

    fn metadata(&self) -> io::Result<Option<Metadata>> {
        // A dangling link counts too, so links are not followed.
        match self.0.symlink_metadata() {
            Ok(meta) => Ok(Some(meta)),
            // Only a definite absence lets work continue. An unreadable folder may hide a mark.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The mark that is there now.
    pub(super) fn id(&self) -> io::Result<Option<MarkId>> {
        Ok(self.metadata()?.map(MarkId::from))
    }

    /// What the mark says of who stopped and why; none when there is no mark.
    pub(super) fn reason(&self) -> Option<String> {
        match self.metadata() {
            Ok(None) => None,
            // A pipe or a device under this name would block the reader, and stopping must not wait.
            Ok(Some(meta)) if meta.is_file() => Some(self.text()),
            Ok(Some(_)) => Some(UNRECORDED.to_owned()),
            Err(error) => Some(error.to_string()),
        }
    }

    fn text(&self) -> String {
        let mut said = String::new();
        // The file can be of any size, because anybody who can write the folder can make it.
        let read = open(&self.0, OFlags::empty()).and_then(|file| file.take(MAX_MARK).read_to_string(&mut said));
        match read {
            // The text goes to terminals and records, so control characters and line breaks are
            // removed.
            Ok(_) if !said.is_empty() => format!("{UNRECORDED}, by {}", text::line(&said, 1_000)),
            _ => UNRECORDED.to_owned(),
        }
    }

    /// Makes the mark. That it is there stops; what it says is for people, and left out where it cannot be written.
    pub(super) fn put(&self, by: &str, why: &str) -> Option<MarkId> {
        // A link in the place of the folder leads to one that somebody else chose. Nothing is written or removed there.
        self.folder().ok()?;
        // Without the lock the mark is made all the same: a stop never waits for a process that hangs.
        let _lock = self.lock().ok();
        // The room that was kept for a stop is given back where the disk has none.
        self.write(by, why).or_else(|| if reserve::release(&self.0) { self.write(by, why) } else { None })
    }

    fn write(&self, by: &str, why: &str) -> Option<MarkId> {
        // Renamed into place so that a reader never sees half of the text.
        let written = self.0.with_extension("new");
        // A link that somebody put there is removed, and nothing is written through it.
        let _ = uninterrupted(|| fs::remove_file(&written));
        let whole = File::create_new(&written)
            .and_then(|mut file| file.write_all(format!("{by}: {why}").as_bytes()))
            .and_then(|()| uninterrupted(|| fs::rename(&written, &self.0)));
        if whole.is_err() {
            // A full disk may still have room for an empty file. The name alone stops everything, that of a link too.
            let _ = File::create_new(&self.0);
        }
        self.id().ok().flatten()
    }

    /// Removes the mark, if it is this one. Any other stays.
    pub(super) fn remove(&self, mark: MarkId) -> io::Result<()> {
        let _lock = self.lock()?;
        match self.id()? {
            Some(now) if now == mark => uninterrupted(|| fs::remove_file(&self.0)),
            _ => Ok(()),
        }
    }

    /// Keeps other marks out between the comparison and the removal.
    ///
    /// The lock is on the folder, because a full disk may have no room for a file of its own.
    fn lock(&self) -> io::Result<File> {
        let folder = self.folder()?;
        for _ in 0..LOCK_TRIES {
            match folder.try_lock() {
                Ok(()) => return Ok(folder),
                Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
                Err(error) => return Err(error.into()),
            }
        }
        Err(ErrorKind::WouldBlock.into())
    }

    fn folder(&self) -> io::Result<File> {
        open(self.0.parent().unwrap_or(&self.0), OFlags::DIRECTORY)
    }
}

/// Opens what is no link, to read it. Opening a pipe does not wait for its other end.
fn open(path: &Path, more: OFlags) -> io::Result<File> {
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK | more).bits()).unwrap_or(0);
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}
