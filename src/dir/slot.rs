//! A file by its folder, held open, and its name in it.
//!
//! Guarantees: the name is one component, and is never followed where it is a link. A file is written whole, and is on the disk
//! before it has its name. Two files are exchanged in one step, so both have a name at every moment. Deliberately never: makes
//! a folder above the file.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, Stat, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use rustix::io::{Errno, retry_on_intr};

use super::read::{self, FileContent, ReadError};
use super::{FolderHandle, MissingFolders, TEMPORARY, outside};

/// What happens to a file that has the name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExistingFile {
    /// The new file takes its place. A link is replaced, and what it points to stays.
    Replace,
    /// It stays, and the new file is an error.
    Refuse,
}

/// The folder of a file, held open, and the file's name in it. There may be no such file.
#[derive(Debug, Clone)]
pub struct FileSlot {
    folder: FolderHandle,
    name: OsString,
}

impl FolderHandle {
    /// The slot of the file with this name, which is one component.
    pub fn file(&self, name: impl Into<OsString>) -> FileSlot {
        FileSlot::new(self.clone(), name.into())
    }

    /// The slot of the file at the path `below` this folder.
    ///
    /// # Errors
    /// The operating system's, also where a component is a link.
    pub fn file_beneath(&self, below: &Path, missing: MissingFolders) -> io::Result<FileSlot> {
        let name = below.file_name().ok_or_else(|| outside(below))?;
        Ok(self.beneath(below.parent().unwrap_or(Path::new("")), missing)?.file(name))
    }

    /// The slot of the file at `path`, which lies below `root`.
    ///
    /// # Errors
    /// The operating system's, also where a component below `root` is a link.
    pub fn slot(root: &Path, path: &Path, missing: MissingFolders) -> io::Result<FileSlot> {
        let below = path.strip_prefix(root).map_err(|_| outside(path))?;
        Self::open(root)?.file_beneath(below, missing)
    }

    /// A new file in the folder, that only this user can read.
    fn temporary(&self) -> io::Result<(FileSlot, File)> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let slot = self.file(format!("{TEMPORARY}-{}-{number}", std::process::id()));
            match slot.create_new(0o600) {
                // A process with the same number died and left it.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                made => return made.map(|file| (slot, file)),
            }
        }
    }
}

impl FileSlot {
    pub(super) fn new(folder: FolderHandle, name: OsString) -> Self {
        Self { folder, name }
    }

    /// The folder.
    pub fn folder(&self) -> &FolderHandle {
        &self.folder
    }

    /// The file's name.
    pub fn name(&self) -> &OsStr {
        &self.name
    }

    /// What has the name. A link is itself.
    ///
    /// # Errors
    /// The operating system's; [`ErrorKind::NotFound`] when nothing has it.
    pub fn stat(&self) -> io::Result<Stat> {
        Ok(retry_on_intr(|| rustix::fs::statat(&self.folder, &self.name, AtFlags::SYMLINK_NOFOLLOW))?)
    }

    /// Whether a regular file has the name.
    ///
    /// # Errors
    /// The operating system's; [`ErrorKind::NotFound`] when nothing has it.
    pub fn is_file(&self) -> io::Result<bool> {
        Ok(super::beneath::kind(&self.stat()?) == rustix::fs::FileType::RegularFile)
    }

    /// Reads the regular file through one open that follows no link and waits for nothing.
    ///
    /// # Errors
    /// [`ReadError`]; a file of more than `most` bytes is never read in part.
    pub fn read(&self, most: u64) -> Result<FileContent, ReadError> {
        read::read_at(&self.folder, &self.name, most)
    }

    /// Opens the file to change its permissions or to make it durable.
    ///
    /// # Errors
    /// The operating system's.
    pub fn open(&self) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = retry_on_intr(|| rustix::fs::openat(&self.folder, &self.name, flags, Mode::empty()))?;
        Ok(File::from(fd))
    }

    /// Makes a file that does not exist. Who may read it is `mode`, as far as the person's mask lets it.
    ///
    /// # Errors
    /// The operating system's; [`ErrorKind::AlreadyExists`] when something has the name.
    pub fn create_new(&self, mode: u32) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(mode);
        Ok(File::from(retry_on_intr(|| rustix::fs::openat(&self.folder, &self.name, flags, mode))?))
    }

    /// Writes the file whole: a temporary file in the same folder, fsync, rename, fsync of the folder.
    ///
    /// # Errors
    /// The operating system's; the file with this name, if any, is untouched then.
    pub fn write_durably(&self, bytes: &[u8], mode: u32, existing: ExistingFile) -> io::Result<()> {
        let (temporary, file) = self.folder.temporary()?;
        let written = self.fill(&temporary, file, bytes, mode, existing);
        if written.is_err() {
            // The first error is the one that matters. What stays is removed with other leftovers.
            let _ = temporary.remove_file();
        }
        written.and_then(|()| self.folder.sync())
    }

    fn fill(
        &self,
        temporary: &Self,
        mut file: File,
        bytes: &[u8],
        mode: u32,
        existing: ExistingFile,
    ) -> io::Result<()> {
        file.write_all(bytes)?;
        // Before it has its name, so that no file is ever readable by more people than it should be.
        retry_on_intr(|| rustix::fs::fchmod(&file, Mode::from_raw_mode(mode)))?;
        // Before the rename. A crash could otherwise leave the name with an empty file.
        retry_on_intr(|| rustix::fs::fsync(&file))?;
        match existing {
            ExistingFile::Replace => temporary.rename_over(self),
            ExistingFile::Refuse => temporary.rename_new(self),
        }
    }

    /// Writes a file that does not exist. It is not synced to the disk.
    ///
    /// # Errors
    /// The operating system's; [`ErrorKind::AlreadyExists`] when something has the name.
    pub fn write_new(&self, bytes: &[u8]) -> io::Result<()> {
        self.create_new(0o666)?.write_all(bytes)
    }

    /// Gives the file these permissions and makes it durable with them.
    ///
    /// # Errors
    /// The operating system's.
    pub fn sync_with_permissions(&self, permissions: &Permissions) -> io::Result<()> {
        let file = self.open()?;
        file.set_permissions(permissions.clone())?;
        file.sync_all()
    }

    /// Gives the file the time of now as that of its last change.
    ///
    /// # Errors
    /// The operating system's.
    pub fn touch(&self) -> io::Result<()> {
        let time = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
        let now = Timestamps { last_access: time(UTIME_OMIT), last_modification: time(UTIME_NOW) };
        Ok(retry_on_intr(|| rustix::fs::utimensat(&self.folder, &self.name, &now, AtFlags::SYMLINK_NOFOLLOW))?)
    }

    /// Opens a file whose content does not matter, to lock it. Makes it if it is missing.
    ///
    /// # Errors
    /// The operating system's; [`ErrorKind::InvalidInput`] when something else than a file has the name.
    pub fn open_lock(&self) -> io::Result<File> {
        // No file is truncated, and opening a pipe does not wait for its other end.
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o600);
        let file = File::from(retry_on_intr(|| rustix::fs::openat(&self.folder, &self.name, flags, mode))?);
        match file.metadata()?.is_file() {
            true => Ok(file),
            false => Err(io::Error::new(ErrorKind::InvalidInput, "it is not a regular file: move it away")),
        }
    }

    /// Makes a folder that does not exist. Its name is not synced to the disk.
    ///
    /// # Errors
    /// The operating system's.
    pub fn make_folder(&self) -> io::Result<FolderHandle> {
        retry_on_intr(|| rustix::fs::mkdirat(&self.folder, &self.name, Mode::from_raw_mode(0o755)))?;
        self.folder.child(&self.name, MissingFolders::Refuse)
    }

    /// Removes the file. A link is removed itself.
    ///
    /// # Errors
    /// The operating system's.
    pub fn remove_file(&self) -> io::Result<()> {
        Ok(retry_on_intr(|| rustix::fs::unlinkat(&self.folder, &self.name, AtFlags::empty()))?)
    }

    /// Removes a folder in which nothing is.
    ///
    /// # Errors
    /// The operating system's; [`ErrorKind::DirectoryNotEmpty`] when something is in it.
    pub fn remove_empty_folder(&self) -> io::Result<()> {
        Ok(retry_on_intr(|| rustix::fs::unlinkat(&self.folder, &self.name, AtFlags::REMOVEDIR))?)
    }

    /// Removes a folder with all that is in it. No link is followed.
    ///
    /// # Errors
    /// The operating system's.
    pub fn remove_folder(&self) -> io::Result<()> {
        self.folder.remove_folder(&self.name)
    }

    /// Gives the file a second name.
    ///
    /// # Errors
    /// The operating system's; [`ErrorKind::AlreadyExists`] when something has that name.
    pub fn link_to(&self, to: &Self) -> io::Result<()> {
        Ok(retry_on_intr(|| rustix::fs::linkat(&self.folder, &self.name, &to.folder, &to.name, AtFlags::empty()))?)
    }

    /// Renames the file, and replaces what has that name.
    ///
    /// # Errors
    /// The operating system's.
    pub fn rename_over(&self, to: &Self) -> io::Result<()> {
        Ok(self.rename(to, RenameFlags::empty())?)
    }

    /// Renames the file to a name that nothing has. Where the file system cannot do that in one step, the file has both names
    /// for a moment.
    ///
    /// # Errors
    /// The operating system's; [`ErrorKind::AlreadyExists`] when something has that name.
    pub fn rename_new(&self, to: &Self) -> io::Result<()> {
        match self.rename(to, RenameFlags::NOREPLACE) {
            // A second name, too, is only made where nothing lies.
            Err(error) if is_unsupported_errno(error) => self.link_to(to).and_then(|()| self.remove_file()),
            renamed => Ok(renamed?),
        }
    }

    /// Exchanges two files in one step.
    ///
    /// # Errors
    /// The operating system's; [`is_unsupported`] says whether the file system cannot do it.
    pub fn exchange(&self, with: &Self) -> io::Result<()> {
        Ok(self.rename(with, RenameFlags::EXCHANGE)?)
    }

    fn rename(&self, to: &Self, flags: RenameFlags) -> Result<(), Errno> {
        retry_on_intr(|| rustix::fs::renameat_with(&self.folder, &self.name, &to.folder, &to.name, flags))
    }

    /// Whether both are names of one file.
    pub fn is_same_file(&self, other: &Self) -> bool {
        let id = |stat: Stat| (stat.st_dev, stat.st_ino);
        matches!((self.stat(), other.stat()), (Ok(this), Ok(other)) if id(this) == id(other))
    }
}

/// Whether the file system does not support this kind of rename.
pub fn is_unsupported(error: &io::Error) -> bool {
    Errno::from_io_error(error).is_some_and(is_unsupported_errno)
}

fn is_unsupported_errno(error: Errno) -> bool {
    matches!(error, Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP)
}
