//! `kavi list-skills`

use std::collections::BTreeMap;

use serde_json::json;

use super::{Context, JsonFlag, views};
use crate::app::{Proposal, ProposalSource};
use crate::error::Error;
use crate::model::{id::ProposalId, text};

/// List the trusted skills; with --all every proposal.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kavi list-skills\n  kavi list-skills --all --json")]
pub struct Args {
    /// Every proposal, whatever its state.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let (app, out) = context.open_to_look()?;
    let proposals = if args.all { app.proposals().all()? } else { app.trust().all()? };
    let gates = app.trust().promoted_gates()?;
    let sources = app.proposals().sources_of(&proposals)?;
    let human = match proposals.as_slice() {
        [] if args.all => "no proposals; make one with `kavi propose-skill`".to_owned(),
        [] => "no trusted skills; `kavi list-skills --all` shows every proposal".to_owned(),
        proposals => views::table(
            &["skill", "rev", "gates", "class", "status", "proposal", "proposer", "component", "what it does"],
            proposals.iter().map(|proposal| row(proposal, &gates, sources.get(&proposal.id))).collect(),
        ),
    };
    let document = |proposal: &Proposal| {
        let mut machine = views::proposal(proposal);
        machine["gates_version"] = json!(gates.get(&proposal.id));
        machine["asker"] = views::asker(sources.get(&proposal.id));
        machine["description"] = json!(proposal.spec.description);
        machine["input_schema"] = proposal.spec.io.input_schema().clone();
        machine["output_schema"] = proposal.spec.io.output_schema().clone();
        machine["example_input"] = proposal.spec.example_input();
        machine
    };
    out.result(&human, &json!({ "skills": proposals.iter().map(document).collect::<Vec<_>>() }));
    Ok(())
}

fn row(proposal: &Proposal, gates: &BTreeMap<ProposalId, u32>, source: Option<&ProposalSource>) -> Vec<String> {
    let trust = proposal.trust;
    vec![
        proposal.spec.name.to_string(),
        trust.map(|trust| trust.revision.to_string()).unwrap_or_else(|| "-".to_owned()),
        gates.get(&proposal.id).map(ToString::to_string).unwrap_or_else(|| "-".to_owned()),
        proposal.spec.side_effect_class.to_string(),
        proposal.status.to_string(),
        proposal.id.short(),
        views::proposer(source),
        trust.map(|trust| trust.component_sha256.short()).unwrap_or_else(|| "-".to_owned()),
        text::line(&proposal.spec.description, 60),
    ]
}
