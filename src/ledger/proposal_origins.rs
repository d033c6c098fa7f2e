//! Proposals that came in a bundle of another workspace, and what the proof in it showed.
//!
//! Guarantees: an origin is written with its proposal or not at all, and the event of the proposal has its image. Deliberately
//! never: counts for anything. A promotion somewhere else is evidence for the person who decides here.

use rusqlite::OptionalExtension as _;

use super::write_transaction::WriteTransaction;
use super::{Ledger, LedgerError};
use crate::model::{digest::Digest, id::ProposalId, time::Timestamp};

/// Where a proposal came from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ProposalOrigin {
    /// The history that has the promotion.
    pub workspace: String,
    /// The key that signed it.
    pub signed_by: String,
    /// How many events the proof is as of.
    pub events: u64,
    /// When it was promoted there.
    pub promoted_at: Timestamp,
    /// Who promoted it, as the event says.
    pub promoted_by: String,
    /// Who signed the promotion with a key, in words.
    pub approval: Option<String>,
    /// The digest of the bundle.
    pub bundle_sha256: Digest,
    /// The source that was promoted there.
    pub source_sha256: Digest,
    /// The component that was promoted there.
    pub component_sha256: Digest,
}

pub(super) fn insert(
    tx: &WriteTransaction<'_>,
    proposal: ProposalId,
    origin: &ProposalOrigin,
) -> Result<(), LedgerError> {
    tx.insert(
        "proposal_origins",
        &[
            ("proposal_id", &proposal),
            ("workspace", &origin.workspace),
            ("signed_by", &origin.signed_by),
            ("events", &origin.events),
            ("promoted_at", &origin.promoted_at),
            ("promoted_by", &origin.promoted_by),
            ("approval", &origin.approval),
            ("bundle_sha256", &origin.bundle_sha256),
            ("source_sha256", &origin.source_sha256),
            ("component_sha256", &origin.component_sha256),
        ],
    )
}

impl Ledger {
    /// Where a proposal came from; none when it came in no bundle.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn proposal_origin(&self, id: ProposalId) -> Result<Option<ProposalOrigin>, LedgerError> {
        let mut statement = self.reader()?.prepare_cached("SELECT * FROM proposal_origins WHERE proposal_id = ?1")?;
        let found = statement.query_row([id], |row| {
            Ok(ProposalOrigin {
                workspace: row.get("workspace")?,
                signed_by: row.get("signed_by")?,
                events: row.get("events")?,
                promoted_at: row.get("promoted_at")?,
                promoted_by: row.get("promoted_by")?,
                approval: row.get("approval")?,
                bundle_sha256: row.get("bundle_sha256")?,
                source_sha256: row.get("source_sha256")?,
                component_sha256: row.get("component_sha256")?,
            })
        });
        Ok(found.optional()?)
    }
}
