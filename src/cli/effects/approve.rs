//! `kavi effects approve`

use serde_json::json;

use super::super::{Context, JsonFlag, approval::Approval};
use super::{find, human, machine, not_whole, what_happens};
use crate::error::Error;
use crate::model::lifecycle::CommitState;

/// Commit exactly the held bytes, if the vault is unchanged and the skill is still trusted. Shows them and asks first.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The effect: its id, or a unique prefix of it.
    id: String,
    #[command(flatten)]
    approval: Approval,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let approver = args.approval.by.approver(&context)?;
    let (app, out) = context.open()?;
    let shown = find(&app, &args.id)?;
    if !args.approval.yes && shown.commit.state == CommitState::Held {
        out.person_or(&format!("look at `kavi effects show {}`, then give --yes", args.id))?;
        out.remark(&human(&shown));
        let hidden = not_whole(&shown);
        let question = match hidden.is_empty() {
            true => "Commit exactly this?".to_owned(),
            false => format!("NOT all of {} is shown above. Commit it all the same?", hidden.join(", ")),
        };
        out.agreed(&question, "not approved; it stays held")?;
    }
    let mut document = machine(&shown);
    let commit = app.effects().approve(shown, approver.as_str())?;
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
