//! The code cache of a workspace, and the key that lies outside of it.

use std::path::Path;

use super::{App, Host};
use crate::error::Error;
use crate::model::layout::Layout;
use crate::policy::grants;
use crate::runtime::{CacheStatus, Cleared, CodeCache, Loader, Runtime};

/// The cache below the workspace's `.kavi/`, sealed with a key below the person's own cache folder.
pub(super) fn of(host: &Host, layout: &Layout) -> CodeCache {
    let folder = host.environment.cache_folder().ok().map(|folder| host.cwd.join(folder));
    let key = folder.filter(|folder| !lies_in(folder, &layout.vault)).map(|folder| folder.join("code.key"));
    CodeCache::new(layout.code_cache(), key, grants::version())
}

/// Whether a folder, that need not be there yet, is below another: then skills are given what is in it.
fn lies_in(folder: &Path, other: &Path) -> bool {
    let Ok(other) = other.canonicalize() else { return folder.starts_with(other) };
    let there = folder.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    let real = there.map(|(above, real)| real.join(folder.strip_prefix(above).unwrap_or(Path::new(""))));
    real.is_none_or(|real| real.starts_with(other))
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
    pub fn cache_folder(&self) -> &Path {
        self.code.folder()
    }
}
