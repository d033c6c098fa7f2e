//! Finds the workspace that a call is about.
//!
//! Guarantees: a workspace that nobody named belongs to this user. Deliberately never: makes one, or writes a file.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use super::environment::{Environment, with_home};
use super::error::ConfigError;
use crate::model::layout;

/// The folder of the workspace: `explicit`, then KAVI_WORKSPACE, then the first one upwards from `cwd`.
///
/// # Errors
/// [`ConfigError`] when there is none, or another user owns one that nobody named.
pub fn find(explicit: Option<&Path>, environment: &Environment, cwd: &Path) -> Result<PathBuf, ConfigError> {
    let named = explicit.map(Path::to_owned).or_else(|| environment.get("KAVI_WORKSPACE").map(PathBuf::from));
    if let Some(named) = named {
        // No look at the owner: whoever names a workspace decided whose settings are believed.
        let root = cwd.join(with_home(&named, environment)?);
        return if root.join(layout::MARKER).is_file() { Ok(root) } else { Err(ConfigError::NoWorkspace(root)) };
    }
    // Like git: any folder below the workspace is inside of it.
    let found = cwd.ancestors().find(|folder| folder.join(layout::MARKER).is_file());
    let root = found.ok_or_else(|| ConfigError::NoWorkspace(cwd.to_owned()))?.to_owned();
    check_owner(&root)?;
    Ok(root)
}

/// Refuses a workspace that nobody named when another user owns it. Its settings say which programs are started.
fn check_owner(root: &Path) -> Result<(), ConfigError> {
    let us = rustix::process::geteuid().as_raw();
    // The folder as well: its owner could replace the file after it was checked.
    for path in [root.to_owned(), root.join(layout::MARKER)] {
        let owner =
            std::fs::metadata(&path).map_err(|source| ConfigError::Unreadable { path: path.clone(), source })?;
        if owner.uid() != us {
            return Err(ConfigError::Foreign(root.to_owned()));
        }
    }
    Ok(())
}

/// An absolute path without links, also where its end does not exist yet. None where the path of the end cannot be told.
pub fn resolve_new(path: &Path) -> Option<PathBuf> {
    let (existing, real) = path.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)))?;
    let missing = path.strip_prefix(existing).ok()?;
    // Where `..` leads to is known only once the folder before it exists: `x/..` is another folder when `x` is a link.
    let is_plain = missing.components().all(|part| matches!(part, Component::Normal(_)));
    is_plain.then(|| real.join(missing))
}

/// Whether a folder can be a workspace.
///
/// # Errors
/// [`ConfigError::NoText`] when its name is no text.
pub fn check_root(root: &Path) -> Result<(), ConfigError> {
    root.to_str().map(|_| ()).ok_or_else(|| ConfigError::NoText(root.to_owned()))
}
