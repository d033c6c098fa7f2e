//! Makes workspaces and skill crates.
//!
//! Guarantees: no file of the person's is replaced. The state of a workspace that was never used appears whole or not at
//! all. Deliberately never: makes a new ledger where there was one.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::host::{Host, Walls};
use super::open_workspace::OpenWorkspace;
use crate::artifacts::{self, leftovers};
use crate::cage::{Cage, Confinement};
use crate::error::Error;
use crate::forge::toolchain::{self, Toolchain};
use crate::forge::{rebuild, scaffold, sdk_sources};
use crate::ledger::{Create, Ledger};
use crate::model::{
    layout::{self, Layout},
    name::SkillName,
    spec::SkillSpec,
};
use crate::sync::uninterrupted;
use crate::workspace::{self, Config};

/// Git ignores all of a workspace's state: trust is never committed.
const IGNORE_ALL: &[u8] = b"*\n";

/// The line of the template that proposes to sign decisions, and the same put to use.
const UNSIGNED: &str = "# require = \"signed\"";
const SIGNED: &str = "require = \"signed\"";

/// What `kavi init` is to make.
#[derive(Debug, Clone, Copy)]
pub struct InitRequest<'a> {
    /// The folder of the workspace.
    pub folder: &'a Path,
    /// A vault that exists.
    pub vault: Option<&'a Path>,
    /// Whether its kavi.toml asks for signatures.
    pub signed: bool,
}

/// What `kavi init` made.
#[derive(Debug)]
pub struct InitReport {
    /// The workspace.
    pub root: PathBuf,
    /// The new files.
    pub written: Vec<PathBuf>,
}

/// Installs the toolchain where it is missing. Needs no workspace.
pub(super) fn install_toolchain(host: &Host) -> Result<Toolchain, Error> {
    Ok(toolchain::ensure(&Cage::new(host.exe.clone(), Confinement::Required), &host.tools()?)?)
}

/// Makes a workspace in `folder`, or adds what is missing in one.
pub(super) fn init(host: &Host, wanted: &InitRequest<'_>) -> Result<InitReport, Error> {
    let InitRequest { folder, vault, signed } = *wanted;
    let at = |path: &Path| workspace::with_home(path, &host.environment).map(|path| host.cwd.join(path));
    let root = at(folder)?;
    let template = match vault {
        Some(vault) => template_with(&root, &at(vault)?)?,
        None => workspace::TEMPLATE.to_owned(),
    };
    let template = if signed { template.replacen(UNSIGNED, SIGNED, 1) } else { template };
    workspace::check_root(&root)?;
    uninterrupted(|| std::fs::create_dir_all(&root))
        .map_err(|source| Error::Io { what: root.display().to_string(), source })?;
    let mut written = Vec::new();
    let mut put = |path: &str, bytes: &[u8]| -> Result<(), Error> {
        let path = root.join(path);
        // `init` may run again in a workspace. It adds what is missing and replaces nothing of the
        // person's.
        if !path.exists() {
            artifacts::write_durably(&root, &path, bytes)?;
            written.push(path);
        }
        Ok(())
    };
    put(layout::MARKER, template.as_bytes())?;
    // The file that is there now, which may be the person's own with another vault.
    let config = Config::load(&root, &host.environment)?;
    for (path, text) in scaffold::shared_files() {
        put(path, text.as_bytes())?;
    }
    // The folder has inputs, outputs and a token, which must not get into a repository by accident.
    put(".kavi/.gitignore", IGNORE_ALL)?;
    // A vault elsewhere is a person's: nothing is made in it.
    if is_inside(&config.layout) {
        make_vault(&config.layout)?;
        artifacts::create_folders_durably(&config.layout.vault, &config.layout.vault.join("Inbox/AI"))?;
    }
    artifacts::create_folders_durably(&config.layout.root, &config.layout.artifacts())?;
    write_sdk(&config.layout.root, &config.layout.state())?;
    let ledger = config.layout.ledger();
    // Only of a new file: a person may have given an existing one another mode on purpose.
    if !ledger.exists() {
        create_ledger(&ledger)?;
        written.push(ledger);
    }
    let root = config.layout.root.clone();
    let workspace = OpenWorkspace::open(host.clone(), config, Walls::AsConfigured)?;
    written.extend(rebuild::all(&workspace.forge())?.written);
    Ok(InitReport { root, written })
}

/// Makes the state of a workspace that has a kavi.toml and was never used, as in a fresh clone.
///
/// A workspace with artifacts or a registry was used. Its missing state is an error of the caller's, not a new beginning.
pub(super) fn create_state_at_first_use(layout: &Layout) -> Result<(), Error> {
    let exists = |path: &PathBuf| path.symlink_metadata().is_ok();
    if [layout.state(), layout.artifacts(), layout.registry()].iter().any(exists) {
        return Ok(());
    }
    // A vault elsewhere is a person's: a name that was mistyped must not leave a folder there.
    if is_inside(layout) {
        make_vault(layout)?;
    }
    let io = |source| Error::Io { what: layout.state().display().to_string(), source };
    let prepared = tempfile::Builder::new().prefix(leftovers::PREPARED).tempdir_in(&layout.root).map_err(io)?;
    artifacts::write_durably(prepared.path(), &prepared.path().join(".gitignore"), IGNORE_ALL)?;
    write_sdk(prepared.path(), prepared.path())?;
    create_ledger(&prepared.path().join("ledger.db"))?;
    match uninterrupted(|| std::fs::rename(prepared.path(), layout.state())) {
        // Another process was faster: its state counts, and the one prepared here is deleted.
        Err(_) if exists(&layout.state()) => Ok(()),
        renamed => renamed.map_err(io),
    }
}

/// Whether the vault lies in the workspace, also where its path is written with `..`.
fn is_inside(layout: &Layout) -> bool {
    workspace::resolve_new(&layout.vault).is_some_and(|vault| vault.starts_with(&layout.root))
}

/// Makes the vault of a workspace whose vault is its own. One elsewhere is a person's.
pub(super) fn make_own_vault(layout: &Layout) -> Result<(), Error> {
    if is_inside(layout) { make_vault(layout) } else { Ok(()) }
}

/// Makes the vault. It may be a link, or lie elsewhere: the person chose it.
fn make_vault(layout: &Layout) -> Result<(), Error> {
    let made = uninterrupted(|| std::fs::create_dir_all(&layout.vault));
    made.map_err(|source| Error::Io { what: layout.vault.display().to_string(), source })
}

/// Makes an empty ledger. It will contain inputs and outputs of skills, so only its owner may read it.
fn create_ledger(path: &Path) -> Result<(), Error> {
    Ledger::open(path, Create::IfMissing)?;
    // SQLite gives its other files the same mode.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .map_err(|source| Error::Io { what: path.display().to_string(), source })
}

/// The settings of a new workspace over a vault that exists.
fn template_with(root: &Path, vault: &Path) -> Result<String, Error> {
    let refuse = |why: String| Err(Error::Usage(why));
    let marker = root.join(layout::MARKER);
    if marker.exists() {
        return refuse(format!("{} exists: change `vault` in it", marker.display()));
    }
    if !vault.is_dir() {
        return refuse(format!("{} is not a folder: --vault takes a vault that exists", vault.display()));
    }
    let real = vault.canonicalize().map_err(|source| Error::Io { what: vault.display().to_string(), source })?;
    let Some(text) = real.to_str() else {
        return refuse(format!("{} is not UTF-8: give the vault another name", real.display()));
    };
    // A text of JSON is one of TOML as well.
    let line = format!("vault = {}", serde_json::Value::from(text));
    Ok(workspace::TEMPLATE.replacen("vault = \"vault_out\"", &line, 1))
}

/// Writes the source of the skill that comes with Kavi into a new folder.
pub(super) fn write_bundled_skill(folder: &Path) -> Result<(), Error> {
    let bytes = include_bytes!("../../skills/write_note/src/lib.rs");
    let made = uninterrupted(|| std::fs::create_dir_all(folder));
    made.map_err(|source| Error::Io { what: folder.display().to_string(), source })?;
    Ok(artifacts::write_durably(folder, &folder.join("src/lib.rs"), bytes)?)
}

/// Writes a new skill crate, for an open proposal where there is one.
pub(super) fn new_skill(
    layout: &Layout,
    name: &SkillName,
    proposed: Option<&SkillSpec>,
) -> Result<Vec<PathBuf>, Error> {
    let root = &layout.root;
    let folder = layout.skills().join(name.as_str());
    if folder.exists() {
        return Err(Error::Refused(format!("{} exists already", folder.display())));
    }
    write_sdk(root, &layout.state())?;
    for (path, text) in scaffold::shared_files() {
        if !root.join(path).exists() {
            artifacts::write_durably(root, &root.join(path), text.as_bytes())?;
        }
    }
    let files = proposed.map_or_else(|| scaffold::files(name), scaffold::files_for);
    let written = files.into_iter().map(|(path, text)| {
        let path = root.join(path);
        artifacts::write_durably(root, &path, text.as_bytes()).map(|()| path)
    });
    let written: Result<Vec<_>, _> = written.collect();
    if written.is_err() {
        // A folder that is there is never written into, so half of one would be in the way of the next try.
        let _ = uninterrupted(|| std::fs::remove_dir_all(&folder));
    }
    Ok(written?)
}

/// Writes the SDK's sources where editors and cargo find them. These files are Kavi's own, so old ones are replaced.
fn write_sdk(root: &Path, state: &Path) -> Result<(), Error> {
    for (path, bytes) in sdk_sources::FILES {
        let path = state.join(path);
        if !matches!(artifacts::read_once(&path), Ok(current) if current == *bytes) {
            artifacts::write_durably(root, &path, bytes)?;
        }
    }
    Ok(())
}
