//! `kavi effects approve`

use serde_json::json;

use super::super::{Context, JsonFlag, rollback};
use super::{find, human, machine, not_whole, what_happens};
use crate::error::Error;
use crate::model::lifecycle::CommitState;

/// Commit exactly the bytes that are held, if the vault is as it was and the skill is still trusted. Shows them, and asks.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The effect: its id, or a unique prefix of it.
    id: String,
    /// Who approves; recorded.
    #[arg(long, value_name = "NAME")]
    approved_by: Option<String>,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let approver = rollback::decider(&context, args.approved_by.as_deref())?;
    let (app, out) = context.open()?;
    let shown = find(&app, &args.id)?;
    if !args.yes && shown.commit.state == CommitState::Held {
        if !out.can_ask() {
            let look = format!("nobody can be asked here: look at `kavi effects show {}`, then give --yes", args.id);
            return Err(Error::Refused(look));
        }
        out.remark(&human(&shown));
        let hidden = not_whole(&shown);
        let question = match hidden.is_empty() {
            true => "Commit exactly this?".to_owned(),
            false => format!("NOT all of {} is shown above. Commit it all the same?", hidden.join(", ")),
        };
        if !out.ask(&question) {
            return Err(Error::Refused("not approved; it stays held".to_owned()));
        }
    }
    let mut document = machine(&shown);
    let commit = app.approve(shown, approver.as_str())?;
    for (key, value) in [
        ("state", json!(commit.state)),
        ("decided_by", json!(commit.decided_by)),
        ("decided_at", json!(commit.decided_at)),
    ] {
        document[key] = value;
    }
    let files: Vec<String> = commit.changes.iter().map(what_happens).collect();
    out.result(&format!("approved: {}", files.join("\n          ")), &document);
    Ok(())
}
