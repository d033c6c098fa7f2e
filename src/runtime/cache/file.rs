//! Files that nobody else had a hand in, as far as the file system tells: read through one open, written whole.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use crate::dir::{self, ExistingFile, FolderHandle, MissingFolders};
use crate::sync::uninterrupted;

/// How the names of unfinished files begin, also of those that earlier versions left.
pub(super) const TEMPORARY: [&str; 2] = [dir::TEMPORARY, ".new-"];

/// Permissions that a file may not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OwnerOnly {
    /// Nobody else can change it.
    Write,
    /// Nobody else can read or change it.
    Wholly,
}

/// Why a file gives nothing.
#[derive(Debug)]
pub(super) enum CacheFileError {
    /// There is none.
    Missing,
    /// There is something, and this is wrong with it.
    Because(String),
}

/// Reads a plain file of this user's, through one open that follows no link and waits for nothing, into one buffer.
pub(super) fn read(path: &Path, private: OwnerOnly, most: u64) -> Result<Vec<u8>, CacheFileError> {
    let odd = |why: &str| Err(CacheFileError::Because(why.to_owned()));
    let told = |error: io::Error| CacheFileError::Because(error.to_string());
    // NONBLOCK: opening a pipe that somebody put there would wait for a writer for ever.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut file = match rustix::io::retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty())) {
        Ok(fd) => File::from(fd),
        Err(rustix::io::Errno::NOENT) => return Err(CacheFileError::Missing),
        Err(rustix::io::Errno::LOOP) => return odd("it is a symbolic link"),
        Err(error) => return Err(told(error.into())),
    };
    // Of the open descriptor, so that the checked file is the file that is read.
    let meta = file.metadata().map_err(told)?;
    let forbidden = if private == OwnerOnly::Wholly { 0o077 } else { 0o022 };
    match &meta {
        meta if !meta.is_file() => return odd("it is not a regular file"),
        // The owner can change a file at any time, whatever its mode says now.
        meta if meta.uid() != rustix::process::geteuid().as_raw() => return odd("it belongs to another user"),
        meta if meta.mode() & forbidden != 0 => {
            return odd("its mode lets other users read or change it: run `chmod 600` on it");
        }
        // One that was replaced since it was opened has no name any more, and is as good as it was.
        meta if meta.nlink() > 1 => return odd("it has a second name (a hard link)"),
        meta if meta.size() > most => return odd("it is too large"),
        _ => {}
    }
    let mut bytes = Vec::with_capacity(usize::try_from(meta.size()).unwrap_or(0));
    // One byte more than allowed: a file that grew since its size was asked is noticed.
    (&mut file).take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(told)?;
    if bytes.len() as u64 > most { odd("it is too large") } else { Ok(bytes) }
}

/// What becomes of a file that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IfExists {
    /// It is replaced.
    Replace,
    /// It stays, and nothing is written.
    Keep,
}

/// Writes a file whole and for this user alone: a temporary neighbour, fsync, rename, fsync of the folder. No link below `root`
/// is followed.
pub(super) fn write(root: &Path, path: &Path, bytes: &[u8], there: IfExists) -> io::Result<()> {
    let slot = FolderHandle::slot(root, path, MissingFolders::Refuse)?;
    match there {
        IfExists::Replace => slot.write_durably(bytes, 0o600, ExistingFile::Replace),
        IfExists::Keep => match slot.write_durably(bytes, 0o600, ExistingFile::Refuse) {
            // Another process was faster. Its file is as good, and the caller reads what is there
            // now.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            written => written,
        },
    }
}

/// Makes a folder for this user alone, and those above it.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    if let Some(parent) = folder.parent().filter(|parent| !parent.exists()) {
        uninterrupted(|| fs::create_dir_all(parent))?;
    }
    match uninterrupted(|| DirBuilder::new().mode(0o700).create(folder)) {
        // A link in its place could lead entries out of the workspace.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => real_folder(folder),
        made => made,
    }
}

/// Whether this is a folder, and no link to one.
pub(super) fn real_folder(folder: &Path) -> io::Result<()> {
    if fs::symlink_metadata(folder)?.is_dir() {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::NotADirectory, "it is not a folder: move it away"))
}
