//! The verification report, for a person to read.
//!
//! Guarantees: text of a model is quoted, never rendered.

use crate::ledger::{Build, Proposal, Verification};
use crate::model::{finding::Finding, lifecycle::Verdict, text};

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
        out.push_str(&format!(
            "| {} | {} | {} | {} |\n",
            gate.gate,
            gate.status,
            gate.findings.len(),
            gate.duration_ms
        ));
    }
    for gate in verification.gates.iter().filter(|gate| gate.status != Verdict::Passed) {
        out.push_str(&format!("\n## {}\n\n", gate.gate));
        gate.findings.iter().for_each(|finding| out.push_str(&item(finding)));
    }
    out
}

fn item(finding: &Finding) -> String {
    let place = match (&finding.file, finding.line) {
        (Some(file), Some(line)) => format!(" `{}:{line}`", text::fenced(file, 300)),
        (Some(file), None) => format!(" `{}`", text::fenced(file, 300)),
        (None, _) => String::new(),
    };
    let test = finding.test.as_ref().map(|test| format!(" (`{}`)", text::fenced(test, 300))).unwrap_or_default();
    let message = text::fenced(&finding.message, 1_000).replace('\n', " ");
    format!("- **{}**{place}{test}: `{message}`\n", text::fenced(&finding.rule, 100))
}
