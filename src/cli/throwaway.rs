//! A workspace that is gone afterwards.
//!
//! Guarantees: what a workspace leaves in the user's folders, such as the head of its history, goes with it. Deliberately
//! never: is made where a workspace is already.

use tempfile::TempDir;

use crate::app::{App, Host, InitRequest, Walls};
use crate::error::Error;

/// A new workspace in a temporary folder.
pub struct ThrowawayWorkspace {
    /// The workspace.
    pub app: App,
    _folder: TempDir,
}

impl ThrowawayWorkspace {
    /// Makes it. The folder's name begins with `prefix`.
    ///
    /// # Errors
    /// [`Error::Io`] when there is no room for a temporary folder.
    pub fn new(prefix: &str, mut host: Host, walls: Walls) -> Result<Self, Error> {
        let io = |source| Error::Io { what: "a temporary workspace".to_owned(), source };
        let folder = tempfile::Builder::new().prefix(prefix).tempdir().map_err(io)?;
        let root = folder.path().join("workspace");
        host.environment = host.environment.with_state_folder(folder.path().join("state"));
        App::init(&host, &InitRequest { folder: &root, vault: None, signed: false })?;
        Ok(Self { app: App::open(host, Some(&root), walls)?, _folder: folder })
    }
}
