//! The two folders of a run, made alike for both implementations.

use std::{
    error::Error,
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt, fs::symlink},
    path::{Path, PathBuf},
    process::Command,
};

/// A vault with a few files and everything odd that can lie in one, an empty `/out`, and a file beside them.
pub struct Folders(tempfile::TempDir);

impl Folders {
    pub fn new() -> Result<Self, Box<dyn Error>> {
        let folders = Self(tempfile::tempdir()?);
        let vault = folders.vault();
        for folder in ["sub", "empty", "odd"] {
            fs::create_dir_all(vault.join(folder))?;
        }
        fs::create_dir(folders.out())?;
        fs::write(vault.join("a.md"), "alpha")?;
        fs::write(vault.join("sub/b.md"), "beta")?;
        fs::write(vault.join("big.bin"), vec![b'x'; 300_000])?;
        fs::write(folders.0.path().join("outside.md"), "outside")?;
        fs::write(vault.join("odd/text.md"), "")?;
        fs::write(vault.join("odd").join(OsStr::from_bytes(b"\xff.md")), "")?;
        let links = [
            ("a.md", "link-in"),
            ("sub", "link-folder"),
            ("..", "link-out"),
            ("/etc/passwd", "link-absolute"),
            ("link-loop", "link-loop"),
            ("nowhere", "link-missing"),
        ];
        for (target, link) in links {
            symlink(target, vault.join(link))?;
        }
        if !Command::new("mkfifo").arg(vault.join("pipe")).status()?.success() {
            return Err("mkfifo failed".into());
        }
        Ok(folders)
    }

    pub fn vault(&self) -> PathBuf {
        self.0.path().join("vault")
    }

    pub fn out(&self) -> PathBuf {
        self.0.path().join("out")
    }

    /// Everything in the whole folder, with contents, as the host sees it.
    pub fn contents(&self) -> Result<String, Box<dyn Error>> {
        let mut lines = Vec::new();
        contents(self.0.path(), self.0.path(), &mut lines)?;
        lines.sort();
        Ok(lines.join("\n"))
    }
}

fn contents(root: &Path, folder: &Path, lines: &mut Vec<String>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let (path, kind) = entry.map(|entry| (entry.path(), entry.file_type()))?;
        let (kind, name) = (kind?, path.strip_prefix(root)?.to_string_lossy().into_owned());
        if kind.is_dir() {
            lines.push(format!("{name}/"));
            contents(root, &path, lines)?;
        } else if kind.is_file() {
            let text = fs::read(&path)?;
            lines.push(format!("{name}: {:?}", String::from_utf8_lossy(&text[..text.len().min(80)])));
        } else {
            lines.push(format!("{name}: {kind:?}"));
        }
    }
    Ok(())
}
