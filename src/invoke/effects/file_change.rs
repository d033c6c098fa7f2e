//! A file change, from the staged file to the prepared one: check, keep, prepare.
//!
//! Guarantees: a place that is taken by anything but a regular file is refused before the record exists. The content that a
//! change replaces is in the store before the change is prepared. Deliberately never: changes a file of the vault.

use std::fs::Permissions;
use std::io;

use super::commit_site::CommitSite;
use super::conflict::{self, Precondition};
use super::error::{EffectsError, io as io_error};
use super::staging::StagedContent;
use super::vault_file::{CurrentFile, VaultFile};
use crate::artifacts::{Store, StoredKind};
use crate::dir::{FileSlot, FolderHandle, MissingFolders};
use crate::invoke::diff::{self, FileDiff};
use crate::ledger::ChangeStore;
use crate::model::{commit::FileChange, digest::Digest};

/// A file change whose new content is staged.
#[derive(Debug)]
pub(in crate::invoke) struct StagedFile {
    /// The change. The check fills in `before` where the precondition does not say it.
    pub(in crate::invoke) change: FileChange,
    /// The staged file; none where the change removes one.
    pub(in crate::invoke) source: Option<StagedContent>,
    /// What the file in the vault must look like.
    pub(in crate::invoke) precondition: Precondition,
}

/// A file change whose place in the vault meets the precondition.
#[derive(Debug)]
pub(super) struct CheckedFile {
    pub(super) change: FileChange,
    source: Option<StagedContent>,
    found: Option<CurrentFile>,
}

impl StagedFile {
    /// Makes the staged file durable, with the permissions of a new file.
    pub(super) fn make_durable(&self, permissions: &Permissions) -> Result<(), EffectsError> {
        let Some(source) = &self.source else { return Ok(()) };
        source.slot()?.sync_with_permissions(permissions).map_err(io_error(&source.path()))
    }

    /// Reads the file that lies in the vault, and compares it with the precondition.
    pub(super) fn check(self, vault: &FolderHandle, ledger: &dyn ChangeStore) -> Result<CheckedFile, EffectsError> {
        let Self { mut change, source, precondition } = self;
        let file = VaultFile::open(vault, &change.path, MissingFolders::Refuse)?;
        let found = file.map_or(Ok(None), |file| file.read())?;
        let staged = source.as_ref().map(StagedContent::change_time).transpose()?;
        conflict::check(ledger, &change, precondition, found.as_ref(), staged)?;
        // From here on the record says what is replaced: apply compares the real file with it.
        change.before = found.as_ref().map(|found| found.sha256);
        Ok(CheckedFile { change, source, found })
    }
}

impl CheckedFile {
    /// Keeps the content that is replaced: an undo needs it.
    pub(super) fn keep_old(&self, store: &Store) -> Result<(), EffectsError> {
        // A file that stays as it is needs no undo, so its content is not copied into the store.
        if let Some(found) = self.found.as_ref().filter(|_| !self.change.is_noop()) {
            store.put(StoredKind::File, &found.bytes)?;
        }
        Ok(())
    }

    /// Keeps the new content: an approval needs it after the staging folder is gone.
    pub(super) fn keep_new(&self, store: &Store) -> Result<(), EffectsError> {
        let Some(source) = &self.source else { return Ok(()) };
        // The staging folder is open to other programs of the person. The digest says that these are still the bytes of
        // the run.
        let bytes = source.read()?;
        check_digest(source, store.put(StoredKind::File, &bytes)?, self.change.after)
    }

    /// The difference between the file in the vault and the staged one.
    pub(super) fn diff(&self) -> Result<FileDiff, EffectsError> {
        let new = self.source.as_ref().map(StagedContent::read).transpose()?;
        Ok(diff::of(&self.change, self.found.as_ref().map(|found| &*found.bytes), new.as_deref()))
    }

    /// Makes the folders that the file needs, and moves the staged file to where the commit takes it from.
    pub(super) fn prepare(&self, site: CommitSite<'_>, number: usize) -> Result<(), EffectsError> {
        if let Some(file) = VaultFile::open(site.vault, &self.change.path, MissingFolders::Make)? {
            // After the record it is too late to find out that no file can be moved there.
            file.check(site.prepared.folder())?;
        }
        // A removal has no content. Its folder is checked above like that of any other change.
        let Some(source) = &self.source else { return Ok(()) };
        let (staged, failed) = (source.slot()?, || io_error(&source.path()));
        if let Some(found) = &self.found {
            copy_permissions(&staged, &found.permissions).map_err(failed())?;
        }
        staged.rename_over(&site.file(number)).map_err(failed())?;
        site.prepared.add_evidence(site.commit, number)
    }
}

/// A file that replaces another gets the permissions of that one.
fn copy_permissions(file: &FileSlot, permissions: &Permissions) -> io::Result<()> {
    let open = file.open()?;
    // Mostly they are equal, and then the second fsync of the file is saved.
    if open.metadata()?.permissions() != *permissions {
        open.set_permissions(permissions.clone())?;
        open.sync_all()?;
    }
    Ok(())
}

fn check_digest(file: &StagedContent, found: Digest, recorded: Option<Digest>) -> Result<(), EffectsError> {
    if Some(found) == recorded {
        return Ok(());
    }
    Err(io_error(&file.path())(io::Error::new(io::ErrorKind::InvalidData, "it is not what the run left")))
}
