//! Which program verified something, and the signed statements about a promotion.
//!
//! Guarantees: both are written with the row that they belong to, in its transaction, and its event has their images. So an edit
//! of either is seen by the audit, and a proof can carry a statement. Deliberately never: signs or checks a statement.

use rusqlite::{Connection, OptionalExtension as _};

use super::write_transaction::WriteTransaction;
use super::{Ledger, LedgerError};
use crate::model::id::{PromotionId, ProposalId, VerificationId};
use crate::model::program::ProgramIdentity;

/// A statement about a promotion, signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedEnvelope {
    /// The type of its predicate.
    pub predicate_type: &'static str,
    /// The envelope of DSSE, as text.
    pub envelope: String,
}

/// The program that a verification was made by.
pub(super) fn program_of(conn: &Connection, id: VerificationId) -> Result<Option<ProgramIdentity>, LedgerError> {
    let mut statement = conn.prepare_cached("SELECT * FROM verification_programs WHERE verification_id = ?1")?;
    let found = statement.query_row([id], |row| {
        Ok(ProgramIdentity {
            sha256: row.get("program_sha256")?,
            version: row.get("version")?,
            commit: row.get("commit_id")?,
            sources_sha256: row.get("sources_sha256")?,
            contract_sha256: row.get("contract_sha256")?,
        })
    });
    Ok(found.optional()?)
}

pub(super) fn insert_program(
    tx: &WriteTransaction<'_>,
    verification: VerificationId,
    program: &ProgramIdentity,
) -> Result<(), LedgerError> {
    tx.insert(
        "verification_programs",
        &[
            ("verification_id", &verification),
            ("program_sha256", &program.sha256),
            ("version", &program.version),
            ("commit_id", &program.commit),
            ("sources_sha256", &program.sources_sha256),
            ("contract_sha256", &program.contract_sha256),
        ],
    )
}

pub(super) fn insert_all(
    tx: &WriteTransaction<'_>,
    promotion: PromotionId,
    statements: &[SignedEnvelope],
) -> Result<(), LedgerError> {
    for SignedEnvelope { predicate_type, envelope } in statements {
        tx.insert(
            "statements",
            &[("promotion_id", &promotion), ("predicate_type", predicate_type), ("envelope", envelope)],
        )?;
    }
    Ok(())
}

/// The envelopes of a promotion, in the order in which its event names them.
pub(super) fn envelopes(conn: &Connection, promotion: &str) -> Result<Vec<String>, LedgerError> {
    let mut statement = conn.prepare("SELECT envelope FROM statements WHERE promotion_id = ?1 ORDER BY rowid")?;
    Ok(statement.query_map([promotion], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

impl Ledger {
    /// The specification of a proposal as the ledger has it: the text that its digest is of.
    ///
    /// # Errors
    /// [`LedgerError`] when there is no such proposal, or its text does not have its digest.
    pub fn specification_text(&self, id: ProposalId) -> Result<String, LedgerError> {
        let conn = self.reader()?;
        super::proposals::get(conn, id)?;
        Ok(conn.query_row("SELECT spec_json FROM skill_proposals WHERE id = ?1", [id], |row| row.get(0))?)
    }
}
