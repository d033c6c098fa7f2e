//! `kavi mcp`, over standard input and output or HTTP, and `kavi mcp install`

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use serde_json::json;

use super::Context;
use crate::app::{AgentProgram, HttpOptions, TlsFiles, ToolListing};
use crate::error::Error;

/// Serve the trusted skills to an agent, over the Model Context Protocol.
///
/// The agent's program starts it, and uses standard input and output. With --listen one server serves many clients over
/// HTTP, and each presents the token from the token file. Every trusted skill is a tool. Changes of a skill are held until
/// you decide, unless [policy.mcp] of kavi.toml, or your answer in the agent's program, says otherwise. An agent can propose
/// skills; it cannot promote anything.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  kavi mcp --workspace ~/notes
  kavi mcp install --client claude-code
  kavi mcp --listen 127.0.0.1:7300
  claude mcp add kavi -- kavi --workspace ~/notes mcp"
)]
pub struct Args {
    /// List every skill as a tool. Default: above 40 skills there is a search instead.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    http: Http,
    #[command(subcommand)]
    verb: Option<Verb>,
}

/// Serving over HTTP.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Over HTTP")]
struct Http {
    /// Serve over streamable HTTP at this address, path /mcp, until SIGTERM or Ctrl-C. Port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// The file with the token that clients present, mode 0600; made if missing. Default: .kavi/mcp-token.
    #[arg(long, value_name = "FILE", requires = "listen")]
    token_file: Option<PathBuf>,
    /// Accept other machines, which call this host by this name. Any address but loopback needs it, and a certificate.
    #[arg(long, value_name = "NAME", requires = "listen")]
    serve_as: Vec<String>,
    /// Also accept requests that call this host NAME or NAME:PORT, like host.docker.internal. May be given several times.
    #[arg(long, value_name = "HOST", requires = "listen")]
    allow_host: Vec<String>,
    /// The certificates for that name, as PEM, its own first.
    #[arg(long, value_name = "FILE", requires_all = ["listen", "tls_key"])]
    tls_cert: Option<PathBuf>,
    /// Their private key, as PEM; mode 0600.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Install(Install),
}

/// Print the entry for this workspace in an agent's program; with --write, save it in the program's own file.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi mcp install --client cursor
  kavi --workspace ~/notes mcp install --client vscode --write")]
struct Install {
    /// The program.
    #[arg(long, value_enum)]
    client: Client,
    /// Save it in the program's file, below the current folder or, where the list says `~`, below your home. A copy of an
    /// existing file is kept.
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
    /// `.zed/settings.json`
    Zed,
    /// `~/.codex/config.toml`
    Codex,
    /// `~/.config/Claude/claude_desktop_config.json`; on macOS below `~/Library/Application Support`
    ClaudeDesktop,
    /// `~/.codeium/windsurf/mcp_config.json`
    Windsurf,
}

impl From<Client> for AgentProgram {
    fn from(client: Client) -> Self {
        match client {
            Client::ClaudeCode => Self::ClaudeCode,
            Client::Cursor => Self::Cursor,
            Client::Vscode => Self::VsCode,
            Client::Gemini => Self::Gemini,
            Client::Zed => Self::Zed,
            Client::Codex => Self::Codex,
            Client::ClaudeDesktop => Self::ClaudeDesktop,
            Client::Windsurf => Self::Windsurf,
        }
    }
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    if let Some(Verb::Install(install)) = &args.verb {
        return run_install(context, install);
    }
    let tools = if args.all { ToolListing::All } else { ToolListing::SearchWhenMany };
    if let Some(address) = args.http.listen {
        return listen(context, tools, address, &args.http);
    }
    // Standard output belongs to the protocol. A document of ours in it would break the client.
    if context.out.is_json() {
        return Err(Error::Usage("`kavi mcp` has its own protocol: remove `--output json`".to_owned()));
    }
    let server = context.agent_server;
    let (app, out) = context.open()?;
    if std::io::stdin().is_terminal() {
        out.remark(
            "this is a server for agents' programs and waits for one at standard input; Ctrl-C ends it\n\
             to connect a program: kavi mcp install --client claude-code; to serve over HTTP: kavi mcp --listen 127.0.0.1:7300",
        );
    }
    app.agents().serve_stdio(server, tools)
}

fn listen(context: Context, tools: ToolListing, address: SocketAddr, http: &Http) -> Result<(), Error> {
    let here = |path: &PathBuf| context.host.cwd.join(path);
    let tls = http.tls_cert.as_ref().map(here).zip(http.tls_key.as_ref().map(here));
    let options = HttpOptions {
        address,
        token_file: http.token_file.as_ref().map(here),
        names: http.serve_as.clone(),
        allowed_hosts: http.allow_host.clone(),
        tls: tls.map(|(certificates, key)| TlsFiles { certificates, key }),
    };
    let server = context.agent_server;
    let (app, out) = context.open()?;
    app.agents().serve_http(server, tools, options, &mut |served| {
        let file = served.token_file.display();
        let human = format!("serving {}\nclients bring `Authorization: Bearer` and the token in {file}\n", served.url);
        out.result(&human, &json!({ "url": served.url, "token_file": served.token_file }));
    })
}

fn run_install(context: Context, install: &Install) -> Result<(), Error> {
    let cwd = context.host.cwd.clone();
    let program = AgentProgram::from(install.client);
    let (app, out) = context.open()?;
    if !install.write {
        let entry = app.agents().client_entry(program)?;
        out.remark(&format!("the entry for {}; --write saves it there", program.place()));
        out.result(&entry.text, &entry.value);
        return Ok(());
    }
    let installed = app.agents().install(program, &cwd)?;
    if !installed.changed {
        let human = format!("{} starts `kavi mcp` already: nothing was changed\n", installed.file.display());
        out.result(&human, &json!({ "file": installed.file, "copy": null, "changed": false }));
        return Ok(());
    }
    let copy = installed.copy.as_ref();
    let kept = copy.map(|copy| format!("what was there is kept as {}\n", copy.display())).unwrap_or_default();
    let human = format!("{} starts `kavi mcp` now\n{kept}", installed.file.display());
    out.result(&human, &json!({ "file": installed.file, "copy": installed.copy, "changed": true }));
    Ok(())
}
