//! `kavi backup` and `kavi restore`

use std::path::PathBuf;

use serde_json::json;

use super::{Context, JsonFlag, approval::Decider};
use crate::app::{App, RestoreRequest};
use crate::error::Error;

/// Copy the workspace into a new folder: settings, ledger, store and artifacts, and its signed head. Not the vault, and no key.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kavi backup ~/backups/notes-monday")]
pub struct Args {
    /// The folder; it must not exist.
    #[arg(value_name = "DIR")]
    to: PathBuf,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let (app, out) = context.open()?;
    let backup = app.backup(&args.to)?;
    let signed = if backup.signed { "signed by a signer" } else { "not signed: nobody is enrolled" };
    let human = format!(
        "{} has everything up to event {}; its head is {signed}\nnext: `kavi restore {} --to DIR --why TEXT`, also on another \
         machine",
        backup.folder.display(),
        backup.events,
        backup.folder.display()
    );
    let machine = json!({ "folder": backup.folder, "events": backup.events, "signed": backup.signed });
    out.result(&human, &machine);
    Ok(())
}

/// Make a workspace from a backup. It gets another id and a key of its own; a signer signs that once there is one.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kavi restore ~/backups/notes-monday --to ~/notes --why 'a new machine'")]
pub struct RestoreArgs {
    /// The folder of the backup.
    #[arg(value_name = "DIR")]
    backup: PathBuf,
    /// The folder of the new workspace.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Why; recorded.
    #[arg(long, value_name = "TEXT")]
    why: String,
    /// Restore it though this machine knows newer decisions of that workspace, which are lost then.
    #[arg(long)]
    older: bool,
    #[command(flatten)]
    by: Decider,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn restore(context: Context, args: &RestoreArgs) -> Result<(), Error> {
    let approver = args.by.approver(&context)?;
    let wanted = RestoreRequest { backup: &args.backup, to: &args.to, why: &args.why, older: args.older };
    let status = App::restore(&context.host, &wanted, &approver)?;
    let human = format!(
        "{} is a workspace with all {} events; its head is in {}\nnext: `kavi audit` in it",
        args.to.display(),
        status.events,
        status.anchor
    );
    context.out.result(&human, &json!({ "restored": args.to, "history": status }));
    Ok(())
}
