//! Collects what a run left in its staging folder, after the guest is gone.
//!
//! Guarantees: only regular files with one name and a valid vault path come out, each with the digest of its bytes. Anything
//! else is an error that names it. Deliberately never: moves or changes a file.

use std::path::PathBuf;

use rustix::fs::FileType;

use crate::dir::{FolderHandle, MissingFolders, ReadError, beneath};
use crate::model::{
    digest::Digest,
    execution::Effect,
    limits::Limits,
    removals::{self, InvalidManifest, MANIFEST, RequestedRemoval},
    vault_path::{InvalidVaultPath, VaultPath},
};

/// Why the files of a run are not accepted.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// A name that is not allowed in a vault.
    #[error(transparent)]
    Path(#[from] InvalidVaultPath),
    /// Not a regular file with one name.
    #[error("the run left `{path}`, which is {what}")]
    Kind {
        /// Where.
        path: String,
        /// What it is.
        what: &'static str,
    },
    /// The manifest of removals is not valid.
    #[error("the run left `{MANIFEST}`, and {0}")]
    Manifest(#[from] InvalidManifest),
    /// One file is written and removed.
    #[error("the run left `{0}` and removes it")]
    WrittenAndRemoved(VaultPath),
    /// More than a run may leave, counted again after the run.
    #[error("limit `{limit}` of {value} reached: the run left more than that")]
    Limit {
        /// Its name in `[limits]`.
        limit: &'static str,
        /// Its value.
        value: u64,
    },
    /// The operating system refused.
    #[error("{path}: {source}")]
    Io {
        /// Where.
        path: PathBuf,
        /// Its error.
        source: std::io::Error,
    },
}

/// The files below `out`, in order of their paths. Folders are counted as well, but come out only as parts of paths.
///
/// # Errors
/// [`CollectError`] for the first entry that is not allowed in a vault, or that exceeds a limit of staging.
pub fn collect(out: &FolderHandle, limits: &Limits) -> Result<Vec<Effect>, CollectError> {
    let mut found = CollectedOutput { limits, effects: Vec::new(), bytes: 0, entries: 0 };
    walk(out, "", 1, &mut found)?;
    let mut effects = found.effects;
    // The file system lists in any order. Records and commits must be the same in a replay.
    effects.sort_by(|a, b| a.path.cmp(&b.path));
    // The names of a folder are different, and so are those of the manifest. Both can name one file.
    match effects.windows(2).find(|pair| pair[0].path == pair[1].path) {
        Some(pair) => Err(CollectError::WrittenAndRemoved(pair[0].path.clone())),
        None => Ok(effects),
    }
}

/// What was found so far. The wall counted while the guest wrote; this counts what is on the disk.
struct CollectedOutput<'a> {
    limits: &'a Limits,
    effects: Vec<Effect>,
    bytes: u64,
    entries: u64,
}

impl CollectedOutput<'_> {
    /// Counts one more file or folder at this depth, with this size.
    fn count(&mut self, depth: u64, bytes: u64) -> Result<(), CollectError> {
        self.entries += 1;
        // A sparse file can claim more bytes than a sum can hold.
        self.bytes = self.bytes.saturating_add(bytes);
        let limits = self.limits;
        let quotas = [
            ("staged_files", self.entries, limits.staged_files),
            ("staged_bytes", self.bytes, limits.staged_bytes),
            ("staged_depth", depth, limits.staged_depth),
        ];
        match quotas.into_iter().find(|(_, used, value)| used > value) {
            Some((limit, _, value)) => Err(CollectError::Limit { limit, value }),
            None => Ok(()),
        }
    }
}

impl CollectedOutput<'_> {
    /// Adds what the manifest asks for. A removal counts as a file.
    fn add_removals(&mut self, manifest: &[u8]) -> Result<(), CollectError> {
        for RequestedRemoval { path, sha256 } in removals::parse(manifest)? {
            self.count(1, 0)?;
            self.effects.push(Effect { path, sha256: None, bytes: 0, before: Some(sha256) });
        }
        Ok(())
    }
}

fn walk(folder: &FolderHandle, prefix: &str, depth: u64, found: &mut CollectedOutput<'_>) -> Result<(), CollectError> {
    let io = |source| CollectError::Io { path: folder.path().to_owned(), source };
    for entry in folder.entries().map_err(io)? {
        let name = entry.map_err(io)?.file_name();
        let text = name.to_string_lossy();
        let path = if prefix.is_empty() { text.into_owned() } else { format!("{prefix}/{text}") };
        let slot = folder.file(name);
        // The link itself and not its target, which could be any file of the host.
        let stat = slot.stat().map_err(io)?;
        let kind = beneath::kind(&stat);
        let size = if kind == FileType::RegularFile { u64::try_from(stat.st_size).unwrap_or(u64::MAX) } else { 0 };
        // Before it is read, so that a file that is too large never gets into memory.
        found.count(depth, size)?;
        match kind {
            // The depth was counted above, so `staged_depth` also bounds this recursion. A folder that became a link is
            // refused: it would let the walk leave staging.
            FileType::Directory => {
                let below = folder.child(slot.name(), MissingFolders::Refuse).map_err(io)?;
                walk(&below, &path, depth + 1, found)?;
            }
            // A second name could be outside of staging, and change the file after it was hashed.
            FileType::RegularFile if stat.st_nlink == 1 => {
                let content = slot.read(size).map_err(|error| match error {
                    ReadError::Io(source) => io(source),
                    ReadError::NotAFile(why) => io(std::io::Error::new(std::io::ErrorKind::InvalidData, why)),
                    ReadError::Missing => io(std::io::ErrorKind::NotFound.into()),
                })?;
                let bytes = content.bytes;
                if path == MANIFEST {
                    found.add_removals(&bytes)?;
                    continue;
                }
                let path = VaultPath::parse(&path)?;
                found.effects.push(Effect {
                    path,
                    sha256: Some(Digest::of(&bytes)),
                    bytes: bytes.len() as u64,
                    before: None,
                });
            }
            FileType::RegularFile => return Err(CollectError::Kind { path, what: "a file with several names" }),
            FileType::Symlink => return Err(CollectError::Kind { path, what: "a symbolic link" }),
            _ => return Err(CollectError::Kind { path, what: "not a regular file" }),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_out_and_links_do_not() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        std::fs::create_dir_all(dir.path().join("Inbox/AI"))?;
        std::fs::write(dir.path().join("Inbox/AI/b.md"), "b")?;
        std::fs::write(dir.path().join("Inbox/a.md"), "a")?;
        let paths: Vec<_> = collect(&FolderHandle::open(dir.path())?, &Limits::default())?
            .into_iter()
            .map(|effect| effect.path.to_string())
            .collect();
        assert_eq!(paths, ["Inbox/AI/b.md", "Inbox/a.md"]);

        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("Inbox/link.md"))?;
        assert!(matches!(
            collect(&FolderHandle::open(dir.path())?, &Limits::default()),
            Err(CollectError::Kind { what: "a symbolic link", .. })
        ));
        std::fs::remove_file(dir.path().join("Inbox/link.md"))?;
        std::fs::hard_link(dir.path().join("Inbox/a.md"), dir.path().join("Inbox/c.md"))?;
        assert!(matches!(
            collect(&FolderHandle::open(dir.path())?, &Limits::default()),
            Err(CollectError::Kind { .. })
        ));
        std::fs::remove_file(dir.path().join("Inbox/c.md"))?;
        std::fs::write(dir.path().join(".hidden"), "")?;
        assert!(matches!(collect(&FolderHandle::open(dir.path())?, &Limits::default()), Err(CollectError::Path(_))));
        Ok(())
    }

    #[test]
    fn removals_come_out_of_their_manifest() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let put = |path: &str, text: &str| std::fs::write(dir.path().join(path), text);
        let manifest = |paths: &[&str]| {
            let removal = |path: &&str| format!(r#"{{"path":"{path}","sha256":"{}"}}"#, Digest::of(b"old"));
            put(
                MANIFEST,
                &format!(r#"{{"v":1,"remove":[{}]}}"#, paths.iter().map(removal).collect::<Vec<_>>().join(",")),
            )
        };
        put("b.md", "b")?;
        manifest(&["c/d.md", "a.md"])?;
        let effects = collect(&FolderHandle::open(dir.path())?, &Limits::default())?;
        let found: Vec<_> = effects.iter().map(|it| (it.path.as_str(), it.sha256.is_some(), it.before)).collect();
        let old = Some(Digest::of(b"old"));
        assert_eq!(found, [("a.md", false, old), ("b.md", true, None), ("c/d.md", false, old)]);
        let few = Limits { staged_files: 3, ..Limits::default() };
        let refused = collect(&FolderHandle::open(dir.path())?, &few);
        assert!(matches!(refused, Err(CollectError::Limit { limit: "staged_files", .. })), "{refused:?}");
        manifest(&["b.md"])?;
        assert!(matches!(
            collect(&FolderHandle::open(dir.path())?, &Limits::default()),
            Err(CollectError::WrittenAndRemoved(_))
        ));
        manifest(&["../b.md"])?;
        assert!(matches!(
            collect(&FolderHandle::open(dir.path())?, &Limits::default()),
            Err(CollectError::Manifest(_))
        ));
        // Only at the top: anywhere else it is a hidden file like any other.
        std::fs::remove_file(dir.path().join(MANIFEST))?;
        std::fs::create_dir(dir.path().join("sub"))?;
        put(&format!("sub/{MANIFEST}"), "{}")?;
        assert!(matches!(collect(&FolderHandle::open(dir.path())?, &Limits::default()), Err(CollectError::Path(_))));
        Ok(())
    }

    #[test]
    fn what_lies_there_is_counted_again() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        std::fs::create_dir_all(dir.path().join("a/b"))?;
        std::fs::write(dir.path().join("a/b/c.md"), "12345")?;
        let exact = Limits { staged_files: 3, staged_bytes: 5, staged_depth: 3, ..Limits::default() };
        assert_eq!(collect(&FolderHandle::open(dir.path())?, &exact)?.len(), 1);
        let one_less = [
            ("staged_files", Limits { staged_files: 2, ..exact.clone() }),
            ("staged_bytes", Limits { staged_bytes: 4, ..exact.clone() }),
            ("staged_depth", Limits { staged_depth: 2, ..exact.clone() }),
        ];
        for (name, limits) in one_less {
            let refused = collect(&FolderHandle::open(dir.path())?, &limits);
            assert!(matches!(refused, Err(CollectError::Limit { limit, .. }) if limit == name), "{name}: {refused:?}");
        }
        // A sparse file costs its length, and is refused without being read.
        std::fs::File::create(dir.path().join("sparse"))?.set_len(1 << 40)?;
        let refused = collect(&FolderHandle::open(dir.path())?, &Limits::default());
        assert!(matches!(refused, Err(CollectError::Limit { limit: "staged_bytes", .. })), "{refused:?}");
        Ok(())
    }
}
