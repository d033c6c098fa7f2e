//! `kavi mcp`

use super::Context;
use crate::app::Offer;
use crate::error::Error;

/// Serve the trusted skills to an agent, over the Model Context Protocol on standard input and output.
///
/// Every trusted skill is a tool. What a skill would write is held until you decide, unless [policy.mcp] of kavi.toml or your
/// answer to a question of the agent's program says otherwise. An agent can propose skills; it cannot promote anything.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi mcp --workspace ~/notes
  claude mcp add kavi -- kavi --workspace ~/notes mcp")]
pub struct Args {
    /// Offer every skill as a tool of its own, also when they are more than 40; else then there is a search instead.
    #[arg(long)]
    all: bool,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    if context.out.is_json() {
        return Err(Error::Usage("`kavi mcp` speaks its own protocol: leave `--output json` out".to_owned()));
    }
    let (app, _) = context.open()?;
    app.serve_mcp(if args.all { Offer::All } else { Offer::Few })
}
