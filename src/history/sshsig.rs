//! Signatures of files by OpenSSH (`SSHSIG`), as `ssh-keygen -Y sign` makes them.
//!
//! Guarantees: [`SshSignature::parse`] takes one form only: armored with lines of 70 characters, version 1, no reserved bytes,
//! SHA-512, and nothing after the last field. A namespace says what was signed for; it is never empty. Deliberately never: says
//! whose key it is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::Digest as _;

use super::ssh_key::{Presence, SshKeyError, SshPublicKey, WireReader, put_string};

const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----\n";
const END: &str = "-----END SSH SIGNATURE-----\n";
const MAGIC: &[u8] = b"SSHSIG";
/// Characters of a line, as OpenSSH breaks them.
const LINE: usize = 70;
/// Longest armored signature, in bytes.
pub const MAX_SSHSIG: usize = 16 << 10;

/// Why a text is no signature of a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SshsigError {
    /// Its form.
    #[error("the SSH signature is malformed: {0}")]
    Malformed(&'static str),
    /// Its key or the signature itself.
    #[error(transparent)]
    Key(#[from] SshKeyError),
    /// Made for something else.
    #[error("it was signed for `{found}`, not for `{wanted}`")]
    OtherNamespace {
        /// What it was made for.
        found: String,
        /// What was asked for.
        wanted: String,
    },
}

/// A signature, taken apart. It says nothing until [`SshSignature::verify`] does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshSignature {
    /// The key that it says it is by.
    pub key: SshPublicKey,
    /// What it was made for.
    pub namespace: String,
    signature: Vec<u8>,
}

impl SshSignature {
    /// Takes an armored signature apart.
    ///
    /// # Errors
    /// [`SshsigError`].
    pub fn parse(armored: &str) -> Result<Self, SshsigError> {
        let malformed = SshsigError::Malformed;
        if armored.len() > MAX_SSHSIG {
            return Err(malformed("it is too long"));
        }
        let body = armored.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END));
        let body = body.ok_or(malformed("it has no armor"))?;
        let encoded: String = body.split_inclusive('\n').map(|line| line.trim_end_matches('\n')).collect();
        let blob = STANDARD.decode(encoded).map_err(|_| malformed("it is not base64"))?;
        let parsed = Self::from_blob(&blob)?;
        // One signature has one text, so no byte of it can be changed unseen.
        match parsed.armored() == armored {
            true => Ok(parsed),
            false => Err(malformed("its lines are not broken as OpenSSH breaks them")),
        }
    }

    /// A signature of a key, in SSH's binary form, that was made for something.
    #[cfg(test)]
    pub(super) fn from_parts(key: SshPublicKey, namespace: &str, signature: Vec<u8>) -> Self {
        Self { key, namespace: namespace.to_owned(), signature }
    }

    fn from_blob(blob: &[u8]) -> Result<Self, SshsigError> {
        let malformed = SshsigError::Malformed;
        let short = malformed("a field is missing");
        let rest = blob.strip_prefix(MAGIC).ok_or(malformed("it does not begin with SSHSIG"))?;
        let mut reader = WireReader(rest);
        if reader.number() != Some(1) {
            return Err(malformed("its version is not 1"));
        }
        let key = SshPublicKey::from_blob(reader.string().ok_or(short.clone())?)?;
        let namespace = reader.string().ok_or(short.clone())?;
        let reserved = reader.string().ok_or(short.clone())?;
        let hash = reader.string().ok_or(short.clone())?;
        let signature = reader.string().ok_or(short)?.to_vec();
        let namespace = std::str::from_utf8(namespace).map_err(|_| malformed("its namespace is no text"))?.to_owned();
        // The specification keeps the reserved bytes for later versions. What they would mean is
        // unknown, so a signature with any is refused.
        if namespace.is_empty() || !reserved.is_empty() || hash != b"sha512" || !reader.is_empty() {
            return Err(malformed("its namespace, hash or reserved bytes are not accepted, or something follows them"));
        }
        Ok(Self { key, namespace, signature })
    }

    /// The armored text.
    pub fn armored(&self) -> String {
        let mut blob = MAGIC.to_vec();
        blob.extend_from_slice(&1_u32.to_be_bytes());
        for field in [self.key.blob(), self.namespace.as_bytes(), b"", b"sha512", &self.signature] {
            put_string(&mut blob, field);
        }
        let encoded = STANDARD.encode(blob);
        let mut text = BEGIN.to_owned();
        for line in encoded.as_bytes().chunks(LINE) {
            text.push_str(&String::from_utf8_lossy(line));
            text.push('\n');
        }
        text.push_str(END);
        text
    }

    /// Checks that its key signed this message for this namespace.
    ///
    /// # Errors
    /// [`SshsigError`].
    pub fn verify(&self, namespace: &str, message: &[u8]) -> Result<Presence, SshsigError> {
        // Before the signature: it fits its own namespace, and the person needs to know that they
        // signed something else.
        if self.namespace != namespace {
            let (found, wanted) = (self.namespace.clone(), namespace.to_owned());
            return Err(SshsigError::OtherNamespace { found, wanted });
        }
        Ok(self.key.verify(&signed_bytes(namespace, message), &self.signature)?)
    }
}

/// The bytes that a key signs for a message.
pub fn signed_bytes(namespace: &str, message: &[u8]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    for field in [namespace.as_bytes(), b"", b"sha512", &sha2::Sha512::digest(message)] {
        put_string(&mut bytes, field);
    }
    bytes
}

#[cfg(test)]
#[path = "sshsig_tests.rs"]
mod tests;
