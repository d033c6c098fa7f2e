//! `kavi context`

use serde_json::json;

use super::{Context, JsonFlag};
use crate::error::Error;

/// Show what agents are told about themselves: charter, policy values and capabilities in one block.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi context show
  kavi context show --actor agent:kora --model claude-sonnet-4-5
  kavi context show --full --json

Clients of `kavi mcp` get the same text as the server's instructions, and as the
resource kavi://context.")]
pub struct Args {
    #[command(subcommand)]
    verb: ContextVerb,
}

#[derive(Debug, clap::Subcommand)]
enum ContextVerb {
    /// Show the identity block of an agent.
    Show(ShowArgs),
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// The actor.
    #[arg(long, default_value = "agent")]
    actor: String,
    /// The model that it is for, for its token ceiling.
    #[arg(long)]
    model: Option<String>,
    /// Without a cut.
    #[arg(long)]
    full: bool,
    #[command(flatten)]
    json: JsonFlag,
}

impl Args {
    /// Whether `--json` was given.
    pub fn json(&self) -> bool {
        let ContextVerb::Show(args) = &self.verb;
        args.json.json
    }
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let ContextVerb::Show(args) = &args.verb;
    let (app, out) = context.open_to_look()?;
    let block = app.context().identity_block(&args.actor, args.model.as_deref(), args.full)?;
    if let Some(drift) = &block.drift {
        out.remark(&format!("warning: {drift}"));
    }
    let machine = json!({
        "block": block.text,
        "sha256": block.sha256,
        "context_sha256": block.context_sha256,
        "charter_sha256": block.charter_sha256,
        "drift": block.drift,
    });
    out.result(&block.text, &machine);
    Ok(())
}
