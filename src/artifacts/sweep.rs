//! Removes files that no row refers to any more.
//!
//! Only the caller knows which files those are, from the ledger. Meanwhile another process may store the same bytes for a row
//! that it writes next. So each store marks a file as young, and [`Store::remove`] never removes a young file. The lock that
//! it shares with [`Store::put`] keeps the two from interleaving.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};

use super::{ArtifactError, Store, StoredKind, create_folders_durably, io};
use crate::dir::{FolderHandle, MissingFolders};
use crate::model::{digest::Digest, time::Timestamp};

/// Whether others may hold the lock at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StoreLock {
    Shared,
    Alone,
}

/// When a file was stored last.
fn stored_at(meta: &fs::Metadata) -> Option<Timestamp> {
    Timestamp::from_millis(meta.mtime().checked_mul(1_000)?.checked_add(meta.mtime_nsec() / 1_000_000)?).ok()
}

fn is_older(path: &Path, than: Timestamp) -> Result<Option<u64>, ArtifactError> {
    match path.symlink_metadata() {
        // A file without a valid time is not known to be old.
        Ok(meta) => Ok(stored_at(&meta).filter(|at| meta.is_file() && *at < than).map(|_| meta.len())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io(path)(error)),
    }
}

/// Marks a stored file as young.
pub(super) fn touch(path: &Path) -> std::io::Result<()> {
    let time = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
    let now = Timestamps { last_access: time(UTIME_OMIT), last_modification: time(UTIME_NOW) };
    Ok(rustix::fs::utimensat(CWD, path, &now, AtFlags::SYMLINK_NOFOLLOW)?)
}

impl Store {
    /// The lock of the store, on its folder.
    pub(super) fn lock(&self, hold: StoreLock) -> Result<File, ArtifactError> {
        let folder = create_folders_durably(self.base(), &self.root)?;
        // The folder itself is locked. A lock file of its own could be removed, and two processes
        // would hold different ones.
        let folder = folder.dir().try_clone().map_err(io(&self.root))?.into_std_file();
        let locked = match hold {
            StoreLock::Shared => folder.lock_shared(),
            StoreLock::Alone => folder.lock(),
        };
        locked.map(|()| folder).map_err(io(&self.root))
    }

    /// Every file of a kind that nobody has stored since `than`.
    ///
    /// # Errors
    /// [`ArtifactError::Io`] when a folder cannot be read.
    pub fn older(&self, kind: StoredKind, than: Timestamp) -> Result<Vec<Digest>, ArtifactError> {
        let root = self.root.join(kind.folder());
        let mut found = Vec::new();
        for folder in entries(&root)? {
            for path in entries(&folder)? {
                let digest = path.file_name().and_then(|name| Digest::parse(name.to_str()?).ok());
                // Only files that the store itself would have put there. A person's file stays.
                let Some(digest) = digest.filter(|digest| self.path(kind, *digest) == path) else { continue };
                found.extend(is_older(&path, than)?.map(|_| digest));
            }
        }
        Ok(found)
    }

    /// Removes a file, unless somebody has stored it since `than`. Gives the bytes it had.
    ///
    /// # Errors
    /// [`ArtifactError::Io`] when it cannot be removed.
    pub fn remove(&self, kind: StoredKind, digest: Digest, than: Timestamp) -> Result<Option<u64>, ArtifactError> {
        let path = self.path(kind, digest);
        // For each file anew, so that writers wait for one removal and not for the whole sweep.
        let _alone = self.lock(StoreLock::Alone)?;
        // Asked again under the lock: since the list was made, somebody may have stored these
        // bytes.
        let Some(bytes) = is_older(&path, than)? else { return Ok(None) };
        let slot = FolderHandle::slot(self.base(), &path, MissingFolders::Refuse);
        slot.and_then(|slot| slot.remove_file()).map(|()| Some(bytes)).map_err(io(&path))
    }
}

/// The entries of a folder of the store; none if it does not exist or is not a folder.
fn entries(folder: &Path) -> Result<Vec<std::path::PathBuf>, ArtifactError> {
    match folder.symlink_metadata() {
        Ok(meta) if meta.is_dir() => {}
        _ => return Ok(Vec::new()),
    }
    let found = fs::read_dir(folder).map_err(io(folder))?;
    found.map(|entry| entry.map(|entry| entry.path()).map_err(io(folder))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};

    /// Two hours ago, as far as the file says.
    fn age(path: &Path) -> Result<(), Box<dyn std::error::Error>> {
        let before = File::open(path)?.metadata()?.modified()? - Duration::from_hours(2);
        Ok(File::open(path)?.set_modified(before)?)
    }

    /// An hour before now.
    fn an_hour_ago() -> Result<Timestamp, Box<dyn std::error::Error>> {
        let file = tempfile::tempfile()?;
        let now = file.metadata()?.modified()?.duration_since(SystemTime::UNIX_EPOCH)?;
        Ok(Timestamp::from_millis(i64::try_from(now.as_millis())?)?.before(Duration::from_hours(1)))
    }

    #[test]
    fn only_what_nobody_stored_since_goes() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let store = Store::new(folder.path().join("store"));
        let than = an_hour_ago()?;
        assert_eq!(store.older(StoredKind::File, than)?, []);
        let [old, young, again] = [b"old", b"you", b"aga"].map(|bytes| store.put(StoredKind::File, bytes));
        let (old, young, again) = (old?, young?, again?);
        let value = store.put(StoredKind::Value, b"old")?;
        for (kind, digest) in [(StoredKind::File, old), (StoredKind::File, again), (StoredKind::Value, value)] {
            age(&store.path(kind, digest))?;
        }
        // Neither what has no digest for a name nor what only looks like a stored file.
        let beside = store.path(StoredKind::File, old).with_file_name("tmp");
        fs::write(&beside, "x")?;
        age(&beside)?;
        std::os::unix::fs::symlink(&beside, store.path(StoredKind::File, old).with_file_name(young.to_string()))?;
        let mut found = store.older(StoredKind::File, than)?;
        found.sort_unstable();
        let mut expected = [old, again];
        expected.sort_unstable();
        assert_eq!(found, expected);

        // Somebody stores the same bytes again, after it was found out that nobody needs them.
        store.put(StoredKind::File, b"aga")?;
        assert_eq!(store.remove(StoredKind::File, again, than)?, None);
        assert_eq!(store.remove(StoredKind::File, young, than)?, None);
        assert_eq!(store.remove(StoredKind::File, old, than)?, Some(3));
        assert_eq!(store.remove(StoredKind::File, old, than)?, None, "it is gone");
        assert!(
            store.get(StoredKind::File, again).is_ok()
                && store.get(StoredKind::Value, value).is_ok()
                && beside.exists()
        );
        // What is gone is stored anew.
        assert_eq!(store.put(StoredKind::File, b"old")?, old);
        assert_eq!(store.get(StoredKind::File, old)?, b"old");
        Ok(())
    }
}
