//! Makes workspaces and skill crates. Never replaces a file of the person's.

use std::path::{Path, PathBuf};

use super::host::{Host, Walls};
use super::open_workspace::OpenWorkspace;
use crate::artifacts;
use crate::cage::{Cage, Confinement};
use crate::config::{self, Config};
use crate::error::Error;
use crate::forge::toolchain::{self, Toolchain};
use crate::forge::{rebuild, scaffold, sdk_sources};
use crate::ledger::{Create, Ledger};
use crate::model::{
    layout::{self, Layout},
    name::SkillName,
};

/// What `kavi init` made.
#[derive(Debug)]
pub struct InitReport {
    /// The workspace.
    pub root: PathBuf,
    /// The new files.
    pub written: Vec<PathBuf>,
}

/// Installs the toolchain where it is missing. Needs no workspace.
pub(super) fn install_toolchain(host: &Host, say: &mut dyn FnMut(&str)) -> Result<Toolchain, Error> {
    Ok(toolchain::ensure(&Cage::new(host.exe.clone(), Confinement::Required), &host.tools()?, say)?)
}

/// Makes a workspace in `folder`, or adds what is missing in one.
pub(super) fn init(host: &Host, folder: &Path) -> Result<InitReport, Error> {
    let root = host.cwd.join(folder);
    config::check_root(&root)?;
    let mut written = Vec::new();
    let mut put = |path: &str, bytes: &[u8]| -> Result<(), Error> {
        let path = root.join(path);
        // `init` may run again in a workspace. It adds what is missing and replaces nothing of the
        // person's.
        if !path.exists() {
            artifacts::write_durably(&path, bytes)?;
            written.push(path);
        }
        Ok(())
    };
    put(layout::MARKER, config::TEMPLATE.as_bytes())?;
    // The file that is there now, which may be the person's own with another vault.
    let config = Config::load(&root)?;
    for (path, text) in scaffold::shared_files() {
        put(path, text.as_bytes())?;
    }
    // The folder has inputs, outputs and a token, which must not get into a repository by accident.
    put(".kavi/.gitignore", b"*\n")?;
    artifacts::create_folders_durably(&config.layout.vault.join("Inbox/AI"))?;
    artifacts::create_folders_durably(&config.layout.artifacts())?;
    write_sdk(&config.layout)?;
    // Only of a new file: a person may have given an existing one another mode on purpose.
    let fresh = !config.layout.ledger().exists();
    Ledger::open(&config.layout.ledger(), Create::IfMissing)?;
    if fresh {
        // The ledger contains inputs and outputs of skills. SQLite gives its other files the same mode.
        let path = config.layout.ledger();
        let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&path, owner_only)
            .map_err(|source| Error::Io { what: path.display().to_string(), source })?;
        written.push(path);
    }
    let root = config.layout.root.clone();
    let workspace = OpenWorkspace::open(host.clone(), config, Walls::AsConfigured)?;
    written.extend(rebuild::all(&workspace.forge())?.written);
    Ok(InitReport { root, written })
}

/// Writes the source of the skill that comes with Kavi into a new folder.
pub(super) fn write_bundled_skill(folder: &Path) -> Result<(), Error> {
    Ok(artifacts::write_durably(&folder.join("src/lib.rs"), include_bytes!("../../skills/write_note/src/lib.rs"))?)
}

/// Writes a new skill crate.
pub(super) fn new_skill(layout: &Layout, name: &SkillName) -> Result<Vec<PathBuf>, Error> {
    let root = &layout.root;
    let folder = layout.skills().join(name.as_str());
    if folder.exists() {
        return Err(Error::Refused(format!("{} exists already", folder.display())));
    }
    write_sdk(layout)?;
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

/// Writes the SDK's sources where editors and cargo find them. These files are Kavi's own, so old ones are replaced.
fn write_sdk(layout: &Layout) -> Result<(), Error> {
    for (path, bytes) in sdk_sources::FILES {
        let path = layout.state().join(path);
        if !matches!(artifacts::read_once(&path), Ok(current) if current == *bytes) {
            artifacts::write_durably(&path, bytes)?;
        }
    }
    Ok(())
}
