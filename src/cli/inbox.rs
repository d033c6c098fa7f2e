//! `kavi inbox`

use serde_json::{Value, json};

use super::{Context, JsonFlag, effects, improve, tail, views};
use crate::app::{ExecutionRow, Inbox, OpenProposal};
use crate::error::Error;
use crate::model::{session::RunEntry, text, time::Moment};

/// Show what waits for you: held changes, proposals, and runs that failed since the last look.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi inbox
  kavi inbox --since 2h --json

Held changes and proposals stay until they are decided. Failures are those
since the last look, or of the last day. A look with --since changes nothing.")]
pub struct Args {
    /// Failures since then, and not since the last look.
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let (app, out) = context.open()?;
    let since = args.since.map(|since| app.records().meant(since));
    let inbox = app.inbox(since)?;
    out.result(&human(&inbox), &machine(&inbox));
    if since.is_none() {
        // After it was printed: what a broken pipe took was not seen.
        app.looked_into_inbox();
    }
    Ok(())
}

fn human(inbox: &Inbox) -> String {
    if inbox.count() == 0 {
        return format!("nothing waits; no run failed since {}\n", inbox.since);
    }
    let mut out = String::new();
    if !inbox.held.is_empty() {
        out.push_str(&format!("held changes\n{}", effects::table(&inbox.held)));
        out.push_str("next: kavi effects show ID, then effects approve ID or effects reject ID\n\n");
    }
    if !inbox.ready.is_empty() {
        out.push_str(&format!("ready to promote\n{}", proposals(&inbox.ready)));
        out.push_str("next: kavi show ID, then kavi promote-skill ID or kavi reject ID --why TEXT\n\n");
    }
    if !inbox.proposed.is_empty() {
        out.push_str(&format!("proposed by agents\n{}", proposals(&inbox.proposed)));
        out.push_str("next: kavi show ID, then kavi build-skill ID or kavi reject ID --why TEXT\n\n");
    }
    if !inbox.stepped_back.is_empty() {
        out.push_str(&format!("guidance that stepped back\n{}", improve::orders(&inbox.stepped_back)));
        out.push_str("next: kavi guidance history NAME, then improve order NAME again if you want that\n\n");
    }
    if !inbox.failures.is_empty() {
        let rows = inbox.failures.iter().map(failure).collect();
        out.push_str(&format!(
            "failed since {}\n{}",
            inbox.since,
            views::table(&["run", "skill", "caller", "error"], rows)
        ));
        out.push_str("next: kavi show ID\n");
    }
    out
}

fn proposals(open: &[OpenProposal]) -> String {
    let row = |open: &OpenProposal| {
        vec![
            open.proposal.id.short(),
            open.proposal.spec.name.to_string(),
            open.proposal.spec.side_effect_class.to_string(),
            open.proposal.status.to_string(),
            views::proposer(open.source.as_ref()),
            open.times.to_string(),
            text::line(&open.proposal.spec.description, 60),
        ]
    };
    let header = ["proposal", "skill", "class", "status", "proposer", "times", "what it does"];
    views::table(&header, open.iter().map(row).collect())
}

fn failure(row: &ExecutionRow) -> Vec<String> {
    let entry = RunEntry::from(row);
    let caller = format!("{} through {}", text::line(&row.record.caller, 40), row.record.channel);
    vec![entry.execution_id.short(), tail::revision(&entry), caller, tail::error(&entry)]
}

fn machine(inbox: &Inbox) -> Value {
    json!({
        "held": inbox.held.iter().map(effects::held).collect::<Vec<_>>(),
        "ready": inbox.ready.iter().map(views::open_proposal).collect::<Vec<_>>(),
        "proposed": inbox.proposed.iter().map(views::open_proposal).collect::<Vec<_>>(),
        "stepped_back": inbox.stepped_back.iter().map(improve::order).collect::<Vec<_>>(),
        "failures": inbox.failures.iter().map(views::execution).collect::<Vec<_>>(),
        "since": inbox.since,
    })
}
