//! `kavi status`

use serde_json::json;

use super::{Context, JsonFlag, linked_folders, reverify, views};
use crate::app::{Inbox, Proposal, Reverification, Status};
use crate::error::Error;
use crate::model::{
    commit::Commit,
    lifecycle::{CommitState, ProposalStatus},
    switch::Switch,
    text,
};

/// Show the workspace at a glance: paths, the ledger and its integrity, counts.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kavi status\n  kavi status --json")]
pub struct Args {
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, _args: &Args) -> Result<(), Error> {
    let (app, out) = context.open_to_look()?;
    let status = app.status()?;
    let (human, machine) = (human(&status), machine(&status));
    match status.integrity {
        Ok(()) => out.result(&human, &machine),
        Err(error) => return Err(out.failure(&human, &machine, error.into())),
    }
    Ok(())
}

fn counts(status: &Status) -> Vec<(&'static str, usize)> {
    let count = |wanted: ProposalStatus| status.proposals.iter().filter(|proposal| proposal.status == wanted).count();
    ProposalStatus::ALL.iter().map(|state| (state.as_str(), count(*state))).collect()
}

fn human(status: &Status) -> String {
    let proposals =
        counts(status).into_iter().filter(|(_, count)| *count > 0).map(|(name, count)| format!("{count} {name}"));
    let (runs, failed) = status.executions;
    let mut rows = vec![
        ("workspace", status.layout.root.display().to_string()),
        ("vault", status.layout.vault.display().to_string()),
        ("ledger", status.layout.ledger().display().to_string()),
        ("ledger check", status.integrity.as_ref().map_or_else(|error| error.to_string(), |()| "ok".to_owned())),
        ("history", history(status)),
        ("registry", status.layout.registry().display().to_string()),
        ("switch", switch(status)),
        ("proposals", views::list(proposals)),
        ("runs", format!("{runs}, {failed} failed")),
        ("cage", status.cage.to_string()),
    ];
    rows.extend(linked_folders::rows(&status.linked));
    if !status.recovered.is_empty() {
        let back = status.recovered.iter().filter(|commit| commit.state == CommitState::Reverted).count();
        let back =
            if back == 0 { String::new() } else { format!(", {back} taken back: see `kavi effects list --all`") };
        let all = status.recovered.len();
        rows.push(("recovered", format!("{all} effects whose files were still on their way{back}")));
    }
    if !status.held.is_empty() {
        rows.push(("held", format!("{} effects wait for a person: see `kavi effects list`", status.held.len())));
    }
    if status.inbox.count() > 0 {
        let Inbox { held, ready, proposed, failures, .. } = &status.inbox;
        let counted = [
            (held.len(), "held"),
            (ready.len(), "ready to promote"),
            (proposed.len(), "proposed by agents"),
            (failures.len(), "failed since the last look"),
        ];
        let counted = counted.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        rows.push(("inbox", format!("{}: see `kavi inbox`", views::list(counted))));
    }
    if !status.older_gates.is_empty() {
        let names = status.older_gates.iter().map(|(proposal, version)| format!("{} ({version})", proposal.spec.name));
        let names = views::list(names);
        rows.push((
            "older gates",
            format!("trusted under gates before today's: {names}; check them with `kavi reverify --all`"),
        ));
    }
    rows.extend(status.reverified.iter().map(|(proposal, found)| ("reverified", reverified(proposal, found))));
    views::facts(&rows)
}

/// What today's gates found in one skill, by the rules that it broke.
fn reverified(proposal: &Proposal, found: &Reverification) -> String {
    let mut rules: Vec<String> = found.findings.iter().map(|finding| text::line(&finding.rule, 100)).collect();
    rules.dedup();
    let rules = if rules.is_empty() { String::new() } else { format!(": {}", rules.join(", ")) };
    format!("{} {} at {}{rules}", proposal.spec.name, found.status, found.created_at)
}

fn history(status: &Status) -> String {
    let history = &status.history;
    let head = history.head.map_or_else(|| "no head".to_owned(), |head| format!("head at {head}"));
    let refused = history.refused.as_ref().map_or_else(String::new, |why| format!("; REFUSED: {why}"));
    let witness = history.cosigned.as_ref().map_or_else(String::new, |cosigned| {
        cosigned.events.map_or("; never cosigned".to_owned(), |events| format!("; cosigned at {events}"))
    });
    let audited = history.audited.as_ref().map_or_else(String::new, |at| format!("; audited at {at}"));
    let said = format!("{} events, {} signed, {head}{witness}{audited}{refused}", history.events, history.signed);
    text::line(&said, 2_500)
}

fn switch(status: &Status) -> String {
    let said = match &status.switch {
        Switch::Running(event) => format!("running since {} by {}", event.at, event.by),
        Switch::Stopped(stopped) => format!("STOPPED: {stopped} (`kavi resume` lets things run again)"),
    };
    text::line(&said, 2_500)
}

fn machine(status: &Status) -> serde_json::Value {
    let (runs, failed) = status.executions;
    let ids = |commits: &[Commit]| commits.iter().map(|commit| commit.id.to_string()).collect::<Vec<_>>();
    json!({
        "workspace": status.layout.root,
        "vault": status.layout.vault,
        "linked_folders": linked_folders::document(&status.linked),
        "ledger": status.layout.ledger(),
        "ledger_ok": status.integrity.is_ok(),
        "history": status.history,
        "registry": status.layout.registry(),
        "artifacts": status.layout.artifacts(),
        "proposals": counts(status).into_iter().collect::<std::collections::BTreeMap<_, _>>(),
        "executions": { "count": runs, "failed": failed },
        "recovered": ids(&status.recovered),
        "held": ids(&status.held),
        "inbox": {
            "held": status.inbox.held.len(),
            "ready": status.inbox.ready.len(),
            "proposed": status.inbox.proposed.len(),
            "failures": status.inbox.failures.len(),
        },
        "older_gates": status
            .older_gates
            .iter()
            .map(|(proposal, version)| json!({ "name": proposal.spec.name, "gates_version": version }))
            .collect::<Vec<_>>(),
        "reverified": status.reverified.iter().map(|(it, found)| reverify::document(it, found)).collect::<Vec<_>>(),
        "cage": status.cage,
        "switch": views::switch(&status.switch),
        "switch_turns": status.turns,
    })
}
