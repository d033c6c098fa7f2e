//! The agents' door: trusted skills as tools of the Model Context Protocol, over standard input and output or over HTTP.
//!
//! The official SDK speaks the protocol; around it stand `wire` and `frame`, which read and write lines more strictly than it
//! does, `http`, which does the same for requests, and `guard`, which makes an answer of whatever a handler does. `server` says who we are, `tools` what can be called,
//! `call` does it, `question` asks a person, `proposals` takes in what agents wish for, `read` has what can be looked up.
//!
//! Guarantees: everything here goes through an [`AgentApi`], so that no code on this side can promote, revoke, or change what
//! is allowed; standard output carries the protocol and nothing else; when the client goes, what runs for it is ended.
//!
//! Deliberately never: reads the ledger or a file, or has a policy of its own.

mod call;
mod frame;
mod guard;
mod http;
mod proposals;
mod question;
mod read;
mod server;
mod session;
mod tools;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rmcp::service::{ServerInitializeError, serve_server};

pub use http::{Identity, Listening, Place, serve_http};

use crate::app::AgentApi;
use guard::Guarded;
use server::Server;
use session::Session;
use wire::Wire;

/// How many skills are offered as tools of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// While they are few; of many, only a search.
    Few,
    /// Each of them, however many.
    All,
}

/// Why agents cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum McpError {
    /// There is no runtime.
    #[error("the server could not be started: {0}")]
    Runtime(#[from] io::Error),
    /// The address cannot be listened at.
    #[error("{address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// Other machines can reach the address, and nobody said that they may.
    #[error(
        "other machines can reach {0}: name this host as they call it with --serve-as, and give it a certificate, or listen at 127.0.0.1"
    )]
    Reachable(SocketAddr),
    /// This host cannot be called so.
    #[error("`{0}` is no name of a host: give it as it stands in a URL, without a port")]
    Name(String),
    /// The token would go over the network for all to see.
    #[error("other machines can reach {0}: give --tls-cert and --tls-key, or listen at 127.0.0.1")]
    Unencrypted(SocketAddr),
    /// The client began with something else than the protocol.
    #[error("the connection could not be opened: {0}")]
    Opening(String),
}

/// Serves the one client at standard input and output, until it goes.
///
/// # Errors
/// [`McpError`] when it never came to an understanding.
pub fn serve_stdio(door: AgentApi, offer: Offer) -> Result<(), McpError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let served = runtime.block_on(serve(door, offer));
    // A read that the operating system does not give back is not waited for.
    runtime.shutdown_background();
    served
}

async fn serve(door: AgentApi, offer: Offer) -> Result<(), McpError> {
    let session = Arc::new(Session::new());
    let (wire, written) = Wire::standard(Arc::clone(&session));
    let guarded = Guarded { handler: Server::new(door, offer), session, out: written.outbox() };
    let served = match serve_server(guarded, wire).await {
        // However it ended: it is over.
        Ok(running) => {
            let _ = running.waiting().await;
            Ok(())
        }
        // Somebody who came and went.
        Err(ServerInitializeError::ConnectionClosed(_)) => Ok(()),
        Err(error) => Err(McpError::Opening(error.to_string())),
    };
    written.all().await;
    served
}
