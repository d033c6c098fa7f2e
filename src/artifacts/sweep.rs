//! Removes files that no row refers to any more.
//!
//! Only the caller knows which files those are, from the ledger. Meanwhile another process may store the same bytes for a row
//! that it writes next. So each store marks a file as young, and [`Store::remove`] never removes a young file. The lock that
//! it shares with [`Store::put`] keeps the two from interleaving.

use std::io::{self, ErrorKind};

use rustix::fs::Stat;

use super::error::{ArtifactError, io as io_error};
use super::store::{Store, StoreLock};
use super::stored_kind::StoredKind;
use crate::dir::{self, FileSlot, FolderHandle, MissingFolders, beneath};
use crate::model::{digest::Digest, time::Timestamp};

/// When a file was stored last.
fn stored_at(stat: &Stat) -> Option<Timestamp> {
    let nanoseconds = i64::try_from(stat.st_mtime_nsec).ok()?;
    Timestamp::from_millis(stat.st_mtime.checked_mul(1_000)?.checked_add(nanoseconds / 1_000_000)?).ok()
}

/// The bytes of a file that nobody has stored since `than`.
fn is_older(slot: &FileSlot, than: Timestamp) -> io::Result<Option<u64>> {
    let stat = slot.stat()?;
    let is_file = beneath::kind(&stat) == rustix::fs::FileType::RegularFile;
    // A file without a valid time is not known to be old.
    let old = stored_at(&stat).is_some_and(|at| is_file && at < than);
    Ok(old.then(|| u64::try_from(stat.st_size).unwrap_or(0)))
}

/// None where there is no such file or folder.
fn if_there<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

fn folder_if_there(opened: io::Result<FolderHandle>) -> io::Result<Option<FolderHandle>> {
    match opened {
        Err(error) if dir::is_link_or_no_folder(&error) => Ok(None),
        opened => if_there(opened),
    }
}

impl Store {
    /// Every file of a kind that nobody has stored since `than`.
    ///
    /// # Errors
    /// [`ArtifactError::Io`] when a folder cannot be read.
    pub fn older(&self, kind: StoredKind, than: Timestamp) -> Result<Vec<Digest>, ArtifactError> {
        let below = self.below.join(kind.folder());
        let failed = || io_error(&self.workspace.path().join(&below));
        let opened = folder_if_there(self.workspace.beneath(&below, MissingFolders::Refuse)).map_err(failed())?;
        let Some(root) = opened else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for prefix in names(&root).map_err(failed())? {
            // Something else than a folder is not the store's.
            let opened = folder_if_there(root.child(&prefix, MissingFolders::Refuse)).map_err(failed())?;
            let Some(folder) = opened else { continue };
            for name in names(&folder).map_err(failed())? {
                // Only files that the store itself would have put there. A person's file stays.
                let Some(digest) = Digest::parse(&name).ok().filter(|digest| digest.to_string() == name) else {
                    continue;
                };
                let old = name.starts_with(&prefix) && prefix.len() == 2;
                let old = old && if_there(is_older(&folder.file(&name), than)).map_err(failed())?.flatten().is_some();
                found.extend(old.then_some(digest));
            }
        }
        Ok(found)
    }

    /// Removes a file, unless somebody has stored it since `than`. Gives the bytes it had.
    ///
    /// # Errors
    /// [`ArtifactError::Io`] when it cannot be removed.
    pub fn remove(&self, kind: StoredKind, digest: Digest, than: Timestamp) -> Result<Option<u64>, ArtifactError> {
        // For each file anew, so that writers wait for one removal and not for the whole sweep.
        let _alone = self.lock(StoreLock::Alone)?;
        let removed = || -> io::Result<Option<u64>> {
            let Some(slot) = if_there(self.slot(kind, digest, MissingFolders::Refuse))? else { return Ok(None) };
            // Asked again under the lock: since the list was made, somebody may have stored these
            // bytes.
            let Some(bytes) = if_there(is_older(&slot, than))?.flatten() else { return Ok(None) };
            slot.remove_file().map(|()| Some(bytes))
        };
        removed().map_err(io_error(&self.path(kind, digest)))
    }
}

/// The names in a folder of the store. The store gives only names that are text.
fn names(folder: &FolderHandle) -> io::Result<Vec<String>> {
    let names = folder.entries()?.map(|entry| entry.map(|entry| entry.file_name().into_string().ok()));
    names.filter_map(io::Result::transpose).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::layout::Layout;
    use std::fs::{self, File};
    use std::path::Path;
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
        let layout = Layout { root: folder.path().to_owned(), vault: folder.path().join("vault") };
        let store = Store::open(&layout)?;
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
