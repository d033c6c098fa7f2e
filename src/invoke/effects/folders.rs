//! The folder where files wait before they are in the vault, and the locks around it.
//!
//! Guarantees: the folder lies on the vault's file system, so that a rename can move a file into the vault; it is not behind a
//! link. Deliberately never: removes anything.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::error::{EffectsError, io};
use crate::artifacts;
use crate::dir;
use crate::model::layout::Layout;

/// Held while the vault is checked and changed.
const COMMITS: &str = "effects";
/// Held while a staging folder is made, and while those of dead processes are removed.
const STAGING: &str = "staging";

/// The folder of all staging folders, made if it is missing.
pub(super) fn staging_root(layout: &Layout) -> Result<PathBuf, EffectsError> {
    let root = staging_root_path(layout)?;
    // Below the workspace or the vault, through no link.
    let above = if root.starts_with(layout.state()) { &layout.root } else { &layout.vault };
    artifacts::create_folders_durably(above, &root)?;
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
    let path = layout.locks().join(name);
    let file = artifacts::open_lock(&layout.root, &path)?;
    dir::lock(&file).map_err(io(&path))?;
    Ok(file)
}
