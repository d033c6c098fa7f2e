//! The server for agents: trusted skills as tools of the Model Context Protocol, over standard input and output or HTTP.
//!
//! The official SDK speaks the protocol. Around it, `stdio_transport` and `frame` parse messages more strictly than the SDK,
//! `http` does the same for requests, and `catch_panic` turns a panic of a handler into an error response.
//!
//! `service` is the state that all handlers share, and `handler` names the handler of each method:
//! `tools` lists tools, `builtin_tools` describes the server's own ones, `call` runs skills, `builtin_calls` runs the rest,
//! `elicitation` asks a person, `resources` and `prompts` are read, `notifications` reports changes.
//!
//! Guarantees: everything goes through an [`AgentApi`], so that this module cannot promote, revoke, or change policy.
//! Standard output carries the protocol and nothing else. When the client disconnects, its running calls are ended.
//!
//! Deliberately never: reads the ledger or a file, or has a policy of its own.

mod builtin_calls;
mod builtin_tools;
mod call;
mod catch_panic;
mod elicitation;
mod error;
mod frame;
mod handler;
mod http;
mod notifications;
mod prompts;
mod resources;
mod service;
mod session;
mod shutdown;
mod stdio_transport;
mod tool_result;
mod tools;

pub use error::McpError;

use std::sync::Arc;

use rmcp::service::{ServerInitializeError, serve_server};

use crate::app::{AgentApi, AgentServer, AgentServerError, HttpAddress, HttpAgentServer, ToolListing};
use catch_panic::GuardedService;
use http::HttpServer;
use service::McpService;
use session::McpSession;
use shutdown::{ShutdownSignals, exit_on_next_signal};
use stdio_transport::StdioTransport;

/// Serves agents over the Model Context Protocol.
#[derive(Debug)]
pub struct McpServer;

impl AgentServer for McpServer {
    fn serve_stdio(&self, api: Arc<dyn AgentApi>, tools: ToolListing) -> Result<(), AgentServerError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(McpError::from)?;
        let served = runtime.block_on(serve_stdio(api, tools));
        // A thread that reads standard input may block forever, so the runtime does not wait for it.
        runtime.shutdown_background();
        Ok(served?)
    }

    fn http(&self, address: HttpAddress) -> Result<Box<dyn HttpAgentServer>, AgentServerError> {
        Ok(Box::new(HttpServer::new(address)?))
    }
}

async fn serve_stdio(api: Arc<dyn AgentApi>, tools: ToolListing) -> Result<(), McpError> {
    let session = Arc::new(McpSession::new());
    let mut signals = ShutdownSignals::listen()?;
    let ending = Arc::clone(&session);
    tokio::spawn(async move {
        signals.next().await;
        // Active calls end as if the client had gone, and each writes its record.
        ending.close();
        exit_on_next_signal();
    });
    let (transport, output) = StdioTransport::standard(Arc::clone(&session));
    let service = GuardedService { handler: McpService::new(api, tools), session, out: output.outbox() };
    let served = match serve_server(service, transport).await {
        Ok(running) => {
            // Both ways to end, by the client or by a broken pipe, are a normal end.
            let _ = running.waiting().await;
            Ok(())
        }
        // The client disconnected before it opened a session.
        Err(ServerInitializeError::ConnectionClosed(_)) => Ok(()),
        Err(error) => Err(McpError::Opening(error.to_string())),
    };
    // Also after an error: responses that were made before it belong to the client.
    output.flush().await;
    served
}
