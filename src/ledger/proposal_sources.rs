//! Proposals that no person typed at the command line: who sent them, through which channel, and what they said it was for.
//!
//! Guarantees: a source is written with its proposal or not at all, and only while fewer than [`MOST_LATELY`] came in the hour
//! before, which the same transaction counts. Deliberately never: says anything about the proposal itself.

use rusqlite::OptionalExtension as _;

use super::write_transaction::WriteTransaction;
use super::{Ledger, LedgerError, Proposal};
use crate::model::{channel::Channel, id::ProposalId, time::Timestamp};

/// Most proposals of this kind within an hour, from all sources together.
pub const MOST_LATELY: u32 = 20;

const HOUR_MS: i64 = 60 * 60 * 1_000;

/// Who sent a proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposalSource {
    /// The channel that it came through.
    pub channel: Channel,
    /// Who they say they are.
    pub by: String,
    /// What they say it is for.
    pub why: String,
}

/// A proposal that a person can still decide about, and where it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenProposal {
    /// The proposal.
    pub proposal: Proposal,
    /// Who sent it; none when it was typed at the command line.
    pub source: Option<ProposalSource>,
    /// How often the same specification was proposed.
    pub times: u32,
}

const LATELY: &str = "SELECT count(*) FROM proposal_askers WHERE created_at > ?1";

pub(super) fn insert(
    tx: &WriteTransaction<'_>,
    id: ProposalId,
    source: &ProposalSource,
    now: Timestamp,
) -> Result<(), LedgerError> {
    // What came at a later time, before the clock was turned back, counts as well.
    let since = Timestamp::from_millis(now.as_millis() - HOUR_MS).unwrap_or(now);
    let lately: u32 = tx.query_row(LATELY, [since], |row| row.get(0))?;
    if lately >= MOST_LATELY {
        return Err(LedgerError::TooMany { what: "proposals from agents", most: MOST_LATELY });
    }
    tx.insert(
        "proposal_askers",
        &[
            ("proposal_id", &id),
            ("door", &source.channel.as_str()),
            ("asked_by", &source.by),
            ("why", &source.why),
            ("created_at", &now),
        ],
    )?;
    Ok(())
}

impl Ledger {
    /// Who sent a proposal; none when it was typed at the command line.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn proposal_source(&self, id: ProposalId) -> Result<Option<ProposalSource>, LedgerError> {
        let mut statement =
            self.reader()?.prepare_cached("SELECT door, asked_by, why FROM proposal_askers WHERE proposal_id = ?1")?;
        let found = statement.query_row([id], |row| {
            Ok(ProposalSource { channel: row.get("door")?, by: row.get("asked_by")?, why: row.get("why")? })
        });
        Ok(found.optional()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{ArtifactRow, NewProposal};
    use crate::model::{
        artifact::{ArtifactKind, ArtifactPath},
        digest::Digest,
        id::{ArtifactId, RandomIds},
        spec::SkillSpec,
    };

    type Tested = Result<(), Box<dyn std::error::Error>>;

    fn propose(
        ledger: &Ledger,
        at: i64,
        by: &str,
    ) -> Result<Result<ProposalId, LedgerError>, Box<dyn std::error::Error>> {
        let id = ProposalId::new(&RandomIds);
        let spec = SkillSpec::reading("tally", r#"{"input":{"text":"str"},"output":{"words":"int"}}"#)?;
        let spec_json = crate::model::json::canonical(&serde_json::to_value(&spec)?);
        let artifact = ArtifactRow {
            id: ArtifactId::new(&RandomIds),
            kind: ArtifactKind::SkillSpec,
            path: ArtifactPath::parse(&format!("artifacts_out/tally/{id}/SKILL_SPEC.json"))?,
            sha256: Digest::of(spec_json.as_bytes()),
            created_at: Timestamp::from_millis(at)?,
            related_id: id.to_string(),
        };
        let source = ProposalSource { channel: Channel::Mcp, by: by.to_owned(), why: "I count often".to_owned() };
        let new = NewProposal {
            id,
            spec: &spec,
            spec_json: &spec_json,
            artifact: &artifact,
            source: Some(&source),
            origin: None,
            context_sha256: Some(Digest::of(b"context")),
        };
        Ok(ledger.insert_proposal(&new).map(|proposal| proposal.id))
    }

    #[test]
    fn an_asker_comes_with_the_proposal_and_one_too_many_leaves_nothing() -> Tested {
        let ledger = Ledger::in_memory()?;
        let start = 10 * HOUR_MS;
        for number in 0..MOST_LATELY {
            let id = propose(&ledger, start + i64::from(number), "an agent")??;
            let source = ledger.proposal_source(id)?.ok_or("no source")?;
            assert_eq!(
                (source.channel, source.by.as_str(), source.why.as_str()),
                (Channel::Mcp, "an agent", "I count often")
            );
        }
        // Another name, and an older clock, do not help.
        for (at, by) in [(start + HOUR_MS - 1, "another"), (start - HOUR_MS, "an agent")] {
            assert!(matches!(propose(&ledger, at, by)?, Err(LedgerError::TooMany { .. })), "{at}");
        }
        assert_eq!(ledger.proposals()?.len(), MOST_LATELY as usize);
        assert_eq!(ledger.artifacts()?.len(), MOST_LATELY as usize);
        // An hour after the first there is room for one.
        propose(&ledger, start + HOUR_MS, "an agent")??;
        assert!(propose(&ledger, start + HOUR_MS, "an agent")?.is_err());
        Ok(())
    }

    #[test]
    fn the_count_reads_no_whole_table() -> Tested {
        let ledger = Ledger::in_memory()?;
        assert_eq!(crate::ledger::codec::full_scans(&ledger.conn, LATELY)?, [""; 0]);
        Ok(())
    }
}
