//! Attempts at the code of skills, as `kavi improve` shows them.

use serde_json::{Value, json};

use super::super::views;
use crate::app::{CodeAttempt, replay_evidence};
use crate::model::{id::ProposalId, text};

pub fn table(all: &[CodeAttempt]) -> String {
    let header = ["attempt", "skill", "from", "state", "proposal", "e-value", "recorded runs", "begun", "why"];
    views::table(&header, all.iter().map(row).collect())
}

fn row(it: &CodeAttempt) -> Vec<String> {
    let pairs = match (it.details.flips, replay_evidence(it)) {
        (Some(flips), Some(evidence)) => format!(
            "+{} -{} ={}, e-value {:.1} of {:.1}",
            flips.gains, flips.losses, flips.same, evidence.e_value, evidence.threshold
        ),
        _ => "-".to_owned(),
    };
    vec![
        it.number.to_string(),
        it.skill.to_string(),
        it.revision.to_string(),
        it.state.to_string(),
        it.details.proposal.as_ref().map_or("-".to_owned(), ProposalId::short),
        format!("{:.1}", it.e_value),
        pairs,
        it.created_at.to_string(),
        text::line(it.why.as_deref().unwrap_or_default(), 120),
    ]
}

pub fn machine(it: &CodeAttempt) -> Value {
    json!({
        "number": it.number, "skill": it.skill, "revision": it.revision, "attempt": it.attempt, "state": it.state,
        "e_value": it.e_value, "proposal_id": it.details.proposal, "flips": it.details.flips, "pairs": replay_evidence(it),
        "why": it.why, "created_at": it.created_at, "changed_at": it.changed_at,
    })
}
