//! The code cache of a workspace: its contents, and how it is emptied.

use std::path::Path;

use super::open_workspace::{OpenWorkspace, UnreadLedger};
use crate::error::Error;
use crate::policy::actor_capability::ActorCapability;
use crate::runtime::{CacheStatus, Cleared, Runtime};

/// The code cache of one workspace.
#[derive(Debug, Clone, Copy)]
pub struct CacheService<'a> {
    pub(super) workspace: &'a OpenWorkspace,
}

impl CacheService<'_> {
    /// Counts the entries and says which of them would be used. Changes nothing.
    ///
    /// # Errors
    /// When the engine that entries are compared with cannot be made.
    pub fn status(&self) -> Result<CacheStatus, Error> {
        let runtime = Runtime::new(&self.workspace.config.limits)?;
        Ok(self.workspace.code.status(runtime.engine_id()))
    }

    /// Empties the cache. The next run of each skill compiles it again.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub fn clear(&self) -> Result<Cleared, Error> {
        self.workspace.allow_person_as_decided(ActorCapability::RebuildDerived, UnreadLedger::Proceeds)?;
        Ok(self.workspace.code.clear()?)
    }

    /// The folder of the cache.
    pub fn folder(&self) -> &Path {
        self.workspace.code.folder()
    }
}
