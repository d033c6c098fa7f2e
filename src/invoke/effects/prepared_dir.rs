//! The folder of prepared files: those of recorded commits, on their way into the vault.
//!
//! A file of a commit has the name `COMMIT.NUMBER`, by the number of its change. After the move, the content that was replaced
//! has that name until the commit is settled. Beside it lies `COMMIT.NUMBER.link`, a second name of the new file: the evidence
//! that the file was prepared here. It stays until the commit is settled on the disk. So recovery finds out how far a commit
//! was, whatever a person made of the file in the vault meanwhile (`file_move`). `COMMIT.folders` has the folders of the vault that
//! were made for the commit: where it does not come to be, those that are empty go again.
//!
//! Deliberately never: moves a file into the vault.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;

use super::error::{EffectsError, io as io_error};
use super::folders;
use super::staging::OUT;
use super::vault_file::{MAX_BYTES, VaultFile};
use crate::dir::{FileSlot, FolderHandle, MissingFolders};
use crate::model::{commit::Commit, id::CommitId, layout::Layout, vault_path::VaultPath};
use crate::sync::uninterrupted;

/// The name of the folder. Workspaces of earlier versions have it too.
const NAME: &str = "ready";
/// How the name ends of the note of a commit's new folders.
const FOLDERS: &str = "folders";

/// The folder of prepared files.
#[derive(Debug)]
pub(super) struct PreparedDir(FolderHandle);

impl PreparedDir {
    /// Opens the folder, and makes it if it is missing. The name of a new folder is durable, or a crash loses the files in it.
    pub(super) fn open(layout: &Layout) -> Result<Self, EffectsError> {
        let root = folders::staging_root(layout)?;
        // Through no link: one to another file system would make every rename fail after the record.
        root.child(NAME, MissingFolders::Make).map(Self).map_err(folders::refused(&root.path().join(NAME)))
    }

    /// Opens the folder, if there is one. Makes nothing.
    pub(super) fn find(layout: &Layout) -> Result<Option<Self>, EffectsError> {
        folders::find_staging_root(layout)?.map_or(Ok(None), |root| Self::below(&root))
    }

    fn below(root: &FolderHandle) -> Result<Option<Self>, EffectsError> {
        let opened = folders::if_there(root.child(NAME, MissingFolders::Refuse));
        Ok(opened.map_err(folders::refused(&root.path().join(NAME)))?.map(Self))
    }

    /// Whether no commit has a file in the folder below `root`. Makes nothing.
    pub(super) fn is_empty_below(root: &FolderHandle) -> Result<bool, EffectsError> {
        Self::below(root)?.map_or(Ok(true), |prepared| Ok(prepared.files()?.is_empty()))
    }

    /// The folder itself.
    pub(super) fn folder(&self) -> &FolderHandle {
        &self.0
    }

    /// The file of a commit's change.
    pub(super) fn file(&self, commit: CommitId, number: usize) -> FileSlot {
        self.0.file(format!("{commit}.{number}"))
    }

    /// The evidence for a commit's change.
    fn evidence(&self, commit: CommitId, number: usize) -> FileSlot {
        self.0.file(format!("{commit}.{number}.link"))
    }

    /// Notes the folders of the vault that are made for a commit, before they are: a crash, or a conflict later, must leave none.
    pub(super) fn note_folders(&self, commit: CommitId, folders: &[VaultPath]) -> Result<(), EffectsError> {
        let text = folders.iter().map(|folder| format!("{folder}\n")).collect::<String>();
        let note = self.folders_of(commit);
        // An approval that failed before may have left one. A half of it is never read: every line has its end.
        let _ = note.remove_file();
        let written = note.create_new(0o600).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            uninterrupted(|| file.sync_all())
        });
        written.map_err(io_error(self.0.path()))?;
        self.sync()
    }

    fn folders_of(&self, commit: CommitId) -> FileSlot {
        self.0.file(format!("{commit}.{FOLDERS}"))
    }

    /// Removes the folders that were made for a commit and in which nothing is, and the note of them.
    pub(super) fn remove_folders(&self, vault: &FolderHandle, commit: CommitId) {
        let note = self.folders_of(commit);
        let Ok(text) = note.read(MAX_BYTES) else { return };
        // The deepest first. Each line was a path of the vault when it was written, and is not believed to be one now.
        let text = String::from_utf8_lossy(&text.bytes);
        // A crash may have left half a line, which could be another path.
        let lines: Vec<&str> = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).collect();
        for path in lines.into_iter().rev().filter_map(|line| VaultPath::parse(line).ok()) {
            // One that a person has put something into is not empty, and stays.
            if let Ok(Some(folder)) = VaultFile::open(vault, &path, MissingFolders::Refuse) {
                let _ = folder.slot().remove_empty_folder();
            }
        }
        let _ = note.remove_file();
    }

    /// Makes the evidence that a change's file was prepared. It is durable after [`Self::sync`].
    pub(super) fn add_evidence(&self, commit: CommitId, number: usize) -> Result<(), EffectsError> {
        let evidence = self.evidence(commit, number);
        // A second name costs no room on the disk. Where there can be none, an empty file says the same.
        if self.file(commit, number).link_to(&evidence).is_ok() {
            return Ok(());
        }
        evidence.create_new(0o666).and_then(|file| file.sync_all()).map_err(io_error(self.0.path()))
    }

    /// Whether a change's file was prepared here, wherever it is now.
    pub(super) fn has_evidence(&self, commit: CommitId, number: usize) -> bool {
        self.evidence(commit, number).is_file().unwrap_or(false)
    }

    /// Removes the files of the first `count` changes of a settled commit.
    pub(super) fn remove(&self, commit: CommitId, count: usize) {
        for number in 0..count {
            // What cannot be removed now is removed by the next recovery.
            let _ = self.file(commit, number).remove_file();
            let _ = self.evidence(commit, number).remove_file();
        }
        let _ = self.folders_of(commit).remove_file();
    }

    /// Moves the files of an unfinished run here that Kavi recorded before schema version 7. That version left them where the
    /// run had written them.
    pub(super) fn adopt(&self, layout: &Layout, commit: &Commit) -> Result<(), EffectsError> {
        let run = Path::new(&commit.id.first_run().to_string()).join(OUT);
        let root = folders::staging_root(layout)?;
        let path = root.path().join(&run);
        // Where the folder is gone, a recovery that crashed has moved all of it.
        let out = folders::if_there(root.beneath(&run, MissingFolders::Refuse)).map_err(folders::refused(&path))?;
        for (number, change) in commit.changes.iter().enumerate() {
            let Some(out) = &out else { continue };
            let left = Path::new(change.path().as_str());
            let Ok(left) = out.file_beneath(left, MissingFolders::Refuse) else { continue };
            let prepared = self.file(commit.id, number);
            // What is there already was moved by a recovery that crashed.
            if left.is_file().unwrap_or(false) && prepared.stat().is_err() {
                left.rename_over(&prepared).map_err(io_error(&path))?;
            }
        }
        self.sync()
    }

    /// Makes the names in the folder durable.
    pub(super) fn sync(&self) -> Result<(), EffectsError> {
        self.0.sync().map_err(io_error(self.0.path()))
    }

    /// Removes the files of every commit that is not PENDING, and the folders of those that are not APPLIED.
    pub(super) fn sweep(
        &self,
        vault: &FolderHandle,
        pending: &BTreeSet<CommitId>,
        is_applied: impl Fn(CommitId) -> bool,
    ) -> Result<(), EffectsError> {
        for (commit, file) in self.files()? {
            if !pending.contains(&commit) {
                if file.name() == self.folders_of(commit).name() && !is_applied(commit) {
                    self.remove_folders(vault, commit);
                }
                // A file that cannot be removed harms nothing: on a vault that can only be read, runs that read go on.
                let _ = file.remove_file();
            }
        }
        Ok(())
    }

    /// The content of a commit's files, as far as it can be read.
    pub(super) fn contents(&self, commit: CommitId) -> Result<Vec<Vec<u8>>, EffectsError> {
        let files = self.files()?.into_iter().filter(|(of, _)| *of == commit);
        Ok(files.filter_map(|(_, file)| file.read(MAX_BYTES).ok()).map(|content| content.bytes).collect())
    }

    /// The files of commits, each with its commit. What another program put here has another name, or is a folder: it is left
    /// alone.
    fn files(&self) -> Result<Vec<(CommitId, FileSlot)>, EffectsError> {
        let failed = || io_error(self.0.path());
        let mut files = Vec::new();
        for entry in self.0.entries().map_err(failed())? {
            let entry = entry.map_err(failed())?;
            let name = entry.file_name();
            let commit = name.to_str().and_then(|name| name.split_once('.')).map(|(commit, _)| commit);
            let commit = commit.and_then(|commit| CommitId::parse(commit).ok());
            if let Some(commit) = commit.filter(|_| !entry.file_type().is_ok_and(|kind| kind.is_dir())) {
                files.push((commit, self.0.file(name.clone())));
            }
        }
        Ok(files)
    }
}
