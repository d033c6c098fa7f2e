//! The key that entries are sealed with: 32 random bytes in a file of this user's, made on first use.
//!
//! It lies outside of every workspace. A workspace that came from somebody else brings its own entries, and must not
//! bring the key that they are sealed with. Machine code runs outside of every wall that a skill has.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::{
    error::CacheError,
    file::{self, CacheFileError, IfExists, OwnerOnly},
};

const BYTES: usize = blake3::KEY_LEN;

/// A key that Kavi seals files of its own with.
pub struct SealKey([u8; BYTES]);

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey(..)")
    }
}

impl SealKey {
    #[cfg(test)]
    pub(super) fn new(bytes: [u8; BYTES]) -> Self {
        Self(bytes)
    }

    /// The seal of some bytes.
    pub(super) fn seal(&self, parts: &[&[u8]]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        // Parts are joined without separators. The length of the header is one of them, so no other
        // split gives the same bytes.
        parts.iter().for_each(|part| {
            hasher.update(part);
        });
        hasher.finalize()
    }

    /// The seal of some texts, in hexadecimal. Each counts with its length, so that two lists of texts never look alike.
    pub fn seal_texts(&self, texts: &[&str]) -> String {
        let lengths: Vec<[u8; 8]> = texts.iter().map(|text| (text.len() as u64).to_le_bytes()).collect();
        let parts: Vec<&[u8]> =
            lengths.iter().zip(texts).flat_map(|(length, text)| [&length[..], text.as_bytes()]).collect();
        self.seal(&parts).to_hex().to_string()
    }

    /// Reads the key. `None` when nobody made one yet.
    ///
    /// # Errors
    /// [`CacheError`] when it cannot be read, or others could have changed it.
    pub fn read(path: &Path) -> Result<Option<Self>, CacheError> {
        let odd = |why: &str| CacheError::Key { path: path.to_owned(), why: why.to_owned() };
        match file::read(path, OwnerOnly::Wholly, BYTES as u64) {
            Ok(bytes) => Ok(Some(Self(bytes.try_into().map_err(|_| odd("it is too short"))?))),
            Err(CacheFileError::Missing) => Ok(None),
            // A key that others can read protects nothing, so it is an error and not replaced in
            // silence.
            Err(CacheFileError::Because(why)) => Err(odd(&why)),
        }
    }

    /// Reads the key, and makes it before when there is none. Of several processes that make one, the first prevails.
    ///
    /// # Errors
    /// [`CacheError`] when it can be neither read nor made.
    pub fn read_or_make(path: &Path) -> Result<Self, CacheError> {
        if let Some(key) = Self::read(path)? {
            return Ok(key);
        }
        let failed = |source| CacheError::Io { path: path.to_owned(), source };
        let mut bytes = [0; BYTES];
        File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut bytes)).map_err(failed)?;
        if let Some(folder) = path.parent() {
            file::make_folder(folder).map_err(failed)?;
        }
        // Two processes may get here. Replacing would make every entry of the first one foreign.
        file::write(path.parent().unwrap_or(path), path, &bytes, IfExists::Keep).map_err(failed)?;
        // Read back: the key that prevailed can be another process's, and the checks of `read`
        // apply to it.
        let made = Self::read(path)?;
        made.ok_or_else(|| CacheError::Key { path: path.to_owned(), why: "it went away again".to_owned() })
    }
}
