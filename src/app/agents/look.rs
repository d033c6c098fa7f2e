//! What agents may look up: how proposals stand, why something failed, records and artifacts.
//!
//! Guarantees: of a record nothing is shown that its skill was given, gave, wrote or said; an artifact is given only with the
//! bytes that its digest names.

use serde_json::{Value, json};

use super::super::App;
use crate::artifacts::{self, ReadError};
use crate::error::Error;
use crate::ledger::{ExecutionRow, LedgerError, Proposal, RecordFilter};
use crate::model::{
    artifact::ArtifactKind,
    channel::Channel,
    digest::Digest,
    id::{ExecutionId, IdPrefix},
    lifecycle::{BuildStatus, ProposalStatus, Verdict},
    text,
};

/// Longest text that is handed out, in characters.
const MOST_TEXT: usize = 256 * 1024;
/// Most records in one list.
const MOST_RECORDS: u32 = 50;

/// What is to happen to a proposal that stands like this. All of it is a person's to do.
fn next_step(proposal: &Proposal) -> &'static str {
    match proposal.status {
        ProposalStatus::Proposed => "a person has it built",
        ProposalStatus::Built => "a person has it verified",
        ProposalStatus::Verified => "a person reads it and promotes it",
        ProposalStatus::Trusted => "it can be called",
        ProposalStatus::Superseded => "another revision of it can be called",
        _ => "nothing: propose it again if it is still needed",
    }
}

/// What everybody may see of a record.
fn outline(row: &ExecutionRow) -> Value {
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
        // The kind alone: what follows it may quote an input or a path.
        "error": record.error.as_deref().and_then(|error| error.split(':').next()),
        "files": record.effects.len(),
        "effect": row.commit_state.map(|state| state.as_str()),
        "started_at": record.started_at.to_string(),
        "finished_at": record.finished_at.to_string(),
        "wall_us": record.said.as_ref().map(|said| said.usage.wall_us),
    })
}

impl App {
    /// How a proposal or skill stands.
    pub(super) fn standing_of(&self, key: &str) -> Result<Value, Error> {
        let proposal = self.find_newest(key)?;
        let builds = self.ledger.builds_of(proposal.id)?;
        let verified = self.ledger.verifications_of(proposal.id)?.pop();
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
        let failed = builds.last().is_some_and(|build| build.status == BuildStatus::Failed)
            || gates.as_ref().is_some_and(|gates| gates["status"] == "FAILED");
        Ok(json!({
            "proposal": proposal.id.to_string(),
            "name": proposal.spec.name.as_str(),
            "class": proposal.spec.side_effect_class.as_str(),
            "status": proposal.status.as_str(),
            "revision": proposal.trust.map(|trust| trust.revision),
            "proposed_at": proposal.created_at.to_string(),
            "newest_attempt": attempt,
            "newest_verification": gates,
            "next": if failed { "a person looks at why it failed: explain_failure says what is known" } else { next_step(&proposal) },
        }))
    }

    /// Why the newest attempt at a proposal failed, else why a run did.
    pub(super) fn failure_of(&self, key: &str) -> Result<String, Error> {
        match self.find_newest(key) {
            Ok(proposal) => self.failed_attempt(&proposal),
            Err(Error::Ledger(LedgerError::NotFound { .. })) => self.failed_run(key),
            Err(error) => Err(error),
        }
    }

    fn failed_attempt(&self, proposal: &Proposal) -> Result<String, Error> {
        for build in self.ledger.builds_of(proposal.id)?.iter().rev() {
            let notes = self.ledger.artifacts_of(&build.id.to_string())?;
            if let Some(note) = notes.iter().rfind(|row| row.kind == ArtifactKind::ResearchNote) {
                return self.artifact_text(note.sha256);
            }
        }
        Err(Error::Refused(format!(
            "nothing is known of a failure of proposal {}, which is {}: a person has not had it looked into",
            proposal.id.short(),
            proposal.status
        )))
    }

    fn failed_run(&self, key: &str) -> Result<String, Error> {
        let prefix = IdPrefix::parse(key)
            .map_err(|_| LedgerError::NotFound { what: "proposal, skill or run", key: text::line(key, 100) })?;
        let record = self.ledger.execution_by_prefix(&prefix)?.record;
        match &record.error {
            // What a person gave a skill at another door, and the error may quote, is not an agent's to read.
            Some(error) if record.channel != Channel::Mcp => {
                let kind = error.split(':').next().unwrap_or_default();
                Ok(format!("Run {} was not an agent's: it failed with {kind}.\n", record.execution_id))
            }
            Some(error) => Ok(format!(
                "Run {} of skill `{}` failed at {}.\n\n{}\n",
                record.execution_id,
                record.skill_name,
                record.finished_at,
                text::block(error, 4_000)
            )),
            None => Err(Error::Refused(format!("run {} did not fail", record.execution_id.short()))),
        }
    }

    /// A record without what is not for everybody.
    pub(super) fn redacted(&self, id: ExecutionId) -> Result<Value, Error> {
        Ok(outline(&self.ledger.execution(id)?))
    }

    /// The newest records, newest first, each without what is not for everybody.
    pub(super) fn newest_redacted(&self) -> Result<Value, Error> {
        let newest = self.ledger.tail(&RecordFilter::default(), MOST_RECORDS)?;
        Ok(newest.rows.iter().rev().map(outline).collect())
    }

    /// The text of an artifact, from the file with these very bytes.
    pub(super) fn artifact_text(&self, digest: Digest) -> Result<String, Error> {
        let row = self.ledger.artifact_by_digest(digest)?;
        // What lies in the vault is for skills to read.
        if row.kind == ArtifactKind::Note {
            return Err(LedgerError::NotFound { what: "artifact", key: digest.to_string() }.into());
        }
        let path = self.config.layout.root.join(&row.path);
        let refused = |why: &str| Error::Refused(format!("artifact {} {why}", digest.short()));
        let bytes = artifacts::read_once(&path).map_err(|error| match error {
            ReadError::Missing => refused("is not there any more"),
            _ => refused("cannot be read"),
        })?;
        if Digest::of(&bytes) != digest {
            return Err(refused("was changed"));
        }
        let text = String::from_utf8(bytes).map_err(|_| refused("is no text"))?;
        Ok(text::block(&text, MOST_TEXT))
    }
}
