//! Folder handles: files are reached from a folder that is held open, never through a link.
//!
//! A path that was checked can be another file when it is used. A handle cannot: a name below it is looked up in that very
//! folder. So a function that takes a handle shows what it can reach. `cap_std` gives the handle. This module adds what it
//! lacks:
//!
//! - no link in any component below the handle (a `cap_std` folder follows links that stay inside), here and for the calls of
//!   guests (`beneath`);
//! - files that are read once, written whole and durably, renamed to a free name and exchanged (`slot`, `read`), or that have no name
//!   until they are whole (`unnamed`).
//!
//! Guarantees: no function follows a link below the handle that it starts from. What it writes durably is whole and on the
//! disk, with its name, before the function returns. A call that a signal interrupts is made again. Deliberately never:
//! decides where something lies, or holds a lock.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use cap_std::fs::Dir;
use rustix::fs::{Access, AtFlags, CWD, Mode, OFlags, ResolveFlags, Stat, StatxFlags};
use rustix::io::{Errno, retry_on_intr};

use crate::sync::uninterrupted;

pub mod beneath;
mod read;
mod slot;
mod unnamed;

pub use cap_std::fs::{DirEntry, FileType as EntryType, MetadataExt as EntryMetadataExt};
pub use read::{FileContent, ReadError, SizeCheck, read_at_most, read_once};
pub use slot::{ExistingFile, FileSlot, is_unsupported};
pub use unnamed::NewFile;

/// How the names of unfinished files begin. A crash can leave such a file, and nothing refers to it.
pub const TEMPORARY: &str = ".tmp";

/// How the name begins of an unfinished file, or folder, in a place that is not Kavi's own.
pub const UNNAMED: &str = ".kavi-new-";

/// Whether missing folders are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingFolders {
    /// Each is made, for others to read, and is on the disk.
    Make,
    /// They are an error.
    Refuse,
}

/// A folder, held open. A copy is the same open folder.
#[derive(Debug, Clone)]
pub struct FolderHandle {
    dir: Arc<Dir>,
    /// Where it was when it was opened. Errors name it, and nothing is opened by it.
    path: PathBuf,
}

/// The identity of a folder: its device and its inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FolderId {
    device: u64,
    inode: u64,
}

impl FolderId {
    /// The identity of the folder that this is about.
    pub fn of(stat: &Stat) -> Self {
        Self { device: stat.st_dev, inode: stat.st_ino }
    }
}

/// The device and the mount that a folder lies on. A file moves between folders only where both are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MountId {
    device: (u32, u32),
    mount: u64,
}

impl FolderHandle {
    /// Opens a folder by its path. A link on the way is followed: the path is the person's own choice.
    ///
    /// # Errors
    /// The operating system's.
    pub fn open(path: &Path) -> io::Result<Self> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()))?;
        Ok(Self::new(File::from(fd), path.to_owned()))
    }

    /// Opens a folder by a path that was resolved before: no component of it is a link.
    ///
    /// # Errors
    /// The operating system's, also where a component has become a link since.
    pub fn open_resolved(path: &Path) -> io::Result<Self> {
        // Not BENEATH: the path was resolved before, and what became a link since is refused.
        let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = retry_on_intr(|| rustix::fs::openat2(CWD, path, flags, Mode::empty(), resolve))?;
        Ok(Self::new(File::from(fd), path.to_owned()))
    }

    fn new(folder: File, path: PathBuf) -> Self {
        Self { dir: Arc::new(Dir::from_std_file(folder)), path }
    }

    /// Opens the folder `below` this one, through no link.
    ///
    /// # Errors
    /// The operating system's; [`ErrorKind::InvalidInput`] when the path could leave this folder.
    pub fn beneath(&self, below: &Path, missing: MissingFolders) -> io::Result<Self> {
        // Component by component, because each missing one is made in the folder that is held open
        // by then.
        let mut at = self.clone();
        for component in below.components() {
            // The kernel refuses `..` when a folder is opened, and `mkdirat` does not.
            let Component::Normal(name) = component else { return Err(outside(below)) };
            at = at.child(name, missing)?;
        }
        Ok(at)
    }

    /// Opens the folder with this name, which is one component.
    ///
    /// # Errors
    /// The operating system's, also for a link.
    pub fn child(&self, name: impl AsRef<OsStr>, missing: MissingFolders) -> io::Result<Self> {
        let name = name.as_ref();
        match self.open_child(name) {
            Err(Errno::NOENT) if missing == MissingFolders::Make => {
                match retry_on_intr(|| rustix::fs::mkdirat(self, name, Mode::from_raw_mode(0o755))) {
                    // Where another process was faster, its name may not be on the disk yet either.
                    Ok(()) | Err(Errno::EXIST) => self.sync()?,
                    Err(error) => return Err(error.into()),
                }
                Ok(self.open_child(name)?)
            }
            opened => Ok(opened?),
        }
    }

    fn open_child(&self, name: &OsStr) -> Result<Self, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let fd = beneath::open_beneath(self.as_fd(), name, flags, Mode::empty())?;
        Ok(Self::new(File::from(fd), self.path.join(name)))
    }

    /// Makes the names in the folder durable.
    ///
    /// # Errors
    /// The operating system's.
    pub fn sync(&self) -> io::Result<()> {
        Ok(retry_on_intr(|| rustix::fs::fsync(self))?)
    }

    /// What lies in the folder, in the order of the file system.
    ///
    /// # Errors
    /// The operating system's.
    pub fn entries(&self) -> io::Result<impl Iterator<Item = io::Result<DirEntry>>> {
        self.dir.entries()
    }

    /// Whether nothing lies in the folder.
    ///
    /// # Errors
    /// The operating system's.
    pub fn is_empty(&self) -> io::Result<bool> {
        Ok(self.entries()?.next().transpose()?.is_none())
    }

    /// Removes the folder with this name and all that is in it. No link is followed.
    ///
    /// # Errors
    /// The operating system's.
    pub fn remove_folder(&self, name: impl AsRef<Path>) -> io::Result<()> {
        let name = name.as_ref();
        uninterrupted(|| self.dir.remove_dir_all(name))
    }

    /// Where the folder was when it was opened, for an error that names it. It may be another folder by now.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A descriptor of its own for the folder.
    ///
    /// # Errors
    /// The operating system's.
    pub fn to_file(&self) -> io::Result<File> {
        Ok(self.dir.try_clone()?.into_std_file())
    }

    /// Which folder this is, whatever its path is now.
    ///
    /// # Errors
    /// The operating system's.
    pub fn id(&self) -> io::Result<FolderId> {
        Ok(FolderId::of(&retry_on_intr(|| rustix::fs::fstat(self))?))
    }

    /// Whether both are one open folder, and not only the same one opened twice.
    pub fn is_same_handle(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.dir, &other.dir)
    }

    /// Where the folder is mounted.
    ///
    /// # Errors
    /// The operating system's.
    pub fn mount_id(&self) -> io::Result<MountId> {
        // Two mounts of one device have one device number, and a rename between them fails.
        let fields = StatxFlags::BASIC_STATS | StatxFlags::MNT_ID;
        let stat = retry_on_intr(|| rustix::fs::statx(self, "", AtFlags::EMPTY_PATH, fields))?;
        Ok(MountId { device: (stat.stx_dev_major, stat.stx_dev_minor), mount: stat.stx_mnt_id })
    }

    /// Whether this user may add and remove names in the folder.
    ///
    /// # Errors
    /// The operating system's, when not.
    pub fn check_writable(&self) -> io::Result<()> {
        // Asked by the effective user, as the kernel does at the write. Without EXEC no name in it
        // can be reached.
        Ok(retry_on_intr(|| rustix::fs::accessat(self, ".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS))?)
    }
}

impl AsFd for FolderHandle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}

/// Whether a folder was refused because a component of its path is a link, or no folder.
pub fn is_link_or_no_folder(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::LOOP | Errno::NOTDIR))
}

/// Waits for the lock of a file. A signal in between does not end the wait.
///
/// # Errors
/// The operating system's.
pub fn lock(file: &File) -> io::Result<()> {
    uninterrupted(|| file.lock())
}

fn outside(path: &Path) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, format!("{} does not lie below its folder", path.display()))
}

#[cfg(test)]
mod tests;
