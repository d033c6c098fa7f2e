//! Files with a digest: the content-addressed store, and the artifacts that people read.
//!
//! Guarantees: a file is whole and on disk (data and folder fsynced) before its digest is returned. What is read has the
//! requested digest, checked over the buffer that the caller gets.
//!
//! Deliberately never: decides what a file means, writes through a symbolic link below the folder that it is given (`dir`), or
//! changes a file once it has its name. `sweep.rs` removes files that are no longer needed, when it is told to; `leftovers.rs`
//! removes what a crash left unfinished.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::dir::{ExistingFile, FolderHandle, MissingFolders};
use crate::model::digest::Digest;

pub mod leftovers;
mod private;
mod sweep;

pub use private::{PrivateError, create_private, read_private};

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

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> ArtifactError {
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

/// Files by their digest.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// A store below `root`.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The path of a file with this digest.
    pub fn path(&self, kind: StoredKind, digest: Digest) -> PathBuf {
        let name = digest.to_string();
        self.root.join(kind.folder()).join(&name[..2]).join(&name)
    }

    /// The folder from which the store is reached: that of the workspace.
    fn base(&self) -> &Path {
        self.root.ancestors().nth(2).unwrap_or(&self.root)
    }

    /// Stores `bytes` durably. Storing the same bytes again repairs a file that was changed. It also marks the file as young, so
    /// that it is not removed before the caller has written the row that refers to it.
    ///
    /// # Errors
    /// [`ArtifactError::Io`] when the file or its folder cannot be written and synced.
    pub fn put(&self, kind: StoredKind, bytes: &[u8]) -> Result<Digest, ArtifactError> {
        let digest = Digest::of(bytes);
        let path = self.path(kind, digest);
        // Shared with other writers. Only a sweep needs the store alone, so that it cannot remove
        // what is stored now.
        let _shared = self.lock(sweep::StoreLock::Shared)?;
        // Read and compared, not only looked for: a file that was changed on disk is written again.
        if self.get(kind, digest).is_err() || sweep::touch(&path).is_err() {
            write_durably_as(self.base(), &path, bytes, kind.mode())?;
        } else {
            // Whoever wrote the file may have died before its name, or that of a folder above it, was on the disk.
            self.sync_names(&path)?;
        }
        Ok(digest)
    }

    /// Makes a stored file and its name durable, whoever wrote it.
    ///
    /// # Errors
    /// [`ArtifactError::Io`] when it cannot be synced.
    pub fn sync(&self, kind: StoredKind, digest: Digest) -> Result<(), ArtifactError> {
        let path = self.path(kind, digest);
        File::open(&path).and_then(|file| file.sync_all()).map_err(io(&path))?;
        self.sync_names(&path)
    }

    /// Makes the name of a stored file durable, and those of the folders above it, up to the store's.
    fn sync_names(&self, path: &Path) -> Result<(), ArtifactError> {
        let above = path.ancestors().skip(1).take_while(|folder| folder.starts_with(&self.root));
        above.chain(self.root.parent()).try_for_each(sync_folder)
    }

    /// The bytes with this digest: one open, one buffer, hashed after reading.
    ///
    /// # Errors
    /// [`ArtifactError::Missing`] or [`ArtifactError::Changed`].
    pub fn get(&self, kind: StoredKind, digest: Digest) -> Result<Vec<u8>, ArtifactError> {
        let path = self.path(kind, digest);
        let what = kind.word();
        let changed = |found: String| ArtifactError::Changed { what, expected: digest, found };
        let bytes = match read_once(&path) {
            Ok(bytes) => bytes,
            Err(ReadError::Missing) => return Err(ArtifactError::Missing { what, digest }),
            Err(ReadError::NotAFile(kind)) => return Err(changed(kind)),
            Err(ReadError::Io(source)) => return Err(ArtifactError::Io { path, source }),
        };
        // Of the buffer that is returned. Hashing the file and reading it again would allow a
        // change in between.
        let found = Digest::of(&bytes);
        if found == digest { Ok(bytes) } else { Err(changed(format!("its sha256 is now {found}"))) }
    }
}

/// Why a file could not be read.
#[derive(Debug)]
pub enum ReadError {
    /// There is none.
    Missing,
    /// Not a plain file, or too big.
    NotAFile(String),
    /// The operating system refused.
    Io(std::io::Error),
}

/// Reads a plain file through one open that follows no link and waits for nothing.
///
/// # Errors
/// [`ReadError`] says why not.
pub fn read_once(path: &Path) -> Result<Vec<u8>, ReadError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    // NONBLOCK, because opening a pipe in the place of a file would wait for ever.
    let fd = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(fd) => fd,
        Err(rustix::io::Errno::NOENT) => return Err(ReadError::Missing),
        Err(rustix::io::Errno::LOOP) => return Err(ReadError::NotAFile("it is a symbolic link".to_owned())),
        Err(error) => return Err(ReadError::Io(error.into())),
    };
    let mut file = File::from(fd);
    let meta = file.metadata().map_err(ReadError::Io)?;
    if !meta.is_file() {
        return Err(ReadError::NotAFile("it is not a regular file".to_owned()));
    }
    if meta.size() > MAX_BYTES {
        return Err(ReadError::NotAFile(format!("it has {} bytes, more than {MAX_BYTES}", meta.size())));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(meta.size()).unwrap_or(0));
    match read_at_most(&mut file, MAX_BYTES, &mut bytes).map_err(ReadError::Io)? {
        SizeCheck::Whole => Ok(bytes),
        // It grew after its size was looked at. Its beginning alone would be another file.
        SizeCheck::TooLarge => Err(ReadError::NotAFile(format!("it has more than {MAX_BYTES} bytes"))),
    }
}

/// Whether all of something was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SizeCheck {
    /// It was read to its end.
    Whole,
    /// It has more bytes than allowed. What was read is only its beginning.
    TooLarge,
}

/// Appends all that `from` has to `bytes`, and reports when that is more than `most` bytes: a cut text is never taken for a
/// whole one.
///
/// # Errors
/// When it cannot be read.
pub fn read_at_most(from: impl Read, most: u64, bytes: &mut Vec<u8>) -> std::io::Result<SizeCheck> {
    // One byte more than allowed, to tell the full length from a longer one.
    let read = from.take(most.saturating_add(1)).read_to_end(bytes)?;
    let fits = u64::try_from(read).is_ok_and(|read| read <= most);
    Ok(if fits { SizeCheck::Whole } else { SizeCheck::TooLarge })
}

/// Writes the file at `path` whole: a temporary file in the same folder, fsync, rename, fsync of the folder. Folders that are
/// missing are made. No link below `root` is followed.
///
/// # Errors
/// [`ArtifactError::Io`]; the old file, if any, is untouched then.
pub fn write_durably(root: &Path, path: &Path, bytes: &[u8]) -> Result<(), ArtifactError> {
    write_durably_as(root, path, bytes, 0o644)
}

/// The same with a mode, which says who may read the file.
fn write_durably_as(root: &Path, path: &Path, bytes: &[u8], mode: u32) -> Result<(), ArtifactError> {
    let slot = FolderHandle::slot(root, path, MissingFolders::Make).map_err(io(path))?;
    slot.write_durably(bytes, mode, ExistingFile::Replace).map_err(io(path))
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
    fn what_is_longer_than_allowed_is_not_taken_for_the_whole() -> Result<(), Box<dyn std::error::Error>> {
        for (text, expected) in [("", SizeCheck::Whole), ("1234", SizeCheck::Whole), ("12345", SizeCheck::TooLarge)] {
            let mut bytes = Vec::new();
            assert_eq!(read_at_most(text.as_bytes(), 4, &mut bytes)?, expected, "{text}");
            assert!(bytes.len() <= 5);
        }
        Ok(())
    }

    #[test]
    fn what_is_stored_comes_back_or_is_refused() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let store = Store::new(dir.path().join("store"));
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
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, Mode::RWXU, 0)?;
        assert!(matches!(store.get(StoredKind::Component, digest), Err(ArtifactError::Changed { .. })));
        Ok(())
    }
}
