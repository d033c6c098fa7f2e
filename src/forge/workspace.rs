//! The throwaway workspace of one attempt: an empty place with the packet, the guide, and the sources so far.
//!
//! Guarantees: nothing of the person's tree, environment or secrets is in it; the gate is told exactly what Kavi put
//! there, so that anything else is the builder's.

use std::fs;
use std::path::{Path, PathBuf};

use super::gate::Allowed;
use crate::model::{digest::Digest, snapshot::Snapshot};

/// The workspace could not be laid out.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub struct WorkspaceError {
    path: PathBuf,
    source: std::io::Error,
}

/// One attempt's folders.
#[derive(Debug)]
pub struct Workspace {
    attempt: PathBuf,
    /// What Kavi put there.
    pub allowed: Allowed,
}

/// What Kavi puts into a workspace besides sources.
const PACKET: &str = "PACKET.md";
const GUIDE: &str = "SDK.md";

impl Workspace {
    /// Lays out `folder`, which must not exist yet.
    ///
    /// # Errors
    /// [`WorkspaceError`] when a folder or file cannot be written.
    pub fn lay_out(folder: &Path, packet: &str, sources: Option<&Snapshot>) -> Result<Self, WorkspaceError> {
        let workspace = Self { attempt: folder.to_owned(), allowed: Allowed::default() };
        let parent = folder.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(|source| WorkspaceError { path: parent.to_owned(), source })?;
        for folder in [folder.to_owned(), workspace.root()] {
            fs::create_dir(&folder).map_err(|source| WorkspaceError { path: folder.clone(), source })?;
        }
        let mut workspace = workspace;
        workspace.provide(PACKET, packet.as_bytes())?;
        workspace.provide(GUIDE, super::packet::GUIDE.as_bytes())?;
        write(&workspace.root(), sources)?;
        Ok(workspace)
    }

    fn provide(&mut self, name: &str, bytes: &[u8]) -> Result<(), WorkspaceError> {
        let path = self.root().join(name);
        fs::write(&path, bytes).map_err(|source| WorkspaceError { path: path.clone(), source })?;
        self.allowed.provided.insert(name.to_owned(), Digest::of(bytes));
        Ok(())
    }

    /// The folder that the builder works in.
    pub fn root(&self) -> PathBuf {
        self.attempt.join("workspace")
    }

    /// Removes all of it.
    ///
    /// # Errors
    /// [`WorkspaceError`] when something cannot be removed.
    pub fn remove(self) -> Result<(), WorkspaceError> {
        fs::remove_dir_all(&self.attempt).map_err(|source| WorkspaceError { path: self.attempt, source })
    }
}

/// Writes the files of a snapshot below `root`; an empty `src` when there is none.
///
/// # Errors
/// [`WorkspaceError`] when a file cannot be written.
pub fn write(root: &Path, snapshot: Option<&Snapshot>) -> Result<(), WorkspaceError> {
    let make =
        |path: &Path| fs::create_dir_all(path).map_err(|source| WorkspaceError { path: path.to_owned(), source });
    make(&root.join("src"))?;
    for (path, bytes) in snapshot.into_iter().flat_map(Snapshot::files) {
        let path = root.join(path);
        make(path.parent().unwrap_or(root))?;
        fs::write(&path, bytes).map_err(|source| WorkspaceError { path: path.clone(), source })?;
    }
    Ok(())
}
