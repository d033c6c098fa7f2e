//! Backups of a workspace, and workspaces made from them, also on another machine.
//!
//! A backup is a folder: kavi.toml, ledger, store, artifacts, and `head`, the newest checkpoint. With a signer, `head.sig` is their
//! signature over it. Keys are not in it: a workspace that is restored gets another id and a key of its own, as with an adoption.
//!
//! Guarantees: what is restored is the ledger that `head` is of, with a sound history. One that is older than what this
//! machine knows is refused unless that is asked for. Deliberately never: writes into a workspace that exists, or copies the
//! vault.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::host::Host;
use super::open_workspace::{OpenWorkspace, state_folder};
use crate::artifacts::{self, leftovers};
use crate::error::Error;
use crate::history::anchor::HistoryAnchor as _;
use crate::history::approval::SignatureRequest;
use crate::history::checkpoint::Checkpoint;
use crate::history::sshsig::SshSignature;
use crate::history::trust_policy::{Requirement, TrustPolicy};
use crate::ledger::{Create, Ledger};
use crate::model::layout::{self, Layout};
use crate::sync::uninterrupted;
use crate::workspace::Config;

/// What the signature over the head of a backup is made for.
const NAMESPACE: &str = "backup@kavi";

/// A backup that was made.
#[derive(Debug)]
pub struct Backup {
    /// Its folder.
    pub folder: PathBuf,
    /// Events that its head covers.
    pub events: u64,
    /// Whether a signer signed its head.
    pub signed: bool,
}

/// A backup that is to become a workspace.
#[derive(Debug)]
pub struct RestoreRequest<'a> {
    /// The folder of the backup.
    pub backup: &'a Path,
    /// The folder of the new workspace.
    pub to: &'a Path,
    /// Why; recorded.
    pub why: &'a str,
    /// Whether it may be older than what this machine knows.
    pub older: bool,
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> Error + '_ {
    move |source| Error::Io { what: path.display().to_string(), source }
}

/// Copies a folder with everything in it. A link is an error: what it leads to is not part of a workspace.
fn copy_folder(from: &Path, to: &Path) -> Result<(), Error> {
    uninterrupted(|| fs::create_dir_all(to)).map_err(io_error(to))?;
    for entry in fs::read_dir(from).map_err(io_error(from))? {
        let path = entry.map_err(io_error(from))?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        let kind = path.symlink_metadata().map_err(io_error(&path))?.file_type();
        if kind.is_dir() {
            copy_folder(&path, &target)?;
        } else if kind.is_file() {
            uninterrupted(|| fs::copy(&path, &target)).map_err(io_error(&path))?;
        } else {
            // A link in a backup would have the restore read, or write, a file outside of it.
            return Err(Error::Refused(format!("{} is no regular file", path.display())));
        }
    }
    Ok(())
}

/// What a backup has besides the ledger: where it is in the workspace.
fn parts(layout: &Layout) -> [PathBuf; 2] {
    [layout.store(), layout.artifacts()]
}

/// Makes a backup in a folder that does not exist.
pub(super) fn make(workspace: &OpenWorkspace, to: &Path) -> Result<Backup, Error> {
    let folder = workspace.host.cwd.join(to);
    let ledger = &workspace.ledger;
    // A copy of a ledger that was edited would carry the edit on, and have a signed head.
    ledger.check_all_trust()?;
    ledger.sign_tail()?;
    uninterrupted(|| fs::create_dir(&folder)).map_err(io_error(&folder))?;
    // A backup is whole or is not there: half of one could be taken for a backup.
    fill(workspace, &folder).inspect_err(|_| {
        let _ = uninterrupted(|| fs::remove_dir_all(&folder));
    })
}

/// Puts everything that belongs to a backup into its folder.
fn fill(workspace: &OpenWorkspace, folder: &Path) -> Result<Backup, Error> {
    let (layout, ledger) = (&workspace.config.layout, &workspace.ledger);
    let there = Layout { root: folder.to_owned(), vault: layout.vault.clone() };
    uninterrupted(|| fs::create_dir_all(there.state())).map_err(io_error(folder))?;
    // The ledger first. Files that are stored after that are not named by its rows, so the copy
    // lacks nothing that it refers to.
    ledger.copy_to(&there.ledger())?;
    for (from, to) in parts(layout).iter().zip(parts(&there)).filter(|(from, _)| from.is_dir()) {
        copy_folder(from, &to)?;
    }
    // Without it the folder is no workspace, so a copy that was interrupted cannot be taken for
    // one.
    let marker = layout.root.join(layout::MARKER);
    uninterrupted(|| fs::copy(&marker, folder.join(layout::MARKER))).map_err(io_error(&marker))?;
    // Of the copy: other processes may have gone on since.
    let copy = Ledger::open(&there.ledger(), Create::Never)?;
    let head = copy.newest_checkpoint()?.ok_or_else(|| Error::Refused("nothing is signed here yet".to_owned()))?;
    let signature = sign(workspace, &copy, &head)?;
    artifacts::write_new(folder, &folder.join("head"), head.as_bytes())?;
    if let Some(signature) = &signature {
        artifacts::write_new(folder, &folder.join("head.sig"), signature.as_bytes())?;
    }
    let events = Checkpoint::read_unverified(&head).map_or(0, |checkpoint| checkpoint.head.size);
    Ok(Backup { folder: folder.to_owned(), events, signed: signature.is_some() })
}

/// The signature of a signer over the head, if there are signers.
fn sign(workspace: &OpenWorkspace, copy: &Ledger, head: &str) -> Result<Option<String>, Error> {
    let policy = copy.trust_policy()?.unwrap_or_default();
    let asked = workspace.anchor.rules().signer.as_ref().filter(|_| policy.has_signers());
    let Some(signer) = asked else { return Ok(None) };
    let request = SignatureRequest {
        namespace: NAMESPACE,
        statement: head.to_owned(),
        signers: policy.signers,
        required: Requirement::Signed,
    };
    signer.sign(&request).map(Some).map_err(|error| Error::Refused(format!("the backup is not signed: {error}")))
}

fn read_text(path: &Path) -> Result<String, Error> {
    let bytes = artifacts::read_once(path)
        .map_err(|_| Error::Usage(format!("{} is missing or cannot be read: it is no whole backup", path.display())))?;
    String::from_utf8(bytes).map_err(|_| Error::Usage(format!("{} is no text", path.display())))
}

/// Checks that the ledger of a backup is the one that its head is of, and that a signer says so where there are signers.
fn check(backup: &Path, ledger: &Ledger, head: &str) -> Result<(), Error> {
    let refuse = |why: &str| Err(Error::Refused(format!("the backup cannot be restored: {why}")));
    if ledger.newest_checkpoint()?.as_deref() != Some(head) {
        return refuse("its ledger is not the one that its head is of");
    }
    let policy = ledger.trust_policy()?.unwrap_or_default();
    // The policy is that of the backup itself. Whether it is the newest one only the age below can
    // tell.
    if policy.has_signers() && !is_signed(backup, &policy, head)? {
        return refuse("no signer has signed its head");
    }
    match ledger.audit_history()?.problems.first() {
        Some(problem) => refuse(problem),
        None => Ok(()),
    }
}

fn is_signed(backup: &Path, policy: &TrustPolicy, head: &str) -> Result<bool, Error> {
    let signature = SshSignature::parse(&read_text(&backup.join("head.sig"))?);
    Ok(signature.is_ok_and(|signature| {
        signature.verify(NAMESPACE, head.as_bytes()).is_ok()
            && policy.signers.iter().any(|signer| signer.public_key().is_ok_and(|key| key == signature.key))
    }))
}

/// Refuses a backup that is older than what this machine knows of the workspace.
fn check_age(host: &Host, config: &Config, ledger: &Ledger, head: &str) -> Result<(), Error> {
    let Some(state) = state_folder(host, config) else { return Ok(()) };
    let known = state.join("trust").join(ledger.workspace_id()?).join("head");
    let size = |note: &str| Checkpoint::read_unverified(note).map_or(0, |checkpoint| checkpoint.head.size);
    let known = artifacts::read_once(&known).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let (known, ours) = (known.map_or(0, |note| size(&note)), size(head));
    match known > ours {
        true => Err(Error::Refused(format!(
            "the backup has {ours} signed events, and this machine knows of {known}: what was decided since, such as a \
             revocation, would be lost; give --older if you mean that"
        ))),
        false => Ok(()),
    }
}

/// Puts the files of a backup in their place, and gives the folder. The copy has no key and no id of its own yet.
pub(super) fn restore_files(host: &Host, wanted: &RestoreRequest<'_>) -> Result<PathBuf, Error> {
    let (backup, root) = (host.cwd.join(wanted.backup), host.cwd.join(wanted.to));
    let head = read_text(&backup.join("head"))?;
    let exists = |path: &Path| path.symlink_metadata().is_ok();
    if exists(&root.join(".kavi")) || exists(&root.join(layout::MARKER)) {
        return Err(Error::Refused(format!("{} is a workspace already: nothing is replaced", root.display())));
    }
    uninterrupted(|| fs::create_dir_all(&root)).map_err(io_error(&root))?;
    // Beside its place, so that a crash or a refusal leaves no workspace behind.
    let prepared = tempfile::Builder::new().prefix(leftovers::PREPARED).tempdir_in(&root).map_err(io_error(&root))?;
    copy_folder(&backup, prepared.path())?;
    let ready = prepared.path().canonicalize().map_err(io_error(&root))?;
    let config = Config::load(&ready, &host.environment)?;
    let ledger = Ledger::open(&config.layout.ledger(), Create::Never)?;
    // On the copy and not on the backup: what is checked is what becomes the workspace.
    check(&backup, &ledger, &head)?;
    if !wanted.older {
        check_age(host, &config, &ledger, &head)?;
    }
    drop(ledger);
    // The marker last. Until it is there the folder is no workspace, and a restore that was
    // interrupted can be done again.
    for part in [config.layout.artifacts(), config.layout.state(), ready.join(layout::MARKER)] {
        let target = root.join(part.file_name().unwrap_or_default());
        if part.exists() {
            uninterrupted(|| fs::rename(&part, &target)).map_err(io_error(&target))?;
        }
    }
    Ok(root)
}
