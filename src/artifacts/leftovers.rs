//! Unfinished files that a crash left: named and removed by one rule.
//!
//! A file is written under a temporary name and renamed when it is whole. A crash leaves the temporary one. Nothing refers to it,
//! so nothing else would ever remove it.
//!
//! Guarantees: only names that Kavi gives are removed, only when nobody has changed them for longer than any write takes, and
//! never through a link. Deliberately never: touches the vault, or the prepared files of commits (that is `invoke::effects`).

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::dir::{self, FolderHandle, MissingFolders};
use crate::model::{artifact::ARTIFACTS, layout::Layout, time::Timestamp};

/// A file that is older was left: far longer than a write takes.
const OLD_FILE: Duration = Duration::from_hours(1);
/// The same for the folder of a verification.
const OLD_FOLDER: Duration = Duration::from_hours(24);

/// A place where leftovers can be.
struct Place {
    /// Below the folder of the workspace.
    folder: &'static str,
    /// How many levels of folders below it are looked through.
    depth: u8,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// Temporary files.
    Files,
    /// Folders of verifications.
    VerificationFolders,
}

const PLACES: &[Place] = &[
    Place { folder: "", depth: 0, what: What::Files },
    Place { folder: ".kavi", depth: 0, what: What::Files },
    Place { folder: ".kavi/cache", depth: 0, what: What::Files },
    Place { folder: ".kavi/store", depth: 2, what: What::Files },
    Place { folder: ".kavi/scratch", depth: 0, what: What::VerificationFolders },
    Place { folder: ARTIFACTS, depth: 3, what: What::Files },
];

/// What is left over in a workspace.
pub fn find(layout: &Layout, now: Timestamp) -> Vec<PathBuf> {
    let mut found = Vec::new();
    each(layout, now, &mut |_, _, path| found.push(path));
    found.sort();
    found
}

/// Removes what is left over. What cannot be removed harms nothing.
pub fn remove(layout: &Layout, now: Timestamp) {
    each(layout, now, &mut |folder, name, _| {
        if folder.file(name).remove_file().is_err() {
            let _ = folder.remove_folder(name);
        }
    });
}

type Each<'e> = dyn FnMut(&FolderHandle, &Path, PathBuf) + 'e;

fn each(layout: &Layout, now: Timestamp, each: &mut Each<'_>) {
    let Ok(root) = FolderHandle::open(&layout.root) else { return };
    for place in PLACES {
        // A place that is missing, or cannot be read, has nothing that could be removed.
        if let Ok(folder) = root.beneath(Path::new(place.folder), MissingFolders::Refuse) {
            let _ = look(&folder, Path::new(place.folder), place, now, place.depth, each);
        }
    }
}

fn look(
    folder: &FolderHandle,
    path: &Path,
    place: &Place,
    now: Timestamp,
    depth: u8,
    each: &mut Each<'_>,
) -> io::Result<()> {
    for entry in folder.entries()? {
        let entry = entry?;
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        let below = path.join(&name);
        if is_leftover(place.what, &name.to_string_lossy(), kind) && is_old(&entry, place.what, now) {
            each(folder, Path::new(&name), below);
        } else if depth > 0 && kind.is_dir() {
            let opened = folder.beneath(Path::new(&name), MissingFolders::Refuse);
            let _ = opened.and_then(|inner| look(&inner, &below, place, now, depth - 1, each));
        }
    }
    Ok(())
}

fn is_leftover(what: What, name: &str, kind: dir::EntryType) -> bool {
    match what {
        What::Files => kind.is_file() && is_temporary(name),
        What::VerificationFolders => kind.is_dir() && name.starts_with("verify-"),
    }
}

/// Whether Kavi gives this name to an unfinished file, or an earlier version did. A person's own file has another one.
fn is_temporary(name: &str) -> bool {
    let numbers = |rest: &str| {
        let mut parts = rest.split('-');
        let all = parts.by_ref().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
        all && rest.contains('-')
    };
    let random = |rest: &str| rest.len() == 6 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match name.strip_prefix(dir::TEMPORARY) {
        Some(rest) => rest.strip_prefix('-').is_some_and(numbers) || random(rest),
        None => name.strip_prefix(".new-").is_some_and(random),
    }
}

fn is_old(entry: &dir::DirEntry, what: What, now: Timestamp) -> bool {
    let age = if what == What::Files { OLD_FILE } else { OLD_FOLDER };
    let changed = entry.metadata().and_then(|meta| meta.modified()).ok();
    let since_epoch = changed.and_then(|time| time.into_std().duration_since(std::time::UNIX_EPOCH).ok());
    let millis = since_epoch.and_then(|since| i64::try_from(since.as_millis()).ok());
    // A file without a valid time is not known to be old.
    millis.and_then(|millis| Timestamp::from_millis(millis).ok()).is_some_and(|time| time < now.before(age))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::time::SystemTime;

    use super::*;

    type Tested = Result<(), Box<dyn std::error::Error>>;

    /// The time, as far as the file system says.
    fn now() -> Result<SystemTime, Box<dyn std::error::Error>> {
        Ok(tempfile::tempfile()?.metadata()?.modified()?)
    }

    fn plant(layout: &Layout, path: &str, age: Duration) -> Tested {
        let path = layout.root.join(path);
        fs::create_dir_all(path.parent().unwrap_or(&layout.root))?;
        File::create(&path)?.set_modified(now()? - age)?;
        Ok(())
    }

    #[test]
    fn only_what_a_crash_left_long_ago_is_removed() -> Tested {
        let place = tempfile::tempdir()?;
        let root = place.path().join("workspace");
        let layout = Layout { vault: root.join("vault_out"), root };
        let hours = Duration::from_hours;
        let left = [
            ".kavi/.tmpAbC123",
            ".kavi/cache/.new-AbC123",
            ".kavi/store/.tmp-12-0",
            ".kavi/store/files/ab/.tmp-12-7",
            ".tmpAbC123",
            "artifacts_out/note/1/build-1/.tmp-12-3",
        ];
        let stays = [".tmpnotes.md", ".tmp", "notes.tmp", ".kavi/store/files/ab/abcd", "vault_out/.tmpAbC123"];
        for path in left.iter().chain(&stays) {
            plant(&layout, path, hours(2))?;
        }
        plant(&layout, ".kavi/.tmp-99-1", Duration::ZERO)?;
        for (folder, age) in [("verify-old", hours(25)), ("verify-new", hours(2))] {
            plant(&layout, &format!(".kavi/scratch/{folder}/file"), hours(0))?;
            File::open(layout.root.join(".kavi/scratch").join(folder))?.set_modified(now()? - age)?;
        }
        // Nothing is removed behind a link.
        let outside = place.path().join("outside");
        fs::create_dir(&outside)?;
        File::create(outside.join(".tmpAbC123"))?.set_modified(now()? - hours(2))?;
        std::os::unix::fs::symlink(&outside, layout.root.join("artifacts_out/link"))?;
        let now = now()?.duration_since(std::time::UNIX_EPOCH)?;
        let now = Timestamp::from_millis(i64::try_from(now.as_millis())?)?;
        let mut expected: Vec<PathBuf> = left.iter().map(PathBuf::from).collect();
        expected.push(".kavi/scratch/verify-old".into());
        expected.sort();
        assert_eq!(find(&layout, now), expected);
        remove(&layout, now);
        assert_eq!(find(&layout, now), Vec::<PathBuf>::new());
        for path in stays.iter().chain(&[".kavi/.tmp-99-1", ".kavi/scratch/verify-new/file", "../outside/.tmpAbC123"]) {
            assert!(layout.root.join(path).exists(), "{path}");
        }
        Ok(())
    }
}
