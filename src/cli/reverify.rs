//! `kavi reverify`

use serde_json::{Value, json};

use super::progress::{Spinner, Stages};
use super::{Context, JsonFlag, views};
use crate::app::{Proposal, Reverification};
use crate::error::Error;
use crate::log_targets::NOTE;
use crate::model::lifecycle::Verdict;

/// Run today's gates over trusted revisions. Changes no trust; `kavi status` shows what they find.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kavi reverify write_note\n  kavi reverify --all --json")]
pub struct Args {
    /// The skill: its trusted revision is checked.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    name: Option<String>,
    /// Every trusted skill.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let (app, out) = context.open()?;
    let proposals = match &args.name {
        Some(name) => vec![app.trust().trusted(name)?],
        None => app.trust().all()?,
    };
    let spinner = Spinner::new(&out, Stages::Shown);
    let toolchain = app.attempts().toolchain()?;
    let mut done = Vec::new();
    for proposal in proposals {
        tracing::info!(target: NOTE, "{}: today's gates", proposal.spec.name);
        let found = app.attempts().reverify(&proposal, &toolchain)?;
        done.push((proposal, found));
    }
    drop(spinner);
    let human: String = done.iter().map(|(proposal, found)| line(proposal, found)).collect();
    let machine = json!({ "reverified": done.iter().map(|(proposal, it)| document(proposal, it)).collect::<Vec<_>>() });
    let failed: Vec<&str> = done
        .iter()
        .filter(|(_, found)| found.status != Verdict::Passed)
        .map(|(proposal, _)| proposal.spec.name.as_str())
        .collect();
    if failed.is_empty() {
        out.result(if human.is_empty() { "no trusted skills" } else { &human }, &machine);
        return Ok(());
    }
    let error = Error::Verification {
        message: format!("today's gates refuse {}", failed.join(", ")),
        hint: "they stay trusted: mend and promote a new revision, or end the trust with `kavi revoke`".to_owned(),
    };
    Err(out.failure(&human, &machine, error))
}

fn line(proposal: &Proposal, found: &Reverification) -> String {
    let revision = proposal.trust.map(|trust| trust.revision).unwrap_or_default();
    let (name, status, version) = (&proposal.spec.name, found.status, found.gates_version);
    format!(
        "{name} revision {revision}: {status} by version {version} of the gates\n{}",
        views::findings(&found.findings)
    )
}

/// A reverification, with the skill that it is about.
pub fn document(proposal: &Proposal, found: &Reverification) -> Value {
    json!({
        "name": proposal.spec.name,
        "proposal_id": proposal.id,
        "revision": proposal.trust.map(|trust| trust.revision),
        "gates_version": found.gates_version,
        "status": found.status,
        "findings": found.findings,
        "created_at": found.created_at,
    })
}
