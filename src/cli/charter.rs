//! `kavi charter`

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Context, JsonFlag, approval::Decider, views};
use crate::app::{CharterRow, RoleCharter, read_at_most};
use crate::error::Error;
use crate::model::text;

/// Most bytes that are read of a file: one more than a charter may have, so that a larger one is refused by its size.
const MOST_READ: u64 = 256 * 1024 + 1;

/// Set and check the role charter: who the agents of this workspace are, and what they can and cannot do.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi charter set charter.md --approved-by ada
  kavi charter show
  kavi charter history
  kavi charter verify --json

A charter is Markdown with three sections, and nothing else but a title:

  ## identity
  You keep the notes of this household.

  ## authority_can_do
  - read notes

  ## authority_cannot_do
  - promote a skill

With `[context] charter = \"required\"` in kavi.toml no agent acts without one.")]
pub struct Args {
    #[command(subcommand)]
    verb: CharterVerb,
}

#[derive(Debug, clap::Subcommand)]
enum CharterVerb {
    /// Make a file the active charter.
    Set(SetArgs),
    /// Show the active charter.
    Show(ShowArgs),
    /// List every charter that was ever set.
    History(ShowArgs),
    /// Compare the active charter with its digest, its sections and the history.
    Verify(ShowArgs),
}

#[derive(Debug, clap::Args)]
struct SetArgs {
    /// The file.
    file: PathBuf,
    #[command(flatten)]
    by: Decider,
    #[command(flatten)]
    json: JsonFlag,
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    #[command(flatten)]
    json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    match &args.verb {
        CharterVerb::Set(args) => set(context, args),
        CharterVerb::Show(_) => show(context),
        CharterVerb::History(_) => history(context),
        CharterVerb::Verify(_) => verify(context),
    }
}

fn document(version: u64, charter: &RoleCharter) -> Value {
    json!({ "version": version, "content_sha256": charter.content_sha256, "sections": charter.sections })
}

fn set(context: Context, args: &SetArgs) -> Result<(), Error> {
    let approver = args.by.approver(&context)?;
    let path = context.host.cwd.join(&args.file);
    let unreadable = |source| Error::Io { what: format!("`{}`", args.file.display()), source };
    let file = std::fs::File::open(&path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    // A larger file is refused by its size, which is more than a charter may have.
    read_at_most(file, MOST_READ, &mut bytes).map_err(unreadable)?;
    let (app, out) = context.open()?;
    let (version, charter) = app.context().set_charter(&bytes, &approver)?;
    let human = format!("charter {version} is active, sha256 {}\n", charter.content_sha256);
    let mut machine = document(version, &charter);
    machine["set_by"] = json!(approver.as_str());
    out.result(&human, &machine);
    Ok(())
}

fn show(context: Context) -> Result<(), Error> {
    let (app, out) = context.open_to_look()?;
    let state = app.context().charter()?;
    let required = if state.required { "required" } else { "optional" };
    let Some((version, charter)) = &state.active else {
        let human = format!("there is no role charter ({required}); set one with `kavi charter set FILE`\n");
        out.result(&human, &json!({ "version": null, "charter": required }));
        return Ok(());
    };
    let rows = [("charter", format!("{version} ({required})")), ("sha256", charter.content_sha256.to_string())];
    let human = format!("{}\n{}", views::facts(&rows), text::block(&charter.content_md, 300_000));
    let mut machine = document(*version, charter);
    machine["charter"] = json!(required);
    machine["content_md"] = json!(charter.content_md);
    out.result(&human, &machine);
    Ok(())
}

fn history(context: Context) -> Result<(), Error> {
    let (app, out) = context.open_to_look()?;
    let charters = app.context().charters()?;
    let row = |row: &CharterRow| {
        let digest = row.content_hash.get(..12).unwrap_or_default();
        vec![row.version.to_string(), text::line(digest, 12), text::line(&row.set_by, 40), row.created_at.to_string()]
    };
    let human = match charters.as_slice() {
        [] => "no role charter was ever set\n".to_owned(),
        charters => views::table(&["version", "sha256", "set by", "at"], charters.iter().map(row).collect()),
    };
    let one = |row: &CharterRow| json!({ "version": row.version, "content_sha256": row.content_hash, "set_by": row.set_by, "at": row.created_at });
    out.result(&human, &json!({ "charters": charters.iter().map(one).collect::<Vec<_>>() }));
    Ok(())
}

fn verify(context: Context) -> Result<(), Error> {
    let (app, out) = context.open_to_look()?;
    let state = app.context().charter()?;
    let human = match &state.active {
        Some((version, charter)) => {
            format!("charter {version}: text, sha256 {}, sections and history agree\n", charter.content_sha256)
        }
        None => "there is no role charter, and none is required\n".to_owned(),
    };
    let active = state.active.as_ref().map(|(version, charter)| document(*version, charter));
    out.result(&human, &json!({ "ok": true, "active": active, "required": state.required }));
    Ok(())
}
