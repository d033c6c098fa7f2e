//! The stores: each reads one value, in the child that is made for it.
//!
//! Guarantees: each store is read once, and a value that somebody else could have changed is refused. Deliberately never: writes
//! to a store, or reports anything that it read.

mod asker;
mod command;
mod environment;
mod file;
mod keyring;

use zeroize::Zeroizing;

use super::error::ReadRefusal;
use super::value::{SecretValue, TrailingNewline};
use crate::model::secret::SecretStore;

pub(super) use asker::Asker;

/// How long the command of a store may take.
pub(super) const COMMAND_WALL: std::time::Duration = command::WALL;

/// The value in a store.
pub(super) fn read(store: &SecretStore, asker: Asker<'_>) -> Result<SecretValue, ReadRefusal> {
    let (bytes, newline): (Zeroizing<Vec<u8>>, _) = match store {
        SecretStore::Environment { variable } => {
            let environment = environment::of_process(asker.process)?;
            let value = environment::variable(&environment, variable);
            (value.ok_or_else(|| ReadRefusal::NotSet(variable.clone()))?, TrailingNewline::Kept)
        }
        SecretStore::File { path, cut_newline } => (file::read(path)?, TrailingNewline::from_setting(*cut_newline)),
        SecretStore::Command { command, variables, cut_newline } => {
            (command::read(command, variables, asker)?, TrailingNewline::from_setting(*cut_newline))
        }
        SecretStore::Keyring { key, keyring } => (keyring::read(key, *keyring)?, TrailingNewline::Kept),
    };
    Ok(SecretValue::check(bytes, newline)?)
}
