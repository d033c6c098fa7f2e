//! Reading a file once: one open, one buffer, all of it or an error.
//!
//! Guarantees: no link is followed at the name; nothing but a regular file is read; a file that is too large is never taken for
//! its beginning. Deliberately never: waits for another program, or looks at the path a second time.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};

/// A file that was read.
#[derive(Debug)]
pub struct FileContent {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What the file system said of the file that was read.
    pub metadata: Metadata,
}

/// Why a file could not be read.
#[derive(Debug)]
pub enum ReadError {
    /// There is none.
    Missing,
    /// Not a plain file, or too big.
    NotAFile(String),
    /// The operating system refused.
    Io(io::Error),
}

/// Whether all of something was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SizeCheck {
    /// It was read to its end.
    Whole,
    /// It has more bytes than allowed. What was read is only its beginning.
    TooLarge,
}

/// Reads the regular file at a path, which is the person's own choice but for its last component: that is no link.
///
/// # Errors
/// [`ReadError`] says why not.
pub fn read_once(path: &Path, most: u64) -> Result<Vec<u8>, ReadError> {
    read_at(CWD, path, most).map(|content| content.bytes)
}

pub(super) fn read_at(
    folder: impl AsFd,
    name: impl rustix::path::Arg + Copy,
    most: u64,
) -> Result<FileContent, ReadError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    // NONBLOCK, because opening a pipe in the place of a file would wait for ever.
    let fd = match retry_on_intr(|| rustix::fs::openat(&folder, name, flags, Mode::empty())) {
        Ok(fd) => fd,
        Err(Errno::NOENT) => return Err(ReadError::Missing),
        Err(Errno::LOOP) => return Err(ReadError::NotAFile("it is a symbolic link".to_owned())),
        // A socket, or a device that is not there.
        Err(Errno::NXIO) => return Err(ReadError::NotAFile("it is not a regular file".to_owned())),
        Err(error) => return Err(ReadError::Io(error.into())),
    };
    let mut file = File::from(fd);
    // The metadata of the open file, not of the path: that could be another file by now.
    let metadata = file.metadata().map_err(ReadError::Io)?;
    if !metadata.is_file() {
        return Err(ReadError::NotAFile("it is not a regular file".to_owned()));
    }
    if metadata.size() > most {
        return Err(ReadError::NotAFile(format!("it has {} bytes, more than {most}", metadata.size())));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.size()).unwrap_or(0));
    match read_at_most(&mut file, most, &mut bytes).map_err(ReadError::Io)? {
        SizeCheck::Whole => Ok(FileContent { bytes, metadata }),
        // It grew after its size was looked at. Its beginning alone would be another file.
        SizeCheck::TooLarge => Err(ReadError::NotAFile(format!("it has more than {most} bytes"))),
    }
}

/// Appends all that `from` has to `bytes`, and reports when that is more than `most` bytes: a cut text is never taken for a
/// whole one.
///
/// # Errors
/// When it cannot be read.
pub fn read_at_most(from: impl Read, most: u64, bytes: &mut Vec<u8>) -> io::Result<SizeCheck> {
    // One byte more than allowed, to tell the full length from a longer one.
    let read = from.take(most.saturating_add(1)).read_to_end(bytes)?;
    let fits = u64::try_from(read).is_ok_and(|read| read <= most);
    Ok(if fits { SizeCheck::Whole } else { SizeCheck::TooLarge })
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing,
            _ => Self::Io(error),
        }
    }
}

#[cfg(test)]
mod tests {
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
}
