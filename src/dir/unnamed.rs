//! A new file that has no name until it is whole.
//!
//! Guarantees: a crash leaves nothing in the folder where the file system can hold a file without a name. The name is given
//! when all bytes are on the disk, and only where nothing has it. Deliberately never: replaces a file.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};
use tempfile::TempPath;

/// A file that is there whole or not at all, and readable by its owner alone.
#[derive(Debug)]
pub struct NewFile {
    path: PathBuf,
    file: BufWriter<File>,
    /// Its name until it is whole, on a file system where a file cannot be without one.
    temporary: Option<TempPath>,
}

impl NewFile {
    /// Begins a file that is to have this path.
    ///
    /// # Errors
    /// [`ErrorKind::AlreadyExists`] when something has that name; else the operating system's.
    pub fn make(path: PathBuf) -> io::Result<Self> {
        if path.symlink_metadata().is_ok() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        let (file, temporary) = match retry_on_intr(|| rustix::fs::open(folder, flags, Mode::RUSR | Mode::WUSR)) {
            Ok(fd) => (File::from(fd), None),
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
                // A name that says whose it is: a crash leaves it in a folder of the person's.
                let made = tempfile::Builder::new().prefix(super::UNNAMED).tempfile_in(folder)?;
                let (file, temporary) = made.into_parts();
                (file, Some(temporary))
            }
            Err(error) => return Err(error.into()),
        };
        Ok(Self { path, file: BufWriter::new(file), temporary })
    }

    /// Where the file will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts the bytes on the disk and gives the file its name.
    ///
    /// # Errors
    /// [`ErrorKind::AlreadyExists`] when something took the name in the meantime; else the operating system's.
    pub fn keep(self) -> io::Result<()> {
        let Self { path, file, temporary } = self;
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        match temporary {
            Some(temporary) => temporary.persist_noclobber(&path).map_err(|error| error.error),
            None => give_name(&file, &path),
        }
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A file without a name is reached by its descriptor. `AT_EMPTY_PATH` would need a privilege.
fn give_name(file: &File, path: &Path) -> io::Result<()> {
    let open = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(retry_on_intr(|| rustix::fs::linkat(CWD, open.as_str(), CWD, path, AtFlags::SYMLINK_FOLLOW))?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_that_is_not_whole_has_no_name_and_one_that_is_replaces_nothing() -> Result<(), Box<dyn std::error::Error>>
    {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("all.jsonl");
        let make = || NewFile::make(path.clone());
        let (mut file, second) = (make()?, make()?);
        writeln!(file, "{{}}")?;
        // What a crash would leave now.
        assert_eq!(fs::read_dir(folder.path())?.count(), 0);
        file.keep()?;
        assert_eq!(fs::read_to_string(&path)?, "{}\n");
        assert!(second.keep().is_err() && make().is_err());
        assert_eq!(fs::read_to_string(&path)?, "{}\n");
        assert_eq!(fs::read_dir(folder.path())?.count(), 1);
        Ok(())
    }
}
