//! The credentials of a server for agents over HTTP: its bearer token and its certificate.
//!
//! Guarantees: only this user can read the token file. A new token comes from the random numbers of the system. A token is
//! never printed.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

use super::server::TlsPem;
use crate::artifacts::{self, ArtifactError, PrivateError, ReadError};
use crate::error::Error;
use crate::model::{
    digest::Digest,
    id::{IdSource as _, RandomIds},
};

/// A shorter token could be guessed.
const SHORTEST_TOKEN: usize = 32;
/// A longer token would not leave room for other headers of a request.
const LONGEST_TOKEN: usize = 4096;
/// Largest file with a token or a key, in bytes.
const MOST_SECRET: u64 = 64 * 1024;

fn unusable(path: &Path, why: &str) -> Error {
    Error::Usage(format!("{}: {why}", path.display()))
}

/// The text of a file that only this user can read; none when there is no file.
fn private(path: &Path) -> Result<Option<SecretString>, Error> {
    match artifacts::read_private(path, MOST_SECRET) {
        Ok(text) => Ok(Some(text)),
        Err(PrivateError::Unreadable(error)) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(PrivateError::Unreadable(source)) => Err(Error::Io { what: path.display().to_string(), source }),
        Err(PrivateError::Unsafe(why)) => {
            Err(unusable(path, &format!("{why}: make it a plain file that you own, with `chmod 600`")))
        }
    }
}

/// The digest of the token in a file. Makes the file when there is none.
pub(super) fn token(root: &Path, path: &Path) -> Result<Digest, Error> {
    let text = match private(path)? {
        Some(text) => text,
        None => {
            // Two random ids, which together have more random bits than anybody can try.
            let made = SecretString::from(format!("{}{}\n", RandomIds.next().simple(), RandomIds.next().simple()));
            // A file elsewhere is the person's choice, with the links on the way there.
            let root = if path.starts_with(root) { root } else { path.parent().unwrap_or(root) };
            match artifacts::create_private(root, path, &made) {
                // Another server made it at the same time.
                Err(ArtifactError::Io { source, .. }) if source.kind() == ErrorKind::AlreadyExists => {
                    private(path)?.ok_or_else(|| unusable(path, "it was removed while it was read"))?
                }
                other => other.map(|()| made)?,
            }
        }
    };
    // A file ends with a line break as a rule, and a header cannot hold one.
    let token = text.expose_secret().trim();
    if !(SHORTEST_TOKEN..=LONGEST_TOKEN).contains(&token.len()) || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        let why = format!("a token is one line of {SHORTEST_TOKEN} to {LONGEST_TOKEN} visible ASCII characters");
        return Err(unusable(path, &why));
    }
    // From here on the token itself is not needed: the server compares digests.
    Ok(Digest::of(token.as_bytes()))
}

/// The files of a certificate.
#[derive(Debug)]
pub struct TlsFiles {
    /// The certificates, the server's own first.
    pub certificates: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl TlsFiles {
    /// Reads both files.
    pub(super) fn read(&self) -> Result<TlsPem, Error> {
        // Certificates are public, and often a link to the newest ones. So, unlike for the key, links are followed.
        let path = std::fs::canonicalize(&self.certificates).map_err(|error| self.unusable(&error.to_string()))?;
        let certificates = artifacts::read_once(&path).map_err(|error| match error {
            ReadError::Missing => self.unusable("there is no such file"),
            ReadError::NotAFile(why) => self.unusable(&why),
            ReadError::Io(error) => self.unusable(&error.to_string()),
        })?;
        let key = private(&self.key)?.ok_or_else(|| unusable(&self.key, "there is no such file"))?;
        Ok(TlsPem { certificates, key })
    }

    /// The error for certificates that cannot be used.
    pub(super) fn unusable(&self, why: &str) -> Error {
        unusable(&self.certificates, why)
    }
}
