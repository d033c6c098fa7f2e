//! Proposals that a person rejected, and proposals that came again.
//!
//! Guarantees: a proposal becomes REJECTED together with the reason, or not at all. A specification that comes again is counted
//! with the proposal that it repeats. Deliberately never: rejects what is or was trusted; that is a revocation.

use rusqlite::{OptionalExtension as _, params};

use super::events::{self, NewEvent};
use super::{Ledger, LedgerError, Proposal, ProposalSource, proposals};
use crate::history::event::EventKind;
use crate::model::{digest::Digest, id::ProposalId, lifecycle::ProposalStatus, name::SkillName, time::Timestamp};

/// A person's no to a proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Who rejected it.
    pub by: String,
    /// Why.
    pub why: String,
    /// When.
    pub at: Timestamp,
}

/// The newest proposal of this specification that is open, trusted or rejected. One that was trusted once is not: to ask for
/// it again is a new question.
const SAME: &str = "SELECT id FROM skill_proposals
     WHERE name = ?1 AND spec_sha256 = ?2 AND status NOT IN ('SUPERSEDED', 'REVOKED')
     ORDER BY rowid DESC LIMIT 1";

const REPEAT: &str =
    "INSERT INTO proposal_repeats (proposal_id, times, last_by, last_why, last_at) VALUES (?1, 1, ?2, ?3, ?4)
     ON CONFLICT (proposal_id) DO UPDATE SET times = times + 1, last_by = ?2, last_why = ?3, last_at = ?4";

impl Ledger {
    /// An open proposal becomes REJECTED, for this reason.
    ///
    /// # Errors
    /// [`LedgerError::WrongState`] when it is not open.
    pub fn reject_proposal(&self, id: ProposalId, rejection: &Rejection) -> Result<Proposal, LedgerError> {
        self.write(|tx| {
            let open = [ProposalStatus::Proposed, ProposalStatus::Built, ProposalStatus::Verified];
            let from = proposals::step(tx, id, &open, ProposalStatus::Rejected, "reject")?;
            tx.insert(
                "rejections",
                &[
                    ("proposal_id", &id),
                    ("from_status", &from),
                    ("rejected_by", &rejection.by),
                    ("why", &rejection.why),
                    ("created_at", &rejection.at),
                ],
            )?;
            let event = NewEvent::new(EventKind::Rejection, &id, rejection.at)
                .row("rejections", &id)
                .row("skill_proposals", &id);
            events::append(tx, &event)?;
            proposals::get(tx, id)
        })
    }

    /// Why a proposal was rejected; none when it was not.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn rejection(&self, id: ProposalId) -> Result<Option<Rejection>, LedgerError> {
        let sql = "SELECT rejected_by, why, created_at FROM rejections WHERE proposal_id = ?1";
        let found = self.reader()?.prepare_cached(sql)?.query_row([id], |row| {
            Ok(Rejection { by: row.get("rejected_by")?, why: row.get("why")?, at: row.get("created_at")? })
        });
        Ok(found.optional()?)
    }

    /// Counts a specification that came again, and gives the proposal that it repeats; none when it repeats nothing.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be written.
    pub fn repeat_proposal(
        &self,
        name: &SkillName,
        spec_sha256: Digest,
        source: &ProposalSource,
        at: Timestamp,
    ) -> Result<Option<Proposal>, LedgerError> {
        self.write(|tx| {
            let same = tx.query_row(SAME, params![name, spec_sha256], |row| row.get(0)).optional()?;
            let Some(id) = same else { return Ok(None) };
            tx.change(REPEAT, params![id, source.by, source.why, at])?;
            proposals::get(tx, id).map(Some)
        })
    }

    /// How often a specification was proposed, the first time included.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn times_proposed(&self, id: ProposalId) -> Result<u32, LedgerError> {
        let sql = "SELECT times FROM proposal_repeats WHERE proposal_id = ?1";
        let repeats: Option<u32> = self.reader()?.prepare_cached(sql)?.query_row([id], |row| row.get(0)).optional()?;
        Ok(repeats.map_or(1, |repeats| repeats.saturating_add(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_specification_is_found_without_reading_every_proposal() -> Result<(), LedgerError> {
        let ledger = Ledger::in_memory()?;
        assert_eq!(crate::ledger::codec::full_scans(&ledger.conn, SAME)?, [""; 0]);
        Ok(())
    }
}
