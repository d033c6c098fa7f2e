//! The staging folder of a run that writes files.
//!
//! Guarantees: it lies on the vault's file system; it is removed with its run, or by recovery when its process is dead.
//! Deliberately never: touches the vault.

use std::fs::{File, Metadata, Permissions};
use std::io;
use std::path::{Path, PathBuf};

use super::change_time::ChangeTime;
use super::error::{EffectsError, io as io_error};
use super::folders;
use super::vault_file::MAX_BYTES;
use crate::dir::{self, FileSlot, FolderHandle, MissingFolders, ReadError};
use crate::model::{id::ExecutionId, layout::Layout};

/// The name of the lock file beside `out`.
const LOCK: &str = "lock";
/// The name of the folder that the guest sees as `/out`.
pub(super) const OUT: &str = "out";

/// One run's staging folder. Locked while its process lives, removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Staging {
    /// Where the folder is.
    slot: FileSlot,
    out: FolderHandle,
    lock: File,
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
        let slot = folders::staging_root(layout)?.file(id.to_string());
        let make = || -> io::Result<(FolderHandle, File)> {
            let folder = slot.make_folder()?;
            let lock = folder.file(LOCK).create_new(0o666)?;
            dir::lock(&lock)?;
            Ok((folder.file(OUT).make_folder()?, lock))
        };
        let (out, lock) = make().map_err(io_error(&slot.folder().path().join(slot.name())))?;
        Ok(Self { slot, out, lock })
    }

    /// What the guest sees as `/out`.
    pub(crate) fn out(&self) -> &FolderHandle {
        &self.out
    }

    /// When the folder was made, by the clock that stamps the vault's files.
    pub(super) fn change_time(&self) -> Result<ChangeTime, EffectsError> {
        // The time of the lock file: that of the folder changes with every file in it.
        Ok(ChangeTime::of(&self.lock_file()?))
    }

    /// The permissions of a new file by the person's own mask.
    pub(super) fn new_file_permissions(&self) -> Result<Permissions, EffectsError> {
        Ok(self.lock_file()?.permissions())
    }

    fn lock_file(&self) -> Result<Metadata, EffectsError> {
        self.lock.metadata().map_err(io_error(Path::new(LOCK)))
    }
}

/// The new content of a file, in a staging folder that is held open.
#[derive(Debug, Clone)]
pub(in crate::invoke) struct StagedContent {
    out: FolderHandle,
    /// The path below it.
    below: PathBuf,
}

impl StagedContent {
    pub(super) fn new(out: &FolderHandle, below: impl Into<PathBuf>) -> Self {
        Self { out: out.clone(), below: below.into() }
    }

    /// Where it lies, for an error.
    pub(super) fn path(&self) -> PathBuf {
        self.out.path().join(&self.below)
    }

    /// Its folder and its name.
    pub(super) fn slot(&self) -> Result<FileSlot, EffectsError> {
        let slot = self.out.file_beneath(&self.below, MissingFolders::Refuse);
        slot.map_err(io_error(&self.path()))
    }

    /// When it was last changed.
    pub(super) fn change_time(&self) -> Result<ChangeTime, EffectsError> {
        let meta = self.slot()?.open().and_then(|file| file.metadata());
        meta.map(|meta| ChangeTime::of(&meta)).map_err(io_error(&self.path()))
    }

    /// Its bytes.
    pub(super) fn read(&self) -> Result<Vec<u8>, EffectsError> {
        let failed = |error| match error {
            ReadError::Missing => io::Error::from(io::ErrorKind::NotFound),
            ReadError::NotAFile(why) => io::Error::new(io::ErrorKind::InvalidData, why),
            ReadError::Io(error) => error,
        };
        let read = self.slot()?.read(MAX_BYTES).map_err(failed);
        read.map(|content| content.bytes).map_err(io_error(&self.path()))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next recovery.
        let _ = self.slot.remove_folder();
    }
}

/// Whether the process that made this staging folder is dead.
pub(super) fn is_abandoned(folder: &FolderHandle) -> bool {
    match folder.file(LOCK).open() {
        // The system releases the lock when the process dies.
        Ok(file) => file.try_lock().is_ok(),
        // The process died before it made the lock file: the caller holds `staging_lock`, so nobody is making one now.
        Err(error) if error.kind() == io::ErrorKind::NotFound || dir::is_link_or_no_folder(&error) => true,
        // Any other failure says nothing about that process. It may be at work.
        Err(_) => false,
    }
}
