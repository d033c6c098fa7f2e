//! Events with their paths to the newest checkpoint, for whoever has no ledger.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::super::{Ledger, LedgerError, statements};
use super::seal;
use crate::history::Hash;
use crate::history::checkpoint::Checkpoint;
use crate::history::event::EventKind;
use crate::history::merkle::{consistency_path, inclusion_path};
use crate::history::proof::{Proof, ProvenEvent, StatementBlock};
use crate::history::statement;
use crate::model::id::{ExecutionId, ProposalId};

/// Every event that the trust in a proposal rests on, and what became of it: its proposal, builds, verifications and decisions.
const ABOUT: &str = "SELECT position FROM history WHERE kind <> 'run' AND body IS NOT NULL AND subject IN (
         SELECT ?1 UNION ALL SELECT id FROM builds WHERE proposal_id = ?1
         UNION ALL SELECT id FROM verifications WHERE proposal_id = ?1
         UNION ALL SELECT id FROM promotions WHERE proposal_id = ?1) ORDER BY position";

/// What says who may sign, under which ids, and with which key statements are signed: whoever checks a signature needs it.
const SIGNERS: &str =
    "SELECT position FROM history WHERE kind IN ('trust-policy', 'signers', 'adopted', 'key') AND body IS NOT NULL
     AND ?1 <> '' ORDER BY position";

/// The events about a proposal, and those that its signatures rest on.
fn about(conn: &Connection, proposal: &str) -> Result<Vec<u64>, LedgerError> {
    let mut all = positions(conn, SIGNERS, proposal)?;
    all.extend(positions(conn, ABOUT, proposal)?);
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

fn positions(conn: &Connection, sql: &str, key: &str) -> Result<Vec<u64>, LedgerError> {
    Ok(conn.prepare(sql)?.query_map([key], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

fn prove(conn: &Connection, ledger: &Ledger, positions: &[u64]) -> Result<Proof, LedgerError> {
    let missing = |key: &str| LedgerError::NotFound { what: "signed checkpoint of", key: key.to_owned() };
    let anchor = ledger.anchor.as_deref().ok_or_else(|| missing("this ledger"))?;
    let key = anchor.key().map_err(seal::unusable)?;
    let newest = seal::newest(conn)?.ok_or_else(|| missing("this ledger"))?;
    let mut statement = conn.prepare("SELECT leaf FROM history WHERE position < ?1 ORDER BY position")?;
    let leaves = statement.query_map([newest.size], |row| row.get::<_, Hash>(0))?.collect::<Result<Vec<_>, _>>()?;
    let (mut events, mut blocks) = (Vec::new(), Vec::new());
    for position in positions {
        let index = usize::try_from(*position).unwrap_or(usize::MAX);
        let path = inclusion_path(&leaves, index).ok_or_else(|| missing(&format!("event {position}")))?;
        let sql = "SELECT body FROM history WHERE position = ?1 AND body IS NOT NULL";
        let body: Option<String> = conn.query_row(sql, params![position], |row| row.get(0)).optional()?;
        let body = body.ok_or_else(|| LedgerError::NotFound { what: "event", key: position.to_string() })?;
        blocks.extend(statement_blocks(conn, *position, &body)?);
        events.push(ProvenEvent { position: *position, body, path });
    }
    Ok(Proof { key, events, statements: blocks, source: None, checkpoint: newest.note })
}

/// The statements that an event names.
fn statement_blocks(conn: &Connection, position: u64, body: &str) -> Result<Vec<StatementBlock>, LedgerError> {
    let tampered = |error: &dyn std::fmt::Display| LedgerError::Tampered(format!("event {position}: {error}"));
    let body: serde_json::Value = serde_json::from_str(body).map_err(|error| tampered(&error))?;
    if statement::named_by(&body).map_err(|error| tampered(&error))?.is_empty() {
        return Ok(Vec::new());
    }
    let promotion = body["subject"].as_str().unwrap_or_default();
    let envelopes = statements::envelopes(conn, promotion)?.into_iter();
    Ok(envelopes.map(|envelope| StatementBlock { position, envelope }).collect())
}

/// The proof that the first `old` events are the beginning of those that a checkpoint covers.
pub(in super::super) fn consistency(conn: &Connection, note: &str, old: u64) -> Result<Option<Vec<Hash>>, LedgerError> {
    let Ok(checkpoint) = Checkpoint::read_unverified(note) else { return Ok(None) };
    let mut statement = conn.prepare("SELECT leaf FROM history WHERE position < ?1 ORDER BY position")?;
    let leaves = statement.query_map([checkpoint.head.size], |row| row.get(0))?.collect::<Result<Vec<Hash>, _>>()?;
    Ok(usize::try_from(old).ok().and_then(|old| consistency_path(&leaves, old)))
}

impl Ledger {
    /// Asks the witness, if there is one over a network, about the newest checkpoint.
    ///
    /// # Errors
    /// [`LedgerError::Anchor`] with the reason when it did not cosign it.
    pub fn ask_witness(&self) -> Result<(), LedgerError> {
        let conn = self.reader()?;
        let (Some(anchor), Some(newest)) = (&self.anchor, seal::newest(conn)?) else { return Ok(()) };
        let path = |old: u64| consistency(conn, &newest.note, old).ok().flatten();
        anchor.ask_witness(&newest.note, &path).map_err(|error| LedgerError::Anchor(error.to_string()))
    }

    /// A proof of everything that the trust in a proposal rests on. Checkpoints cover it only up to the newest one.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] without a checkpoint over it.
    pub fn prove_trust(&self, proposal: ProposalId) -> Result<Proof, LedgerError> {
        let conn = self.reader()?;
        prove(conn, self, &about(conn, &proposal.to_string())?)
    }

    /// A proof of the newest decision of a kind, with what says who may sign it.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] when there is none, or without a checkpoint over it.
    pub fn prove_decision(&self, kind: EventKind) -> Result<Proof, LedgerError> {
        let conn = self.reader()?;
        let sql = "SELECT position FROM history WHERE kind = ?1 ORDER BY position DESC LIMIT 1";
        let newest = positions(conn, sql, kind.as_str())?;
        if newest.is_empty() {
            return Err(LedgerError::NotFound { what: "decision", key: kind.as_str().to_owned() });
        }
        let mut all = positions(conn, SIGNERS, kind.as_str())?;
        all.extend(newest);
        all.sort_unstable();
        all.dedup();
        prove(conn, self, &all)
    }

    /// A proof of a run and, before it, of the trust in its revision.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] when it was pruned or no checkpoint covers it.
    pub fn prove_run(&self, id: ExecutionId) -> Result<Proof, LedgerError> {
        let conn = self.reader()?;
        let record = self.execution(id)?.record;
        let trusted: Option<ProposalId> = conn
            .query_row(
                "SELECT id FROM skill_proposals WHERE name = ?1 AND revision = ?2",
                params![record.skill_name, record.revision],
                |row| row.get(0),
            )
            .optional()?;
        let mut all = match trusted {
            Some(proposal) => about(conn, &proposal.to_string())?,
            None => Vec::new(),
        };
        let run = positions(conn, "SELECT position FROM history WHERE kind = 'run' AND subject = ?1", &id.to_string())?;
        // Without its own event there is nothing to prove about it.
        if run.is_empty() {
            return Err(LedgerError::NotFound { what: "event of run", key: id.short() });
        }
        all.extend(run);
        prove(conn, self, &all)
    }
}
