//! What agents can query: the state of proposals, why something failed, records and artifacts.
//!
//! Guarantees: a record is shown without its input, output, paths and messages. An artifact is returned only with the
//! bytes that its digest names.

use serde_json::{Value, json};

use super::super::open_workspace::OpenWorkspace;
use super::super::proposals::ProposalService;
use crate::artifacts::{self, ReadError};
use crate::error::Error;
use crate::invoke::Sequence;
use crate::ledger::{ExecutionRow, LedgerError, Proposal, RecordFilter};
use crate::model::{
    artifact::ArtifactKind,
    channel::Channel,
    digest::Digest,
    id::{ExecutionId, IdPrefix},
    lifecycle::{BuildStatus, ProposalStatus, Verdict},
    text,
};

/// Longest text of an artifact, in characters.
const MOST_TEXT: usize = 256 * 1024;
/// Most records in one list.
const MOST_RECORDS: u32 = 50;

/// The next step for a proposal in this state. A person does each of them.
pub(super) fn next_step(proposal: &Proposal) -> &'static str {
    match proposal.status {
        ProposalStatus::Proposed => "a person has it built",
        ProposalStatus::Built => "a person has it verified",
        ProposalStatus::Verified => "a person reads it and promotes it",
        ProposalStatus::Trusted => "it can be called",
        ProposalStatus::Superseded => "another revision of it can be called",
        ProposalStatus::Rejected => {
            "nothing: a person rejected it; propose something that meets the reason, or do without"
        }
        ProposalStatus::Revoked => "nothing: propose it again if it is still needed",
    }
}

/// What every agent may see of a record.
fn redacted(row: &ExecutionRow) -> Value {
    let record = &row.record;
    json!({
        "execution_id": record.execution_id.to_string(),
        "purpose": record.purpose.as_str(),
        "door": record.channel.as_str(),
        "skill": record.skill_name.as_str(),
        "revision": record.revision,
        "component_sha256": record.source_hash.map(|digest| digest.to_string()),
        "class": record.side_effect_class.map(|class| class.as_str()),
        "success": record.success,
        // The kind alone: the rest of an error may quote an input or a path.
        "error": record.error.as_deref().and_then(|error| error.split(':').next()),
        "files": record.effects.len(),
        "effect": row.commit_state.map(|state| state.as_str()),
        "started_at": record.started_at.to_string(),
        "finished_at": record.finished_at.to_string(),
        "wall_us": record.said.as_ref().map(|said| said.usage.wall_us),
    })
}

/// The state of a proposal or skill.
pub(super) fn skill_status(workspace: &OpenWorkspace, key: &str) -> Result<Value, Error> {
    let proposal = (ProposalService { workspace }).find_newest(key)?;
    let builds = workspace.ledger.builds_of(proposal.id)?;
    let verified = workspace.ledger.verifications_of(proposal.id)?.pop();
    let attempt = builds.last().map(|build| {
        json!({
            "number": build.attempt_number,
            "status": build.status.as_str(),
            "failure": build.failure_kind.map(|kind| kind.to_string()),
        })
    });
    let gates = verified.map(|verification| {
        let failed = verification.gates.iter().filter(|gate| gate.status == Verdict::Failed);
        let failed: Vec<&str> = failed.map(|gate| gate.gate.as_str()).collect();
        json!({ "status": verification.status.as_str(), "failed_gates": failed })
    });
    // Either can be the newest event, and the proposal's state alone does not tell them apart.
    let failed = builds.last().is_some_and(|build| build.status == BuildStatus::Failed)
        || gates.as_ref().is_some_and(|gates| gates["status"] == "FAILED");
    Ok(json!({
        "proposal": proposal.id.to_string(),
        "name": proposal.spec.name.as_str(),
        "class": proposal.spec.side_effect_class.as_str(),
        "status": proposal.status.as_str(),
        "revision": proposal.trust.map(|trust| trust.revision),
        "proposed_at": proposal.created_at.to_string(),
        "proposed_times": workspace.ledger.times_proposed(proposal.id)?,
        "rejected": workspace.ledger.rejection(proposal.id)?.map(|rejection| rejection.why),
        "newest_attempt": attempt,
        "newest_verification": gates,
        "next": if failed { "a person diagnoses the failure: explain_failure says what is known" } else { next_step(&proposal) },
    }))
}

/// Why the newest attempt at a proposal failed, or why a run failed. What a run read goes into the sequence of whoever asks.
pub(super) fn failure(workspace: &OpenWorkspace, key: &str, sequence: &Sequence) -> Result<String, Error> {
    match (ProposalService { workspace }).find_newest(key) {
        Ok(proposal) => failed_attempt(workspace, &proposal),
        Err(Error::Ledger(LedgerError::NotFound { .. }) | Error::Mistyped { .. }) => {
            failed_run(workspace, key, sequence)
        }
        Err(error) => Err(error),
    }
}

fn failed_attempt(workspace: &OpenWorkspace, proposal: &Proposal) -> Result<String, Error> {
    // The newest attempt may have no diagnosis yet. An older one is better than nothing.
    for build in workspace.ledger.builds_of(proposal.id)?.iter().rev() {
        let notes = workspace.ledger.artifacts_of(&build.id.to_string())?;
        if let Some(note) = notes.iter().rfind(|row| row.kind == ArtifactKind::ResearchNote) {
            return artifact(workspace, note.sha256);
        }
    }
    Err(Error::Refused(format!(
        "no diagnosis of proposal {}, which is {}, is recorded: a person starts one with `kavi research-skill`",
        proposal.id.short(),
        proposal.status
    )))
}

fn failed_run(workspace: &OpenWorkspace, key: &str, sequence: &Sequence) -> Result<String, Error> {
    let prefix = IdPrefix::parse(key)
        .map_err(|_| LedgerError::NotFound { what: "proposal, skill or run", key: text::line(key, 100) })?;
    let record = workspace.ledger.execution_by_prefix(&prefix)?.record;
    match &record.error {
        // An error may quote the input, and the input of another channel is not for agents.
        Some(error) if record.channel != Channel::Mcp => {
            let kind = error.split(':').next().unwrap_or_default();
            Ok(format!("Run {} was not started by an agent: it failed with {kind}.\n", record.execution_id))
        }
        Some(error) => {
            // The error can quote the vault, also one of an earlier server.
            record.said.iter().filter_map(|said| said.label.as_ref()).for_each(|label| sequence.join(label));
            Ok(format!(
                "Run {} of skill `{}` failed at {}.\n\n{}\n",
                record.execution_id,
                record.skill_name,
                record.finished_at,
                text::block(error, 4_000)
            ))
        }
        None => Err(Error::Refused(format!("run {} did not fail", record.execution_id.short()))),
    }
}

/// The record of a run, redacted.
pub(super) fn record(workspace: &OpenWorkspace, id: ExecutionId) -> Result<Value, Error> {
    Ok(redacted(&workspace.ledger.execution(id)?))
}

/// The newest records, newest first, redacted.
pub(super) fn newest_records(workspace: &OpenWorkspace) -> Result<Value, Error> {
    let newest = workspace.ledger.tail(&RecordFilter::default(), MOST_RECORDS)?;
    Ok(newest.rows.iter().rev().map(redacted).collect())
}

/// The text of an artifact, if its file still has these bytes.
pub(super) fn artifact(workspace: &OpenWorkspace, digest: Digest) -> Result<String, Error> {
    let row = workspace.ledger.artifact_by_digest(digest)?;
    // Notes of the vault are for skills to read, not for agents.
    if row.kind == ArtifactKind::Note {
        return Err(LedgerError::NotFound { what: "artifact", key: digest.to_string() }.into());
    }
    let path = workspace.config.layout.root.join(row.path.as_str());
    let refused = |why: &str| Error::Refused(format!("artifact {} {why}", digest.short()));
    let bytes = artifacts::read_once(&path).map_err(|error| match error {
        ReadError::Missing => refused("is missing"),
        _ => refused("cannot be read"),
    })?;
    // The file lies in a folder that people and programs can edit.
    if Digest::of(&bytes) != digest {
        return Err(refused("was modified"));
    }
    let text = String::from_utf8(bytes).map_err(|_| refused("is not text"))?;
    Ok(text::block(&text, MOST_TEXT))
}
