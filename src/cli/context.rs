//! `kavi context`

use serde_json::json;

use super::{Context, JsonFlag};
use crate::app::store_schema;
use crate::error::Error;

/// Show what agents are told about themselves, and keep the store that it comes from.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi context show
  kavi context show --actor agent:kora --model claude-sonnet-4-5
  kavi context show --full --json
  kavi context schema --role kavi_app | psql kavi
  kavi context publish

Clients of `kavi mcp` get the same text as the server's instructions, and as the
resource kavi://context.")]
pub struct Args {
    #[command(subcommand)]
    verb: ContextVerb,
}

#[derive(Debug, clap::Subcommand)]
enum ContextVerb {
    /// Show the identity block of an agent: charter, policy values and capabilities.
    Show(ShowArgs),
    /// Print the SQL that makes a store in PostgreSQL. A superuser of the database runs it.
    Schema(SchemaArgs),
    /// Write what the history decided into the store that kavi.toml names.
    Publish(PublishArgs),
}

#[derive(Debug, clap::Args)]
struct SchemaArgs {
    /// The role that Kavi logs in as. The SQL makes it where it is missing.
    #[arg(long, default_value = "kavi_app")]
    role: String,
    #[command(flatten)]
    json: JsonFlag,
}

#[derive(Debug, clap::Args)]
struct PublishArgs {
    #[command(flatten)]
    json: JsonFlag,
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

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    match &args.verb {
        ContextVerb::Show(args) => show(context, args),
        ContextVerb::Schema(args) => schema(context, args),
        ContextVerb::Publish(_) => publish(context),
    }
}

fn schema(context: Context, args: &SchemaArgs) -> Result<(), Error> {
    let sql = store_schema(&args.role)?;
    context.out.result(&sql, &json!({ "role": args.role, "sql": sql }));
    Ok(())
}

fn publish(context: Context) -> Result<(), Error> {
    let (app, out) = context.open()?;
    app.context().publish()?;
    out.result("published: the store has what the history decided\n", &json!({ "published": true }));
    Ok(())
}

fn show(context: Context, args: &ShowArgs) -> Result<(), Error> {
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
