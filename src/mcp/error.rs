//! Why agents cannot be served.

use std::io;
use std::net::SocketAddr;

use crate::app::AgentServerError;

/// Why agents cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum McpError {
    /// The runtime cannot start.
    #[error("the server could not start: {0}")]
    Runtime(#[from] io::Error),
    /// The address cannot be opened.
    #[error("cannot listen at {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system reported.
        source: io::Error,
    },
    /// Other machines can reach the address, and no host name permits that.
    #[error(
        "other machines can reach {0}: give the name of this host with --serve-as and a certificate, or listen at 127.0.0.1"
    )]
    Reachable(SocketAddr),
    /// The host name is invalid.
    #[error("`{0}` is not a host name: give it as it appears in a URL, without a port")]
    Name(String),
    /// The allowed host is invalid.
    #[error("`{0}` is not a value of a Host header: give a host name, or a host name and a port like `notes.lan:7300`")]
    AllowedHost(String),
    /// The token would cross the network without encryption.
    #[error("other machines can reach {0}: give --tls-cert and --tls-key, or listen at 127.0.0.1")]
    Unencrypted(SocketAddr),
    /// The certificate or its key cannot be used.
    #[error("{0}")]
    Certificate(String),
    /// The client did not open a session.
    #[error("the connection could not be opened: {0}")]
    Opening(String),
}

impl From<McpError> for AgentServerError {
    fn from(error: McpError) -> Self {
        match error {
            McpError::Certificate(why) => Self::Certificate(why),
            error => Self::Other(Box::new(error)),
        }
    }
}
