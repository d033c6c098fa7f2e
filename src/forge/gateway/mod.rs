//! The gateway between the coding agent and its provider.
//!
//! The agent has no network and no key. In its cage a port of the loopback leads to a Unix socket
//! ([`crate::cage::Job::loopback_forward`]), and at the other end of the socket stands this: it holds the key, lets
//! through what the attempt needs and no more, and keeps the account.
//!
//! Guarantees:
//! - Only `POST /v1/messages` reaches the provider, and of that only what the agent may ask ([`ask`]): nothing that
//!   makes the provider fetch, connect, run or look up something for it. `HEAD /` is answered here. Everything else is
//!   refused before anybody is contacted.
//! - What goes up is written anew: a short list of headers, the body as it was looked at, and the key. What comes down
//!   has a short list of headers, and never the key.
//! - Requests, bytes and tokens are counted against the attempt's [`Limits`]. Past a limit nothing goes through any
//!   more. Bytes are cut off exactly; tokens are known when an answer has ended, and one answer is asked for at a time,
//!   so that they overshoot by one answer at most. An answer that was not seen to its end counts as the dearest that it
//!   could have been.
//! - One line of log a request ([`Line`]), without bodies and headers.
//! - When [`serve`] returns, every thread and connection of it is gone.
//!
//! Deliberately never: keeps the key anywhere but here, follows a redirect, retries, caches, or believes the agent.

pub mod ask;
pub mod budget;
mod http;
mod key;
mod log;
mod server;
mod upstream;
mod usage;

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread::{self, Builder};

pub use budget::{Limit, Limits, Tokens, Totals};
pub use key::{Key, KeyError};
pub use log::{Account, End, Line};
pub use upstream::{BaseUrl, Provider, Proxy, Roots, RouteError};

use crate::model::id::IdSource;
use crate::model::time::Clock;
use server::{Listener, Server};

/// The longest path that every system takes for a socket.
const MAX_SOCKET_PATH: usize = 100;
/// Where a folder for a socket can always be made with a short path.
const SHORT_FOLDER: &str = "/tmp";

/// By which door the agent comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// A Unix socket in a folder that is closed to other users, for a cage.
    Socket,
    /// A port of this machine's loopback, for an agent without a cage. Whoever is on this machine can knock; the word of
    /// the attempt is all that keeps them out.
    Loopback,
}

/// A door that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// The socket's path on the host. Anybody who can reach it may write to it.
    Socket(PathBuf),
    /// The port.
    Port(u16),
}

/// The gateway could not be opened. Nothing of the attempt has run.
#[derive(Debug, thiserror::Error)]
#[error("the gateway for the coding agent cannot be opened: {0}")]
pub struct GatewayError(#[from] io::Error);

/// A word for one attempt, which its agent shows instead of a key.
pub fn word(ids: &dyn IdSource) -> String {
    format!("kavi-attempt-{}", ids.next().simple())
}

/// Runs `work` while the gateway stands, and gives the account of what passed.
///
/// # Errors
/// [`GatewayError`] when it could not be opened.
pub fn serve<R>(
    provider: &Provider,
    limits: Limits,
    door: Door,
    word: &str,
    clock: &dyn Clock,
    work: impl FnOnce(&Address) -> R,
) -> Result<(R, Account), GatewayError> {
    let (listener, address, _folder) = open(door)?;
    listener.set_nonblocking()?;
    let (leash, held) = UnixStream::pair()?;
    let server = Server::new(provider, limits, clock, word);
    let worked = thread::scope(|scope| {
        let (server, listener) = (&server, &listener);
        Builder::new().spawn_scoped(scope, move || server.run(scope, listener, &held))?;
        // Closes in any case: were `work` to panic, the scope would wait for ever.
        let closer = Closer { server, _leash: leash };
        let worked = work(&address);
        drop(closer);
        Ok::<_, io::Error>(worked)
    })?;
    Ok((worked, server.account()))
}

/// Closes the gateway when it goes.
struct Closer<'s, 'a> {
    server: &'s Server<'a>,
    // Its end wakes whoever waits for connections, after all of them were closed.
    _leash: UnixStream,
}

impl Drop for Closer<'_, '_> {
    fn drop(&mut self) {
        self.server.close();
    }
}

fn open(door: Door) -> io::Result<(Listener, Address, Option<tempfile::TempDir>)> {
    match door {
        Door::Loopback => {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let port = listener.local_addr()?.port();
            Ok((Listener::Tcp(listener), Address::Port(port), None))
        }
        Door::Socket => {
            let mut folder = closed_folder(None)?;
            if folder.path().as_os_str().len() > MAX_SOCKET_PATH - "/gate".len() {
                folder = closed_folder(Some(Path::new(SHORT_FOLDER)))?;
            }
            let path = folder.path().join("gate");
            let listener = UnixListener::bind(&path)?;
            // The cage's user is somebody else when root made the cage. The folder is what keeps others out.
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666))?;
            Ok((Listener::Unix(listener), Address::Socket(path), Some(folder)))
        }
    }
}

/// A folder that only this user may enter.
fn closed_folder(within: Option<&Path>) -> io::Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("kavi-gate-").permissions(std::fs::Permissions::from_mode(0o700));
    match within {
        Some(folder) => builder.tempdir_in(folder),
        None => builder.tempdir(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::RandomIds;

    #[test]
    fn a_word_is_as_hard_to_guess_as_an_id() {
        let (one, two) = (word(&RandomIds), word(&RandomIds));
        assert!(one != two && one.len() == "kavi-attempt-".len() + 32, "{one}");
    }

    #[test]
    fn a_socket_lies_in_a_closed_folder_and_has_a_short_path() -> io::Result<()> {
        let (_listener, address, folder) = open(Door::Socket)?;
        let folder = folder.ok_or(io::ErrorKind::NotFound)?;
        assert_eq!(std::fs::metadata(folder.path())?.permissions().mode() & 0o777, 0o700);
        let Address::Socket(path) = address else { return Err(io::ErrorKind::InvalidData.into()) };
        assert!(path.as_os_str().len() <= MAX_SOCKET_PATH);
        Ok(())
    }
}
