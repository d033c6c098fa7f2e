//! The diagnostic bundle of a workspace: what somebody who helps needs to see, and no input, output, note or secret.
//!
//! Guarantees: the sources are a list, and nothing is found by looking around. A source that fails is an entry that says why, so
//! a bundle of failures is still a bundle. What differs from one moment to the next is left out.
//!
//! Deliberately never: sends anything. The caller writes the bytes where the person said.

use serde_json::{Value, json};

use super::context::ContextService;
use super::doctor::{self, CheckDepth};
use super::history::HistoryService;
use super::open_workspace::OpenWorkspace;
use crate::context::diagnostic_bundle::{self, BundleEntry};
use crate::error::Error;
use crate::ledger::{ExecutionRow, Proposal, RecordFilter};
use crate::model::commit::Commit;
use crate::model::switch::Switch;

/// Most records, proposals and changes in a bundle.
const MOST_ROWS: u32 = 100;

/// Most bytes of one entry.
const MOST_ENTRY_BYTES: usize = 4 * 1024 * 1024;

/// One source of a bundle.
struct BundleSource {
    /// The name of its entry.
    name: &'static str,
    collect: fn(&OpenWorkspace) -> Result<Value, Error>,
}

const fn source(name: &'static str, collect: fn(&OpenWorkspace) -> Result<Value, Error>) -> BundleSource {
    BundleSource { name, collect }
}

/// The entry about the program, which needs no workspace.
const PROGRAM: &str = "01-program.json";

/// Every other source, in the order of the bundle.
const SOURCES: [BundleSource; 13] = [
    source("02-doctor.json", checks),
    source("03-settings.json", settings),
    source("04-switch.json", switch),
    source("05-switch-events.json", |workspace| Ok(json!(workspace.ledger.switch_turns()?))),
    source("06-history.json", |workspace| Ok(json!(HistoryService { workspace }.status()?))),
    source("07-audit.json", |workspace| Ok(json!(workspace.ledger.audit_history()?))),
    source("08-trusted.json", trusted),
    source("09-proposals.json", proposals),
    source("10-runs.json", runs),
    source("11-changes.json", changes),
    source("12-policy.json", policy),
    source("13-capabilities.json", capabilities),
    source("14-charter.json", charter),
];

/// Without what a check found of the clock, which is another time each time.
fn checks(workspace: &OpenWorkspace) -> Result<Value, Error> {
    let mut checks = doctor::check(workspace, CheckDepth::Usual);
    for check in checks.iter_mut().filter(|check| check.name == "clock") {
        check.found.clear();
    }
    Ok(json!(checks))
}

/// The values that Kavi knows. `[secrets]` says where secrets are, and no value of one.
fn settings(workspace: &OpenWorkspace) -> Result<Value, Error> {
    let path = workspace.config.layout.root.join(crate::model::layout::MARKER);
    let text = std::fs::read_to_string(&path);
    let text = text.map_err(|source| Error::Io { what: path.display().to_string(), source })?;
    Ok(json!(crate::workspace::settings(&text)))
}

fn switch(workspace: &OpenWorkspace) -> Result<Value, Error> {
    Ok(match workspace.ledger.switch() {
        Switch::Running(event) => json!({ "stopped": false, "turn": event }),
        Switch::Stopped(stopped) => json!({ "stopped": true, "why": stopped.to_string() }),
    })
}

fn trusted(workspace: &OpenWorkspace) -> Result<Value, Error> {
    let one = |proposal: Proposal| {
        let trust = proposal.trust;
        json!({
            "name": proposal.spec.name,
            "class": proposal.spec.side_effect_class,
            "revision": trust.map(|trust| trust.revision),
            "component_sha256": trust.map(|trust| trust.component_sha256),
        })
    };
    Ok(workspace.ledger.all_trusted()?.into_iter().map(one).collect())
}

fn proposals(workspace: &OpenWorkspace) -> Result<Value, Error> {
    let one = |proposal: Proposal| json!({ "id": proposal.id, "name": proposal.spec.name, "status": proposal.status, "at": proposal.created_at });
    Ok(workspace.ledger.newest_proposals(MOST_ROWS)?.into_iter().map(one).collect())
}

/// Without inputs, outputs, paths and what guests said.
fn runs(workspace: &OpenWorkspace) -> Result<Value, Error> {
    let tail = workspace.ledger.tail(&RecordFilter::default(), MOST_ROWS)?;
    let one = |row: &ExecutionRow| {
        let record = &row.record;
        // Only the kind. What follows the colon may quote an input or a path of the vault.
        let kind = record.error.as_ref().and_then(|error| error.split(':').next());
        json!({
            "id": record.execution_id,
            "skill": record.skill_name,
            "door": record.channel,
            "success": record.success,
            "error_kind": kind,
            "at": record.started_at,
            "context_sha256": record.context_sha256,
        })
    };
    Ok(tail.rows.iter().map(one).collect())
}

fn changes(workspace: &OpenWorkspace) -> Result<Value, Error> {
    let one = |commit: Commit| json!({ "id": commit.id, "state": commit.state, "changes": commit.changes.len() });
    Ok(workspace.ledger.newest_commits(MOST_ROWS)?.into_iter().map(one).collect())
}

fn policy(workspace: &OpenWorkspace) -> Result<Value, Error> {
    let table = ContextService { workspace }.policy()?;
    let one =
        |entry: &super::PolicyEntry| json!({ "key": entry.name, "value": entry.stored, "default": entry.default });
    Ok(json!({ "keys": table.entries.iter().map(one).collect::<Vec<_>>(), "drift": table.drift.warning() }))
}

fn capabilities(workspace: &OpenWorkspace) -> Result<Value, Error> {
    let mut all = serde_json::Map::new();
    for actor in ["person", "chain", "agent", "background"] {
        let entries = ContextService { workspace }.capabilities(actor)?;
        let granted = entries.iter().filter(|entry| entry.grant.granted).map(|entry| entry.name);
        all.insert(actor.to_owned(), granted.collect());
    }
    Ok(all.into())
}

/// Its digest and number; its text is the workspace's own.
fn charter(workspace: &OpenWorkspace) -> Result<Value, Error> {
    let state = ContextService { workspace }.charter()?;
    let active = state.active.map(|(version, charter)| json!({ "version": version, "sha256": charter.content_sha256 }));
    Ok(json!({ "active": active, "required": state.required }))
}

/// The bundle of a workspace, or of one that could not be opened.
///
/// # Errors
/// When an entry looks as if it held a credential.
pub(super) fn make(workspace: Result<&OpenWorkspace, &Error>) -> Result<Vec<u8>, Error> {
    let program = json!({
        "kavi": env!("CARGO_PKG_VERSION"),
        "os": std::env::consts::OS,
        "architecture": std::env::consts::ARCH,
    });
    let mut entries = vec![entry(PROGRAM, Ok(program))];
    for BundleSource { name, collect } in SOURCES {
        // An entry that fails says why, and the others are still there. That is what the bundle is
        // for.
        let collected = match workspace {
            Ok(workspace) => collect(workspace).map_err(|error| error.to_string()),
            Err(error) => Err(format!("the workspace cannot be opened: {error}")),
        };
        entries.push(entry(name, collected));
    }
    Ok(diagnostic_bundle::zip(&entries)?)
}

fn entry(name: &'static str, collected: Result<Value, String>) -> BundleEntry {
    let failed = |why: String| json!({ "failed": why });
    let bytes = format!("{:#}\n", collected.unwrap_or_else(failed)).into_bytes();
    match bytes.len() > MOST_ENTRY_BYTES {
        true => BundleEntry { name, bytes: format!("{:#}\n", failed("it is too large".to_owned())).into_bytes() },
        false => BundleEntry { name, bytes },
    }
}
