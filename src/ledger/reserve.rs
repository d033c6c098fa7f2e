//! Room on the disk that is kept for a stop.
//!
//! On a full disk a stop could neither leave its mark nor be recorded: SQLite needs room for its index before it writes
//! anything. So a file lies beside the ledger that holds nothing. A stop that finds no room removes it and tries again.
//!
//! Guarantees: the file has its blocks, where the file system can promise that. Deliberately never: fails anything. Without
//! the file everything works as long as there is room.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::retry_on_intr;

use crate::sync::uninterrupted;

/// Enough for the mark, SQLite's index, and a few pages of the write-ahead log.
const BYTES: u64 = 256 << 10;

fn place(ledger: &Path) -> PathBuf {
    ledger.with_file_name("reserve")
}

/// Makes the file beside this ledger, if it is not there.
pub(super) fn keep(ledger: &Path) {
    let place = place(ledger);
    // Not followed: a link in its place is left alone, and nothing is written behind it.
    if place.symlink_metadata().is_ok() {
        return;
    }
    let made = File::create_new(&place).and_then(|file| {
        retry_on_intr(|| fallocate(&file, FallocateFlags::empty(), 0, BYTES))?;
        file.sync_all()
    });
    if made.is_err() {
        // Half of it would look like all of it. It may not be there at all.
        let _ = uninterrupted(|| fs::remove_file(&place));
    }
}

/// Gives the room back. Whether there was any.
pub(super) fn release(ledger: &Path) -> bool {
    uninterrupted(|| fs::remove_file(place(ledger))).is_ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn room_is_kept_once_and_given_back_once() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let ledger = folder.path().join("ledger.db");
        keep(&ledger);
        let meta = fs::metadata(place(&ledger))?;
        assert!(meta.blocks() * 512 >= BYTES, "it has no blocks of its own");
        keep(&ledger);
        assert_eq!(fs::metadata(place(&ledger))?.ino(), meta.ino());
        assert!(release(&ledger) && !release(&ledger));
        // Where nothing can be made, nothing fails and nothing is left.
        keep(&folder.path().join("missing/ledger.db"));
        Ok(())
    }
}
