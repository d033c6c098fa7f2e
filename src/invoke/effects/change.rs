//! What each kind of change does at each stage of a commit.
//!
//! A commit checks, keeps, prepares and applies its changes; when it meets a conflict while it applies them, it undoes them. A
//! [`VaultChange`] is an enum, and this file hands each variant to the module that implements it. A new variant needs such a
//! module and an arm in each `match` here: hold, approve, undo and recovery then work for it.
//!
//! Deliberately never: knows how a variant does its stage.

use std::fs::Permissions;

use super::commit_site::CommitSite;
use super::error::{ApplyError, EffectsError};
use super::file_change::{CheckedFile, StagedFile};
use super::file_move;
use crate::artifacts::Store;
use crate::dir::FolderHandle;
use crate::invoke::diff::FileDiff;
use crate::ledger::ChangeStore;
use crate::model::commit::{FileChange, VaultChange};
use crate::model::vault_path::VaultPath;

/// A change whose new content is staged.
#[derive(Debug)]
pub(in crate::invoke) enum StagedChange {
    /// A file.
    File(StagedFile),
    /// The removal of a file, which has no staged content.
    Removal(StagedFile),
}

impl StagedChange {
    /// The path that it changes.
    pub(super) fn path(&self) -> &VaultPath {
        match self {
            Self::File(file) | Self::Removal(file) => &file.change.path,
        }
    }

    /// Makes the staged content durable.
    pub(super) fn make_durable(&self, permissions: &Permissions) -> Result<(), EffectsError> {
        match self {
            Self::File(file) => file.make_durable(permissions),
            Self::Removal(_) => Ok(()),
        }
    }

    /// Compares what the change would replace with its precondition.
    pub(super) fn check(self, vault: &FolderHandle, ledger: &dyn ChangeStore) -> Result<CheckedChange, EffectsError> {
        match self {
            Self::File(file) => file.check(vault, ledger).map(CheckedChange::File),
            Self::Removal(file) => file.check(vault, ledger).map(CheckedChange::Removal),
        }
    }
}

/// A change that meets its precondition.
#[derive(Debug)]
pub(super) enum CheckedChange {
    File(CheckedFile),
    Removal(CheckedFile),
}

impl CheckedChange {
    /// The change, with what it replaces.
    pub(super) fn change(&self) -> VaultChange {
        match self {
            Self::File(file) | Self::Removal(file) => file.change.clone().into(),
        }
    }

    /// Whether it changes nothing.
    pub(super) fn is_noop(&self) -> bool {
        match self {
            Self::File(file) | Self::Removal(file) => file.change.is_noop(),
        }
    }

    /// Keeps what it replaces, for an undo.
    pub(super) fn keep_old(&self, store: &Store) -> Result<(), EffectsError> {
        match self {
            Self::File(file) | Self::Removal(file) => file.keep_old(store),
        }
    }

    /// Keeps its new content, for an approval later.
    pub(super) fn keep_new(&self, store: &Store) -> Result<(), EffectsError> {
        match self {
            Self::File(file) => file.keep_new(store),
            Self::Removal(_) => Ok(()),
        }
    }

    /// The difference that it makes, for people.
    pub(super) fn diff(&self) -> Result<FileDiff, EffectsError> {
        match self {
            Self::File(file) | Self::Removal(file) => file.diff(),
        }
    }

    /// Moves its content to where [`apply`] takes it from. Nothing in the vault has changed yet.
    pub(super) fn prepare(&self, site: CommitSite<'_>, number: usize) -> Result<(), EffectsError> {
        match self {
            Self::File(file) | Self::Removal(file) => file.prepare(site, number),
        }
    }
}

/// Applies the change of a recorded commit that has this number. Applying it twice has the effect of applying it once.
pub(super) fn apply(site: CommitSite<'_>, number: usize, change: &VaultChange) -> Result<(), ApplyError> {
    match change {
        VaultChange::File(change) => file_move::apply(site, number, change),
        VaultChange::Removal(_) => file_move::apply(site, number, &change.ends()),
    }
}

/// Undoes it, if it was applied.
pub(super) fn undo(site: CommitSite<'_>, number: usize, change: &VaultChange) -> Result<(), ApplyError> {
    match change {
        VaultChange::File(change) => file_move::undo(site, number, change),
        VaultChange::Removal(_) => file_move::undo(site, number, &change.ends()),
    }
}

/// Applies a change that was recorded before schema version 7, without knowing what it replaces.
pub(super) fn apply_unchecked(site: CommitSite<'_>, number: usize, change: &VaultChange) -> Result<(), ApplyError> {
    match change {
        VaultChange::File(change) => file_move::apply_unchecked(site, number, change),
        VaultChange::Removal(_) => file_move::apply_unchecked(site, number, &change.ends()),
    }
}

/// Makes applied changes durable.
pub(super) fn sync(site: CommitSite<'_>, changes: &[VaultChange]) -> Result<(), ApplyError> {
    let ends: Vec<FileChange> = changes.iter().map(VaultChange::ends).collect();
    file_move::sync(site.vault, ends.iter())
}
