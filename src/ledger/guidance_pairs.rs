//! Pairs of episodes that compare a rewritten guidance with the published one.
//!
//! Guarantees: a pair is on the disk before a model is asked for it, so it is asked once. Every step is an event of the history.
//!
//! Deliberately never: keeps what a model answered.

use rusqlite::{Row, params};

use super::events::{self, NewEvent};
use super::write_transaction::WriteTransaction;
use super::{Ledger, LedgerError};
use crate::history::event::EventKind;
use crate::model::{guidance::PairResult, time::Timestamp};

/// One pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuidancePair {
    /// The number of the released text.
    pub evidence: u32,
    /// What came of it.
    pub result: PairResult,
    /// What it cost.
    pub cost: ModelCost,
}

/// What questions to a model cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct ModelCost {
    /// Questions.
    pub calls: u32,
    /// Characters of the questions.
    pub sent: u64,
    /// Characters of the answers.
    pub received: u64,
}

impl ModelCost {
    /// Both together.
    pub fn plus(self, other: Self) -> Self {
        Self {
            calls: self.calls.saturating_add(other.calls),
            sent: self.sent.saturating_add(other.sent),
            received: self.received.saturating_add(other.received),
        }
    }
}

const OF: &str = "SELECT * FROM guidance_pairs WHERE improvement = ?1 ORDER BY rowid";
const END: &str = "UPDATE guidance_pairs SET result = ?3, calls = ?4, sent = ?5, received = ?6, changed_at = ?7
     WHERE improvement = ?1 AND evidence = ?2 AND result = 'STARTED'";
const LOSE: &str =
    "UPDATE guidance_pairs SET result = 'LOST', changed_at = ?2 WHERE improvement = ?1 AND result = 'STARTED'";

fn from_row(row: &Row<'_>) -> rusqlite::Result<GuidancePair> {
    let cost = ModelCost { calls: row.get("calls")?, sent: row.get("sent")?, received: row.get("received")? };
    Ok(GuidancePair { evidence: row.get("evidence")?, result: row.get("result")?, cost })
}

fn append(tx: &WriteTransaction<'_>, improvement: u32, at: Timestamp) -> Result<(), LedgerError> {
    let event = NewEvent::new(EventKind::Improvement, &format!("pairs/{improvement}"), at);
    events::append(tx, &event.row("guidance_pairs", &improvement))
}

impl Ledger {
    /// Begins a pair.
    ///
    /// # Errors
    /// [`LedgerError`] when the text was compared before.
    pub fn begin_pair(&self, improvement: u32, evidence: u32, at: Timestamp) -> Result<(), LedgerError> {
        self.write(|tx| {
            tx.insert(
                "guidance_pairs",
                &[
                    ("improvement", &improvement),
                    ("evidence", &evidence),
                    ("result", &PairResult::Started),
                    ("calls", &0),
                    ("sent", &0),
                    ("received", &0),
                    ("created_at", &at),
                    ("changed_at", &at),
                ],
            )?;
            append(tx, improvement, at)
        })
    }

    /// Ends a pair that was begun.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] when it is over.
    pub fn end_pair(&self, improvement: u32, pair: &GuidancePair, at: Timestamp) -> Result<(), LedgerError> {
        self.write(|tx| {
            let GuidancePair { evidence, result, cost: ModelCost { calls, sent, received } } = pair;
            let row = params![improvement, evidence, result, calls, sent, received, at];
            if tx.change(END, row)? != 1 {
                return Err(LedgerError::Conflict(format!("pair {evidence} of improvement {improvement}")));
            }
            append(tx, improvement, at)
        })
    }

    /// Gives up pairs that an earlier pass began. Gives how many they were.
    ///
    /// # Errors
    /// [`LedgerError`] when that cannot be written.
    pub fn lose_pairs(&self, improvement: u32, at: Timestamp) -> Result<usize, LedgerError> {
        if self.guidance_pairs(improvement)?.iter().all(|pair| pair.result != PairResult::Started) {
            return Ok(0);
        }
        self.write(|tx| {
            let lost = tx.change(LOSE, params![improvement, at])?;
            append(tx, improvement, at)?;
            Ok(lost)
        })
    }

    /// The pairs of an attempt, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] when they cannot be read.
    pub fn guidance_pairs(&self, improvement: u32) -> Result<Vec<GuidancePair>, LedgerError> {
        let mut statement = self.reader()?.prepare_cached(OF)?;
        Ok(statement.query_map([improvement], from_row)?.collect::<Result<_, _>>()?)
    }
}
