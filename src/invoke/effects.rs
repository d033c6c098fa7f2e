//! Staged files into the vault, all of them or none, whatever happens in between.
//!
//! A run writes into a staging folder on the vault's own file system. When its output has been validated, the files are
//! made durable there, every folder they need is made and every place is looked at; then the record is written as
//! PENDING with the list of files; then each file is renamed to its place; then the record says APPLIED. A crash before
//! the record leaves nothing but staging to be swept; a crash after it is finished by [`recover`], which only repeats
//! renames. All of it is under one lock a workspace, so that nobody recovers what is still being done.
//!
//! Guarantees: no link is followed inside the vault; a place that is taken by anything but a regular file is refused
//! before the record exists. Known limit: while the renames go on, a reader may see some files of one run and not others.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, FileType, Mode, OFlags, StatxFlags};
use rustix::io::Errno;

use crate::artifacts::{self, ArtifactError};
use crate::ledger::{EffectsState, ExecutionRow, Footing, Journal, Ledger, LedgerError};
use crate::model::{
    digest::Digest,
    execution::{Effect, ExecutionRecord},
    id::ExecutionId,
    layout::Layout,
    vault_path::VaultPath,
};

/// Why files did not reach the vault.
#[derive(Debug, thiserror::Error)]
pub enum EffectsError {
    /// A place in the vault cannot take the file. Nothing was changed.
    #[error("`{path}` cannot be written in the vault: {why}")]
    Place {
        /// Where.
        path: VaultPath,
        /// Why not.
        why: String,
    },
    /// The vault or the staging folder cannot be used.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Recorded, but not all there.
    #[error("run {id} is recorded, but `{path}` could not be moved into the vault: {why}")]
    Unfinished {
        /// Which run.
        id: String,
        /// The first file that is missing.
        path: VaultPath,
        /// Why.
        why: String,
    },
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A file.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> EffectsError {
    let path = path.to_owned();
    move |source| EffectsError::Io { path, source }
}

/// One run's staging folder. Locked while its process lives, removed when it is dropped.
#[derive(Debug)]
pub struct Staging {
    folder: PathBuf,
    _lock: File,
}

/// The name of the lock file beside `out`.
const LOCK: &str = "lock";

/// Held while files go into the vault.
const EFFECTS: &str = "effects";
/// Held while a staging folder is made, and while those of the dead are removed.
const MAKING: &str = "staging";

impl Staging {
    /// An empty staging folder for one run, on the file system of the vault.
    ///
    /// # Errors
    /// [`EffectsError::Io`] when it cannot be made.
    pub fn create(layout: &Layout, id: ExecutionId) -> Result<Self, EffectsError> {
        // Nobody sweeps while a folder is there and its lock is not.
        let _making = lock(layout, MAKING)?;
        let folder = root(layout)?.join(id.to_string());
        fs::create_dir_all(&folder).map_err(io(&folder))?;
        let lock = File::create(folder.join(LOCK)).map_err(io(&folder))?;
        lock.lock().map_err(io(&folder))?;
        let out = folder.join("out");
        fs::create_dir(&out).map_err(io(&out))?;
        Ok(Self { folder, _lock: lock })
    }

    /// What the guest sees as `/out`.
    pub fn out(&self) -> PathBuf {
        self.folder.join("out")
    }

    /// Leaves the files for [`recover`].
    fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What cannot be removed now is swept by the next recovery.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Where staging folders lie: below the workspace's own folder, or in the vault when that is on another file system.
fn root(layout: &Layout) -> Result<PathBuf, EffectsError> {
    use std::os::unix::fs::MetadataExt as _;
    let device = |path: &Path| fs::metadata(path).map(|meta| meta.dev()).map_err(io(path));
    let near = if device(&layout.vault)? == device(&layout.state())? {
        layout.staging()
    } else {
        layout.vault.join(".kavi-staging")
    };
    fs::create_dir_all(&near).map_err(io(&near))?;
    // What is swept there must not be somewhere else.
    for folder in [&layout.state(), &near] {
        if !fs::symlink_metadata(folder).map_err(io(folder))?.is_dir() {
            let linked = std::io::Error::new(std::io::ErrorKind::NotADirectory, "it is a link, not a folder");
            return Err(io(folder)(linked));
        }
    }
    Ok(near)
}

/// Writes the record of a successful run, if it still may count, and moves its files into the vault. Without staging
/// there are none.
///
/// # Errors
/// [`EffectsError`], with [`LedgerError::Halted`] for a run that was stopped or revoked in the meantime. Only `Unfinished` has written anything, and that is finished by the next [`recover`].
pub fn commit(
    journal: &dyn Journal,
    layout: &Layout,
    staging: Option<Staging>,
    record: &ExecutionRecord,
    footing: Footing,
) -> Result<(), EffectsError> {
    let Some(staging) = staging.filter(|_| !record.effects.is_empty()) else {
        return Ok(journal.insert_success(record, EffectsState::Applied, footing)?);
    };
    make_durable(&staging.out(), &record.effects)?;
    let _lock = lock(layout, EFFECTS)?;
    let vault = open_vault(layout)?;
    for effect in &record.effects {
        look(&vault, &effect.path, &staging)?;
    }
    journal.insert_success(record, EffectsState::Pending, footing)?;
    match apply(&vault, &staging.out(), &record.effects) {
        Ok(()) => Ok(journal.effects_applied(record.execution_id)?),
        Err((path, why)) => {
            staging.keep();
            Err(EffectsError::Unfinished { id: record.execution_id.short(), path, why: why.to_string() })
        }
    }
}

/// Finishes what a crash left half done, and sweeps staging folders that belong to nobody.
///
/// # Errors
/// [`EffectsError`] when a recorded run's files still cannot be moved.
pub fn recover(ledger: &Ledger, layout: &Layout) -> Result<Vec<ExecutionRow>, EffectsError> {
    let staging = root(layout)?;
    let nothing_staged = fs::read_dir(&staging).map_err(io(&staging))?.next().is_none();
    if nothing_staged && ledger.pending_effects()?.is_empty() {
        return Ok(Vec::new());
    }
    let _lock = lock(layout, EFFECTS)?;
    let pending = ledger.pending_effects()?;
    let vault = open_vault(layout)?;
    for row in &pending {
        let folder = staging.join(row.record.execution_id.to_string());
        apply(&vault, &folder.join("out"), &row.record.effects).map_err(|(path, why)| EffectsError::Unfinished {
            id: row.record.execution_id.short(),
            path,
            why: why.to_string(),
        })?;
        ledger.effects_applied(row.record.execution_id)?;
    }
    let _making = lock(layout, MAKING)?;
    sweep(&staging)?;
    Ok(pending)
}

/// Removes staging folders whose process is gone.
fn sweep(staging: &Path) -> Result<(), EffectsError> {
    for entry in fs::read_dir(staging).map_err(io(staging))? {
        let entry = entry.map_err(io(staging))?;
        // Only what a run has made: a folder with the name of one.
        let is_run = entry.file_name().to_str().is_some_and(|name| ExecutionId::parse(name).is_ok());
        if !is_run || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let folder = entry.path();
        let dead = match File::open(folder.join(LOCK)) {
            Ok(file) => file.try_lock().is_ok(),
            // Its process died before it could lock it: nobody is making one now.
            Err(_) => true,
        };
        if !dead {
            continue;
        }
        match fs::remove_dir_all(&folder) {
            // Its run was over just now, and has removed it itself.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            removed => removed.map_err(io(&folder))?,
        }
    }
    Ok(())
}

fn lock(layout: &Layout, name: &str) -> Result<File, EffectsError> {
    let folder = layout.locks();
    fs::create_dir_all(&folder).map_err(io(&folder))?;
    let path = folder.join(name);
    // No link is followed, nothing is emptied, and a pipe in its place keeps nobody waiting.
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::open(&path, flags, Mode::from_raw_mode(0o600)).map(File::from);
    let file = file.map_err(|error| io(&path)(error.into()))?;
    if !file.metadata().map_err(io(&path))?.is_file() {
        return Err(io(&path)(std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is no regular file")));
    }
    file.lock().map_err(io(&path))?;
    Ok(file)
}

fn open_vault(layout: &Layout) -> Result<OwnedFd, EffectsError> {
    rustix::fs::open(&layout.vault, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|error| io(&layout.vault)(error.into()))
}

/// Every staged file on disk, with permissions of Kavi's choosing.
fn make_durable(out: &Path, effects: &[Effect]) -> Result<(), EffectsError> {
    for effect in effects {
        let path = out.join(effect.path.as_str());
        let file = File::open(&path).map_err(io(&path))?;
        let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        file.set_permissions(readable).and_then(|()| file.sync_all()).map_err(io(&path))?;
        let mut folder = path.parent();
        while let Some(at) = folder.filter(|at| at.starts_with(out)) {
            artifacts::sync_folder(at)?;
            folder = at.parent();
        }
    }
    Ok(artifacts::sync_folder(out.parent().unwrap_or(out))?)
}

/// Whether a file can be put at `path`: after the record there is no way back. Makes the folders that are missing.
fn look(vault: &OwnedFd, path: &VaultPath, staging: &Staging) -> Result<(), EffectsError> {
    let place = |why: String| EffectsError::Place { path: path.clone(), why };
    let (folder, name) = open_folder(vault, path).map_err(|(folder, error)| place(reason(&folder, error)))?;
    match rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => {}
        Err(error) => return Err(place(error.to_string())),
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {}
        Ok(_) => return Err(place("something that is not a regular file lies there".to_owned())),
    }
    let writable = Access::WRITE_OK | Access::EXEC_OK;
    rustix::fs::accessat(&folder, ".", writable, AtFlags::EACCESS)
        .map_err(|error| place(format!("its folder: {error}")))?;
    let from = rustix::fs::open(staging.out(), OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
    let mounts = from.and_then(|from| Ok((mount(&from)?, mount(&folder)?)));
    match mounts.map_err(|error| place(error.to_string()))? {
        (staged, there) if staged == there => Ok(()),
        _ => Err(place("its folder is on another mount than the vault: nothing can be moved there".to_owned())),
    }
}

/// The device and the mount that a folder lies on. A file moves between folders only where both are the same.
fn mount(folder: &OwnedFd) -> Result<(u32, u32, u64), Errno> {
    let stat = rustix::fs::statx(folder, "", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS | StatxFlags::MNT_ID)?;
    Ok((stat.stx_dev_major, stat.stx_dev_minor, stat.stx_mnt_id))
}

fn reason(folder: &str, error: Errno) -> String {
    match error {
        Errno::LOOP | Errno::NOTDIR => format!("`{folder}` is a symbolic link or no folder"),
        other => format!("folder `{folder}`: {other}"),
    }
}

/// Opens the folder that `path` lies in, one component after the other, making what is missing.
fn open_folder<'p>(vault: &OwnedFd, path: &'p VaultPath) -> Result<(OwnedFd, &'p str), (String, Errno)> {
    let (folders, name) = path.split();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fail = |at: &str| {
        let at = at.to_owned();
        move |error| (at, error)
    };
    let mut at = rustix::fs::openat(vault, ".", flags, Mode::empty()).map_err(fail("."))?;
    for folder in folders {
        match rustix::fs::mkdirat(&at, folder, Mode::from_raw_mode(0o755)) {
            Ok(()) => rustix::fs::fsync(&at).map_err(fail(folder))?,
            Err(Errno::EXIST) => {}
            Err(error) => return Err((folder.to_owned(), error)),
        }
        at = rustix::fs::openat(&at, folder, flags, Mode::empty()).map_err(fail(folder))?;
    }
    Ok((at, name))
}

/// Renames every file to its place, if it still is what was recorded. A file that is no longer staged has been moved
/// before.
fn apply(vault: &OwnedFd, out: &Path, effects: &[Effect]) -> Result<(), (VaultPath, String)> {
    for effect in effects {
        let fail = |error: Errno| (effect.path.clone(), error.to_string());
        let (folder, name) = open_folder(vault, &effect.path).map_err(|(_, error)| fail(error))?;
        let staged = out.join(effect.path.as_str());
        match digest_of(&staged) {
            Ok(Some(found)) if found == effect.sha256 => {
                rustix::fs::renameat(CWD, &staged, &folder, name).map_err(fail)?;
                rustix::fs::fsync(&folder).map_err(fail)?;
            }
            Ok(Some(_)) => return Err((effect.path.clone(), "the staged file is not what was recorded".to_owned())),
            Ok(None) if is_regular(&folder, name) => {}
            Ok(None) => return Err((effect.path.clone(), "the staged file is gone".to_owned())),
            Err(error) => return Err((effect.path.clone(), error.to_string())),
        }
    }
    Ok(())
}

/// The digest of a staged file; none where there is no file any more.
fn digest_of(path: &Path) -> Result<Option<Digest>, std::io::Error> {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_file() => Ok(Some(Digest::of(&fs::read(path)?))),
        Ok(_) => Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "it is no regular file any more")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_regular(folder: &OwnedFd, name: &str) -> bool {
    rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Create;
    use crate::model::id::RandomIds;

    #[test]
    fn runs_that_end_while_somebody_sweeps_are_no_trouble() -> Result<(), Box<dyn std::error::Error>> {
        let root = tempfile::tempdir()?;
        let layout = Layout { root: root.path().to_owned(), vault: root.path().join("vault") };
        fs::create_dir_all(layout.state())?;
        fs::create_dir_all(&layout.vault)?;
        let ledger = Ledger::open(&layout.ledger(), Create::IfMissing)?;
        std::thread::scope(|scope| {
            let running: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        (0..100).try_for_each(|_| Staging::create(&layout, ExecutionId::new(&RandomIds)).map(drop))
                    })
                })
                .collect();
            while running.iter().any(|thread| !thread.is_finished()) {
                recover(&ledger, &layout)?;
            }
            running.into_iter().try_for_each(|thread| thread.join().unwrap_or(Ok(())))
        })?;
        Ok(())
    }
}
