//! Files with a digest: the content-addressed store, and the artifacts that people read.
//!
//! Guarantees: a file is whole and on disk (data and folder fsynced) before its digest is returned. What is read has the
//! requested digest, checked over the buffer that the caller gets.
//!
//! Deliberately never: decides what a file means, goes through a symbolic link below the folder that it is given (`dir`), or
//! changes a file once it has its name. `sweep.rs` removes files that are no longer needed, when it is told to; `leftovers.rs`
//! removes what a crash left unfinished.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::dir::{self, ExistingFile, FileSlot, FolderHandle, MissingFolders};
use crate::model::{digest::Digest, layout::Layout};

pub mod leftovers;
mod private;
mod program_file;
mod store_thread;
mod sweep;

pub use crate::dir::{ReadError, SizeCheck, read_at_most};
pub use private::{PrivateError, create_private, read_private};
pub use program_file::ProgramFile;

use store_thread::StoreThread;

/// Largest file that is read back: well above any component, snapshot or transcript that Kavi writes.
const MAX_BYTES: u64 = 256 << 20;

/// What can go wrong with a stored file.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The file is missing.
    #[error("{what} {digest} is missing from the store")]
    Missing {
        /// Component, source...
        what: &'static str,
        /// Its digest.
        digest: Digest,
    },
    /// Something else is in its place, or its bytes changed.
    #[error("{what} {expected:?} was changed on disk: {found}")]
    Changed {
        /// Component, source...
        what: &'static str,
        /// The digest it should have.
        expected: Digest,
        /// What is there now.
        found: String,
    },
    /// The operating system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Its error.
        source: std::io::Error,
    },
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> ArtifactError + use<> {
    let path = path.to_owned();
    move |source| ArtifactError::Io { path, source }
}

/// What a stored file is. Each kind has a folder of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoredKind {
    /// A compiled component.
    Component,
    /// A source file of a snapshot.
    Source,
    /// The list of files of a snapshot.
    Snapshot,
    /// A file of the vault: what a commit replaces, or would bring.
    File,
    /// An input or an output that is too large for its record, as canonical JSON.
    Value,
}

impl StoredKind {
    fn folder(self) -> &'static str {
        match self {
            Self::Component => "components",
            Self::Source => "sources",
            Self::Snapshot => "snapshots",
            Self::File => "files",
            Self::Value => "values",
        }
    }

    /// Who may read such a file: what came out of the vault, or was given to a skill, only its owner.
    fn mode(self) -> u32 {
        match self {
            Self::Component | Self::Source | Self::Snapshot => 0o644,
            Self::File | Self::Value => 0o600,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Component => "component",
            Self::Source => "source file",
            Self::Snapshot => "snapshot",
            Self::File => "vault file",
            Self::Value => "value",
        }
    }
}

/// Files by their digest. It reaches them from the folder of its workspace, which it holds open.
#[derive(Debug, Clone)]
pub struct Store {
    workspace: FolderHandle,
    /// The path of the store below the workspace.
    below: PathBuf,
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
            let thread = StoreThread::start(own).map_err(io(self.workspace.path()))?;
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
    fn file(&self, kind: StoredKind, digest: Digest) -> PathBuf {
        let name = digest.to_string();
        self.below.join(kind.folder()).join(&name[..2]).join(&name)
    }

    fn slot(&self, kind: StoredKind, digest: Digest, missing: MissingFolders) -> std::io::Result<FileSlot> {
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
        let _shared = self.lock(sweep::StoreLock::Shared)?;
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
}

/// Reads a plain file through one open that follows no link and waits for nothing.
///
/// # Errors
/// [`ReadError`] says why not.
pub fn read_once(path: &Path) -> Result<Vec<u8>, ReadError> {
    dir::read_once(path, MAX_BYTES)
}

/// Writes the file at `path` whole: a temporary file in the same folder, fsync, rename, fsync of the folder. Folders that are
/// missing are made. No link below `root` is followed.
///
/// # Errors
/// [`ArtifactError::Io`]; the old file, if any, is untouched then.
pub fn write_durably(root: &Path, path: &Path, bytes: &[u8]) -> Result<(), ArtifactError> {
    let slot = FolderHandle::slot(root, path, MissingFolders::Make).map_err(io(path))?;
    slot.write_durably(bytes, 0o644, ExistingFile::Replace).map_err(io(path))
}

/// Writes a new file that nobody looks for yet. It is not synced to disk. No link below `root` is followed.
///
/// # Errors
/// [`ArtifactError::Io`] when it cannot be written, or exists already.
pub fn write_new(root: &Path, path: &Path, bytes: &[u8]) -> Result<(), ArtifactError> {
    let slot = FolderHandle::slot(root, path, MissingFolders::Refuse).map_err(io(path))?;
    slot.write_new(bytes).map_err(io(path))
}

/// Opens the file at `path` to lock it, and makes it if it is missing. No link below `root` is followed.
///
/// # Errors
/// [`ArtifactError::Io`] when it cannot be opened, or is no regular file.
pub fn open_lock(root: &Path, path: &Path) -> Result<File, ArtifactError> {
    let slot = FolderHandle::slot(root, path, MissingFolders::Make).map_err(io(path))?;
    slot.open_lock().map_err(io(path))
}

/// Makes the folder at `path` and those above it, each durable in its parent. No link below `root` is followed.
///
/// # Errors
/// [`ArtifactError::Io`] when one cannot be made, or is no folder.
pub fn create_folders_durably(root: &Path, path: &Path) -> Result<FolderHandle, ArtifactError> {
    let below = path.strip_prefix(root).unwrap_or(path);
    FolderHandle::open(root).and_then(|root| root.beneath(below, MissingFolders::Make)).map_err(io(path))
}

/// Makes the names in a folder durable.
///
/// # Errors
/// [`ArtifactError::Io`] when the folder cannot be opened or synced.
pub fn sync_folder(folder: &Path) -> Result<(), ArtifactError> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder).and_then(|file| file.sync_all()).map_err(io(folder))
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
