//! Files with a secret: read and made so that no other user could have read or written them.
//!
//! Guarantees: the file that is checked is the file that is read, through one descriptor. A file that others could have read
//! or written is refused. A file that is made here belonged to this user from the start. Deliberately never: changes the mode
//! of a file.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};
use rustix::io::retry_on_intr;
use secrecy::{ExposeSecret as _, SecretString};

use super::error::{ArtifactError, io as io_error};
use crate::dir::{ExistingFile, FolderHandle, MissingFolders};

/// Why a file is not accepted as a secret. None of these messages contains any of its text.
#[derive(Debug, thiserror::Error)]
pub enum PrivateError {
    /// It cannot be opened or read, or is not there.
    #[error("{0}")]
    Unreadable(io::Error),
    /// Somebody else could have read or written it, or could put another in its place.
    #[error("{0}")]
    Unsafe(&'static str),
}

/// The text in a file that is this user's alone: regular, no link, mode 0600 or 0400, of at most so many bytes.
///
/// # Errors
/// [`PrivateError`]
pub fn read_private(path: &Path, most: u64) -> Result<SecretString, PrivateError> {
    // Without NONBLOCK, opening a pipe would wait for a writer.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match retry_on_intr(|| openat(CWD, path, flags, Mode::empty())) {
        Ok(fd) => File::from(fd),
        Err(rustix::io::Errno::LOOP) => return Err(PrivateError::Unsafe("it is a symbolic link")),
        Err(error) => return Err(PrivateError::Unreadable(error.into())),
    };
    let stat = retry_on_intr(|| fstat(&file)).map_err(|error| PrivateError::Unreadable(error.into()))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(PrivateError::Unsafe("it is not a regular file"));
    }
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(PrivateError::Unsafe("it belongs to another user"));
    }
    // All bits are compared, because a set-id or sticky bit on a secret is a mistake as well.
    if ![0o600, 0o400].contains(&(stat.st_mode & 0o7777)) {
        return Err(PrivateError::Unsafe("its mode is neither 0600 nor 0400"));
    }
    let mut text = String::new();
    // One byte more than allowed, to tell a file of the full length from one that is too long.
    let read = file.take(most + 1).read_to_string(&mut text).map_err(PrivateError::Unreadable)?;
    let text = SecretString::from(text);
    if u64::try_from(read).is_ok_and(|read| read <= most) {
        Ok(text)
    } else {
        Err(PrivateError::Unsafe("it is too large"))
    }
}

/// Makes such a file, whole or not at all. No link below `root` is followed.
///
/// # Errors
/// [`ArtifactError::Io`] when the file exists already, or cannot be written.
pub fn create_private(root: &Path, path: &Path, text: &SecretString) -> Result<(), ArtifactError> {
    let slot = FolderHandle::slot(root, path, MissingFolders::Refuse).map_err(io_error(path))?;
    // Temporary files are their owner's alone from the beginning.
    slot.write_durably(text.expose_secret().as_bytes(), 0o600, ExistingFile::Refuse).map_err(io_error(path))
}
