//! `kavi effects approve`

use serde_json::{Value, json};

use super::super::{
    Context, JsonFlag,
    approval::{Approval, DecisionContext, Question},
};
use super::render::{human, machine, not_whole, what_happens};
use super::selection::{Decisions, Selection};
use crate::app::CommitReview;
use crate::error::Error;
use crate::model::{commit::Commit, lifecycle::CommitState};

/// Commit exactly the held bytes, if the vault is unchanged and the skill is still trusted. Shows them and asks first.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    approval: Approval,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let DecisionContext { app, out, approver } = args.approval.open(context)?;
    let ids = args.selection.ids(&app)?;
    let shown = ids.iter().map(|id| app.effects().show(id)).collect::<Result<Vec<_>, _>>()?;
    let asks = shown.iter().any(|shown| shown.commit.state == CommitState::Held);
    if asks {
        let look = args.selection.id().map_or_else(|| "list".to_owned(), |id| format!("show {id}"));
        let instead = format!("look at `kavi effects {look}`, then give --yes");
        let asked = question(&shown);
        let question =
            Question { instead: &instead, asks: &asked, otherwise: "not approved; what was shown stays held" };
        args.approval.ask(&out, &question, || {
            shown.iter().for_each(|shown| out.remark(&human(shown)));
            Ok(())
        })?;
    }
    let mut decisions = Decisions::default();
    for shown in shown {
        let (id, mut document) = (shown.commit.id.short(), machine(&shown));
        match app.effects().approve(shown, approver.as_str()) {
            Ok(commit) => {
                decided(&mut document, &commit);
                let files: Vec<String> = commit.changes.iter().map(what_happens).collect();
                decisions.lines.push(format!("approved: {}", files.join("\n          ")));
                decisions.done.push(document);
            }
            // One effect by its id fails as it always did.
            Err(error) if args.selection.id().is_some() => return Err(error),
            Err(error) => decisions.failed.push((id, error)),
        }
    }
    match (args.selection.id(), decisions.done.pop()) {
        (Some(_), Some(document)) => {
            out.result(&decisions.lines.concat(), &document);
            Ok(())
        }
        (_, document) => {
            decisions.done.extend(document);
            decisions.print(&out)
        }
    }
}

fn question(shown: &[CommitReview]) -> String {
    let hidden: Vec<String> = shown.iter().flat_map(not_whole).collect();
    match (hidden.is_empty(), shown.len()) {
        (true, 1) => "Commit exactly this?".to_owned(),
        (true, count) => format!("Commit exactly these {count} changes?"),
        (false, _) => format!("NOT all of {} is shown above. Commit it all the same?", hidden.join(", ")),
    }
}

fn decided(document: &mut Value, commit: &Commit) {
    for (key, value) in [
        ("state", json!(commit.state)),
        ("decided_by", json!(commit.decided_by)),
        ("decided_at", json!(commit.decided_at)),
    ] {
        document[key] = value;
    }
}
