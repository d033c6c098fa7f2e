//! Calls that cannot leave a folder, for paths that a guest wrote.
//!
//! Guarantees: every path goes through `openat2` with `RESOLVE_BENEATH`, no symbolic links and no magic links. Nothing is
//! opened for use before a look at it (`O_PATH`) has shown a regular file or a folder. Opening alone can act: on the other
//! end of a pipe, or on a device. Deliberately never: makes anything durable; what a guest writes is staged.

use std::{
    borrow::Cow,
    ffi::{CString, OsStr},
    fs::File,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, ResolveFlags, Stat},
    io::{Errno, retry_on_intr},
};

/// What a file is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenAccess {
    /// To read it.
    Read,
    /// To write it.
    Write,
    /// Both.
    ReadWrite,
}

impl OpenAccess {
    fn flags(self) -> OFlags {
        match self {
            Self::Read => OFlags::RDONLY,
            Self::Write => OFlags::WRONLY,
            Self::ReadWrite => OFlags::RDWR,
        }
    }
}

/// A file or folder that is open, and what the kernel says of it.
#[derive(Debug)]
pub struct OpenedEntry {
    /// Its descriptor.
    pub file: File,
    /// What it is.
    pub stat: Stat,
}

impl OpenedEntry {
    /// Whether it is a folder.
    pub fn is_folder(&self) -> bool {
        kind(&self.stat) == FileType::Directory
    }
}

/// What kind of thing a stat describes.
pub fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// Opens what lies at `path`, beneath `dir` and through no link.
pub(super) fn open_beneath(dir: BorrowedFd<'_>, path: &OsStr, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    // Races with renames make the kernel give up with EAGAIN; it is then asked again.
    for _ in 0..8 {
        match rustix::fs::openat2(dir, path, flags | OFlags::CLOEXEC, mode, resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            other => return other,
        }
    }
    Err(Errno::BUSY)
}

/// Opens a regular file or a folder that exists.
///
/// # Errors
/// The operating system's.
pub fn open(dir: BorrowedFd<'_>, path: &OsStr, access: OpenAccess) -> Result<OpenedEntry, Errno> {
    let look = open_beneath(dir, path, OFlags::PATH, Mode::empty())?;
    let flags = match kind(&retry_on_intr(|| rustix::fs::fstat(&look))?) {
        FileType::Directory if access == OpenAccess::Read => OFlags::RDONLY | OFlags::DIRECTORY,
        FileType::Directory => return Err(Errno::ISDIR),
        FileType::RegularFile => access.flags(),
        _ => return Err(Errno::PERM),
    };
    let fd = open_beneath(dir, path, flags | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW, Mode::empty())?;
    let stat = retry_on_intr(|| rustix::fs::fstat(&fd))?;
    match kind(&stat) {
        FileType::Directory | FileType::RegularFile => Ok(OpenedEntry { file: fd.into(), stat }),
        _ => Err(Errno::PERM),
    }
}

/// Makes a file that does not exist.
///
/// # Errors
/// The operating system's.
pub fn create(dir: BorrowedFd<'_>, path: &OsStr, access: OpenAccess) -> Result<OpenedEntry, Errno> {
    let flags = access.flags() | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
    let fd = open_beneath(dir, path, flags, Mode::from_raw_mode(0o644))?;
    let stat = retry_on_intr(|| rustix::fs::fstat(&fd))?;
    Ok(OpenedEntry { file: fd.into(), stat })
}

/// A folder in which one name is looked up.
#[derive(Debug)]
pub enum Parent<'a> {
    /// The folder that is open already.
    Open(BorrowedFd<'a>),
    /// One below it.
    Below(OwnedFd),
}

impl AsFd for Parent<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Open(fd) => fd.as_fd(),
            Self::Below(fd) => fd.as_fd(),
        }
    }
}

/// The folder at `path`, only to look names up in it.
///
/// # Errors
/// The operating system's.
pub fn parent<'a>(dir: BorrowedFd<'a>, path: Option<&OsStr>) -> Result<Parent<'a>, Errno> {
    match path {
        None => Ok(Parent::Open(dir)),
        Some(path) => open_beneath(dir, path, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).map(Parent::Below),
    }
}

/// What `name` in a folder is; a link is itself.
///
/// # Errors
/// The operating system's.
pub fn stat(parent: &Parent<'_>, name: &OsStr) -> Result<Stat, Errno> {
    retry_on_intr(|| rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW))
}

/// Makes a folder.
///
/// # Errors
/// The operating system's.
pub fn make_folder(parent: &Parent<'_>, name: &OsStr) -> Result<(), Errno> {
    retry_on_intr(|| rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755)))
}

/// Removes a file.
///
/// # Errors
/// The operating system's.
pub fn remove_file(parent: &Parent<'_>, name: &OsStr) -> Result<(), Errno> {
    retry_on_intr(|| rustix::fs::unlinkat(parent, name, AtFlags::empty()))
}

/// Removes an empty folder.
///
/// # Errors
/// The operating system's.
pub fn remove_folder(parent: &Parent<'_>, name: &OsStr) -> Result<(), Errno> {
    retry_on_intr(|| rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR))
}

/// Renames, replacing what is there.
///
/// # Errors
/// The operating system's.
pub fn rename(from: &Parent<'_>, old: &OsStr, to: &Parent<'_>, new: &OsStr) -> Result<(), Errno> {
    retry_on_intr(|| rustix::fs::renameat_with(from, old, to, new, RenameFlags::empty()))
}

/// Reads the names in a folder, `.` and `..` left out, in the order of the file system. `more` is asked before
/// every entry, so that a huge folder cannot outlast a deadline.
///
/// # Errors
/// The operating system's.
pub fn list<E: From<Errno>>(
    folder: &File,
    mut more: impl FnMut() -> Result<(), E>,
) -> Result<Vec<(CString, FileType)>, E> {
    let mut entries = Vec::new();
    for entry in rustix::fs::Dir::read_from(folder)? {
        more()?;
        let entry = entry?;
        let name: Cow<'_, _> = entry.file_name().into();
        if name.as_ref() == c"." || name.as_ref() == c".." {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => {
                kind(&retry_on_intr(|| rustix::fs::statat(folder, name.as_ref(), AtFlags::SYMLINK_NOFOLLOW))?)
            }
            known => known,
        };
        entries.push((name.into_owned(), kind));
    }
    Ok(entries)
}
