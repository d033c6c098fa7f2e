//! The folder of prepared files: those of recorded commits, on their way into the vault.
//!
//! A file of a commit has the name `COMMIT.NUMBER`, by the number of its change. After the move, the content that was replaced
//! has that name until the commit is settled. Beside it lies `COMMIT.NUMBER.link`, a second name of the new file: the evidence
//! that the file was prepared here. It stays until the commit is settled on the disk. So recovery finds out how far a commit
//! was, whatever a person made of the file in the vault meanwhile (`file_move`).
//!
//! Deliberately never: moves a file into the vault.

use std::collections::BTreeSet;
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

    /// Opens the folder, if there is one. Makes nothing.
    pub(super) fn find(layout: &Layout) -> Result<Option<Self>, EffectsError> {
        Self::below(&folders::staging_root_path(layout)?)
    }

    fn below(root: &Path) -> Result<Option<Self>, EffectsError> {
        let folder = root.join(NAME);
        match fs::symlink_metadata(&folder) {
            Ok(meta) if meta.is_dir() => Ok(Some(Self(folder))),
            Ok(_) => Err(folders::linked(&folder)),
            Err(_) => Ok(None),
        }
    }

    /// Whether no commit has a file in the folder below `root`. Makes nothing.
    pub(super) fn is_empty_below(root: &Path) -> Result<bool, EffectsError> {
        Self::below(root)?.map_or(Ok(true), |prepared| Ok(prepared.files()?.is_empty()))
    }

    /// The folder itself.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// The file of a commit's change.
    pub(super) fn file(&self, commit: CommitId, number: usize) -> PathBuf {
        self.0.join(format!("{commit}.{number}"))
    }

    /// The path of the evidence for a commit's change.
    fn evidence(&self, commit: CommitId, number: usize) -> PathBuf {
        self.0.join(format!("{commit}.{number}.link"))
    }

    /// Makes the evidence that a change's file was prepared. It is durable after [`Self::sync`].
    pub(super) fn add_evidence(&self, commit: CommitId, number: usize) -> Result<(), EffectsError> {
        let (file, evidence) = (self.file(commit, number), self.evidence(commit, number));
        // A second name costs no room on the disk. Where there can be none, an empty file says the same.
        if fs::hard_link(&file, &evidence).is_ok() {
            return Ok(());
        }
        fs::File::create_new(&evidence).and_then(|file| file.sync_all()).map_err(io(&evidence))
    }

    /// Whether a change's file was prepared here, wherever it is now.
    pub(super) fn has_evidence(&self, commit: CommitId, number: usize) -> bool {
        fs::symlink_metadata(self.evidence(commit, number)).is_ok_and(|meta| meta.is_file())
    }

    /// Removes the files of the first `count` changes of a settled commit.
    pub(super) fn remove(&self, commit: CommitId, count: usize) {
        for number in 0..count {
            // What cannot be removed now is removed by the next recovery.
            let _ = fs::remove_file(self.file(commit, number));
            let _ = fs::remove_file(self.evidence(commit, number));
        }
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

    /// Removes the files of every commit that is not PENDING.
    pub(super) fn sweep(&self, pending: &BTreeSet<CommitId>) -> Result<(), EffectsError> {
        for (commit, path) in self.files()? {
            if !pending.contains(&commit) {
                // A file that cannot be removed harms nothing: on a vault that can only be read, runs that read go on.
                let _ = fs::remove_file(&path);
            }
        }
        Ok(())
    }

    /// The content of a commit's files, as far as it can be read.
    pub(super) fn contents(&self, commit: CommitId) -> Result<Vec<Vec<u8>>, EffectsError> {
        let files = self.files()?.into_iter().filter(|(of, _)| *of == commit);
        Ok(files.filter_map(|(_, path)| artifacts::read_once(&path).ok()).collect())
    }

    /// The files of commits, each with its commit. What another program put here has another name, or is a folder: it is left
    /// alone.
    fn files(&self) -> Result<Vec<(CommitId, PathBuf)>, EffectsError> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.0).map_err(io(&self.0))? {
            let entry = entry.map_err(io(&self.0))?;
            let name = entry.file_name();
            let commit = name.to_str().and_then(|name| name.split_once('.')).map(|(commit, _)| commit);
            let commit = commit.and_then(|commit| CommitId::parse(commit).ok());
            if let Some(commit) = commit.filter(|_| !entry.file_type().is_ok_and(|kind| kind.is_dir())) {
                files.push((commit, entry.path()));
            }
        }
        Ok(files)
    }
}
