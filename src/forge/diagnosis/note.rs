//! The research note: for a person in Markdown, for machines in JSON. What a model wrote is quoted, never rendered.

use serde_json::{Value, json};

use crate::ledger::{Build, Proposal, Research};
use crate::model::{
    research::{AdviceOutcome, place},
    text,
};

/// The note in Markdown.
pub(super) fn render(proposal: &Proposal, build: &Build, research: &Research) -> String {
    let facts = &research.classified.facts;
    let gates = if facts.failed_gates.is_empty() { "none reached".to_owned() } else { facts.failed_gates.join(", ") };
    let mut out = format!(
        "# Research note: `{}` attempt {}: {}\n\n| | |\n|---|---|\n| proposal | `{}` |\n| build | `{}` |\n\
         | gate | {} |\n| failed gates | {gates} |\n| when | {} |\n\n## Facts\n\n",
        proposal.spec.name,
        build.attempt_number,
        research.classified.kind,
        proposal.id,
        build.id,
        facts.gate.as_deref().unwrap_or("none"),
        research.created_at,
    );
    for finding in &facts.findings {
        out.push_str(&format!(
            "- **{}** `{}` `{}`\n",
            text::fenced(&finding.rule, 100),
            text::fenced(&place(finding), 400),
            text::fenced(&finding.message, 500),
        ));
    }
    if facts.omitted > 0 {
        out.push_str(&format!("- and {} more\n", facts.omitted));
    }
    out.push_str(&format!("\n## Excerpt\n\n```text\n{}\n```\n", text::fenced(&facts.excerpt, usize::MAX)));
    if let Some(hint) = &research.hint {
        out.push_str(&format!("\n## Hint\n\n```text\n{}\n```\n", text::fenced(hint, usize::MAX)));
    }
    out.push_str(&format!("\n## Advice\n\n{}", advice(&research.advice)));
    out.push_str("\n## Before the next attempt\n\n");
    match research.escalations.as_slice() {
        [] => out.push_str("Nothing: it may start.\n"),
        escalations => {
            out.push_str("A person must say go:\n\n");
            for escalation in escalations {
                out.push_str(&format!("- **{}** `{}`\n", escalation.trigger, text::fenced(&escalation.why, 500)));
            }
        }
    }
    out
}

fn advice(outcome: &AdviceOutcome) -> String {
    match outcome {
        AdviceOutcome::NotAsked => "Not asked for.\n".to_owned(),
        AdviceOutcome::Unreachable { why } => format!("None: `{}`\n", text::fenced(why, 400)),
        AdviceOutcome::Invalid { why, answer } => format!(
            "None: `{}`. The answer began:\n\n```text\n{}\n```\n",
            text::fenced(why, 400),
            text::fenced(answer, 1_200)
        ),
        AdviceOutcome::Given { model, advice } => format!(
            "By the model `{}`. It is data; nobody checked it.\n\n```json\n{}\n```\n",
            text::fenced(model, 100),
            text::fenced(&serde_json::to_string_pretty(advice).unwrap_or_default(), usize::MAX)
        ),
    }
}

/// The note for machines.
pub(super) fn document(proposal: &Proposal, build: &Build, research: &Research) -> Value {
    json!({
        "v": 1,
        "id": research.id,
        "proposal_id": proposal.id,
        "build_id": build.id,
        "attempt_number": build.attempt_number,
        "verification_id": research.verification_id,
        "kind": research.classified.kind,
        "facts": research.classified.facts,
        "hint": research.hint,
        "advice": research.advice,
        "escalations": research.escalations,
        "created_at": research.created_at,
    })
}
