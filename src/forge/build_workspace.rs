//! The throwaway workspace of one attempt: a fresh folder with the packet, the guide, and the sources so far.
//!
//! Guarantees: it contains nothing of the person's tree, environment or secrets. The intake gets the exact list of what Kavi
//! put there, so that everything else is the builder's.
//! Deliberately never: reads what the builder wrote (`intake` does).

use std::fs;
use std::path::{Path, PathBuf};

use super::intake::IntakeRules;
use crate::dir::{FolderHandle, MissingFolders};
use crate::model::{digest::Digest, snapshot::Snapshot};
use crate::sync::uninterrupted;

/// The workspace could not be laid out.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub struct BuildWorkspaceError {
    path: PathBuf,
    source: std::io::Error,
}

/// The folders of one attempt.
#[derive(Debug)]
pub struct BuildWorkspace {
    /// The folder of Kavi's workspace, which all of it lies below.
    base: PathBuf,
    attempt: PathBuf,
    /// What the intake allows in it.
    pub rules: IntakeRules,
}

/// The files that Kavi puts into a workspace besides sources.
const PACKET: &str = "PACKET.md";
const GUIDE: &str = "SDK.md";

impl BuildWorkspace {
    /// Lays out `folder`, which must not exist, below `base`. No link below that is followed.
    ///
    /// # Errors
    /// [`BuildWorkspaceError`] when a folder or file cannot be written.
    pub fn lay_out(
        base: &Path,
        folder: &Path,
        packet: &str,
        sources: Option<&Snapshot>,
    ) -> Result<Self, BuildWorkspaceError> {
        let mut workspace = Self { base: base.to_owned(), attempt: folder.to_owned(), rules: IntakeRules::default() };
        for folder in [folder.to_owned(), workspace.root()] {
            FolderHandle::slot(base, &folder, MissingFolders::Make)
                .and_then(|slot| slot.make_folder())
                .map_err(|source| BuildWorkspaceError { path: folder, source })?;
        }
        workspace.provide(PACKET, packet.as_bytes())?;
        workspace.provide(GUIDE, super::packet::GUIDE.as_bytes())?;
        write(&workspace.root(), sources)?;
        Ok(workspace)
    }

    fn provide(&mut self, name: &str, bytes: &[u8]) -> Result<(), BuildWorkspaceError> {
        let path = self.root().join(name);
        fs::write(&path, bytes).map_err(|source| BuildWorkspaceError { path: path.clone(), source })?;
        self.rules.provided.insert(name.to_owned(), Digest::of(bytes));
        Ok(())
    }

    /// The folder that the builder works in.
    pub fn root(&self) -> PathBuf {
        self.attempt.join("workspace")
    }

    /// Removes all of it.
    ///
    /// # Errors
    /// [`BuildWorkspaceError`] when something cannot be removed.
    pub fn remove(self) -> Result<(), BuildWorkspaceError> {
        FolderHandle::slot(&self.base, &self.attempt, MissingFolders::Refuse)
            .and_then(|slot| slot.remove_folder())
            .map_err(|source| BuildWorkspaceError { path: self.attempt, source })
    }
}

/// Writes the files of a snapshot below `root`; an empty `src` when there is none.
///
/// # Errors
/// [`BuildWorkspaceError`] when a file cannot be written.
pub fn write(root: &Path, snapshot: Option<&Snapshot>) -> Result<(), BuildWorkspaceError> {
    let make = |path: &Path| {
        uninterrupted(|| fs::create_dir_all(path))
            .map_err(|source| BuildWorkspaceError { path: path.to_owned(), source })
    };
    make(&root.join("src"))?;
    for (path, bytes) in snapshot.into_iter().flat_map(Snapshot::files) {
        let path = root.join(path);
        make(path.parent().unwrap_or(root))?;
        fs::write(&path, bytes).map_err(|source| BuildWorkspaceError { path: path.clone(), source })?;
    }
    Ok(())
}
