//! A run, as `kavi show` prints it.

use serde_json::{Value, json};

use super::super::{effects, views};
use crate::app::RunDossier;
use crate::model::{
    data_label::DataLabel,
    exchange::{ExchangeRecord, RecordedEnd},
    execution::{ExecutionRecord, GuestOutput},
    lifecycle::CommitState,
    limits::Limits,
    session::RunEntry,
    signing::{RecordedSigning, SignatureRecord, SigningEnd},
    text,
};

/// Longest input or output that is shown; `--json` has all of it.
const MOST_JSON: usize = 4_000;
/// Longest error that is shown. A record keeps no longer one.
const MOST_ERROR: usize = 16_000;
/// Longest log line and standard stream that are shown.
const MOST_TEXT: usize = 8_000;

pub fn human(dossier: &RunDossier) -> String {
    let record = &dossier.row.record;
    let mut out = views::facts(&facts(dossier));
    if let Some(error) = &record.error {
        // The text of an error can come from the skill. It is escaped like everything else that a
        // guest wrote.
        out.push_str(&block("error", &text::block(error, MOST_ERROR)));
    }
    if let Some(said) = &record.said {
        out.push_str(&said_by(record, said));
        out.push_str(&exchanges(said));
        out.push_str(&signatures(said));
        if let Some(limits) = &record.limits {
            out.push_str(&format!("\nlimits\n{}", used(said, limits)));
        }
    }
    let changes = dossier.commit.iter().flat_map(|commit| &commit.changes);
    let files: String = changes.map(|change| format!("  {}\n", effects::what_happens(change))).collect();
    if !files.is_empty() {
        out.push_str(&format!("\nfiles\n{files}"));
    }
    let next: String = next(dossier).iter().map(|line| format!("  {line}\n")).collect();
    out.push_str(&format!("\nnext\n{next}"));
    out
}

fn facts(dossier: &RunDossier) -> Vec<(&'static str, String)> {
    let record = &dossier.row.record;
    let entry = RunEntry::from(&dossier.row);
    let revision = record.revision.map(|revision| format!("@{revision}")).unwrap_or_default();
    let class = record.side_effect_class.map(|class| format!(" ({class})")).unwrap_or_default();
    let mut rows = vec![
        ("run", record.execution_id.to_string()),
        ("skill", format!("{}{revision}{class}", record.skill_name)),
        ("ended", entry.ended().to_owned()),
        ("started", format!("{}, took {} ms", record.started_at, entry.millis())),
        ("purpose", record.purpose.as_str().to_ascii_lowercase().replace('_', " ")),
        ("caller", format!("{} through {}", text::line(&record.caller, 100), record.channel)),
    ];
    rows.extend(record.parent_execution_id.map(|parent| ("follows", parent.to_string())));
    rows.push(("input", text::line(&record.input_json.to_string(), MOST_JSON)));
    rows.extend(record.output_json.as_ref().map(|output| ("output", text::line(&output.to_string(), MOST_JSON))));
    rows.extend(record.said.as_ref().and_then(|said| said.label.as_ref()).map(|label| ("data", data(record, label))));
    rows.extend(record.source_hash.map(|component| ("component", component.to_string())));
    rows.extend(record.engine.as_ref().map(|engine| ("engine", text::line(engine, 100))));
    rows.extend(record.second_wall.map(|wall| ("second wall", wall.to_string())));
    if let Some(undo) = &dossier.undo {
        let by = undo.decided_by.as_deref().unwrap_or("unknown");
        rows.push(("undone", format!("by {} at {}", text::line(by, 100), undo.created_at)));
    }
    rows
}

/// Where its data comes from, and where it may have gone.
fn data(record: &ExecutionRecord, label: &DataLabel) -> String {
    let private = label.private.map(|run| match run == record.execution_id {
        true => "private: it could read the vault".to_owned(),
        false => format!("private: run {} could read the vault", run.short()),
    });
    let origins: Vec<&str> = label.reached.iter().map(String::as_str).collect();
    let reached = (!origins.is_empty()).then(|| format!("reached {}", origins.join(", ")));
    let parts: Vec<String> = [private, reached].into_iter().flatten().collect();
    text::line(&parts.join("; "), MOST_TEXT)
}

/// What the guest logged and printed. A log line begins with the skill in brackets, so that nothing it says looks like Kavi's.
fn said_by(record: &ExecutionRecord, said: &GuestOutput) -> String {
    let mut out = String::new();
    let log: String =
        said.logs.iter().map(|line| format!("  {}\n", views::log_line(&record.skill_name, line))).collect();
    if !log.is_empty() {
        out.push_str(&format!("\nlog\n{log}"));
    }
    for (name, stream) in [("stdout", &said.stdout), ("stderr", &said.stderr)] {
        if !stream.is_empty() {
            out.push_str(&block(name, &text::block(stream, MOST_TEXT)));
        }
    }
    out
}

/// Its exchanges with hosts, one line each: request, end, and the connection of the last hop.
fn exchanges(said: &GuestOutput) -> String {
    let line = |exchange: &ExchangeRecord| {
        let end = match &exchange.end {
            RecordedEnd::Reply { status, body, .. } => format!("{status}, {} bytes", body.bytes),
            RecordedEnd::Failure(failure) => failure.to_string(),
        };
        let hop = exchange.hops.last();
        let address =
            hop.and_then(|hop| hop.address.as_deref()).map(|address| format!(", {address}")).unwrap_or_default();
        let tls = hop.and_then(|hop| hop.tls.as_deref()).map(|tls| format!(", TLS {tls}")).unwrap_or_default();
        let asked = format!("{} {}: {end}{address}{tls}", exchange.call.method, exchange.call.url);
        format!("  {}\n", text::line(&asked, MOST_TEXT))
    };
    let lines: String = said.exchanges.iter().map(line).collect();
    if lines.is_empty() { lines } else { format!("\nexchanges\n{lines}") }
}

/// Its signatures, one line each: the secret, how it signs, and the end.
fn signatures(said: &GuestOutput) -> String {
    let line = |record: &SignatureRecord| {
        let RecordedSigning { secret, algorithm, signed } = &record.call;
        let end = match &record.end {
            SigningEnd::Signature(_) => format!("signed what has the digest {signed}"),
            SigningEnd::Failure(failure) => failure.to_string(),
        };
        format!("  {}\n", text::line(&format!("{secret} ({algorithm}): {end}"), MOST_TEXT))
    };
    let lines: String = said.signatures.iter().map(line).collect();
    if lines.is_empty() { lines } else { format!("\nsignatures\n{lines}") }
}

/// Text of a guest below a heading, each line behind a mark.
fn block(name: &str, text: &str) -> String {
    let lines: String = text.lines().map(|line| format!("  | {line}\n")).collect();
    format!("\n{name}\n{lines}")
}

/// What the run used of the limits that count something while it runs.
fn used(said: &GuestOutput, limits: &Limits) -> String {
    let usage = &said.usage;
    let (logs, dropped) = (said.logs.len() as u64, usage.dropped_log_lines);
    let row = |name: &str, used: u64, of: u64| vec![format!("  {name}"), used.to_string(), of.to_string()];
    let mut table = views::table(
        &["  limit", "used", "of"],
        vec![
            row("wall_ms", usage.wall_us / 1_000, limits.wall_ms),
            row("cpu_ms", usage.cpu_us / 1_000, limits.cpu_ms),
            row("memory_bytes", usage.memory_bytes, limits.memory_bytes),
            row("staged_bytes", usage.staged_bytes, limits.staged_bytes),
            row("staged_files", usage.staged_files, limits.staged_files),
            row("log_lines", logs, limits.log_lines),
        ],
    );
    if dropped > 0 {
        table.push_str(&format!("  {dropped} more log lines were beyond the limit and are lost\n"));
    }
    table
}

/// The commands that lead on from here. Each of them works in this state.
fn next(dossier: &RunDossier) -> Vec<String> {
    let record = &dossier.row.record;
    let id = record.execution_id.short();
    let mut next = Vec::new();
    match (&dossier.commit, &dossier.undo) {
        (Some(commit), None) if commit.state == CommitState::Applied => next.push(format!("kavi undo {id}")),
        (Some(commit), _) if commit.state == CommitState::Held => {
            let held = commit.id.short();
            next.push(format!("kavi effects approve {held}"));
            next.push(format!("kavi effects reject {held}"));
        }
        _ => {}
    }
    match record.revision {
        Some(_) => next.push(format!("kavi replay --execution-id {id}")),
        None => next.push("kavi list-skills --all".to_owned()),
    }
    next
}

pub fn machine(dossier: &RunDossier) -> Value {
    let mut machine = views::execution(&dossier.row);
    machine["commit"] = json!(dossier.commit);
    machine["undo"] = json!(dossier.undo);
    machine["next"] = json!(next(dossier));
    machine
}
