//! The digest of this program's own file, for records of what built and checked something.
//!
//! Guarantees: the file is read once for each inode and time of change, and the digest is kept in the cache folder after that. No
//! start of the program waits for it. Whoever can write the cache folder can make it wrong, as they can replace the program.
//!
//! Deliberately never: decides anything by the digest.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use sha2::{Digest as _, Sha256};

use crate::model::digest::Digest;

/// The running program's file, wherever its name leads by now.
const RUNNING: &str = "/proc/self/exe";

/// The file of this program.
#[derive(Debug)]
pub struct ProgramFile {
    exe: PathBuf,
    cache: Option<PathBuf>,
    digest: OnceLock<Digest>,
}

impl ProgramFile {
    /// The program that runs, whose path is `exe`. Its digest is kept below `cache`.
    pub fn new(exe: PathBuf, cache: Option<PathBuf>) -> Self {
        Self { exe, cache, digest: OnceLock::new() }
    }

    /// Its digest.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn digest(&self) -> io::Result<Digest> {
        if let Some(digest) = self.digest.get() {
            return Ok(*digest);
        }
        let file = File::open(RUNNING).or_else(|_| File::open(&self.exe))?;
        let digest = kept_digest(&file, self.cache.as_deref())?;
        Ok(*self.digest.get_or_init(|| digest))
    }
}

/// The digest of an open file, from the cache folder if it is the file that was read then.
fn kept_digest(file: &File, cache: Option<&Path>) -> io::Result<Digest> {
    let meta = file.metadata()?;
    let state = format!("{} {}.{} {}", meta.ino(), meta.ctime(), meta.ctime_nsec(), meta.len());
    let path = cache.map(|cache| cache.join(format!("program-{}-{}", meta.dev(), meta.ino())));
    let kept =
        path.as_ref().and_then(|path| super::read_once(path).ok()).and_then(|bytes| String::from_utf8(bytes).ok());
    let kept = kept.as_ref().and_then(|text| text.trim_end().strip_prefix(&state)?.strip_prefix(' '));
    if let Some(digest) = kept.and_then(|text| Digest::parse(text).ok()) {
        return Ok(digest);
    }
    let digest = hash(file)?;
    if let (Some(cache), Some(path)) = (cache, path) {
        // Without it the next record reads the file again.
        let _ = super::write_durably(cache, &path, format!("{state} {digest}\n").as_bytes());
    }
    Ok(digest)
}

fn hash(mut file: &File) -> io::Result<Digest> {
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => hasher.update(&buffer[..read]),
        }
    }
    let hex: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Digest::parse(&hex).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_again_only_when_it_changed() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let (path, cache) = (folder.path().join("program"), folder.path().join("cache"));
        std::fs::create_dir(&cache)?;
        std::fs::write(&path, "one")?;
        let kept = || kept_digest(&File::open(&path)?, Some(&cache));
        assert_eq!(kept()?, Digest::of(b"one"));
        // What is kept is believed, so a wrong one shows that the file was not read.
        let entry = std::fs::read_dir(&cache)?.next().ok_or("nothing is kept")??.path();
        let text = std::fs::read_to_string(&entry)?;
        let other = Digest::of(b"other");
        std::fs::write(&entry, text.replace(&Digest::of(b"one").to_string(), &other.to_string()))?;
        assert_eq!(kept()?, other);
        // Another length is another file, whatever the clock says.
        std::fs::write(&path, "longer")?;
        assert_eq!(kept()?, Digest::of(b"longer"));
        std::fs::write(&entry, "nonsense")?;
        assert_eq!(kept()?, Digest::of(b"longer"));
        assert_eq!(kept_digest(&File::open(&path)?, None)?, Digest::of(b"longer"));
        Ok(())
    }

    #[test]
    fn the_running_program_has_a_digest() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let program = ProgramFile::new(PathBuf::from("/nowhere"), Some(folder.path().to_owned()));
        let bytes = std::fs::read(RUNNING)?;
        assert_eq!((program.digest()?, program.digest()?), (Digest::of(&bytes), Digest::of(&bytes)));
        Ok(())
    }
}
