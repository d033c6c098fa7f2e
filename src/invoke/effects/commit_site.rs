//! Where the changes of one commit are applied: from the folder of prepared files, to the vault.
//!
//! Deliberately never: changes a file of the vault.

use super::prepared_dir::PreparedDir;
use crate::artifacts::Store;
use crate::dir::{FileSlot, FolderHandle};
use crate::model::id::CommitId;

/// Where one commit is applied.
#[derive(Debug, Clone, Copy)]
pub(super) struct CommitSite<'a> {
    /// The vault, held open.
    pub(super) vault: &'a FolderHandle,
    /// The files on their way into it.
    pub(super) prepared: &'a PreparedDir,
    /// Has the content that the commit replaces.
    pub(super) store: &'a Store,
    /// The commit.
    pub(super) commit: CommitId,
}

impl CommitSite<'_> {
    /// The prepared file of a change, by its number in the commit. After the change is applied, the content that it replaced.
    pub(super) fn file(&self, number: usize) -> FileSlot {
        self.prepared.file(self.commit, number)
    }

    /// Removes the empty folders that were made for the commit, which did not come to be.
    pub(super) fn remove_folders(&self) {
        self.prepared.remove_folders(self.vault, self.commit);
    }

    /// Removes the prepared files of the first `count` changes.
    pub(super) fn remove_files(&self, count: usize) {
        self.prepared.remove(self.commit, count);
    }
}
