//! The staging folder of a run that writes files.
//!
//! Guarantees: it lies on the vault's file system; it is removed with its run, or by recovery when its process is dead.
//! Deliberately never: touches the vault.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::error::{EffectsError, io};
use super::folders;
use crate::model::{id::ExecutionId, layout::Layout};

/// The name of the lock file beside `out`.
const LOCK: &str = "lock";

/// One run's staging folder. Locked while its process lives, removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Staging {
    folder: PathBuf,
    _lock: File,
}

impl Staging {
    /// An empty staging folder for one run, on the file system of the vault.
    ///
    /// # Errors
    /// [`EffectsError::Io`] when it cannot be made.
    pub(crate) fn create(layout: &Layout, id: ExecutionId) -> Result<Self, EffectsError> {
        // Recovery removes a folder that is not locked. It waits for this lock, so it never sees the moment in which the
        // folder is there and its lock is not.
        let _making = folders::staging_lock(layout)?;
        let folder = folders::staging_root(layout)?.join(id.to_string());
        fs::create_dir_all(&folder).map_err(io(&folder))?;
        let lock = File::create(folder.join(LOCK)).map_err(io(&folder))?;
        lock.lock().map_err(io(&folder))?;
        let out = folder.join("out");
        fs::create_dir(&out).map_err(io(&out))?;
        Ok(Self { folder, _lock: lock })
    }

    /// What the guest sees as `/out`.
    pub(crate) fn out(&self) -> PathBuf {
        self.folder.join("out")
    }

    /// When the folder was made, by the clock that stamps the vault's files.
    pub(super) fn change_time(&self) -> Result<ChangeTime, EffectsError> {
        // The time of the lock file: that of the folder changes with every file in it.
        Ok(ChangeTime::of(&self.lock_file()?))
    }

    /// The permissions of a new file by the person's own mask.
    pub(super) fn new_file_permissions(&self) -> Result<fs::Permissions, EffectsError> {
        Ok(self.lock_file()?.permissions())
    }

    fn lock_file(&self) -> Result<fs::Metadata, EffectsError> {
        let path = self.folder.join(LOCK);
        fs::symlink_metadata(&path).map_err(io(&path))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next recovery.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Whether the process that made this staging folder is dead.
pub(super) fn is_abandoned(folder: &Path) -> bool {
    match File::open(folder.join(LOCK)) {
        // The system releases the lock when the process dies.
        Ok(file) => file.try_lock().is_ok(),
        // The process died before it made the lock file: the caller holds `staging_lock`, so nobody is making one now.
        Err(_) => true,
    }
}

/// When a file was last changed, renamed or given other permissions, by the clock of the file system. That clock moves in
/// ticks of some milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ChangeTime {
    seconds: i64,
    nanoseconds: i64,
}

impl ChangeTime {
    pub(super) fn of(meta: &fs::Metadata) -> Self {
        Self { seconds: meta.ctime(), nanoseconds: meta.ctime_nsec() }
    }
}
