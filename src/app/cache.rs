//! The code cache of a workspace, and the key that lies outside of it.

use super::{App, Host};
use crate::error::Error;
use crate::model::layout::Layout;
use crate::policy::grants;
use crate::runtime::{CacheStatus, Cleared, CodeCache, Loader, Runtime};

/// The cache below the workspace's `.kavi/`, sealed with a key below the person's own cache folder.
pub(super) fn of(host: &Host, layout: &Layout) -> CodeCache {
    let key = host.environment.cache_folder().ok().map(|folder| host.cwd.join(folder).join("code.key"));
    CodeCache::new(layout.code_cache(), key, grants::version())
}

impl App {
    /// What gives skills their machine code.
    pub(super) fn loader(&self) -> Loader<'_> {
        Loader { cage: &self.cage, cache: &self.code, warnings: &self.host.warnings }
    }

    /// What lies in the code cache. Changes nothing.
    ///
    /// # Errors
    /// When there is no engine to compare it with.
    pub fn cache_status(&self) -> Result<CacheStatus, Error> {
        let runtime = Runtime::new(&self.config.limits)?;
        Ok(self.code.status(runtime.engine_id()))
    }

    /// Empties the code cache. What is run next is compiled again.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn cache_clear(&self) -> Result<Cleared, Error> {
        Ok(self.code.clear()?)
    }

    /// Where the code cache lies.
    pub fn cache_folder(&self) -> &std::path::Path {
        self.code.folder()
    }
}
