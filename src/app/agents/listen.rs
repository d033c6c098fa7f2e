//! Serving agents over HTTP: the token that they bring, and what this host proves its name with.
//!
//! Guarantees: a token is this user's alone, made by the system's random numbers unless the person wrote it; it is never printed.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

use super::super::App;
use crate::artifacts::{self, ArtifactError, PrivateError, ReadError};
use crate::error::Error;
use crate::mcp::{self, Identity, Listening, Offer, Place};
use crate::model::{
    digest::Digest,
    id::{IdSource as _, RandomIds},
};

/// A shorter token could be guessed.
const SHORTEST_TOKEN: usize = 32;
/// A longer one would take the head of a request for itself.
const LONGEST_TOKEN: usize = 4096;
/// Largest file with a token or a key, in bytes.
const MOST_SECRET: u64 = 64 * 1024;

/// Where agents are served over HTTP.
#[derive(Debug)]
pub struct Listen {
    /// The address.
    pub address: SocketAddr,
    /// The file with the token; without one, that of the workspace.
    pub token_file: Option<PathBuf>,
    /// What clients on other machines call this host.
    pub names: Vec<String>,
    /// The files with the certificates and their key.
    pub tls: Option<(PathBuf, PathBuf)>,
}

/// Where agents are served now.
#[derive(Debug)]
pub struct Served<'a> {
    /// The URL for clients.
    pub url: &'a str,
    /// The file with the token that they bring.
    pub token_file: &'a Path,
}

fn unusable(path: &Path, why: &str) -> Error {
    Error::Usage(format!("{}: {why}", path.display()))
}

/// The text of a file that is this user's alone, or nothing where there is none.
fn private(path: &Path) -> Result<Option<SecretString>, Error> {
    match artifacts::read_private(path, MOST_SECRET) {
        Ok(text) => Ok(Some(text)),
        Err(PrivateError::Unreadable(error)) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(PrivateError::Unreadable(source)) => Err(Error::Io { what: path.display().to_string(), source }),
        Err(PrivateError::Unsafe(why)) => {
            Err(unusable(path, &format!("{why}: make it a plain file of your own and `chmod 600` it")))
        }
    }
}

/// The digest of the token in a file, which is made where there is none.
fn token(path: &Path) -> Result<Digest, Error> {
    let text = match private(path)? {
        Some(text) => text,
        None => {
            let made = SecretString::from(format!("{}{}\n", RandomIds.next().simple(), RandomIds.next().simple()));
            match artifacts::create_private(path, &made) {
                // Another server was as quick.
                Err(ArtifactError::Io { source, .. }) if source.kind() == ErrorKind::AlreadyExists => {
                    private(path)?.ok_or_else(|| unusable(path, "it comes and goes"))?
                }
                other => other.map(|()| made)?,
            }
        }
    };
    let token = text.expose_secret().trim();
    if !(SHORTEST_TOKEN..=LONGEST_TOKEN).contains(&token.len()) || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        let why = format!("a token is one line of {SHORTEST_TOKEN} to {LONGEST_TOKEN} visible ASCII characters");
        return Err(unusable(path, &why));
    }
    Ok(Digest::of(token.as_bytes()))
}

/// What this host proves its name with.
fn identity((certificates, key): &(PathBuf, PathBuf)) -> Result<Identity, Error> {
    // Certificates are for everybody, and often lie behind a link to the newest ones.
    let path = std::fs::canonicalize(certificates).map_err(|error| unusable(certificates, &error.to_string()))?;
    let read = artifacts::read_once(&path).map_err(|error| match error {
        ReadError::Missing => unusable(certificates, "there is no such file"),
        ReadError::NotAFile(why) => unusable(certificates, &why),
        ReadError::Io(error) => unusable(certificates, &error.to_string()),
    })?;
    let key = private(key)?.ok_or_else(|| unusable(key, "there is no such file"))?;
    Identity::from_pem(&read, &key).map_err(|why| unusable(certificates, &why))
}

impl App {
    /// Serves agents over streamable HTTP until the process is asked to end. `ready` is told where.
    ///
    /// # Errors
    /// When it cannot be started, or others than this machine could reach it and it was not said that they may.
    pub fn serve_mcp_over_http(
        &self,
        offer: Offer,
        listen: Listen,
        ready: impl FnOnce(&Served) + Send,
    ) -> Result<(), Error> {
        let file = listen.token_file.unwrap_or_else(|| self.config.layout.mcp_token());
        let identity = listen.tls.as_ref().map(identity).transpose()?;
        let refused = |error: mcp::McpError| Error::Usage(error.to_string());
        // Whether others may reach it is decided before a token is made for them.
        let place = Place::new(listen.address, listen.names, identity).map_err(refused)?;
        let listening = Listening { place, token: token(&file)? };
        let ready = |url: &str| ready(&Served { url, token_file: &file });
        self.serve_agents(|door| mcp::serve_http(door, offer, &listening, ready))?.map_err(refused)
    }
}
