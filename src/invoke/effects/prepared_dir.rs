//! The folder of prepared files: those of recorded commits, on their way into the vault.
//!
//! A file of a commit has the name `COMMIT.NUMBER`, by the number of its change. After the move, the content that was replaced
//! has that name until the commit is settled. So recovery finds out how far a commit was.
//!
//! Deliberately never: moves a file into the vault (that is `file_move`).

use std::fs;
use std::path::{Path, PathBuf};

use super::error::{EffectsError, io};
use super::folders;
use crate::artifacts;
use crate::model::{
    commit::{Commit, VaultChange},
    id::CommitId,
    layout::Layout,
};

/// The name of the folder. Workspaces of earlier versions have it too.
const NAME: &str = "ready";

/// The folder of prepared files.
#[derive(Debug)]
pub(super) struct PreparedDir(PathBuf);

impl PreparedDir {
    /// Opens the folder, and makes it if it is missing.
    pub(super) fn open(layout: &Layout) -> Result<Self, EffectsError> {
        let folder = folders::staging_root(layout)?.join(NAME);
        match fs::create_dir(&folder) {
            // The name of the new folder must be durable too, or a crash loses the files in it.
            Ok(()) => artifacts::sync_folder(folder.parent().unwrap_or(&folder))?,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(io(&folder)(error)),
        }
        // A link to another file system would make every rename fail after the record.
        match fs::symlink_metadata(&folder).map_err(io(&folder))?.is_dir() {
            true => Ok(Self(folder)),
            false => Err(folders::linked(&folder)),
        }
    }

    /// Whether no commit has a file in the folder below `root`. Makes nothing.
    pub(super) fn is_empty_below(root: &Path) -> Result<bool, EffectsError> {
        let folder = root.join(NAME);
        match fs::symlink_metadata(&folder) {
            Ok(meta) if meta.is_dir() => Ok(Self(folder).files()?.is_empty()),
            Ok(_) => Err(folders::linked(&folder)),
            Err(_) => Ok(true),
        }
    }

    /// The folder itself.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// The file of a commit's change.
    pub(super) fn file(&self, commit: CommitId, number: usize) -> PathBuf {
        self.0.join(format!("{commit}.{number}"))
    }

    /// Moves the files of an unfinished run here that Kavi recorded before schema version 7. That version left them where the
    /// run had written them.
    pub(super) fn adopt(&self, layout: &Layout, commit: &Commit) -> Result<(), EffectsError> {
        let out = folders::staging_root(layout)?.join(commit.id.first_run().to_string()).join("out");
        for (number, change) in commit.changes.iter().enumerate() {
            let VaultChange::File(change) = change;
            let (left, prepared) = (out.join(change.path.as_str()), self.file(commit.id, number));
            // What is there already was moved by a recovery that crashed.
            if fs::symlink_metadata(&left).is_ok_and(|meta| meta.is_file()) && !prepared.exists() {
                fs::rename(&left, &prepared).map_err(io(&left))?;
            }
        }
        self.sync()
    }

    /// Makes the names in the folder durable.
    pub(super) fn sync(&self) -> Result<(), EffectsError> {
        Ok(artifacts::sync_folder(&self.0)?)
    }

    /// Removes the files of all commits. None of these is PENDING.
    pub(super) fn sweep(&self) -> Result<(), EffectsError> {
        for path in self.files()? {
            fs::remove_file(&path).map_err(io(&path))?;
        }
        Ok(())
    }

    /// The content of a commit's files, as far as it can be read.
    pub(super) fn contents(&self, commit: CommitId) -> Result<Vec<Vec<u8>>, EffectsError> {
        let prefix = format!("{commit}.");
        let is_of_commit = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with(&prefix))
        };
        let files = self.files()?.into_iter().filter(is_of_commit);
        Ok(files.filter_map(|path| artifacts::read_once(&path).ok()).collect())
    }

    /// The files of commits. What another program put here has another name, or is a folder: it is left alone.
    fn files(&self) -> Result<Vec<PathBuf>, EffectsError> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.0).map_err(io(&self.0))? {
            let entry = entry.map_err(io(&self.0))?;
            let name = entry.file_name();
            let commit = name.to_str().and_then(|name| name.split_once('.')).map(|(commit, _)| commit);
            let is_ours = commit.is_some_and(|commit| CommitId::parse(commit).is_ok());
            if is_ours && !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                files.push(entry.path());
            }
        }
        Ok(files)
    }
}
