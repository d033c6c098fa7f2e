//! The secrets that kavi.toml names: what there is, and whether it can be read.
//!
//! Deliberately never: gives a value to a front end.

use serde::Serialize;

use super::open_workspace::OpenWorkspace;
use crate::error::Error;
use crate::model::secret::SecretName;
use crate::secrets::{SecretReader, ValueLength};

/// The secrets of one workspace.
#[derive(Debug, Clone, Copy)]
pub struct SecretService<'a> {
    pub(super) workspace: &'a OpenWorkspace,
}

/// A secret without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SecretListing {
    /// Its name.
    pub name: SecretName,
    /// The kind of its store.
    pub store: &'static str,
    /// Where in the store it is.
    pub place: String,
}

impl SecretService<'_> {
    /// All of them, by name. No store is asked.
    pub fn list(&self) -> Vec<SecretListing> {
        let secrets = self.workspace.config.secrets.iter();
        secrets
            .map(|(name, store)| SecretListing { name: name.clone(), store: store.kind(), place: store.place() })
            .collect()
    }

    /// Reads one and throws it away.
    ///
    /// # Errors
    /// When there is none of this name, or it cannot be read.
    pub fn check(&self, name: &SecretName) -> Result<ValueLength, Error> {
        // A person asks, and nothing of an agent is handled: a stop does not concern it.
        let cage = self.workspace.cage.clone().unwatched();
        let reader = SecretReader { cage: &cage, stores: &self.workspace.config.secrets };
        Ok(reader.check(name)?)
    }
}
