//! The folder where files wait before they are in the vault, and the locks around it.
//!
//! Guarantees: the folder lies on the vault's file system, so that a rename can move a file into the vault. It is not behind
//! a link below the workspace or the vault. Deliberately never: removes anything.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::error::{EffectsError, io as io_error};
use crate::artifacts;
use crate::dir::{self, FolderHandle, MissingFolders};
use crate::model::layout::Layout;

/// Held while the vault is checked and changed.
const COMMITS: &str = "effects";
/// Held while a staging folder is made, and while those of dead processes are removed.
const STAGING: &str = "staging";

/// The folder of all staging folders, made if it is missing.
pub(super) fn staging_root(layout: &Layout) -> Result<FolderHandle, EffectsError> {
    let root = staging_root_path(layout)?;
    open(layout, &root, MissingFolders::Make).map_err(refused(&root))
}

/// The same; none if it is missing.
pub(super) fn find_staging_root(layout: &Layout) -> Result<Option<FolderHandle>, EffectsError> {
    let root = staging_root_path(layout)?;
    if_there(open(layout, &root, MissingFolders::Refuse)).map_err(refused(&root))
}

/// None where there is no such folder.
pub(super) fn if_there(opened: io::Result<FolderHandle>) -> io::Result<Option<FolderHandle>> {
    match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some),
    }
}

/// Why a folder at this path cannot be used.
pub(super) fn refused(path: &Path) -> impl FnOnce(io::Error) -> EffectsError + use<> {
    let failed = io_error(path);
    |error| match dir::is_link_or_no_folder(&error) {
        true => failed(io::Error::new(io::ErrorKind::NotADirectory, "it is a link, not a folder")),
        false => failed(error),
    }
}

/// Below the workspace or the vault, through no link. Recovery removes what it finds there: that must not be somewhere else.
fn open(layout: &Layout, root: &Path, missing: MissingFolders) -> io::Result<FolderHandle> {
    let above = if root.starts_with(layout.state()) { &layout.root } else { &layout.vault };
    FolderHandle::open(above)?.beneath(root.strip_prefix(above).unwrap_or(root), missing)
}

/// Its path: below the workspace's own folder, or in the vault when that is on another file system.
fn staging_root_path(layout: &Layout) -> Result<PathBuf, EffectsError> {
    let device = |path: &Path| fs::metadata(path).map(|meta| meta.dev()).map_err(io_error(path));
    let same = device(&layout.vault)? == device(&layout.state())?;
    Ok(if same { layout.staging() } else { layout.vault.join(".kavi-staging") })
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
    dir::lock(&file).map_err(io_error(&path))?;
    Ok(file)
}
