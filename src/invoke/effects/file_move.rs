//! A file change of a recorded commit: apply and undo, each a single rename.
//!
//! - A new file is renamed to a path where nothing may lie.
//! - A replaced file and the new one are exchanged. So the file that really lay there is in hand and can be checked. If it is not
//!   the recorded one, the two are exchanged back.
//! - A removed file is renamed out of the vault, and then checked in the same way.
//!
//! Guarantees: no file is lost that another program wrote between the check and the rename. To apply a change twice has the
//! effect of applying it once, so recovery can repeat all changes of a commit.
//!
//! Recovery tells "moved, then edited by a person" from "never moved" by what lies in the folder of prepared files:
//!
//! | prepared file | its evidence | the change was |
//! |---|---|---|
//! | the new content | there | not applied |
//! | the replaced content | there | applied; whatever is in the vault now came later, and stays |
//! | gone | there | applied, likewise |
//! | gone | gone | applied, if the vault has the new content; else only a person can tell |
//! | anything else | there | exchanged with an edit that came between the check and the rename |
//!
//! The evidence is made before the record and removed after the commit is settled on the disk (`prepared_dir`).
//!
//! Known limit: on a file system that cannot exchange two files, the file is checked immediately before it is replaced. An
//! edit between the two is lost.
//!
//! Deliberately never: follows a link, or decides what is moved.

use std::io::{self, ErrorKind};

use super::commit_site::CommitSite;
use super::error::{ApplyError, EffectsError};
use super::vault_file::{MAX_BYTES, VaultFile};
use crate::artifacts::{Store, StoredKind};
use crate::dir::{self, ExistingFile, FileSlot, FolderHandle, MissingFolders, ReadError};
use crate::model::{commit::FileChange, digest::Digest};

const CHANGED: &str = "it was changed since the run began";
const CREATED: &str = "it was made since the run began";
const REMOVED: &str = "it was removed since the run began";
const EDITED_TWICE: &str = "it was changed twice since the run began; the first of these edits is in the store";
const FOREIGN: &str = "the prepared file is not the recorded one";

/// One file change, its prepared file, and the file in the vault.
pub(super) struct FileMove<'a> {
    change: &'a FileChange,
    prepared: FileSlot,
    was_prepared: bool,
    file: VaultFile<'a>,
    store: &'a Store,
}

/// What lies at the path of a prepared file: that file, or the content that was replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Prepared {
    Nothing,
    File(Digest),
    /// No regular file, or one that cannot be read.
    Other,
}

impl Prepared {
    fn read(file: &FileSlot) -> Self {
        match file.read(MAX_BYTES) {
            Ok(content) => Self::File(Digest::of(&content.bytes)),
            Err(ReadError::Missing) => Self::Nothing,
            Err(ReadError::NotAFile(_) | ReadError::Io(_)) => Self::Other,
        }
    }
}

/// The direction of a rename.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    IntoVault,
    OutOfVault,
}

/// Applies a change. What was applied before a crash is not applied again.
pub(super) fn apply(site: CommitSite<'_>, number: usize, change: &FileChange) -> Result<(), ApplyError> {
    let file = FileMove::open(site, number, change)?;
    match (change.before, change.after) {
        (None, Some(after)) => file.add(after),
        (Some(before), Some(after)) => file.replace(before, after),
        (Some(before), None) => file.remove(before),
        (None, None) => Ok(()),
    }
}

/// Undoes a change, if it was applied: also by a process that crashed.
pub(super) fn undo(site: CommitSite<'_>, number: usize, change: &FileChange) -> Result<(), ApplyError> {
    // Before its folder is opened: a change that was never applied may have no folder to open.
    let not_applied = match (change.after, Prepared::read(&site.file(number))) {
        (Some(after), Prepared::File(found)) => found == after,
        (None, prepared) => prepared == Prepared::Nothing,
        _ => false,
    };
    if not_applied { Ok(()) } else { FileMove::open(site, number, change)?.undo() }
}

/// Applies a change that Kavi recorded before schema version 7. That version did not know what it replaced.
pub(super) fn apply_unchecked(site: CommitSite<'_>, number: usize, change: &FileChange) -> Result<(), ApplyError> {
    let file = FileMove::open(site, number, change)?;
    match (file.prepared(), change.after) {
        (Prepared::File(found), Some(after)) if found == after => {
            file.rename_over().map_err(|error| file.failed(error))
        }
        (Prepared::Nothing, Some(after)) => file.must_be_moved(after),
        (Prepared::Nothing, None) => Err(ApplyError::Lost(change.path.clone())),
        _ => Err(file.failed(FOREIGN)),
    }
}

/// Makes the names of changed files durable, in every folder once.
pub(super) fn sync<'c>(vault: &FolderHandle, changes: impl Iterator<Item = &'c FileChange>) -> Result<(), ApplyError> {
    let mut last: Option<&str> = None;
    for change in changes {
        let folder = change.path.as_str().rsplit_once('/').map_or("", |(folder, _)| folder);
        // The changes are in the order of their paths, so those of one folder mostly follow each other.
        if last.replace(folder) == Some(folder) {
            continue;
        }
        let failed = |error: io::Error| ApplyError::Failed(change.path.clone(), error.to_string());
        match VaultFile::open(vault, &change.path, MissingFolders::Refuse) {
            Ok(Some(file)) => file.slot().folder().sync().map_err(failed)?,
            // A folder that is gone, or is a link by now, was not written to.
            Ok(None) | Err(EffectsError::Place { .. }) => {}
            Err(error) => return Err(ApplyError::at(&change.path, error)),
        }
    }
    Ok(())
}

impl<'a> FileMove<'a> {
    fn open(site: CommitSite<'a>, number: usize, change: &'a FileChange) -> Result<Self, ApplyError> {
        // The folder is made again: another program may have removed it after the change was prepared.
        let file = match VaultFile::open(site.vault, &change.path, MissingFolders::Make) {
            Ok(Some(file)) => file,
            Ok(None) => return Err(ApplyError::Conflict(change.path.clone(), REMOVED.to_owned())),
            Err(error) => return Err(ApplyError::at(&change.path, error)),
        };
        let was_prepared = site.prepared.has_evidence(site.commit, number);
        Ok(Self { change, prepared: site.file(number), was_prepared, file, store: site.store })
    }

    fn failed(&self, why: impl ToString) -> ApplyError {
        ApplyError::Failed(self.change.path.clone(), why.to_string())
    }

    fn conflict(&self, why: &str) -> ApplyError {
        ApplyError::Conflict(self.change.path.clone(), why.to_owned())
    }

    fn prepared(&self) -> Prepared {
        Prepared::read(&self.prepared)
    }

    fn in_vault(&self) -> Result<Option<Digest>, ApplyError> {
        self.file.digest().map_err(|error| ApplyError::at(&self.change.path, error))
    }

    /// A prepared file that is gone was moved, if there is evidence that it was here, or its content is in the vault.
    fn must_be_moved(&self, after: Digest) -> Result<(), ApplyError> {
        // With the evidence nothing in the vault is asked: a person may have edited or removed the file since.
        match self.was_prepared || self.in_vault()? == Some(after) {
            true => Ok(()),
            false => Err(ApplyError::Lost(self.change.path.clone())),
        }
    }

    fn add(&self, after: Digest) -> Result<(), ApplyError> {
        match self.prepared() {
            Prepared::File(found) if found == after => match self.rename_new(Direction::IntoVault) {
                Ok(()) => Ok(()),
                Err(error) if error.kind() == ErrorKind::AlreadyExists && self.is_linked() => {
                    self.remove_link(Direction::IntoVault)
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(self.conflict(CREATED)),
                Err(error) => Err(self.failed(error)),
            },
            // Applied before a crash.
            Prepared::Nothing => self.must_be_moved(after),
            Prepared::File(_) | Prepared::Other => Err(self.failed(FOREIGN)),
        }
    }

    fn replace(&self, before: Digest, after: Digest) -> Result<(), ApplyError> {
        match self.prepared() {
            Prepared::File(found) if found == after => match self.exchange() {
                Ok(()) => self.check_replaced(before, after),
                Err(error) if error.kind() == ErrorKind::NotFound => Err(self.conflict(REMOVED)),
                Err(error) if dir::is_unsupported(&error) => self.overwrite(before),
                Err(error) => Err(self.failed(error)),
            },
            // The recorded content was replaced. Whatever another program has made of the file since stays.
            Prepared::File(found) if found == before => Ok(()),
            // The new content is in the vault: the two were exchanged before a crash, and the check is missing.
            Prepared::File(_) | Prepared::Other if self.in_vault()? == Some(after) => {
                self.check_replaced(before, after)
            }
            // On a file system that cannot exchange, a crash came after the old content was put back.
            Prepared::Nothing if self.was_prepared && self.in_vault()? == Some(before) => Err(self.conflict(CHANGED)),
            // Overwritten before a crash, on such a file system.
            Prepared::Nothing => self.must_be_moved(after),
            // An edit came out of the vault in the exchange, and the crash came before it went back. Meanwhile the person
            // has written the file again: the newer edit stays, and the older one is kept.
            Prepared::File(_) if self.was_prepared => self.keep_prepared(EDITED_TWICE),
            Prepared::File(_) | Prepared::Other => Err(self.failed(FOREIGN)),
        }
    }

    /// After an exchange: the file that came out of the vault must be the recorded one, else it goes back.
    fn check_replaced(&self, before: Digest, after: Digest) -> Result<(), ApplyError> {
        if self.prepared() == Prepared::File(before) {
            return Ok(());
        }
        // Nothing is lost in between: both files have a name at every moment.
        match self.exchange() {
            // Another program wrote the new file in the short time that it was in the vault.
            Ok(()) if self.prepared() != Prepared::File(after) => self.keep_prepared(EDITED_TWICE),
            Ok(()) => Err(self.conflict(CHANGED)),
            // Another program removed it in that time.
            Err(error) if error.kind() == ErrorKind::NotFound => self.keep_prepared(EDITED_TWICE),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Replaces the file where the file system cannot exchange two.
    fn overwrite(&self, before: Digest) -> Result<(), ApplyError> {
        if self.in_vault()? != Some(before) {
            return Err(self.conflict(CHANGED));
        }
        self.rename_over().map_err(|error| self.failed(error))
    }

    fn remove(&self, before: Digest) -> Result<(), ApplyError> {
        // Otherwise it was taken out before a crash, and only the check may be missing.
        if self.prepared() == Prepared::Nothing {
            match self.rename_new(Direction::OutOfVault) {
                Ok(()) => {}
                // The change wants no file there, and there is none.
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(self.failed(error)),
            }
        }
        if self.is_linked() {
            self.remove_link(Direction::OutOfVault)?;
        }
        if self.prepared() == Prepared::File(before) {
            return Ok(());
        }
        // Another program wrote the file between the check and the rename: it goes back.
        match self.rename_new(Direction::IntoVault) {
            Ok(()) => Err(self.conflict(CHANGED)),
            // A crash came before it went back, and the person has made the file again.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => self.keep_prepared(EDITED_TWICE),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Keeps the content of the prepared file, which has no other place any more, and gives the conflict.
    fn keep_prepared(&self, why: &str) -> Result<(), ApplyError> {
        let content = self.prepared.read(MAX_BYTES).map_err(|error| self.failed(format!("{error:?}")))?;
        self.store.put(StoredKind::File, &content.bytes).map_err(|error| self.failed(error))?;
        Err(self.conflict(why))
    }

    /// Undoes a change that was applied.
    fn undo(&self) -> Result<(), ApplyError> {
        let failed = |error: io::Error| self.failed(error);
        match (self.change.before, self.change.after, self.prepared()) {
            (Some(_), None, _) => match self.rename_new(Direction::IntoVault) {
                // Another program has made a file there: that one stays.
                Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(failed(error)),
                Ok(()) | Err(_) => Ok(()),
            },
            // Another program has written the file since. That edit stays.
            (_, Some(after), _) if self.in_vault()? != Some(after) => Ok(()),
            // The file goes back to the prepared ones, so recovery finds the state from before the apply.
            (None, Some(_), Prepared::Nothing) => self.rename_new(Direction::OutOfVault).map_err(failed),
            (Some(before), Some(_), Prepared::Nothing) => self.restore(before),
            (Some(_), Some(_), _) => self.exchange().map_err(failed),
            _ => Err(self.failed(FOREIGN)),
        }
    }

    /// Puts replaced content back from the store, where it could not be exchanged and so does not lie beside the commit.
    fn restore(&self, before: Digest) -> Result<(), ApplyError> {
        let bytes = self.store.get(StoredKind::File, before).map_err(|error| self.failed(error))?;
        // Durable before the rename: a crash must not leave an empty file in the vault.
        let written = self.prepared.write_durably(&bytes, 0o644, ExistingFile::Replace);
        written.map_err(|error| self.failed(error))?;
        self.rename_over().map_err(|error| self.failed(error))
    }

    fn exchange(&self) -> io::Result<()> {
        self.prepared.exchange(self.file.slot())
    }

    /// Renames the prepared file into the vault, over what lies there.
    fn rename_over(&self) -> io::Result<()> {
        self.prepared.rename_over(self.file.slot())
    }

    /// The name that a file moves from, and the one that it gets.
    fn ends(&self, direction: Direction) -> (&FileSlot, &FileSlot) {
        match direction {
            Direction::IntoVault => (&self.prepared, self.file.slot()),
            Direction::OutOfVault => (self.file.slot(), &self.prepared),
        }
    }

    /// Renames to a path where nothing lies.
    fn rename_new(&self, direction: Direction) -> io::Result<()> {
        let (from, to) = self.ends(direction);
        from.rename_new(to)
    }

    /// Whether the two paths are names of one file: a crash came in the middle of [`FileSlot::rename_new`].
    fn is_linked(&self) -> bool {
        self.prepared.is_same_file(self.file.slot())
    }

    /// Removes the name from which the file was moved.
    fn remove_link(&self, direction: Direction) -> Result<(), ApplyError> {
        let (from, _) = self.ends(direction);
        from.remove_file().map_err(|error| self.failed(error))
    }
}
