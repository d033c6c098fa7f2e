//! A file of the vault by its path: the folder that it lies in, held open, and what is there now.
//!
//! Guarantees: no link is followed on the way; what is read is what lies there, of a regular file. Deliberately never:
//! changes a file; only makes folders that a file needs.

use std::fs::Permissions;
use std::io;

use super::change_time::ChangeTime;
use super::error::{EffectsError, io as io_error};
use crate::dir::{self, FileSlot, FolderHandle, MissingFolders, ReadError};
use crate::model::{digest::Digest, layout::Layout, vault_path::VaultPath};

/// Largest file that is replaced: its bytes are kept, so that the run can be undone.
pub(super) const MAX_BYTES: u64 = 256 << 20;

/// Opens the vault.
pub(super) fn open_vault(layout: &Layout) -> Result<FolderHandle, EffectsError> {
    FolderHandle::open(&layout.vault).map_err(io_error(&layout.vault))
}

/// The content of a file in the vault; none where there is no file.
///
/// # Errors
/// [`EffectsError`] when its folder is a link, or something else than a regular file lies there.
pub(in crate::invoke) fn current_content(layout: &Layout, path: &VaultPath) -> Result<Option<Vec<u8>>, EffectsError> {
    let vault = open_vault(layout)?;
    let file = VaultFile::open(&vault, path, MissingFolders::Refuse)?;
    Ok(file.map_or(Ok(None), |file| file.read())?.map(|found| found.bytes))
}

/// The folders above `path` that the vault does not have, outermost first.
///
/// # Errors
/// [`EffectsError`] when one of them is a link, or no folder.
pub(super) fn missing_folders(vault: &FolderHandle, path: &VaultPath) -> Result<Vec<VaultPath>, EffectsError> {
    // Mostly none is missing, and then one look is enough.
    if VaultFile::open(vault, path, MissingFolders::Refuse)?.is_some() {
        return Ok(Vec::new());
    }
    let mut missing = Vec::new();
    for (at, _) in path.as_str().match_indices('/') {
        let Ok(folder) = VaultPath::parse(&path.as_str()[..at]) else { continue };
        let is_there = match VaultFile::open(vault, &folder, MissingFolders::Refuse)? {
            Some(found) => found.slot().stat().is_ok(),
            None => false,
        };
        if !is_there {
            missing.push(folder);
        }
    }
    Ok(missing)
}

/// Where one file of the vault lies, or is to lie.
#[derive(Debug)]
pub(super) struct VaultFile<'p> {
    slot: FileSlot,
    path: &'p VaultPath,
}

/// What lies at a path of the vault.
#[derive(Debug)]
pub(super) struct CurrentFile {
    pub(super) bytes: Vec<u8>,
    pub(super) sha256: Digest,
    pub(super) permissions: Permissions,
    pub(super) changed: ChangeTime,
}

impl<'p> VaultFile<'p> {
    /// Opens the folder that `path` lies in, one component after the other. None where a folder is missing and not made.
    pub(super) fn open(
        vault: &FolderHandle,
        path: &'p VaultPath,
        missing: MissingFolders,
    ) -> Result<Option<Self>, EffectsError> {
        let (parents, name) = path.split();
        let mut at = vault.clone();
        for folder in parents {
            at = match at.child(folder, missing) {
                Ok(opened) => opened,
                Err(error) if missing == MissingFolders::Refuse && error.kind() == io::ErrorKind::NotFound => {
                    return Ok(None);
                }
                Err(error) if dir::is_link_or_no_folder(&error) => {
                    let why = format!("`{folder}` is a symbolic link or no folder");
                    return Err(EffectsError::Place { path: path.clone(), why });
                }
                Err(error) => {
                    let why = format!("folder `{folder}`: {error}");
                    return Err(EffectsError::FileSystem { path: path.clone(), why });
                }
            };
        }
        Ok(Some(Self { slot: at.file(name), path }))
    }

    /// The file's folder and its name.
    pub(super) fn slot(&self) -> &FileSlot {
        &self.slot
    }

    fn refuse(&self, why: impl Into<String>) -> EffectsError {
        EffectsError::Place { path: self.path.clone(), why: why.into() }
    }

    fn failed(&self, why: impl ToString) -> EffectsError {
        EffectsError::FileSystem { path: self.path.clone(), why: why.to_string() }
    }

    /// What lies there; none where nothing does.
    pub(super) fn read(&self) -> Result<Option<CurrentFile>, EffectsError> {
        let content = match self.slot.read(MAX_BYTES) {
            Ok(content) => content,
            Err(ReadError::Missing) => return Ok(None),
            Err(ReadError::NotAFile(why)) => return Err(self.refuse(why)),
            Err(ReadError::Io(error)) => return Err(self.failed(error)),
        };
        let (sha256, changed) = (Digest::of(&content.bytes), ChangeTime::of(&content.metadata));
        Ok(Some(CurrentFile { bytes: content.bytes, sha256, permissions: content.metadata.permissions(), changed }))
    }

    /// The digest of what lies there; none where nothing does.
    pub(super) fn digest(&self) -> Result<Option<Digest>, EffectsError> {
        Ok(self.read()?.map(|found| found.sha256))
    }

    /// Whether a file that waits in `from` can be moved here: after the record it is too late to find out.
    pub(super) fn check(&self, from: &FolderHandle) -> Result<(), EffectsError> {
        match self.slot.is_file() {
            Ok(true) => {}
            Ok(false) => return Err(self.refuse("it is not a regular file")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(self.failed(error)),
        }
        let folder = self.slot.folder();
        folder.check_writable().map_err(|error| self.failed(format!("its folder: {error}")))?;
        let mounts = from.mount_id().and_then(|waiting| Ok((waiting, folder.mount_id()?)));
        match mounts.map_err(|error| self.failed(error))? {
            (waiting, here) if waiting == here => Ok(()),
            _ => Err(self.refuse("its folder is on another mount than the vault: nothing can be moved there")),
        }
    }
}
