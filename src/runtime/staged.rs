//! What a run left in its staging folder, read back by the host after the guest is gone.
//!
//! Guarantees: only regular files with one name and a path that may be in a vault come out, each with the digest of
//! its bytes; anything else is an error that names it. Deliberately never: moves or changes a file.

use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};

use crate::model::{digest::Digest, execution::Effect, vault_path::InvalidVaultPath, vault_path::VaultPath};

/// Why a staging folder is not what a run may leave.
#[derive(Debug, thiserror::Error)]
pub enum StagedError {
    /// A name that may not be in a vault.
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
    /// The operating system said no.
    #[error("{path}: {source}")]
    Io {
        /// Where.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
}

/// The files below `out`, in order of their paths. Folders count only through the files in them.
///
/// # Errors
/// [`StagedError`] for the first thing that may not go into a vault.
pub fn collect(out: &Path) -> Result<Vec<Effect>, StagedError> {
    let mut effects = Vec::new();
    walk(out, "", &mut effects)?;
    effects.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(effects)
}

fn walk(root: &Path, prefix: &str, effects: &mut Vec<Effect>) -> Result<(), StagedError> {
    let folder = root.join(prefix);
    let io = |source: rustix::io::Errno| StagedError::Io { path: folder.clone(), source: source.into() };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::open(&folder, flags, Mode::empty()).map_err(io)?;
    for entry in Dir::read_from(&fd).map_err(io)? {
        let entry = entry.map_err(io)?;
        let name = entry.file_name().to_string_lossy();
        if name == "." || name == ".." {
            continue;
        }
        let path = if prefix.is_empty() { name.into_owned() } else { format!("{prefix}/{name}") };
        let stat = rustix::fs::statat(&fd, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW).map_err(io)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => walk(root, &path, effects)?,
            FileType::RegularFile if stat.st_nlink == 1 => {
                let bytes = std::fs::read(root.join(&path))
                    .map_err(|source| StagedError::Io { path: root.join(&path), source })?;
                let path = VaultPath::parse(&path)?;
                effects.push(Effect { path, sha256: Digest::of(&bytes), bytes: bytes.len() as u64 });
            }
            FileType::RegularFile => return Err(StagedError::Kind { path, what: "a file with several names" }),
            FileType::Symlink => return Err(StagedError::Kind { path, what: "a symbolic link" }),
            _ => return Err(StagedError::Kind { path, what: "not a regular file" }),
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
        let paths: Vec<_> = collect(dir.path())?.into_iter().map(|effect| effect.path.to_string()).collect();
        assert_eq!(paths, ["Inbox/AI/b.md", "Inbox/a.md"]);

        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("Inbox/link.md"))?;
        assert!(matches!(collect(dir.path()), Err(StagedError::Kind { what: "a symbolic link", .. })));
        std::fs::remove_file(dir.path().join("Inbox/link.md"))?;
        std::fs::hard_link(dir.path().join("Inbox/a.md"), dir.path().join("Inbox/c.md"))?;
        assert!(matches!(collect(dir.path()), Err(StagedError::Kind { .. })));
        std::fs::remove_file(dir.path().join("Inbox/c.md"))?;
        std::fs::write(dir.path().join(".hidden"), "")?;
        assert!(matches!(collect(dir.path()), Err(StagedError::Path(_))));
        Ok(())
    }
}
