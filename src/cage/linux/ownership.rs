//! As root: gives writable folders to the cage's user before a job and takes them back afterwards.
//!
//! Both walks hold descriptors, never follow a link, and stay on the folder's own file system. Before, only what root
//! owns changes hands, and of files only those with a single name: a second name could lie outside. Afterwards,
//! everything that the cage's user owns goes back to root, except files that carry a set-id bit: those must never become
//! root's.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Uid, chownat, openat, statat};
use rustix::io::Errno;

use super::CAGE_ID;

/// Deeper than this nothing changes hands: what lies there stays with the cage's user.
const MAX_DEPTH: usize = 200;

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    ToCage,
    BackToRoot,
}

/// Changes the owner of a mounted file or folder and of what it holds.
pub(super) fn hand(root: &OwnedFd, way: Way) -> Result<(), Errno> {
    let stat = statat(root, c"", AtFlags::EMPTY_PATH)?;
    let file_system = stat.st_dev;
    if moves(&stat, way) {
        change(root, c"", way, AtFlags::EMPTY_PATH)?;
    }
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return Ok(());
    }
    let mut stack = vec![enter(root, c".")?];
    while let Some(folder) = stack.last_mut() {
        let Some(entry) = folder.read() else {
            stack.pop();
            continue;
        };
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let here = folder.fd()?;
        let stat = statat(here, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if stat.st_dev != file_system {
            continue;
        }
        if moves(&stat, way) {
            change(here, name, way, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        let child = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => enter(here, name)?,
            _ => continue,
        };
        if stack.len() < MAX_DEPTH {
            stack.push(child);
        }
    }
    Ok(())
}

fn enter(parent: impl AsFd, name: &std::ffi::CStr) -> Result<Dir, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Dir::new(openat(parent, name, flags, Mode::empty())?)
}

fn change(parent: impl AsFd, name: &std::ffi::CStr, way: Way, flags: AtFlags) -> Result<(), Errno> {
    let id = match way {
        Way::ToCage => CAGE_ID,
        Way::BackToRoot => 0,
    };
    chownat(parent, name, Some(Uid::from_raw(id)), Some(Gid::from_raw(id)), flags)
}

/// Whether this entry changes hands.
fn moves(stat: &Stat, way: Way) -> bool {
    let kind = FileType::from_raw_mode(stat.st_mode);
    let set_id = Mode::from_raw_mode(stat.st_mode).intersects(Mode::SUID | Mode::SGID);
    match way {
        Way::ToCage if stat.st_uid != 0 => false,
        Way::ToCage => match kind {
            FileType::Directory => true,
            FileType::RegularFile => stat.st_nlink == 1 && !set_id,
            _ => false,
        },
        Way::BackToRoot => stat.st_uid == CAGE_ID && (kind == FileType::Directory || !set_id),
    }
}
