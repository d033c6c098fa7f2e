//! What several verbs show: tables for people, documents for machines. Both come from the same values.

use comfy_table::{Table, presets};
use serde_json::{Value, json};

use super::screen;

use crate::app::{
    Build, ExecutionRow, GateRow, OpenProposal, Promotion, Proposal, ProposalOrigin, ProposalSource, Verification,
};
use crate::model::{
    execution::LogLine,
    finding::{Finding, FindingGroup},
    lifecycle::Verdict,
    name::SkillName,
    switch::{Stopped, Switch},
    text,
};

/// What `removes_files` means, for whoever decides about a skill.
pub const REMOVES: &str = "may remove files below these folders; `kavi undo` puts them back";
/// What a person is told of a specification with `coerce`.
pub const COERCES: &str =
    "takes \"5\" for 5, null for left out, and a single value for a list, where the schema leaves no doubt";

/// Characters between two columns: one of padding on each side.
const GAP: usize = 2;

/// A plain table: readable on a terminal and in a pipe.
pub fn table(header: &[&str], mut rows: Vec<Vec<String>>) -> String {
    let mut header: Vec<String> = header.iter().map(|title| (*title).to_owned()).collect();
    if let Some(width) = screen::width() {
        screen::fit(&mut header, &mut rows, width, GAP);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    rows.into_iter().for_each(|row| {
        table.add_row(row);
    });
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// Two columns: what it is, and what it says.
pub fn facts(rows: &[(&str, String)]) -> String {
    // Characters and not bytes, which differ for names that are not ASCII.
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let Some(screen) = screen::width() else {
        return rows.iter().map(|(name, value)| format!("{name:<width$}  {value}\n")).collect();
    };
    let mut out = String::new();
    for (name, value) in rows {
        for (number, line) in screen::wrap(value, screen.saturating_sub(width + 2).max(20)).iter().enumerate() {
            // What goes on has no name, so that it is not taken for another fact.
            let name = if number == 0 { name } else { "" };
            out.push_str(format!("{name:<width$}  {line}").trim_end());
            out.push('\n');
        }
    }
    out
}

/// A proposal, in short.
pub fn proposal(proposal: &Proposal) -> Value {
    json!({
        "id": proposal.id,
        "name": proposal.spec.name,
        "status": proposal.status,
        "revision": proposal.trust.map(|trust| trust.revision),
        "side_effect_class": proposal.spec.side_effect_class,
        "component_sha256": proposal.trust.map(|trust| trust.component_sha256),
        "snapshot_sha256": proposal.trust.map(|trust| trust.snapshot_sha256),
        "spec_sha256": proposal.spec_sha256,
        "parent_proposal_id": proposal.parent,
        "created_at": proposal.created_at,
    })
}

/// A proposal that is still open, and where it came from.
pub fn open_proposal(open: &OpenProposal) -> Value {
    let mut machine = proposal(&open.proposal);
    machine["asker"] = asker(open.source.as_ref());
    machine["times"] = json!(open.times);
    machine
}

/// Who sent a proposal, for people. What an agent calls itself was checked by nobody.
pub fn proposer(source: Option<&ProposalSource>) -> String {
    source
        .map_or_else(|| "a person".to_owned(), |source| format!("{} ({})", text::line(&source.by, 40), source.channel))
}

/// Who sent a proposal; null when it was typed at the command line.
pub fn asker(source: Option<&ProposalSource>) -> Value {
    let source = source.map(|source| json!({ "door": source.channel, "by": source.by, "why": source.why }));
    json!(source)
}

/// A promotion in another workspace, in words.
pub fn promoted_there(origin: &ProposalOrigin) -> String {
    let line = |words: &str| text::line(words, 300);
    let by = match &origin.approval {
        Some(approval) => format!("{} ({})", line(&origin.promoted_by), line(approval)),
        None => format!("{} (signed by nobody)", line(&origin.promoted_by)),
    };
    format!("{}, promoted by {by} at {}", line(&origin.workspace), origin.promoted_at)
}

/// What the kill switch says.
pub fn switch(switch: &Switch) -> Value {
    match switch {
        Switch::Running(event) => json!({ "stopped": false, "turn": event }),
        Switch::Stopped(Stopped::By(event)) => json!({ "stopped": true, "turn": event }),
        Switch::Stopped(Stopped::Unreadable(what)) => json!({ "stopped": true, "turn": null, "unreadable": what }),
    }
}

/// A build attempt.
pub fn build(build: &Build) -> Value {
    json!({
        "id": build.id,
        "proposal_id": build.proposal_id,
        "branch_name": build.branch_name,
        "builder": build.builder,
        "attempt_number": build.attempt_number,
        "parent_build_id": build.parent_build_id,
        "status": build.status,
        "failure_kind": build.failure_kind,
        "summary": build.summary,
        "confinement": build.confinement,
        "packet_sha256": build.packet_sha256,
        "snapshot_sha256": build.snapshot_sha256,
        "findings": build.findings,
        "started_at": build.started_at,
        "finished_at": build.finished_at,
    })
}

/// A verification with its gates.
pub fn verification(verification: &Verification) -> Value {
    json!({
        "id": verification.id,
        "proposal_id": verification.proposal_id,
        "build_id": verification.build_id,
        "status": verification.status,
        "snapshot_sha256": verification.snapshot_sha256,
        "component_sha256": verification.component_sha256,
        "toolchain": verification.toolchain,
        "sdk_sha256": verification.sdk_sha256,
        "confinement": verification.confinement,
        "report": verification.report_path,
        "created_at": verification.created_at,
        "gates": verification.gates,
    })
}

/// A decision.
pub fn promotion(promotion: &Promotion) -> Value {
    json!({
        "id": promotion.id,
        "proposal_id": promotion.proposal_id,
        "decision": promotion.decision,
        "from_status": promotion.from_status,
        "to_status": promotion.to_status,
        "component_sha256": promotion.component_sha256,
        "spec_sha256": promotion.spec_sha256,
        "approved_by": promotion.approved_by,
        "reason": promotion.reason,
        "created_at": promotion.created_at,
    })
}

/// The record of a run, and whether its files are in the vault.
pub fn execution(row: &ExecutionRow) -> Value {
    let mut machine = json!(row.record);
    machine["commit_state"] = json!(row.commit_state);
    machine["undone"] = json!(row.undone);
    machine
}

/// Gates as a table, and their findings below it.
pub fn gates(gates: &[GateRow]) -> String {
    let row = |gate: &GateRow| {
        vec![
            gate.gate.clone(),
            gate.status.to_string(),
            gate.findings.len().to_string(),
            match gate.reused_from {
                Some(verification) => format!("reused from {}", verification.short()),
                None => format!("{} ms", gate.duration_ms),
            },
        ]
    };
    let mut out = table(&["gate", "outcome", "findings", "time"], gates.iter().map(row).collect());
    for gate in gates.iter().filter(|gate| gate.status != Verdict::Passed) {
        out.push('\n');
        out.push_str(&findings(&gate.findings));
    }
    let remarks: Vec<&Finding> =
        gates.iter().filter(|gate| gate.status == Verdict::Passed).flat_map(|gate| &gate.findings).collect();
    if !remarks.is_empty() {
        out.push_str("\nThese do not fail a gate. Promotion shows them:\n");
        out.push_str(&findings(remarks));
    }
    out
}

/// One line for each group of findings that say the same.
pub fn findings<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> String {
    FindingGroup::of(findings).iter().map(grouped).collect()
}

fn grouped(group: &FindingGroup<'_>) -> String {
    let line = finding(group.first);
    format!("{}{}\n", line.trim_end_matches('\n'), text::line(&group.count(), 600))
}

/// One finding: `src/lib.rs:3: policy/path: message`.
pub fn finding(finding: &Finding) -> String {
    let place = match (&finding.file, finding.line, &finding.test) {
        (Some(file), Some(line), _) => format!("{file}:{line}: "),
        (Some(file), None, _) => format!("{file}: "),
        (None, _, Some(test)) => format!("{test}: "),
        _ => String::new(),
    };
    let test = match (&finding.file, &finding.test) {
        (Some(_), Some(test)) => format!("({test}) "),
        _ => String::new(),
    };
    let line = format!("{place}{}: {test}{}", finding.rule, finding.message);
    format!("  {}\n", text::line(&line, 1_500))
}

/// A line of a guest's log. It begins with the skill in brackets, so that nothing it says looks like a line of Kavi.
pub fn log_line(skill: &SkillName, line: &LogLine) -> String {
    format!("[{skill}] {}: {}", line.level.as_str(), text::line(&line.message, 2_000))
}

/// A list, or a word for none.
pub fn list(items: impl IntoIterator<Item = String>) -> String {
    let all: Vec<String> = items.into_iter().collect();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}
