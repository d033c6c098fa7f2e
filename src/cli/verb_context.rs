//! What every verb is given besides its own arguments.

use std::path::PathBuf;

use super::out::Out;
use crate::app::{AgentServer, App, Host, Walls};
use crate::error::Error;

/// `--json` of verbs that take no input: short for `--output json`.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct JsonFlag {
    /// Short for `--output json`.
    #[arg(long)]
    pub json: bool,
}

/// What a verb gets besides its own arguments.
#[derive(Debug)]
pub struct Context {
    pub host: Host,
    pub out: Out,
    pub workspace: Option<PathBuf>,
    pub walls: Walls,
    pub agent_server: &'static dyn AgentServer,
}

impl Context {
    /// Opens the workspace and gives the printer back beside it.
    pub fn open(self) -> Result<(App, Out), Error> {
        let app = App::open(self.host, self.workspace.as_deref(), self.walls)?;
        Ok((app, self.out))
    }

    /// The same for a verb that only looks, and may do that where nothing can be written.
    pub fn open_to_look(self) -> Result<(App, Out), Error> {
        let app = App::open_to_look(self.host, self.workspace.as_deref(), self.walls)?;
        Ok((app, self.out))
    }
}
