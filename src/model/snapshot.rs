//! The accepted sources of one build: what every later stage reads.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{digest::Digest, guidance::GUIDANCE_FILE};

/// The accepted source files of one build, by path relative to the crate (`src/lib.rs`), in memory.
///
/// Its digest covers the paths and the bytes of every file, so one digest names the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    files: BTreeMap<String, Vec<u8>>,
}

/// The list of files of a snapshot as it lies in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this format.
    pub v: u32,
    /// The files in order of their paths.
    pub files: Vec<ManifestEntry>,
}

/// One file of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestEntry {
    /// Path relative to the crate.
    pub path: String,
    /// Digest of its bytes.
    pub sha256: Digest,
    /// Its size in bytes.
    pub bytes: u64,
}

impl Snapshot {
    /// A snapshot of `files`.
    pub fn new(files: BTreeMap<String, Vec<u8>>) -> Self {
        Self { files }
    }

    /// The files, in order of their paths.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
    }

    /// The files that are Rust: all but the guidance.
    pub fn sources(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files().filter(|(path, _)| *path != GUIDANCE_FILE)
    }

    /// The guidance that the builder left, if it did.
    pub fn guidance(&self) -> Option<&[u8]> {
        self.get(GUIDANCE_FILE)
    }

    /// The bytes of one file.
    pub fn get(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }

    /// The list of files.
    pub fn manifest(&self) -> Manifest {
        let entry = |(path, bytes): (&str, &[u8])| ManifestEntry {
            path: path.to_owned(),
            sha256: Digest::of(bytes),
            bytes: bytes.len() as u64,
        };
        Manifest { v: 1, files: self.files().map(entry).collect() }
    }

    /// The digest of the whole: that of the manifest's canonical bytes.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.manifest().to_bytes())
    }

    /// Lines over all files, the size a reviewer sees.
    pub fn lines(&self) -> usize {
        self.files.values().map(|bytes| String::from_utf8_lossy(bytes).lines().count()).sum()
    }

    /// Bytes over all files.
    pub fn bytes(&self) -> usize {
        self.files.values().map(Vec::len).sum()
    }
}

impl Manifest {
    /// The canonical bytes: one line a file, `sha256 bytes path`, behind a line with the version.
    ///
    /// Paths are checked by the workspace gate and hold no newline.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("kavi-snapshot {}\n", self.v);
        for file in &self.files {
            text.push_str(&format!("{} {} {}\n", file.sha256, file.bytes, file.path));
        }
        text.into_bytes()
    }

    /// Reads the canonical bytes back; `None` when they are not exactly canonical.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut lines = text.lines();
        let v = lines.next()?.strip_prefix("kavi-snapshot ")?.parse().ok()?;
        let files = lines
            .map(|line| {
                // At most three parts, because a path may have spaces.
                let mut parts = line.splitn(3, ' ');
                let sha256 = Digest::parse(parts.next()?).ok()?;
                let bytes = parts.next()?.parse().ok()?;
                Some(ManifestEntry { path: parts.next()?.to_owned(), sha256, bytes })
            })
            .collect::<Option<Vec<_>>>()?;
        let manifest = Self { v, files };
        // Written again and compared: one list must have one form, since its digest names the
        // sources.
        (v == 1 && manifest.to_bytes() == bytes).then_some(manifest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_covers_names_and_bytes() {
        let one = Snapshot::new([("src/lib.rs".to_owned(), b"a".to_vec())].into());
        let other = Snapshot::new([("src/lib.rs".to_owned(), b"b".to_vec())].into());
        let moved = Snapshot::new([("src/lib2.rs".to_owned(), b"a".to_vec())].into());
        assert_ne!(one.digest(), other.digest());
        assert_ne!(one.digest(), moved.digest());
        assert_eq!(Manifest::parse(&one.manifest().to_bytes()), Some(one.manifest()));
        assert_eq!(Manifest::parse(b"kavi-snapshot 1\nnonsense\n"), None);
    }
}
