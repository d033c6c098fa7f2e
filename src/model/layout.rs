//! Where things lie in a workspace. One place for every path.

use std::path::PathBuf;

/// The file that marks a workspace.
pub const MARKER: &str = "kavi.toml";

/// The folders and files of one workspace. All absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The folder with kavi.toml.
    pub root: PathBuf,
    /// The vault that skills read and write.
    pub vault: PathBuf,
}

impl Layout {
    /// Kavi's own folder.
    pub fn state(&self) -> PathBuf {
        self.root.join(".kavi")
    }

    /// The ledger's file.
    pub fn ledger(&self) -> PathBuf {
        self.state().join("ledger.db")
    }

    /// When the machine started, by the first look at the clock since then.
    pub fn machine_start(&self) -> PathBuf {
        self.state().join("machine-start")
    }

    /// When the ledger was last checked in full, for people.
    pub fn last_full_check(&self) -> PathBuf {
        self.state().join("last-full-check")
    }

    /// Components, sources and snapshots by their digest.
    pub fn store(&self) -> PathBuf {
        self.state().join("store")
    }

    /// Machine code of components.
    pub fn code_cache(&self) -> PathBuf {
        self.state().join("cache")
    }

    /// Workspaces of build attempts, one folder each.
    pub fn builds(&self) -> PathBuf {
        self.state().join("builds")
    }

    /// What runs wrote and what is not in the vault yet, one folder each.
    pub fn staging(&self) -> PathBuf {
        self.state().join("staging")
    }

    /// The token that agents bring over HTTP.
    pub fn mcp_token(&self) -> PathBuf {
        self.state().join("mcp-token")
    }

    /// Lock files.
    pub fn locks(&self) -> PathBuf {
        self.state().join("locks")
    }

    /// The SDK's sources, for editors and plain cargo.
    pub fn sdk(&self) -> PathBuf {
        self.state().join("sdk")
    }

    /// Where artifacts go.
    pub fn artifacts(&self) -> PathBuf {
        self.root.join(super::artifact::ARTIFACTS)
    }

    /// The derived view of what is trusted.
    pub fn registry(&self) -> PathBuf {
        self.root.join("registry.yaml")
    }

    /// A person's own skill crates.
    pub fn skills(&self) -> PathBuf {
        self.root.join("skills")
    }
}
