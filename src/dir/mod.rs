//! Folder handles: files are reached from a folder that is held open, never through a link.
//!
//! A path that was checked can be another file when it is used. A handle cannot: a name below it is looked up in that very
//! folder. `cap_std` gives the handle. This module adds what it lacks: no link in any component below the handle (a `cap_std`
//! folder follows links that stay inside), and writes that are durable.
//!
//! Guarantees: no function follows a link below the handle that it starts from; what it writes is whole and on the disk, with
//! its name, before the function returns. Deliberately never: decides where something lies, or holds a lock.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Component, Path};
use std::sync::atomic::{AtomicU64, Ordering};

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, ResolveFlags};
use rustix::io::{Errno, retry_on_intr};

/// How the names of unfinished files begin. A crash can leave such a file, and nothing refers to it.
pub const TEMPORARY: &str = ".tmp";

/// Whether missing folders are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingFolders {
    /// Each is made, for others to read, and is on the disk.
    Make,
    /// They are an error.
    Refuse,
}

/// What happens to a file that has the name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExistingFile {
    /// The new file takes its place. A link is replaced, and what it points to stays.
    Replace,
    /// It stays, and the new file is an error.
    Refuse,
}

/// A folder, held open.
#[derive(Debug)]
pub struct FolderHandle(Dir);

/// The folder of a file, held open, and the file's name in it.
#[derive(Debug)]
pub struct FileSlot {
    folder: FolderHandle,
    name: OsString,
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
        Ok(Self(Dir::from_std_file(File::from(fd))))
    }

    /// Opens the folder `below` this one, through no link.
    ///
    /// # Errors
    /// The operating system's; [`ErrorKind::InvalidInput`] when the path could leave this folder.
    pub fn beneath(&self, below: &Path, missing: MissingFolders) -> io::Result<Self> {
        let mut at = Self(self.0.try_clone()?);
        for component in below.components() {
            let Component::Normal(name) = component else { return Err(outside(below)) };
            at = match at.child(name) {
                Err(Errno::NOENT) if missing == MissingFolders::Make => at.make_child(name)?,
                opened => opened?,
            };
        }
        Ok(at)
    }

    fn child(&self, name: &OsStr) -> Result<Self, Errno> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = retry_on_intr(|| rustix::fs::openat2(&self.0, name, flags, Mode::empty(), resolve))?;
        Ok(Self(Dir::from_std_file(File::from(fd))))
    }

    fn make_child(&self, name: &OsStr) -> io::Result<Self> {
        match rustix::fs::mkdirat(&self.0, name, Mode::from_raw_mode(0o755)) {
            // Where another process was faster, its name may not be on the disk yet either.
            Ok(()) | Err(Errno::EXIST) => self.sync()?,
            Err(error) => return Err(error.into()),
        }
        Ok(self.child(name)?)
    }

    /// The slot of the file at `path`, which lies below `root`.
    ///
    /// # Errors
    /// The operating system's, also where a component below `root` is a link.
    pub fn slot(root: &Path, path: &Path, missing: MissingFolders) -> io::Result<FileSlot> {
        let below = path.strip_prefix(root).map_err(|_| outside(path))?;
        let name = below.file_name().ok_or_else(|| outside(path))?.to_owned();
        let folder = Self::open(root)?.beneath(below.parent().unwrap_or(Path::new("")), missing)?;
        Ok(FileSlot { folder, name })
    }

    /// Makes the names in the folder durable.
    ///
    /// # Errors
    /// The operating system's.
    pub fn sync(&self) -> io::Result<()> {
        Ok(retry_on_intr(|| rustix::fs::fsync(&self.0))?)
    }

    /// The handle, for calls that take a name in the folder.
    pub fn dir(&self) -> &Dir {
        &self.0
    }

    /// A new file in the folder, that only this user can read.
    fn temporary(&self) -> io::Result<(OsString, File)> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = OsString::from(format!("{TEMPORARY}-{}-{number}", std::process::id()));
            match self.create(&name, 0o600) {
                // A process with the same number died and left it.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                made => return made.map(|file| (name, file)),
            }
        }
    }

    fn create(&self, name: &OsStr, mode: u32) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = retry_on_intr(|| rustix::fs::openat(&self.0, name, flags, Mode::from_raw_mode(mode)))?;
        Ok(File::from(fd))
    }
}

impl FileSlot {
    /// Writes the file whole: a temporary file in the same folder, fsync, rename, fsync of the folder.
    ///
    /// # Errors
    /// The operating system's; the file with this name, if any, is untouched then.
    pub fn write_durably(&self, bytes: &[u8], mode: u32, existing: ExistingFile) -> io::Result<()> {
        let (temporary, file) = self.folder.temporary()?;
        let written = self.fill(&temporary, file, bytes, mode, existing);
        if written.is_err() {
            // The first error is the one that matters. What stays is removed with other leftovers.
            let _ = self.folder.0.remove_file(&temporary);
        }
        written.and_then(|()| self.folder.sync())
    }

    fn fill(
        &self,
        temporary: &OsStr,
        mut file: File,
        bytes: &[u8],
        mode: u32,
        existing: ExistingFile,
    ) -> io::Result<()> {
        file.write_all(bytes)?;
        // Before it has its name, so that no file is ever readable by more people than it should be.
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
        // Before the rename. A crash could otherwise leave the name with an empty file.
        retry_on_intr(|| rustix::fs::fsync(&file))?;
        let dir = &self.folder.0;
        match existing {
            ExistingFile::Replace => Ok(rustix::fs::renameat(dir, temporary, dir, &self.name)?),
            ExistingFile::Refuse => match rename_new(dir, temporary, &self.name) {
                // A second name, too, is only made where nothing lies.
                Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                    rustix::fs::linkat(dir, temporary, dir, &self.name, AtFlags::empty())?;
                    Ok(rustix::fs::unlinkat(dir, temporary, AtFlags::empty())?)
                }
                renamed => Ok(renamed?),
            },
        }
    }

    /// Writes a file that does not exist. It is not synced to the disk.
    ///
    /// # Errors
    /// The operating system's; [`ErrorKind::AlreadyExists`] when something has the name.
    pub fn write_new(&self, bytes: &[u8]) -> io::Result<()> {
        self.folder.create(&self.name, 0o666)?.write_all(bytes)
    }

    /// Opens a file whose content does not matter, to lock it. Makes it if it is missing.
    ///
    /// # Errors
    /// The operating system's; [`ErrorKind::InvalidInput`] when something else than a file has the name.
    pub fn open_lock(&self) -> io::Result<File> {
        // No file is truncated, and opening a pipe does not wait for its other end.
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o600);
        let file = File::from(retry_on_intr(|| rustix::fs::openat(&self.folder.0, &self.name, flags, mode))?);
        match file.metadata()?.is_file() {
            true => Ok(file),
            false => Err(io::Error::new(ErrorKind::InvalidInput, "it is not a regular file: move it away")),
        }
    }

    /// Makes a folder that does not exist.
    ///
    /// # Errors
    /// The operating system's.
    pub fn make_folder(&self) -> io::Result<FolderHandle> {
        rustix::fs::mkdirat(&self.folder.0, &self.name, Mode::from_raw_mode(0o755))?;
        Ok(self.folder.child(&self.name)?)
    }

    /// Removes the file. A link is removed itself.
    ///
    /// # Errors
    /// The operating system's.
    pub fn remove_file(&self) -> io::Result<()> {
        self.folder.0.remove_file(&self.name)
    }

    /// Removes a folder with all that is in it. No link is followed.
    ///
    /// # Errors
    /// The operating system's.
    pub fn remove_folder(&self) -> io::Result<()> {
        self.folder.0.remove_dir_all(&self.name)
    }
}

/// Waits for the lock of a file. A signal in between does not end the wait.
///
/// # Errors
/// The operating system's.
pub fn lock(file: &File) -> io::Result<()> {
    loop {
        match file.lock() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            locked => return locked,
        }
    }
}

fn rename_new(dir: &Dir, from: &OsStr, to: &OsStr) -> Result<(), Errno> {
    rustix::fs::renameat_with(dir, from, dir, to, RenameFlags::NOREPLACE)
}

fn outside(path: &Path) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, format!("{} does not lie below its folder", path.display()))
}

#[cfg(test)]
mod tests;
