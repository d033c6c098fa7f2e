//! A file that has no name until it is whole.
//!
//! Guarantees: a crash leaves nothing in the folder. The name is given only where nothing has it. Deliberately never: replaces
//! a file.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};

/// Makes a file without a name on the file system of a folder, for its owner alone. `None` where that file system cannot.
///
/// # Errors
/// The operating system's.
pub fn make_unnamed(folder: &Path) -> io::Result<Option<File>> {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    match retry_on_intr(|| rustix::fs::open(folder, flags, Mode::RUSR | Mode::WUSR)) {
        Ok(fd) => Ok(Some(File::from(fd))),
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Gives a file that [`make_unnamed`] made its name.
///
/// # Errors
/// The operating system's; [`io::ErrorKind::AlreadyExists`] when something has that name.
pub fn give_name(file: &File, path: &Path) -> io::Result<()> {
    // A file without a name is reached by its descriptor. `AT_EMPTY_PATH` would need a privilege.
    let open = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(retry_on_intr(|| rustix::fs::linkat(CWD, open.as_str(), CWD, path, AtFlags::SYMLINK_FOLLOW))?)
}
