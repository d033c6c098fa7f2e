//! The code cache: machine code of components, so that a run compiles nothing.
//!
//! Guarantees: what is loaded was sealed by this user's Kavi, for this component, engine, wasmtime and policy, and the
//! seal was checked over the buffer that is loaded. Whatever else lies there is a miss with a [`CacheError`] that says
//! why, never code. An entry is there whole or not at all, whoever is killed when, and whoever else writes it.
//!
//! Deliberately never: fails a run, decides whether a component may run (entries are derived, and are looked at only after
//! the ledger and the component's digest), or follows a link.

mod error;
mod file;
mod key;
mod seal;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use error::CacheError;
use file::{CacheFileError, IfExists, OwnerOnly};
pub use key::SealKey;
use seal::{CodeIdentity, SealError};

use super::{code::MachineCode, compile_child::MAX_CODE_BYTES, engine_id::EngineId};
use crate::model::digest::Digest;

/// The most that is read of an entry: its code, and a header.
const MAX_ENTRY_BYTES: u64 = MAX_CODE_BYTES + (1 << 20);

/// What lies in the cache, and how much of it is good for anything.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct CacheStatus {
    /// Entries of whatever worth.
    pub entries: u64,
    /// What they take on disk.
    pub bytes: u64,
    /// Those that would be loaded.
    pub valid: u64,
    /// Ours, for another engine, wasmtime or policy.
    pub stale: u64,
    /// Made with another key, changed, or no entries at all.
    pub foreign: u64,
    /// What writers that were killed left behind.
    pub leftovers: u64,
    /// What is wrong with the key or the folder; empty when nothing is.
    pub trouble: String,
}

/// What `clear` removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Cleared {
    /// Entries and leftovers.
    pub removed: u64,
    /// What they took on disk.
    pub bytes: u64,
}

/// The cache of one workspace.
#[derive(Debug)]
pub struct CodeCache {
    folder: PathBuf,
    key: Option<PathBuf>,
    policy: Digest,
}

impl CodeCache {
    /// A cache in this folder. `key` is where its key lies or will lie, outside of every workspace; `policy` is the
    /// version of the rules that its components were looked at by.
    pub fn new(folder: PathBuf, key: Option<PathBuf>, policy: Digest) -> Self {
        Self { folder, key, policy }
    }

    /// Where the entries lie.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn entry(&self, component: Digest) -> PathBuf {
        self.folder.join(component.to_string())
    }

    fn key_path(&self) -> Result<&Path, CacheError> {
        self.key.as_deref().ok_or(CacheError::NoKeyPlace)
    }

    /// The code of a component; `None` when there never was any.
    pub(super) fn find(&self, component: Digest, engine: EngineId) -> Result<Option<MachineCode>, CacheError> {
        // A link in its place could lead to entries outside of the workspace.
        match file::real_folder(&self.folder) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(CacheError::Io { path: self.folder.clone(), source }),
        }
        // Readable by others is enough: the entry holds nothing secret, and its seal shows any
        // change.
        let buffer = match file::read(&self.entry(component), OwnerOnly::Write, MAX_ENTRY_BYTES) {
            Ok(buffer) => buffer,
            Err(CacheFileError::Missing) => return Ok(None),
            Err(CacheFileError::Because(why)) => return Err(CacheError::NotAnEntry(why)),
        };
        // An entry without a key was sealed by somebody else, or before the key was lost. Looking
        // makes no new key.
        let key = SealKey::read(self.key_path()?)?.ok_or(CacheError::Foreign)?;
        match seal::open(&key, &CodeIdentity::new(component, engine, self.policy), buffer) {
            Ok(code) => Ok(Some(code)),
            Err(SealError::Foreign) => Err(CacheError::Foreign),
            Err(SealError::Stale) => Err(CacheError::Stale),
        }
    }

    /// Keeps the code of a component. The code can come only from the compile child or from this cache.
    ///
    /// # Errors
    /// [`CacheError`] when there is no key, or the entry cannot be written.
    pub fn keep(&self, component: Digest, code: &MachineCode) -> Result<(), CacheError> {
        let path = self.entry(component);
        let failed = |source| CacheError::Io { path: path.clone(), source };
        let key = SealKey::read_or_make(self.key_path()?)?;
        // The engine of the code and not of this process, which may have been replaced since.
        let identity = CodeIdentity::new(component, code.engine(), self.policy);
        let sealed = seal::seal(&key, &identity, code);
        let sealed =
            sealed.ok_or_else(|| CacheError::NotAnEntry("the component imports more than an entry can say".into()))?;
        file::make_folder(&self.folder).map_err(failed)?;
        // From the folder of the workspace, two above, so that no link below it is followed.
        let root = self.folder.ancestors().nth(2).unwrap_or(&self.folder);
        file::write(root, &path, &sealed, IfExists::Replace).map_err(failed)
    }

    /// Looks at everything that lies in the cache. Changes nothing.
    pub fn status(&self, engine: EngineId) -> CacheStatus {
        let mut status = CacheStatus::default();
        match self.key_path().and_then(SealKey::read) {
            Ok(_) => {}
            Err(error) => status.trouble = error.to_string(),
        }
        let names = match self.names() {
            Ok(names) => names,
            Err(error) => {
                status.trouble = error.to_string();
                return status;
            }
        };
        for (name, bytes) in names {
            status.bytes += bytes;
            let Name::Entry(component) = name else {
                status.leftovers += 1;
                continue;
            };
            status.entries += 1;
            // The same way as a run takes, so that the count says what a run would use.
            match self.find(component, engine) {
                Ok(Some(_)) => status.valid += 1,
                Err(CacheError::Stale) => status.stale += 1,
                _ => status.foreign += 1,
            }
        }
        status
    }

    /// Removes everything that is named like an entry or its beginnings. The key stays, unless it is of no use.
    ///
    /// # Errors
    /// [`CacheError::Io`] for what cannot be removed.
    pub fn clear(&self) -> Result<Cleared, CacheError> {
        let mut cleared = Cleared::default();
        for (name, bytes) in self.names()? {
            let path = self.folder.join(name.text());
            remove(&path)?;
            cleared.removed += 1;
            cleared.bytes += bytes;
        }
        // A usable key also seals the entries of other workspaces, so it stays.
        if let Some(key) = self.key.as_deref().filter(|key| SealKey::read(key).is_err()) {
            remove(key)?;
            cleared.removed += 1;
        }
        Ok(cleared)
    }

    /// What has one of our names, in order, and its size.
    fn names(&self) -> Result<Vec<(Name, u64)>, CacheError> {
        let failed = |source| CacheError::Io { path: self.folder.clone(), source };
        let listed = match file::real_folder(&self.folder).and_then(|()| fs::read_dir(&self.folder)) {
            Ok(listed) => listed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut names = Vec::new();
        for listed in listed {
            let listed = listed.map_err(failed)?;
            // Only names that Kavi gives: `clear` must not remove a file that a person put there.
            let Some(name) = listed.file_name().to_str().and_then(Name::parse) else { continue };
            let size = listed.metadata().map_or(0, |meta| if meta.is_file() { meta.len() } else { 0 });
            names.push((name, size));
        }
        names.sort();
        Ok(names)
    }
}

/// The name of a file that is ours.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    Entry(Digest),
    Leftover(String),
}

impl Name {
    fn parse(text: &str) -> Option<Self> {
        match Digest::parse(text) {
            Ok(component) => Some(Self::Entry(component)),
            Err(_) => {
                let unfinished = file::TEMPORARY.iter().any(|prefix| text.starts_with(prefix));
                unfinished.then(|| Self::Leftover(text.to_owned()))
            }
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Entry(component) => component.to_string(),
            Self::Leftover(name) => name.clone(),
        }
    }
}

/// Removes what lies there, a folder with all that is in it. A link is removed itself, whatever it leads to.
fn remove(path: &Path) -> Result<(), CacheError> {
    let failed = |source| CacheError::Io { path: path.to_owned(), source };
    let removed = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(failed),
    }
}
