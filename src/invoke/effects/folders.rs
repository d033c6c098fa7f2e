//! The folder where files wait before they are in the vault, and the locks around it.
//!
//! Guarantees: the folder lies on the vault's file system, so that a rename can move a file into the vault; it is not behind a
//! link. Deliberately never: removes anything.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::error::{EffectsError, io};
use crate::model::layout::Layout;

/// Held while the vault is checked and changed.
const COMMITS: &str = "effects";
/// Held while a staging folder is made, and while those of dead processes are removed.
const STAGING: &str = "staging";

/// The folder of all staging folders, made if it is missing.
pub(super) fn staging_root(layout: &Layout) -> Result<PathBuf, EffectsError> {
    let root = staging_root_path(layout)?;
    fs::create_dir_all(&root).map_err(io(&root))?;
    check_no_link(layout, &root)?;
    Ok(root)
}

/// Its path: below the workspace's own folder, or in the vault when that is on another file system.
pub(super) fn staging_root_path(layout: &Layout) -> Result<PathBuf, EffectsError> {
    let device = |path: &Path| fs::metadata(path).map(|meta| meta.dev()).map_err(io(path));
    let same = device(&layout.vault)? == device(&layout.state())?;
    Ok(if same { layout.staging() } else { layout.vault.join(".kavi-staging") })
}

/// Recovery removes what it finds below `root`: that must not be a folder somewhere else.
pub(super) fn check_no_link(layout: &Layout, root: &Path) -> Result<(), EffectsError> {
    for folder in [&layout.state(), root] {
        if !fs::symlink_metadata(folder).map_err(io(folder))?.is_dir() {
            return Err(linked(folder));
        }
    }
    Ok(())
}

pub(super) fn linked(folder: &Path) -> EffectsError {
    io(folder)(std::io::Error::new(std::io::ErrorKind::NotADirectory, "it is a link, not a folder"))
}

/// Taken by a commit before it checks the vault, and held until it is settled. So recovery never meets a commit that is still
/// under way.
pub(super) fn commit_lock(layout: &Layout) -> Result<File, EffectsError> {
    lock(layout, COMMITS)
}

/// Taken while a staging folder is made. So recovery never meets a folder whose own lock file is not there yet.
pub(super) fn staging_lock(layout: &Layout) -> Result<File, EffectsError> {
    lock(layout, STAGING)
}

fn lock(layout: &Layout, name: &str) -> Result<File, EffectsError> {
    let folder = layout.locks();
    fs::create_dir_all(&folder).map_err(io(&folder))?;
    let path = folder.join(name);
    // Another program may have put something else at this path. So no link is followed, no file is truncated, and opening a
    // pipe does not wait for its other end.
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::open(&path, flags, Mode::from_raw_mode(0o600)).map(File::from);
    let file = file.map_err(|error| io(&path)(error.into()))?;
    if !file.metadata().map_err(io(&path))?.is_file() {
        return Err(io(&path)(std::io::Error::new(
            std::io::ErrorKind::InvalidInput,
            "it is not a regular file: move it away",
        )));
    }
    file.lock().map_err(io(&path))?;
    Ok(file)
}
