//! What later gates found in trusted revisions, and which gates each trust rests on.
//!
//! Deliberately never: changes trust. A person reads this and decides.

use std::collections::BTreeMap;

use rusqlite::Row;

use super::events::{self, NewEvent};
use super::{Ledger, LedgerError, codec};
use crate::history::event::EventKind;
use crate::model::{
    finding::Finding,
    id::{ProposalId, VerificationId},
    lifecycle::Verdict,
    time::Timestamp,
};

/// One run of the gates over a trusted revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reverification {
    /// Its id.
    pub id: VerificationId,
    /// The proposal that is trusted.
    pub proposal_id: ProposalId,
    /// The version of the gates that ran.
    pub gates_version: u32,
    /// PASSED when every gate passed.
    pub status: Verdict,
    /// Why it failed.
    pub findings: Vec<Finding>,
    /// When.
    pub created_at: Timestamp,
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Reverification> {
    Ok(Reverification {
        id: row.get("id")?,
        proposal_id: row.get("proposal_id")?,
        gates_version: row.get("gates_version")?,
        status: row.get("status")?,
        findings: codec::json_column(row, "findings_json")?,
        created_at: row.get("created_at")?,
    })
}

impl Ledger {
    /// Records what the gates found in a trusted revision.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be written.
    pub fn insert_reverification(&self, new: &Reverification) -> Result<(), LedgerError> {
        let findings = codec::to_json(&new.findings)?;
        self.write(|tx| {
            tx.insert(
                "reverifications",
                &[
                    ("id", &new.id),
                    ("proposal_id", &new.proposal_id),
                    ("gates_version", &new.gates_version),
                    ("status", &new.status),
                    ("findings_json", &findings),
                    ("created_at", &new.created_at),
                ],
            )?;
            let event = NewEvent::new(EventKind::Reverification, &new.id, new.created_at);
            events::append(tx, &event.row("reverifications", &new.id))
        })
    }

    /// The newest reverification of each proposal that has one.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn newest_reverifications(&self) -> Result<BTreeMap<ProposalId, Reverification>, LedgerError> {
        let mut statement = self.reader()?.prepare("SELECT * FROM reverifications ORDER BY rowid")?;
        let rows = statement.query_map([], from_row)?.collect::<Result<Vec<_>, _>>()?;
        // A later row replaces an earlier one of the same proposal.
        Ok(rows.into_iter().map(|row| (row.proposal_id, row)).collect())
    }

    /// The version of the gates that the promotion of each proposal rests on.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn promoted_gates(&self) -> Result<BTreeMap<ProposalId, u32>, LedgerError> {
        let sql = "SELECT p.proposal_id, v.gates_version FROM promotions p
                   JOIN verifications v ON v.id = p.verification_id ORDER BY p.rowid";
        let mut statement = self.reader()?.prepare(sql)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
