//! The files of a kit, and the seal over them.
//!
//! A compiler loads the macros of the kit as native code, and every skill links its libraries. So whoever could change a file of
//! it would be believed with everything. A list of digests beside the files helps nobody: it is changed together with them. The
//! list is sealed with a key of this user, as machine code is.
//!
//! Guarantees: [`check`] gives a digest only for exactly the files that were sealed, in the folder that they were sealed for.
//! Deliberately never: says what is wrong with a kit. Any doubt makes another one.

use std::fs;
use std::io;
use std::path::Path;

use crate::artifacts::{self, ArtifactError};
use crate::model::digest::Digest;
use crate::runtime::SealKey;

/// What the seal is for, so that no other sealed thing passes for a kit.
const PURPOSE: &str = "kavi kit 1";
const FILES: &str = "FILES";
const SEAL: &str = "SEAL";

/// The names and digests of the files, one a line.
fn listed(kit: &Path) -> io::Result<String> {
    let mut lines = Vec::new();
    for folder in ["deps", "macros"] {
        for entry in fs::read_dir(kit.join(folder))? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            lines.push(format!("{} {folder}/{name}\n", Digest::of(&fs::read(&path)?)));
        }
    }
    // By path: a line starts with the 64 digits of the digest and a space.
    lines.sort_by(|a, b| a[65..].cmp(&b[65..]));
    Ok(lines.concat())
}

/// Writes the list of the files of a kit that was just built, and gives its digest.
pub(super) fn list(kit: &Path) -> io::Result<Digest> {
    let text = listed(kit)?;
    artifacts::write_durably(kit, &kit.join(FILES), text.as_bytes()).map_err(io::Error::other)?;
    Ok(Digest::of(text.as_bytes()))
}

/// The seal of a list, for the kit in this folder.
fn seal_of(kit: &Path, list: &str, key: &SealKey) -> String {
    let folder = kit.file_name().unwrap_or_default().to_string_lossy();
    key.seal_texts(&[PURPOSE, &folder, list])
}

/// Seals a kit that was just built and listed.
pub(super) fn seal(kit: &Path, key: &SealKey) -> Result<(), ArtifactError> {
    let path = kit.join(FILES);
    let list = fs::read_to_string(&path).map_err(|source| ArtifactError::Io { path, source })?;
    artifacts::write_durably(kit, &kit.join(SEAL), seal_of(kit, &list, key).as_bytes())
}

/// The digest of a kit, if its files are those that were sealed with this key.
pub(super) fn check(kit: &Path, key: &SealKey) -> Option<Digest> {
    let (list, seal) = (fs::read_to_string(kit.join(FILES)).ok()?, fs::read_to_string(kit.join(SEAL)).ok()?);
    let sealed = seal == seal_of(kit, &list, key);
    let same = sealed && list.contains("libkavi_sdk-") && listed(kit).ok()? == list;
    same.then(|| Digest::of(list.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Tested = Result<(), Box<dyn std::error::Error>>;

    #[test]
    fn a_library_and_its_line_in_the_list_changed_together_are_not_believed() -> Tested {
        let cache = tempfile::tempdir()?;
        let key = SealKey::read_or_make(&cache.path().join("kit.key"))?;
        let kit = cache.path().join("kit-1");
        for (path, bytes) in [("deps/libkavi_sdk-1.rlib", "sdk"), ("macros/libserde-1.so", "macro")] {
            fs::create_dir_all(kit.join(path).parent().ok_or("no folder")?)?;
            fs::write(kit.join(path), bytes)?;
        }
        let digest = list(&kit)?;
        assert_eq!(check(&kit, &key), None, "it is not sealed");
        seal(&kit, &key)?;
        assert_eq!(check(&kit, &key), Some(digest));

        // Sealed, and in another folder or with another key.
        let other = cache.path().join("kit-2");
        fs::rename(&kit, &other)?;
        assert_eq!(check(&other, &key), None);
        fs::rename(&other, &kit)?;
        let foreign = SealKey::read_or_make(&cache.path().join("other.key"))?;
        assert_eq!(check(&kit, &foreign), None);

        for path in ["deps/libkavi_sdk-1.rlib", "macros/libserde-1.so", "macros/libmore-1.so"] {
            let before = fs::read(kit.join(path)).ok();
            fs::write(kit.join(path), "evil")?;
            assert_eq!(check(&kit, &key), None, "{path}");
            list(&kit)?;
            assert_eq!(check(&kit, &key), None, "{path} and the list");
            match before {
                Some(before) => fs::write(kit.join(path), before)?,
                None => fs::remove_file(kit.join(path))?,
            }
            list(&kit)?;
            assert_eq!(check(&kit, &key), Some(digest), "{path}");
        }
        Ok(())
    }
}
