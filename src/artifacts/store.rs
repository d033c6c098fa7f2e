//! The content-addressed store: files by their digest.
//!
//! Guarantees: a file is whole and on disk (data and folder fsynced) before its digest is returned. What is read has the
//! requested digest, checked over the buffer that the caller gets.
//!
//! Deliberately never: decides what a file means, or changes a file once it has its name.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::MAX_BYTES;
use super::error::{ArtifactError, io};
use super::store_thread::StoreThread;
use super::stored_kind::StoredKind;
use crate::dir::{self, ExistingFile, FileSlot, FolderHandle, MissingFolders, ReadError};
use crate::model::{digest::Digest, layout::Layout};
use crate::sync::uninterrupted;

/// Whether others may hold the lock at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StoreLock {
    Shared,
    Alone,
}

/// Files by their digest. It reaches them from the folder of its workspace, which it holds open.
#[derive(Debug, Clone)]
pub struct Store {
    pub(super) workspace: FolderHandle,
    /// The path of the store below the workspace.
    pub(super) below: PathBuf,
    /// Stores for threads that can open no file, once it was asked for.
    thread: Arc<OnceLock<StoreThread>>,
}

impl Store {
    /// The store of a workspace. Its folder is made when something is stored.
    ///
    /// # Errors
    /// [`ArtifactError::Io`] when the workspace cannot be opened.
    pub fn open(layout: &Layout) -> Result<Self, ArtifactError> {
        let workspace = FolderHandle::open(&layout.root).map_err(io(&layout.root))?;
        let store = layout.store();
        let below = store.strip_prefix(&layout.root).map_or(store.clone(), Path::to_owned);
        Ok(Self { workspace, below, thread: Arc::default() })
    }

    /// Lets threads that can open no file store values too. Called by a thread that can.
    ///
    /// # Errors
    /// [`ArtifactError::Io`] when there can be no thread for it.
    pub fn serve_all_threads(&self) -> Result<(), ArtifactError> {
        if self.thread.get().is_none() {
            // One of its own, without the thread: it would wait for itself.
            let own = Self { thread: Arc::default(), ..self.clone() };
            // A function and not the store, so that the thread knows nothing but how to store one file.
            let put = move |kind: StoredKind, bytes: &[u8]| own.put(kind, bytes);
            let thread = StoreThread::start(put).map_err(io(self.workspace.path()))?;
            // Another thread may have been as fast. Its thread serves as well.
            let _ = self.thread.set(thread);
        }
        Ok(())
    }

    /// The path of a file with this digest, for people. The store itself never opens it.
    pub fn path(&self, kind: StoredKind, digest: Digest) -> PathBuf {
        self.workspace.path().join(self.file(kind, digest))
    }

    /// The path of a file below the workspace.
    pub(super) fn file(&self, kind: StoredKind, digest: Digest) -> PathBuf {
        let name = digest.to_string();
        self.below.join(kind.folder()).join(&name[..2]).join(&name)
    }

    pub(super) fn slot(&self, kind: StoredKind, digest: Digest, missing: MissingFolders) -> std::io::Result<FileSlot> {
        self.workspace.file_beneath(&self.file(kind, digest), missing)
    }

    /// Stores `bytes` durably. Storing the same bytes again repairs a file that was changed. It also marks the file as young, so
    /// that it is not removed before the caller has written the row that refers to it.
    ///
    /// # Errors
    /// [`ArtifactError::Io`] when the file or its folder cannot be written and synced.
    pub fn put(&self, kind: StoredKind, bytes: &[u8]) -> Result<Digest, ArtifactError> {
        // Values alone come from such threads, and all others need not wait for one another.
        if kind == StoredKind::Value
            && let Some(thread) = self.thread.get()
        {
            return thread.put(kind, bytes).map_err(io(self.workspace.path()))?;
        }
        let digest = Digest::of(bytes);
        let failed = || io(&self.path(kind, digest));
        // Shared with other writers. Only a sweep needs the store alone, so that it cannot remove
        // what is stored now.
        let _shared = self.lock(StoreLock::Shared)?;
        // Read and compared, not only looked for: a file that was changed on disk is written again.
        if self.get(kind, digest).is_err() || self.touch(kind, digest).is_err() {
            let slot = self.slot(kind, digest, MissingFolders::Make).map_err(failed())?;
            slot.write_durably(bytes, kind.mode(), ExistingFile::Replace).map_err(failed())?;
        } else {
            // Whoever wrote the file may have died before its name, or that of a folder above it, was on the disk.
            self.sync_names(kind, digest)?;
        }
        Ok(digest)
    }

    /// Makes a stored file and its name durable, whoever wrote it.
    ///
    /// # Errors
    /// [`ArtifactError::Io`] when it cannot be synced.
    pub fn sync(&self, kind: StoredKind, digest: Digest) -> Result<(), ArtifactError> {
        let synced = self.slot(kind, digest, MissingFolders::Refuse).and_then(|slot| slot.open()?.sync_all());
        synced.map_err(io(&self.path(kind, digest)))?;
        self.sync_names(kind, digest)
    }

    /// Makes the name of a stored file durable, and those of the folders above it, up to the store's.
    fn sync_names(&self, kind: StoredKind, digest: Digest) -> Result<(), ArtifactError> {
        let file = self.file(kind, digest);
        // The lowest folder first: a name must not reach the disk before what it names.
        let above = file.ancestors().skip(1).take_while(|folder| folder.starts_with(&self.below));
        for folder in above.chain(self.below.parent()) {
            let opened = self.workspace.beneath(folder, MissingFolders::Refuse);
            opened.and_then(|folder| folder.sync()).map_err(io(&self.workspace.path().join(folder)))?;
        }
        Ok(())
    }

    /// The bytes with this digest: one open, one buffer, hashed after reading.
    ///
    /// # Errors
    /// [`ArtifactError::Missing`] or [`ArtifactError::Changed`].
    pub fn get(&self, kind: StoredKind, digest: Digest) -> Result<Vec<u8>, ArtifactError> {
        let what = kind.word();
        let changed = |found: String| ArtifactError::Changed { what, expected: digest, found };
        let slot = self.slot(kind, digest, MissingFolders::Refuse).map_err(ReadError::from);
        let bytes = match slot.and_then(|slot| slot.read(MAX_BYTES)) {
            Ok(content) => content.bytes,
            Err(ReadError::Missing) => return Err(ArtifactError::Missing { what, digest }),
            Err(ReadError::NotAFile(kind)) => return Err(changed(kind)),
            Err(ReadError::Io(source)) if dir::is_link_or_no_folder(&source) => {
                return Err(changed("a part of its path is a link, or no folder".to_owned()));
            }
            Err(ReadError::Io(source)) => return Err(ArtifactError::Io { path: self.path(kind, digest), source }),
        };
        // Of the buffer that is returned. Hashing the file and reading it again would allow a
        // change in between.
        let found = Digest::of(&bytes);
        if found == digest { Ok(bytes) } else { Err(changed(format!("its sha256 is now {found}"))) }
    }

    /// The lock of the store, on its folder.
    pub(super) fn lock(&self, hold: StoreLock) -> Result<File, ArtifactError> {
        let failed = || io(&self.workspace.path().join(&self.below));
        let folder = self.workspace.beneath(&self.below, MissingFolders::Make).map_err(failed())?;
        // The folder itself is locked. A lock file of its own could be removed, and two processes
        // would hold different ones.
        let folder = folder.to_file().map_err(failed())?;
        let locked = match hold {
            StoreLock::Shared => uninterrupted(|| folder.lock_shared()),
            StoreLock::Alone => uninterrupted(|| folder.lock()),
        };
        locked.map(|()| folder).map_err(failed())
    }

    /// Marks a stored file as young.
    pub(super) fn touch(&self, kind: StoredKind, digest: Digest) -> std::io::Result<()> {
        self.slot(kind, digest, MissingFolders::Refuse)?.touch()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_stored_comes_back_or_is_refused() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let store = Store::open(&Layout { root: dir.path().to_owned(), vault: dir.path().join("vault") })?;
        let digest = store.put(StoredKind::Component, b"bytes")?;
        assert_eq!(store.get(StoredKind::Component, digest)?, b"bytes");
        assert!(matches!(store.get(StoredKind::Source, digest), Err(ArtifactError::Missing { .. })));

        let path = store.path(StoredKind::Component, digest);
        fs::write(&path, b"bytez")?;
        assert!(matches!(store.get(StoredKind::Component, digest), Err(ArtifactError::Changed { .. })));
        store.put(StoredKind::Component, b"bytes")?;
        assert_eq!(store.get(StoredKind::Component, digest)?, b"bytes");

        fs::remove_file(&path)?;
        fs::write(dir.path().join("else"), b"bytes")?;
        std::os::unix::fs::symlink(dir.path().join("else"), &path)?;
        assert!(matches!(store.get(StoredKind::Component, digest), Err(ArtifactError::Changed { .. })));

        fs::remove_file(&path)?;
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)?;
        assert!(matches!(store.get(StoredKind::Component, digest), Err(ArtifactError::Changed { .. })));
        Ok(())
    }
}
