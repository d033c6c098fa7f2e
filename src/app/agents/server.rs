//! What Kavi needs of a server for agents. `main` hands in the implementation, so that `app` knows no protocol.

use std::net::SocketAddr;
use std::sync::Arc;

use secrecy::SecretString;

use super::api::AgentApi;
use crate::model::digest::Digest;

/// How many skills are listed as tools of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolListing {
    /// Each skill while they are few; a search tool when they are many.
    SearchWhenMany,
    /// Each skill, however many.
    All,
}

/// A certificate chain and its private key, as PEM.
#[derive(Debug)]
pub struct TlsPem {
    /// The certificates, the server's own first.
    pub certificates: Vec<u8>,
    /// The private key.
    pub key: SecretString,
}

/// Where a server listens for HTTP.
#[derive(Debug)]
pub struct HttpAddress {
    /// The address.
    pub address: SocketAddr,
    /// The host names that clients on other machines use.
    pub names: Vec<String>,
    /// More names under which clients reach this server, like the name of the host in a container. With or without a port.
    pub allowed_hosts: Vec<String>,
    /// The certificate for these names.
    pub tls: Option<TlsPem>,
}

/// What a server needs to serve clients over HTTP.
pub struct HttpServing<'a> {
    /// What clients can do.
    pub api: Arc<dyn AgentApi>,
    /// How skills are listed.
    pub tools: ToolListing,
    /// The digest of the bearer token.
    pub token: Digest,
    /// Receives the URL when the server accepts connections.
    pub ready: &'a mut (dyn FnMut(&str) + Send),
}

impl std::fmt::Debug for HttpServing<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpServing").field("tools", &self.tools).finish_non_exhaustive()
    }
}

/// Why agents cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum AgentServerError {
    /// The certificate or its key cannot be used.
    #[error("{0}")]
    Certificate(String),
    /// Every other reason.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

/// A server that gives agents an [`AgentApi`] over some protocol.
pub trait AgentServer: std::fmt::Debug + Sync {
    /// Serves the one client at standard input and output, until it disconnects.
    ///
    /// # Errors
    /// When the connection cannot be opened.
    fn serve_stdio(&self, api: Arc<dyn AgentApi>, tools: ToolListing) -> Result<(), AgentServerError>;

    /// Validates an address. Opens nothing, so that a rejected address leaves no token behind.
    ///
    /// # Errors
    /// When the address is not allowed, or the certificate is unusable.
    fn http(&self, address: HttpAddress) -> Result<Box<dyn HttpAgentServer>, AgentServerError>;
}

/// A server with a validated HTTP address.
pub trait HttpAgentServer: Send + Sync {
    /// Serves clients that bring the token, until the process is asked to end.
    ///
    /// # Errors
    /// When it cannot listen.
    fn serve(&self, serving: HttpServing<'_>) -> Result<(), AgentServerError>;
}
