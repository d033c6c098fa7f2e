//! `kavi mcp` and `kavi mcp install`

use clap::{Subcommand, ValueEnum};
use serde_json::json;

use super::Context;
use crate::app::{AgentProgram, Offer};
use crate::error::Error;

/// Serve the trusted skills to an agent, over the Model Context Protocol on standard input and output.
///
/// Every trusted skill is a tool. What a skill would write is held until you decide, unless [policy.mcp] of kavi.toml or your
/// answer to a question of the agent's program says otherwise. An agent can propose skills; it cannot promote anything.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  kavi mcp --workspace ~/notes
  kavi mcp install --client claude-code
  claude mcp add kavi -- kavi --workspace ~/notes mcp"
)]
pub struct Args {
    /// Offer every skill as a tool of its own, also when they are more than 40; else then there is a search instead.
    #[arg(long)]
    all: bool,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Install(Install),
}

/// Print what an agent's program has to be told of this workspace; with --write, put it into its file in this folder.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi mcp install --client cursor
  kavi --workspace ~/notes mcp install --client vscode --write")]
struct Install {
    /// The program.
    #[arg(long, value_enum)]
    client: Client,
    /// Put it into the program's own file below the current folder. Of one that is there a copy is kept.
    #[arg(long)]
    write: bool,
}

/// A program that agents run in.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Client {
    /// `.mcp.json`
    ClaudeCode,
    /// `.cursor/mcp.json`
    Cursor,
    /// `.vscode/mcp.json`
    Vscode,
    /// `.gemini/settings.json`
    Gemini,
}

impl From<Client> for AgentProgram {
    fn from(client: Client) -> Self {
        match client {
            Client::ClaudeCode => Self::ClaudeCode,
            Client::Cursor => Self::Cursor,
            Client::Vscode => Self::VsCode,
            Client::Gemini => Self::Gemini,
        }
    }
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    if let Some(Verb::Install(install)) = &args.verb {
        return run_install(context, install);
    }
    if context.out.is_json() {
        return Err(Error::Usage("`kavi mcp` speaks its own protocol: leave `--output json` out".to_owned()));
    }
    let (app, _) = context.open()?;
    app.serve_mcp(if args.all { Offer::All } else { Offer::Few })
}

fn run_install(context: Context, install: &Install) -> Result<(), Error> {
    let cwd = context.host.cwd.clone();
    let program = AgentProgram::from(install.client);
    let (app, out) = context.open()?;
    if !install.write {
        let entry = app.agent_entry(program)?;
        out.remark(&format!("for {} of your project; --write puts it there", program.file()));
        out.result(&format!("{entry:#}"), &entry);
        return Ok(());
    }
    let installed = app.install_agent(program, &cwd)?;
    let copy = installed.copy.as_ref();
    let kept = copy.map(|copy| format!("what was there is kept as {}\n", copy.display())).unwrap_or_default();
    let human = format!("{} starts `kavi mcp` now\n{kept}", installed.file.display());
    out.result(&human, &json!({ "file": installed.file, "copy": installed.copy }));
    Ok(())
}
