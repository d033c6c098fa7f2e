//! As root: gives writable folders to the cage's user before a job, and takes them back afterwards.
//!
//! Both walks hold descriptors, never follow a link, and stay on the folder's own file system. Before the job, only what root
//! owns changes owner, and of files only those with a single name: a second name could be outside. After the job, everything
//! that the cage's user owns goes back to root, except files with a set-id bit: root must never own those.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Uid, chownat, openat, statat};
use rustix::io::{Errno, retry_on_intr};

use super::CAGE_ID;

/// Deeper than this nothing changes owner: files there stay with the cage's user.
const MAX_DEPTH: usize = 200;

/// In which direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OwnershipChange {
    ToCage,
    BackToRoot,
}

/// Changes the owner of a mounted file or folder and of what it holds.
pub(super) fn hand(root: &OwnedFd, change: OwnershipChange) -> Result<(), Errno> {
    let stat = retry_on_intr(|| statat(root, c"", AtFlags::EMPTY_PATH))?;
    // Another file system below the folder was mounted there by somebody else, and is not part of
    // the grant.
    let file_system = stat.st_dev;
    if moves(&stat, change) {
        change_owner(root, c"", change, AtFlags::EMPTY_PATH)?;
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
        // By the open folder and a single name. A path from the top could lead elsewhere by now.
        let stat = retry_on_intr(|| statat(here, name, AtFlags::SYMLINK_NOFOLLOW))?;
        if stat.st_dev != file_system {
            continue;
        }
        if moves(&stat, change) {
            change_owner(here, name, change, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        let child = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => enter(here, name)?,
            _ => continue,
        };
        // Each level holds a descriptor, and the job decides how deep its folders are.
        if stack.len() < MAX_DEPTH {
            stack.push(child);
        }
    }
    Ok(())
}

fn enter(parent: impl AsFd, name: &std::ffi::CStr) -> Result<Dir, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Dir::new(retry_on_intr(|| openat(&parent, name, flags, Mode::empty()))?)
}

fn change_owner(
    parent: impl AsFd,
    name: &std::ffi::CStr,
    change: OwnershipChange,
    flags: AtFlags,
) -> Result<(), Errno> {
    let id = match change {
        OwnershipChange::ToCage => CAGE_ID,
        OwnershipChange::BackToRoot => 0,
    };
    retry_on_intr(|| chownat(&parent, name, Some(Uid::from_raw(id)), Some(Gid::from_raw(id)), flags))
}

/// Whether the owner of this entry changes.
fn moves(stat: &Stat, change: OwnershipChange) -> bool {
    let kind = FileType::from_raw_mode(stat.st_mode);
    let set_id = Mode::from_raw_mode(stat.st_mode).intersects(Mode::SUID | Mode::SGID);
    match change {
        // What belongs to another user stays as it is: the way back would make it root's.
        OwnershipChange::ToCage if stat.st_uid != 0 => false,
        OwnershipChange::ToCage => match kind {
            FileType::Directory => true,
            // A second name may be outside of the folder, where the cage's user must not gain a
            // file.
            FileType::RegularFile => stat.st_nlink == 1 && !set_id,
            _ => false,
        },
        OwnershipChange::BackToRoot => stat.st_uid == CAGE_ID && (kind == FileType::Directory || !set_id),
    }
}
