//! The gateway between the coding agent and its provider.
//!
//! The agent has no network and no key. In its sandbox, a loopback port leads to a Unix socket
//! ([`crate::cage::Job::loopback_forward`]). The gateway listens on that socket: it holds the key, passes on what the attempt
//! needs, and counts what it uses. hyper parses what the agent sends; [`crate::http`] is the client to the provider.
//!
//! Guarantees:
//! - Only `POST /v1/messages` reaches the provider, and only with a body that [`request_policy`] accepts: nothing that makes
//!   the provider fetch, connect, run or look up something for the agent. The gateway itself responds to `HEAD /`. It
//!   refuses everything else before it contacts anyone.
//! - The request to the provider is written anew: a short list of headers, the checked body, and the key. The response has
//!   a short list of headers, and never the key.
//! - Requests, bytes and tokens are counted against the [`GatewayLimits`] of the attempt. Once a limit is exceeded nothing
//!   passes. Bytes are cut off exactly. Tokens are known when a response has ended, and one request is at the provider at a
//!   time, so that tokens exceed their limit by one response at most. A response that was not seen to its end costs the
//!   most that it could have cost.
//! - The access log has one line for each request ([`AccessLogLine`]), without bodies and headers.
//! - When [`serve`] returns, its thread and every connection are gone. Only a look-up of the provider's name that the
//!   system has not finished may go on in the background; it holds neither key nor connection.
//!
//! Deliberately never: keeps the key anywhere else, follows a redirect, retries, caches, or trusts the agent.

mod access_log;
mod agent_stream;
mod attempt_gateway;
pub mod budget;
mod exchange;
mod provider_key;
mod redactor;
mod refusal;
pub mod request_policy;
mod server;
mod upstream;
mod usage_meter;

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, Builder};

use tokio::sync::watch;

pub use access_log::{AccessLogLine, ExchangeEnd, GatewayReport};
pub use budget::{GatewayLimit, GatewayLimits, GatewayUsage, TokenCount};
pub use provider_key::{ProviderKey, ProviderKeyError};
pub use upstream::{Provider, ProviderUrl, ProviderUrlError};

use crate::http::HttpError;
use crate::model::id::IdSource;
use crate::model::time::Clock;
use attempt_gateway::Gateway;
use server::Listener;

/// The longest path that every system accepts for a socket.
const MAX_SOCKET_PATH: usize = 100;
/// A folder in which a socket always has a short path.
const SHORT_FOLDER: &str = "/tmp";

/// Where the gateway listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenMode {
    /// A Unix socket in a folder that is closed to other users, for an agent in a sandbox.
    UnixSocket,
    /// A port of this machine's loopback interface, for an agent without a sandbox. Every program on this machine can
    /// connect to it. Only the token of the attempt keeps them out.
    LoopbackPort,
}

/// The address at which the gateway listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// The path of the socket on the host. Whoever can reach it may connect.
    Socket(PathBuf),
    /// The port.
    Port(u16),
}

/// The gateway could not be started. Nothing of the attempt has run.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The system refused a socket, a folder or a thread.
    #[error("cannot start the gateway for the coding agent: {0}")]
    System(#[from] io::Error),
    /// The client to the provider cannot be set up.
    #[error("cannot set up the connection from the gateway to the provider: {0}")]
    Client(#[from] HttpError),
}

/// A token for one attempt, which its agent shows instead of a key.
pub fn attempt_token(ids: &dyn IdSource) -> String {
    format!("kavi-attempt-{}", ids.next().simple())
}

/// What the gateway of one attempt is started with.
#[derive(Debug, Clone, Copy)]
pub struct GatewaySettings<'a> {
    /// Where requests go, and the key for it.
    pub provider: &'a Provider,
    /// What the attempt may use.
    pub limits: GatewayLimits,
    /// Where the gateway listens.
    pub mode: ListenMode,
    /// What the agent has to show.
    pub token: &'a str,
    /// The time of what is written down.
    pub clock: &'a dyn Clock,
}

/// Runs `work` while the gateway listens, and reports what passed.
///
/// # Errors
/// [`GatewayError`] when it could not be started.
pub fn serve<R>(
    settings: GatewaySettings<'_>,
    work: impl FnOnce(&ListenAddress) -> R,
) -> Result<(R, GatewayReport), GatewayError> {
    let GatewaySettings { provider, limits, mode, token, clock } = settings;
    // Kept until the server has ended: dropping it removes the folder with the socket.
    let (listener, address, _folder) = open(mode)?;
    let gateway = Arc::new(Gateway::new(provider, limits, token)?);
    // One thread, so that a hostile agent cannot make the gateway use more than one processor.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let (closer, closing) = watch::channel(());
    let worked = thread::scope(|scope| {
        let gateway = &gateway;
        let serve = move || {
            let served = runtime.block_on(server::run(gateway, listener, clock, closing));
            runtime.shutdown_background();
            served
        };
        let server = Builder::new().name("kavi-gateway".to_owned()).spawn_scoped(scope, serve)?;
        // Moved in here, so that it also goes when `work` panics: the scope would wait for the server for ever.
        let closer = closer;
        let worked = work(&address);
        drop(closer);
        server.join().map_err(|_| io::Error::other("its thread panicked"))??;
        Ok::<_, io::Error>(worked)
    })?;
    Ok((worked, gateway.report()))
}

fn open(mode: ListenMode) -> io::Result<(Listener, ListenAddress, Option<tempfile::TempDir>)> {
    match mode {
        ListenMode::LoopbackPort => {
            // The system chooses the port. A fixed one could be taken, or be known to other
            // programs.
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let port = listener.local_addr()?.port();
            Ok((Listener::Tcp(listener), ListenAddress::Port(port), None))
        }
        ListenMode::UnixSocket => {
            let mut folder = closed_folder(None)?;
            // The kernel allows about a hundred bytes for the path of a socket, and TMPDIR can be
            // of any length.
            if folder.path().as_os_str().len() > MAX_SOCKET_PATH - "/gate".len() {
                folder = closed_folder(Some(Path::new(SHORT_FOLDER)))?;
            }
            let path = folder.path().join("gate");
            let listener = UnixListener::bind(&path)?;
            // The user in the sandbox is another one when root made it. The folder keeps everybody else out.
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666))?;
            Ok((Listener::Unix(listener), ListenAddress::Socket(path), Some(folder)))
        }
    }
}

/// A folder that only this user may enter.
fn closed_folder(within: Option<&Path>) -> io::Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    // Closed when it is made. A folder that is closed later could be entered in between.
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
    fn a_token_is_as_hard_to_guess_as_an_id() {
        let (one, two) = (attempt_token(&RandomIds), attempt_token(&RandomIds));
        assert!(one != two && one.len() == "kavi-attempt-".len() + 32, "{one}");
    }

    #[test]
    fn a_socket_lies_in_a_closed_folder_and_has_a_short_path() -> io::Result<()> {
        let (_listener, address, folder) = open(ListenMode::UnixSocket)?;
        let folder = folder.ok_or(io::ErrorKind::NotFound)?;
        assert_eq!(std::fs::metadata(folder.path())?.permissions().mode() & 0o777, 0o700);
        let ListenAddress::Socket(path) = address else { return Err(io::ErrorKind::InvalidData.into()) };
        assert!(path.as_os_str().len() <= MAX_SOCKET_PATH);
        Ok(())
    }
}
