//! Agents: serves them through an [`AgentServer`], and configures the programs that they run in.
//!
//! `api` is what an agent can do. `handle` passes requests on to the threads that `worker` starts: calls through
//! `call_queue`, everything else as tasks (`submissions`, `queries`). `http_credentials` reads the bearer token and the
//! certificate.
//!
//! Deliberately never: names a protocol, or gives a server more than an [`AgentApi`].

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::open_workspace::{OpenWorkspace, UnreadLedger};
use crate::error::Error;
use crate::policy::actor_capability::ActorCapability;

mod api;
mod call_queue;
mod fair_queue;
mod handle;
mod http_credentials;
mod install;
mod queries;
mod server;
mod submissions;
mod worker;

pub use api::{
    AgentApi, AgentCall, AgentFiles, AgentIdentity, AgentOpinion, AgentRun, AgentSkill, CallFailure, CallReply,
    PersonAnswer, ReplyFn, Settlement, SkillsChanged, Submission, Submitted,
};
pub use fair_queue::{FairQueue, OwnedEntry, QueueFull, QueueLimits};
pub use http_credentials::TlsFiles;
pub use install::{AgentProgram, ClientEntry, Installed};
pub use server::{AgentServer, AgentServerError, HttpAddress, HttpAgentServer, HttpServing, TlsPem, ToolListing};

/// Where agents are served over HTTP.
#[derive(Debug)]
pub struct HttpOptions {
    /// The address.
    pub address: SocketAddr,
    /// The file with the bearer token; without one, that of the workspace.
    pub token_file: Option<PathBuf>,
    /// The host names that clients on other machines use.
    pub names: Vec<String>,
    /// More host names that clients may use, with or without a port.
    pub allowed_hosts: Vec<String>,
    /// The files with the certificates and their key.
    pub tls: Option<TlsFiles>,
}

/// Where agents are served now.
#[derive(Debug)]
pub struct HttpEndpoint<'a> {
    /// The URL for clients.
    pub url: &'a str,
    /// The file with the token that they bring.
    pub token_file: &'a Path,
}

/// Agents in one workspace.
#[derive(Debug, Clone, Copy)]
pub struct AgentService<'a> {
    pub(super) workspace: &'a OpenWorkspace,
}

impl AgentService<'_> {
    /// Serves the agent at standard input and output, until it disconnects.
    ///
    /// # Errors
    /// When the server cannot start, or the client does not speak its protocol.
    pub fn serve_stdio(&self, server: &dyn AgentServer, tools: ToolListing) -> Result<(), Error> {
        self.workspace.allow_person_as_decided(ActorCapability::ServeAgents, UnreadLedger::Proceeds)?;
        worker::serve(self.workspace, |api| server.serve_stdio(Arc::new(api), tools))?.map_err(usage)
    }

    /// Serves agents over HTTP until the process is asked to end. `ready` receives the endpoint.
    ///
    /// # Errors
    /// When the server cannot start, or other machines could reach the address without permission.
    pub fn serve_http(
        &self,
        server: &dyn AgentServer,
        tools: ToolListing,
        options: HttpOptions,
        ready: &mut (dyn FnMut(&HttpEndpoint) + Send),
    ) -> Result<(), Error> {
        self.workspace.allow_person_as_decided(ActorCapability::ServeAgents, UnreadLedger::Proceeds)?;
        let token_file = options.token_file.unwrap_or_else(|| self.workspace.config.layout.mcp_token());
        let tls = options.tls.as_ref().map(TlsFiles::read).transpose()?;
        let address =
            HttpAddress { address: options.address, names: options.names, allowed_hosts: options.allowed_hosts, tls };
        // The address is validated before the token file is made: a rejected address must not leave one behind.
        let server = server.http(address).map_err(|error| match (error, &options.tls) {
            (AgentServerError::Certificate(why), Some(files)) => files.unusable(&why),
            (error, _) => usage(error),
        })?;
        let token = http_credentials::token(&self.workspace.config.layout.root, &token_file)?;
        let mut ready = |url: &str| ready(&HttpEndpoint { url, token_file: &token_file });
        let serve = |api| server.serve(HttpServing { api: Arc::new(api), tools, token, ready: &mut ready });
        worker::serve(self.workspace, serve)?.map_err(usage)
    }

    /// The entry that configures an agent's program for this workspace.
    ///
    /// # Errors
    /// When the path of this binary is not UTF-8, which JSON cannot contain.
    pub fn client_entry(&self, program: AgentProgram) -> Result<ClientEntry, Error> {
        self.workspace.allow_person_as_decided(ActorCapability::ServeAgents, UnreadLedger::Proceeds)?;
        install::entry(self.workspace, program)
    }

    /// Writes the entry to the program's own file, below `folder` or the home folder. An entry that is there already is left as
    /// it is.
    ///
    /// # Errors
    /// When the existing file cannot be parsed, has another entry that cannot be replaced, or cannot be written.
    pub fn install(&self, program: AgentProgram, folder: &Path) -> Result<Installed, Error> {
        self.workspace.allow_person_as_decided(ActorCapability::ServeAgents, UnreadLedger::Proceeds)?;
        install::install(self.workspace, program, folder)
    }
}

fn usage(error: AgentServerError) -> Error {
    Error::Usage(error.to_string())
}
