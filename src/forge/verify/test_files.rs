//! The files of a test whose calls run a component: each call starts with an empty staging folder, and the test sees what all
//! calls together wrote and removed.
//!
//! Guarantees: after a call the staging folder of the test is what it would be if the test program had made the call itself.
//! Deliberately never: follows a link; the wall lets a guest make none.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use crate::model::{
    digest::Digest,
    removals::{self, MANIFEST},
};
use crate::sync::uninterrupted;

/// The folders of one call.
pub(super) struct CallFiles<'a> {
    /// The folder that the test has as its vault.
    pub(super) vault: &'a Path,
    /// What the call wrote.
    pub(super) staged: &'a Path,
    /// What the test finds as written.
    pub(super) out: &'a Path,
}

/// The vault of a call after others: the files of the test, with what the calls before it wrote and removed. `None` when they
/// did nothing.
pub(super) fn merged(scratch: &Path, vault: &Path, out: &Path) -> io::Result<Option<TempDir>> {
    if fs::read_dir(out)?.next().is_none() {
        return Ok(None);
    }
    let merged = tempfile::tempdir_in(scratch)?;
    copy(vault, merged.path())?;
    copy(out, merged.path())?;
    for path in removed(out)?.keys() {
        remove(&merged.path().join(path))?;
    }
    remove(&merged.path().join(MANIFEST))?;
    Ok(Some(merged))
}

/// Puts what a call wrote and removed to what the calls before it did.
pub(super) fn hand_over(files: &CallFiles<'_>) -> io::Result<()> {
    let CallFiles { vault, staged, out } = *files;
    let mut all = removed(out)?;
    let now = removed(staged)?;
    copy(staged, out)?;
    // What was removed, and is written again, stays.
    all.retain(|path, _| !staged.join(path).exists());
    for (path, digest) in now {
        remove(&out.join(&path))?;
        // A file that only a call before this one wrote never reached the vault.
        if vault.join(&path).is_file() {
            all.entry(path).or_insert(digest);
        }
    }
    if all.is_empty() {
        return remove(&out.join(MANIFEST));
    }
    let remove: Vec<_> = all.iter().map(|(path, sha256)| json!({ "path": path, "sha256": sha256 })).collect();
    fs::write(out.join(MANIFEST), json!({ "v": 1, "remove": remove }).to_string())
}

/// What the manifest in a folder removes: each path with the digest of the content.
fn removed(folder: &Path) -> io::Result<BTreeMap<String, Digest>> {
    let bytes = match fs::read(folder.join(MANIFEST)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        read => read?,
    };
    let found = removals::parse(&bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok(found.into_iter().map(|removal| (removal.path.to_string(), removal.sha256)).collect())
}

fn remove(file: &Path) -> io::Result<()> {
    match uninterrupted(|| fs::remove_file(file)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Copies the files of one folder over those of another.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            uninterrupted(|| fs::create_dir_all(&target))?;
            copy(&entry.path(), &target)?;
        } else if kind.is_file() {
            uninterrupted(|| fs::copy(entry.path(), &target))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    /// A call that writes and removes these files.
    fn call(scratch: &Path, test: &[TempDir; 2], writes: &[&str], removes: &[&str]) -> Outcome {
        let [vault, out] = test;
        let staged = tempfile::tempdir_in(scratch)?;
        for path in writes {
            fs::write(staged.path().join(path), "new")?;
        }
        let remove: Vec<_> =
            removes.iter().map(|path| json!({ "path": path, "sha256": Digest::of(b"old").to_string() })).collect();
        if !remove.is_empty() {
            fs::write(staged.path().join(MANIFEST), json!({ "v": 1, "remove": remove }).to_string())?;
        }
        Ok(hand_over(&CallFiles { vault: vault.path(), staged: staged.path(), out: out.path() })?)
    }

    fn seen(scratch: &Path, test: &[TempDir; 2]) -> Result<Vec<String>, Box<dyn std::error::Error>> {
        let [vault, out] = test;
        let merged = merged(scratch, vault.path(), out.path())?;
        let folder = merged.as_ref().map_or(vault.path(), TempDir::path);
        let mut names: Vec<String> = fs::read_dir(folder)?
            .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<_>>()?;
        names.sort();
        Ok(names)
    }

    #[test]
    fn calls_after_one_another_see_what_was_written_and_removed() -> Outcome {
        let scratch = tempfile::tempdir()?;
        let test = [tempfile::tempdir()?, tempfile::tempdir()?];
        fs::write(test[0].path().join("a.md"), "old")?;
        let out = test[1].path();
        assert_eq!(seen(scratch.path(), &test)?, ["a.md"]);
        call(scratch.path(), &test, &["b.md"], &["a.md"])?;
        assert_eq!(seen(scratch.path(), &test)?, ["b.md"]);
        assert_eq!(removed(out)?.keys().collect::<Vec<_>>(), ["a.md"]);
        // A file of the first call is removed by the second: it never was in the vault.
        call(scratch.path(), &test, &[], &["b.md"])?;
        assert_eq!(seen(scratch.path(), &test)?, Vec::<String>::new());
        assert_eq!(removed(out)?.keys().collect::<Vec<_>>(), ["a.md"]);
        // And what was removed is written again.
        call(scratch.path(), &test, &["a.md"], &[])?;
        assert_eq!(seen(scratch.path(), &test)?, ["a.md"]);
        assert!(!out.join(MANIFEST).exists() && out.join("a.md").exists());
        Ok(())
    }

    #[test]
    fn a_manifest_that_is_none_is_an_error() -> Outcome {
        let scratch = tempfile::tempdir()?;
        let test = [tempfile::tempdir()?, tempfile::tempdir()?];
        fs::write(test[1].path().join(MANIFEST), "{}")?;
        assert!(merged(scratch.path(), test[0].path(), test[1].path()).is_err());
        Ok(())
    }
}
