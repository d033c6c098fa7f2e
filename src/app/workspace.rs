//! Making workspaces and skill crates. Never replaces a file of the person's.

use std::path::{Path, PathBuf};

use super::{App, Host, Walls};
use crate::artifacts;
use crate::config::{self, Config};
use crate::error::Error;
use crate::forge::{scaffold, sdk_sources};
use crate::ledger::{Create, Ledger};
use crate::model::{
    layout::{self, Layout},
    name::SkillName,
};

/// What `kavi init` made.
#[derive(Debug)]
pub struct Made {
    /// The workspace.
    pub root: PathBuf,
    /// Files that were written.
    pub written: Vec<PathBuf>,
}

impl App {
    /// Makes a workspace in `folder`, or completes one. Never replaces a file.
    ///
    /// # Errors
    /// When a file cannot be written, or what is there is no workspace of Kavi's.
    pub fn init(host: &Host, folder: &Path) -> Result<Made, Error> {
        let root = host.cwd.join(folder);
        config::check_root(&root)?;
        let mut written = Vec::new();
        let mut put = |path: &str, bytes: &[u8]| -> Result<(), Error> {
            let path = root.join(path);
            if !path.exists() {
                artifacts::write_durably(&path, bytes)?;
                written.push(path);
            }
            Ok(())
        };
        put(layout::MARKER, config::TEMPLATE.as_bytes())?;
        let config = Config::load(&root)?;
        for (path, text) in scaffold::shared_files() {
            put(path, text.as_bytes())?;
        }
        put(".kavi/.gitignore", b"*\n")?;
        artifacts::create_folders_durably(&config.layout.vault.join("Inbox/AI"))?;
        artifacts::create_folders_durably(&config.layout.artifacts())?;
        write_sdk(&config.layout)?;
        let fresh = !config.layout.ledger().exists();
        Ledger::open(&config.layout.ledger(), Create::IfMissing)?;
        if fresh {
            // Inputs and outputs of skills are in it; the files beside it take its mode over.
            let path = config.layout.ledger();
            let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            std::fs::set_permissions(&path, owner_only)
                .map_err(|source| Error::Io { what: path.display().to_string(), source })?;
            written.push(path);
        }
        let root = config.layout.root.clone();
        let app = Self::with_config(host.clone(), config, Walls::AsConfigured)?;
        written.extend(app.rebuild()?.written);
        Ok(Made { root, written })
    }

    /// Writes the source of the skill that comes with Kavi into a new folder.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_bundled_skill(folder: &Path) -> Result<(), Error> {
        Ok(artifacts::write_durably(&folder.join("src/lib.rs"), include_bytes!("../../skills/write_note/src/lib.rs"))?)
    }

    /// Writes a new skill crate. Never replaces a file.
    ///
    /// # Errors
    /// When a file of that name exists or cannot be written.
    pub fn new_skill(&self, name: &SkillName) -> Result<Vec<PathBuf>, Error> {
        let root = &self.config.layout.root;
        let folder = self.config.layout.skills().join(name.as_str());
        if folder.exists() {
            return Err(Error::Refused(format!("{} exists already", folder.display())));
        }
        write_sdk(&self.config.layout)?;
        for (path, text) in scaffold::shared_files() {
            if !root.join(path).exists() {
                artifacts::write_durably(&root.join(path), text.as_bytes())?;
            }
        }
        let mut written = Vec::new();
        for (path, text) in scaffold::files(name) {
            artifacts::write_durably(&root.join(&path), text.as_bytes())?;
            written.push(root.join(path));
        }
        Ok(written)
    }
}

/// Puts the SDK's sources where editors and plain cargo find them. These are Kavi's own files: they are replaced.
fn write_sdk(layout: &Layout) -> Result<(), Error> {
    for (path, bytes) in sdk_sources::FILES {
        let path = layout.state().join(path);
        if !matches!(artifacts::read_once(&path), Ok(there) if there == *bytes) {
            artifacts::write_durably(&path, bytes)?;
        }
    }
    Ok(())
}
