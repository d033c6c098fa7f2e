//! The verification report, for a person to read.
//!
//! Guarantees: text of a model is quoted, never rendered.

use crate::ledger::{Build, GateRow, Proposal, Verification};
use crate::model::{finding::FindingGroup, lifecycle::Verdict, text};

/// The report in Markdown.
pub(super) fn render(proposal: &Proposal, build: &Build, verification: &Verification) -> String {
    let spec = &proposal.spec;
    let component = verification.component_sha256.map_or_else(|| "none".to_owned(), |digest| digest.to_string());
    let mut out = format!(
        "# Verification report: `{}` {}\n\n\
         | | |\n|---|---|\n| proposal | `{}` |\n| build | `{}` (attempt {}, {}) |\n| class | `{}` |\n| snapshot | `{}` |\n\
         | component | `{component}` |\n| toolchain | `{}` |\n| SDK kit | `{}` |\n| confinement | `{}` |\n| when | {} |\n\n\
         | gate | outcome | findings | ms |\n|---|---|---|---|\n",
        spec.name,
        verification.status,
        proposal.id,
        build.id,
        build.attempt_number,
        build.builder,
        spec.side_effect_class,
        verification.snapshot_sha256,
        text::fenced(&verification.toolchain, 400),
        verification.sdk_sha256,
        verification.confinement,
        verification.created_at,
    );
    for gate in &verification.gates {
        let time = match gate.reused_from {
            Some(verification) => format!("reused from `{verification}`"),
            None => gate.duration_ms.to_string(),
        };
        out.push_str(&format!("| {} | {} | {} | {time} |\n", gate.gate, gate.status, gate.findings.len()));
    }
    let silent = |gate: &&GateRow| gate.status != Verdict::Passed || !gate.findings.is_empty();
    for gate in verification.gates.iter().filter(silent) {
        let remarks = if gate.status == Verdict::Passed { " (passed, with remarks)" } else { "" };
        out.push_str(&format!("\n## {}{remarks}\n\n", gate.gate));
        FindingGroup::of(&gate.findings).iter().for_each(|group| out.push_str(&item(group)));
    }
    out
}

fn item(group: &FindingGroup<'_>) -> String {
    let finding = group.first;
    let place = match (&finding.file, finding.line) {
        (Some(file), Some(line)) => format!(" `{}:{line}`", text::fenced(file, 300)),
        (Some(file), None) => format!(" `{}`", text::fenced(file, 300)),
        (None, _) => String::new(),
    };
    let test = finding.test.as_ref().map(|test| format!(" (`{}`)", text::fenced(test, 300))).unwrap_or_default();
    let message = text::fenced(&finding.message, 1_000).replace('\n', " ");
    let count = text::fenced(&group.count(), 600);
    format!("- **{}**{place}{test}: `{message}`{count}\n", text::fenced(&finding.rule, 100))
}
