//! What was found out about failed attempts, and who let the next attempt go ahead.

use rusqlite::Row;

use super::events::{self, NewEvent};
use super::write_transaction::WriteTransaction;
use super::{ArtifactRow, Ledger, LedgerError, artifacts, codec};
use crate::history::event::EventKind;
use crate::model::{
    id::{BuildId, ProposalId, ResearchId, VerificationId},
    lifecycle::FailureKind,
    research::{AdviceOutcome, Classified, Escalation, Facts},
    time::Timestamp,
};

/// One look into why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Research {
    /// Its id.
    pub id: ResearchId,
    /// The attempt.
    pub build_id: BuildId,
    /// The verification that was classified, when it was not the attempt itself.
    pub verification_id: Option<VerificationId>,
    /// Kind and facts.
    pub classified: Classified,
    /// What a person wants the next attempt to know.
    pub hint: Option<String>,
    /// What came of asking a model.
    pub advice: AdviceOutcome,
    /// Why a person must say go before the next attempt.
    pub escalations: Vec<Escalation>,
    /// The note, relative to the workspace.
    pub note_path: String,
    /// When.
    pub created_at: Timestamp,
}

/// A person's go for one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Who.
    pub acknowledged_by: String,
    /// What was acknowledged.
    pub escalations: Vec<Escalation>,
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Research> {
    let (kind, facts): (FailureKind, Facts) = (row.get("kind")?, codec::json_column(row, "facts_json")?);
    Ok(Research {
        id: row.get("id")?,
        build_id: row.get("build_id")?,
        verification_id: row.get("verification_id")?,
        classified: Classified { kind, facts },
        hint: row.get("hint")?,
        advice: codec::json_column(row, "advice_json")?,
        escalations: codec::json_column(row, "escalations_json")?,
        note_path: row.get("note_path")?,
        created_at: row.get("created_at")?,
    })
}

pub(super) fn insert_acknowledgement(
    tx: &WriteTransaction<'_>,
    build: BuildId,
    go: &Acknowledgement,
    at: Timestamp,
) -> Result<(), LedgerError> {
    tx.insert(
        "acknowledgements",
        &[
            ("build_id", &build),
            ("acknowledged_by", &go.acknowledged_by),
            ("escalations_json", &codec::to_json(&go.escalations)?),
            ("created_at", &at),
        ],
    )?;
    Ok(())
}

impl Ledger {
    /// Writes what was found out, with its artifacts.
    ///
    /// # Errors
    /// [`LedgerError`] when it cannot be written.
    pub fn insert_research(&self, new: &Research, notes: &[ArtifactRow]) -> Result<(), LedgerError> {
        self.write(|tx| {
            tx.insert(
                "research",
                &[
                    ("id", &new.id),
                    ("build_id", &new.build_id),
                    ("verification_id", &new.verification_id),
                    ("kind", &new.classified.kind),
                    ("facts_json", &codec::to_json(&new.classified.facts)?),
                    ("hint", &new.hint),
                    ("advice_json", &codec::to_json(&new.advice)?),
                    ("escalations_json", &codec::to_json(&new.escalations)?),
                    ("note_path", &new.note_path),
                    ("created_at", &new.created_at),
                ],
            )?;
            notes.iter().try_for_each(|note| artifacts::insert(tx, note))?;
            let event = NewEvent::new(EventKind::Diagnosis, &new.id, new.created_at)
                .row("research", &new.id)
                .rows("artifacts", notes.iter().map(|note| note.id));
            events::append(tx, &event)
        })
    }

    /// What was found out about the attempts of a proposal, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn research_of(&self, proposal: ProposalId) -> Result<Vec<Research>, LedgerError> {
        let mut statement = self.reader()?.prepare(
            "SELECT * FROM research WHERE build_id IN (SELECT id FROM builds WHERE proposal_id = ?1) ORDER BY rowid",
        )?;
        Ok(statement.query_map([proposal], from_row)?.collect::<Result<_, _>>()?)
    }

    /// The attempts of a proposal that a person let go ahead, first to last.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn acknowledgements_of(&self, proposal: ProposalId) -> Result<Vec<(BuildId, Acknowledgement)>, LedgerError> {
        let mut statement = self.reader()?.prepare(
            "SELECT acknowledgements.* FROM acknowledgements JOIN builds ON builds.id = build_id
             WHERE proposal_id = ?1 ORDER BY attempt_number",
        )?;
        let rows = statement.query_map([proposal], |row| {
            let acknowledged_by = row.get("acknowledged_by")?;
            let escalations = codec::json_column(row, "escalations_json")?;
            Ok((row.get("build_id")?, Acknowledgement { acknowledged_by, escalations }))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{BuildEnd, Create, NewBuild, NewProposal};
    use crate::model::{
        artifact::{ArtifactKind, ArtifactPath},
        digest::Digest,
        id::{ArtifactId, RandomIds},
        json,
        lifecycle::{BuilderKind, Trigger},
        spec::SkillSpec,
    };

    type Anything = Result<(), Box<dyn std::error::Error>>;

    fn artifact(path: &str) -> Result<ArtifactRow, Box<dyn std::error::Error>> {
        Ok(ArtifactRow {
            id: ArtifactId::new(&RandomIds),
            kind: ArtifactKind::ResearchNote,
            path: ArtifactPath::parse(&format!("artifacts_out/{path}"))?,
            sha256: Digest::of(b""),
            created_at: Timestamp::from_millis(0)?,
            related_id: String::new(),
        })
    }

    fn proposed(ledger: &Ledger) -> Result<ProposalId, Box<dyn std::error::Error>> {
        let io = serde_json::json!({
            "type": "object", "properties": { "a": { "type": "string" } }, "required": ["a"],
            "additionalProperties": false,
        });
        let spec: SkillSpec = serde_json::from_value(serde_json::json!({
            "v": 1, "name": "skill", "description": "d", "side_effect_class": "READ_ONLY", "paths": [],
            "required_secrets": [], "examples": [],
            "io": { "input": io, "output": io },
        }))?;
        let id = ProposalId::new(&RandomIds);
        let spec_json = json::canonical(&serde_json::to_value(&spec)?);
        ledger.insert_proposal(&NewProposal {
            id,
            spec: &spec,
            spec_json: &spec_json,
            artifact: &artifact("spec")?,
            source: None,
            origin: None,
            context_sha256: None,
        })?;
        Ok(id)
    }

    #[test]
    fn a_go_is_written_with_its_attempt_or_not_at_all() -> Anything {
        let ledger = Ledger::in_memory()?;
        let proposal = proposed(&ledger)?;
        let go = Acknowledgement {
            acknowledged_by: "Ada".to_owned(),
            escalations: vec![Escalation { trigger: Trigger::Ambiguous, why: "nobody knows".to_owned() }],
        };
        let packet = artifact("packet")?;
        let new = |decided_after| NewBuild {
            id: BuildId::new(&RandomIds),
            proposal_id: proposal,
            branch_name: "skill/x".to_owned(),
            builder: BuilderKind::Claude,
            confinement: String::new(),
            packet: &packet,
            decided_after,
            acknowledgement: Some(&go),
            used: None,
        };
        // Decided on a verification that is not the newest one.
        let stale = ledger.start_build(&new(Some(VerificationId::new(&RandomIds))));
        assert!(matches!(stale, Err(LedgerError::Conflict(_))), "{stale:?}");
        assert!(ledger.acknowledgements_of(proposal)?.is_empty() && ledger.builds_of(proposal)?.is_empty());

        let build = ledger.start_build(&new(None))?;
        assert_eq!(ledger.acknowledgements_of(proposal)?, [(build.id, go.clone())]);
        let end = BuildEnd {
            outcome: Err(None),
            summary: "over".to_owned(),
            confinement: String::new(),
            findings: Vec::new(),
            artifacts: Vec::new(),
            finished_at: Timestamp::from_millis(1)?,
        };
        ledger.finish_build(build.id, &end)?;
        let research = Research {
            id: ResearchId::new(&RandomIds),
            build_id: build.id,
            verification_id: None,
            classified: Classified {
                kind: FailureKind::Unknown,
                facts: Facts {
                    gate: None,
                    failed_gates: Vec::new(),
                    findings: Vec::new(),
                    omitted: 0,
                    excerpt: "over".to_owned(),
                },
            },
            hint: Some("a hint".to_owned()),
            advice: AdviceOutcome::Unreachable { why: "nobody".to_owned() },
            escalations: go.escalations,
            note_path: "note".to_owned(),
            created_at: Timestamp::from_millis(2)?,
        };
        ledger.insert_research(&research, &[artifact("note")?])?;
        assert_eq!(ledger.research_of(proposal)?, [research]);
        Ok(())
    }

    #[test]
    fn a_ledger_of_the_version_before_is_brought_up() -> Anything {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("ledger.db");
        let old = rusqlite::Connection::open(&path)?;
        old.execute_batch(include_str!("migrations/0001_spine.sql"))?;
        old.pragma_update(None, "application_id", 0x4B61_7669)?;
        old.pragma_update(None, "user_version", 1)?;
        drop(old);
        let ledger = Ledger::open(&path, Create::Never)?;
        assert!(ledger.research_of(ProposalId::new(&RandomIds))?.is_empty());
        Ok(())
    }
}
