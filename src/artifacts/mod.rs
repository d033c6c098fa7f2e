//! Files with a digest: the content-addressed store, and the artifacts that people read.
//!
//! Guarantees: a file is whole and on disk (data and folder fsynced) before its digest is returned. What is read has the
//! requested digest, checked over the buffer that the caller gets.
//!
//! Deliberately never: decides what a file means, goes through a symbolic link below the folder that it is given (`dir`), or
//! changes a file once it has its name. `sweep.rs` removes files that are no longer needed, when it is told to; `leftovers.rs`
//! removes what a crash left unfinished.

use std::fs::File;
use std::path::Path;

use crate::dir::{self, ExistingFile, FolderHandle, MissingFolders};

mod error;
pub mod leftovers;
mod private;
mod program_file;
mod store;
mod store_thread;
mod stored_kind;
mod sweep;

pub use crate::dir::{ReadError, SizeCheck, read_at_most};
pub use error::ArtifactError;
pub use private::{PrivateError, create_private, read_private};
pub use program_file::ProgramFile;
pub use store::Store;
pub use stored_kind::StoredKind;

use error::io;

/// Largest file that is read back: well above any component, snapshot or transcript that Kavi writes.
const MAX_BYTES: u64 = 256 << 20;

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
