//! Where files wait before they are in the vault: a folder for each run that writes, and one for files that are on their way.
//!
//! Guarantees: all of it lies on the vault's file system, and not behind a link; a run's folder is removed with its run,
//! or swept when its process is gone. Deliberately never: removes what a live process uses.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::{EffectsError, io};
use crate::model::{
    commit::Commit,
    id::{CommitId, ExecutionId},
    layout::Layout,
};

/// The name of the lock file beside `out`.
const LOCK: &str = "lock";
/// The folder of files that are on their way into the vault.
const READY: &str = "ready";

/// Held while files go into the vault.
const EFFECTS: &str = "effects";
/// Held while a staging folder is made, and while those of the dead are removed.
const MAKING: &str = "staging";

/// One run's staging folder. Locked while its process lives, removed when it is dropped.
#[derive(Debug)]
pub struct Staging {
    folder: PathBuf,
    _lock: File,
}

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

    /// When the folder was made, by the clock that the vault's files are stamped with.
    pub(super) fn stamp(&self) -> Result<Stamp, EffectsError> {
        // The lock file's: the folder's own moves with what is made in it.
        Ok(Stamp::changed(&self.lock_file()?))
    }

    /// What a file is made with that nobody says more about: the person's own mask holds.
    pub(super) fn permissions(&self) -> Result<fs::Permissions, EffectsError> {
        Ok(self.lock_file()?.permissions())
    }

    fn lock_file(&self) -> Result<fs::Metadata, EffectsError> {
        let path = self.folder.join(LOCK);
        fs::symlink_metadata(&path).map_err(io(&path))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What cannot be removed now is swept by the next recovery.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A time of the file system's: seconds and nanoseconds, in ticks of some milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stamp(i64, i64);

impl Stamp {
    /// When a file was last changed, renamed or given other permissions.
    pub(super) fn changed(meta: &fs::Metadata) -> Self {
        Self(meta.ctime(), meta.ctime_nsec())
    }
}

/// Files on their way into the vault.
#[derive(Debug)]
pub(super) struct Ready(PathBuf);

impl Ready {
    /// Opens the folder, making it if need be.
    pub(super) fn open(layout: &Layout) -> Result<Self, EffectsError> {
        let folder = root(layout)?.join(READY);
        match fs::create_dir(&folder) {
            Ok(()) => crate::artifacts::sync_folder(folder.parent().unwrap_or(&folder))?,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(io(&folder)(error)),
        }
        match fs::symlink_metadata(&folder).map_err(io(&folder))?.is_dir() {
            true => Ok(Self(folder)),
            false => Err(linked(&folder)),
        }
    }

    /// The folder itself.
    pub(super) fn folder(&self) -> &Path {
        &self.0
    }

    /// Where a commit's file waits.
    pub(super) fn file(&self, commit: CommitId, number: usize) -> PathBuf {
        self.0.join(format!("{commit}.{number}"))
    }

    /// Takes in the files of a run that a kavi before schema version 7 recorded and did not finish: it left them where the run
    /// had written them.
    pub(super) fn adopt(&self, layout: &Layout, commit: &Commit) -> Result<(), EffectsError> {
        let out = root(layout)?.join(commit.id.first_run().to_string()).join("out");
        for (number, change) in commit.changes.iter().enumerate() {
            let (left, waits) = (out.join(change.path.as_str()), self.file(commit.id, number));
            if fs::symlink_metadata(&left).is_ok_and(|meta| meta.is_file()) && !waits.exists() {
                fs::rename(&left, &waits).map_err(io(&left))?;
            }
        }
        self.sync()
    }

    /// Makes the names in the folder durable.
    pub(super) fn sync(&self) -> Result<(), EffectsError> {
        Ok(crate::artifacts::sync_folder(&self.0)?)
    }

    /// Removes what is on nobody's way any more.
    fn sweep(&self) -> Result<(), EffectsError> {
        for path in self.files()? {
            fs::remove_file(&path).map_err(io(&path))?;
        }
        Ok(())
    }

    /// The bytes of what waits for a commit, as far as it can be read.
    pub(super) fn contents(&self, commit: CommitId) -> Result<Vec<Vec<u8>>, EffectsError> {
        let of_it = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with(&format!("{commit}.")))
        };
        let files = self.files()?.into_iter().filter(of_it);
        Ok(files.filter_map(|path| crate::artifacts::read_once(&path).ok()).collect())
    }

    /// The files of commits.
    fn files(&self) -> Result<Vec<PathBuf>, EffectsError> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.0).map_err(io(&self.0))? {
            let entry = entry.map_err(io(&self.0))?;
            let name = entry.file_name();
            let commit = name.to_str().and_then(|name| name.split_once('.')).map(|(commit, _)| commit);
            let is_ours = commit.is_some_and(|commit| CommitId::parse(commit).is_ok());
            if is_ours && !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                files.push(entry.path());
            }
        }
        Ok(files)
    }
}

/// Where staging folders lie: below the workspace's own folder, or in the vault when that is on another file system.
fn root(layout: &Layout) -> Result<PathBuf, EffectsError> {
    let near = place_of(layout)?;
    fs::create_dir_all(&near).map_err(io(&near))?;
    check_folders(layout, &near)?;
    Ok(near)
}

fn place_of(layout: &Layout) -> Result<PathBuf, EffectsError> {
    let device = |path: &Path| fs::metadata(path).map(|meta| meta.dev()).map_err(io(path));
    let near = device(&layout.vault)? == device(&layout.state())?;
    Ok(if near { layout.staging() } else { layout.vault.join(".kavi-staging") })
}

/// What is swept there must not be somewhere else.
fn check_folders(layout: &Layout, near: &Path) -> Result<(), EffectsError> {
    for folder in [&layout.state(), near] {
        if !fs::symlink_metadata(folder).map_err(io(folder))?.is_dir() {
            return Err(linked(folder));
        }
    }
    Ok(())
}

fn linked(folder: &Path) -> EffectsError {
    io(folder)(std::io::Error::new(std::io::ErrorKind::NotADirectory, "it is a link, not a folder"))
}

/// Whether nothing of any run waits there.
pub(super) fn is_empty(layout: &Layout) -> Result<bool, EffectsError> {
    // Where nothing was ever staged nothing is made: a vault that can only be read has nothing to wait for.
    let root = place_of(layout)?;
    let entries = match fs::read_dir(&root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(io(&root)(error)),
    };
    check_folders(layout, &root)?;
    for entry in entries {
        if is_run(&entry.map_err(io(&root))?) {
            return Ok(false);
        }
    }
    let ready = root.join(READY);
    match fs::symlink_metadata(&ready) {
        Ok(meta) if meta.is_dir() => Ok(Ready(ready).files()?.is_empty()),
        Ok(_) => Err(linked(&ready)),
        Err(_) => Ok(true),
    }
}

/// Removes staging folders whose process is gone, and files that are on nobody's way. The caller holds the lock of
/// [`effects_lock`], and no commit is pending.
pub(super) fn sweep(layout: &Layout) -> Result<(), EffectsError> {
    Ready::open(layout)?.sweep()?;
    let _making = lock(layout, MAKING)?;
    let root = root(layout)?;
    for entry in fs::read_dir(&root).map_err(io(&root))? {
        let entry = entry.map_err(io(&root))?;
        if !is_run(&entry) {
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
        // Its run may have removed it itself just now; what cannot be removed is in nobody's way.
        let _ = fs::remove_dir_all(&folder);
    }
    Ok(())
}

/// Whether a run has made this: a folder with the name of one.
fn is_run(entry: &fs::DirEntry) -> bool {
    let named = entry.file_name().to_str().is_some_and(|name| ExecutionId::parse(name).is_ok());
    named && entry.file_type().is_ok_and(|kind| kind.is_dir())
}

/// Held by whoever looks at the vault to change it, and while it is changed.
pub(super) fn effects_lock(layout: &Layout) -> Result<File, EffectsError> {
    lock(layout, EFFECTS)
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
