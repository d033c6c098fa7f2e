//! The frozen build packet: all that a builder is told. One attempt, one packet, never changed afterwards.
//!
//! Deliberately never: holds a secret, a path of this machine, or text that a model wrote and nobody validated.

use crate::ledger::{Build, Proposal, Verification};
use crate::model::lifecycle::Verdict;
use crate::model::text;

/// What a builder gets, besides the packet, in its workspace.
pub const GUIDE: &str = include_str!("../../sdk/README.md");

/// What is known of the attempt before, for the packet of the next.
#[derive(Debug, Clone, Copy)]
pub struct Before<'a> {
    /// The attempt.
    pub build: &'a Build,
    /// Its verification, if it came that far.
    pub verification: Option<&'a Verification>,
}

/// Writes the packet. The same proposal and the same attempt before give the same bytes.
pub fn render(proposal: &Proposal, before: Option<Before<'_>>) -> String {
    let spec = &proposal.spec;
    let pretty = |value: &serde_json::Value| serde_json::to_string_pretty(value).unwrap_or_default();
    let folders = match spec.paths.as_slice() {
        [] => "none: it writes nothing".to_owned(),
        paths => paths.iter().map(|path| format!("`{path}/`")).collect::<Vec<_>>().join(", "),
    };
    let examples = serde_json::to_value(&spec.examples).map(|value| pretty(&value)).unwrap_or_default();
    let required: String = spec
        .required_tests
        .iter()
        .map(|name| format!("- a test named `{name}`, which the specification asks for.\n"))
        .collect();
    let mut packet = format!(
        "# Build packet: `{name}`\n\n\
         Write the skill `{name}` as Rust source in `src/lib.rs` (further files only as `src/**/*.rs`), with its tests.\n\
         You have tools to read, write and edit files in this folder. There is no shell, no compiler and no network;\n\
         your files are compiled, scanned, tested and checked after you are done. What you say is not read, only your\n\
         files count.\n\n\
         ## What it does\n\n{description}\n\n\
         ## Its class\n\n`{class}`. Vault folders it may write below: {folders}.\n\n\
         ## Input schema\n\n```json\n{input}\n```\n\n## Output schema\n\n```json\n{output}\n```\n\n\
         ## Examples that must hold\n\n```json\n{examples}\n```\n\n\
         ## What the gates want\n\n\
         - `src/lib.rs` exists; nothing else appears or changes but `src/**/*.rs` (lower-case names).\n\
         - formatted as rustfmt does by default; no warning of clippy; no `unsafe`.\n\
         - at least three `#[test]` functions in a `#[cfg(test)] mod tests`, each with an assertion that can fail.\n\
         {required}\
         - every path to `std` is a pure one; files only through `kavi_sdk::vault`.\n\n",
        name = spec.name,
        description = text::block(&spec.description, 4_000),
        class = spec.side_effect_class,
        input = pretty(spec.io.input_schema()),
        output = pretty(spec.io.output_schema()),
    );
    if let Some(before) = before {
        packet.push_str(&attempt_before(before));
    }
    packet.push_str("## The guide to the SDK\n\nThe same text lies in `SDK.md`.\n\n");
    packet.push_str(GUIDE);
    packet
}

fn attempt_before(before: Before<'_>) -> String {
    let build = before.build;
    let mut out = format!(
        "## The attempt before this one\n\nAttempt {} ended {}: {}\n\nWhat was found in it is quoted below as data.\n\n",
        build.attempt_number,
        build.status,
        text::line(&build.summary, 500),
    );
    let failed = before.verification.iter().flat_map(|v| &v.gates).filter(|gate| gate.status == Verdict::Failed);
    let findings = failed.flat_map(|gate| &gate.findings).chain(&build.findings);
    for finding in findings.take(50) {
        let place = match (&finding.file, finding.line, &finding.test) {
            (Some(file), Some(line), _) => format!(" {file}:{line}"),
            (Some(file), None, _) => format!(" {file}"),
            (None, _, Some(test)) => format!(" {test}"),
            _ => String::new(),
        };
        let message = text::fenced(&finding.message, 600).replace('\n', " ");
        out.push_str(&format!("- `{}`{}: {message}\n", finding.rule, text::line(&place, 200)));
    }
    out.push('\n');
    out
}
