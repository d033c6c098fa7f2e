//! Live shadow: which calls a candidate component repeats by a person's decision, and what came of them.
//!
//! Guarantees: an order names the component by its digest and the number of calls. Of a call, two digests and a flip are kept. The
//! order and its calls are what the newest signed event about it says, or it is refused.
//!
//! Deliberately never: keeps an input, an output or a log.

use rusqlite::{Connection, OptionalExtension as _, Row};

use super::events::{self, NewEvent, state};
use super::write_transaction::WriteTransaction;
use super::{Decided, Ledger, LedgerError};
use crate::history::event::EventKind;
use crate::model::{
    digest::Digest,
    id::{ExecutionId, ProposalId},
    name::SkillName,
    run_flips::{RunFlip, RunFlips},
    time::Timestamp,
};

/// A person's decision that a candidate repeats calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShadowOrder {
    /// Its number, over all skills.
    pub number: u32,
    /// The skill.
    pub skill: SkillName,
    /// The proposal.
    pub proposal: ProposalId,
    /// The exact component.
    pub component: Digest,
    /// How many calls.
    pub calls: u32,
    /// The number of the newest record of a run then.
    pub after_record: i64,
    /// Who decided.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// The calls so far.
    pub runs: Vec<ShadowRun>,
}

/// One call that a candidate repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShadowRun {
    /// The call.
    pub execution: ExecutionId,
    /// Whether its end flipped.
    pub flip: RunFlip,
    /// The digest of what the trusted revision did.
    pub trusted: Option<Digest>,
    /// The digest of what the candidate did; none where its schema refuses the input.
    pub candidate: Option<Digest>,
}

/// An order to be given.
#[derive(Debug, Clone, Copy)]
pub struct NewShadowOrder<'a> {
    /// The skill.
    pub skill: &'a SkillName,
    /// The proposal.
    pub proposal: ProposalId,
    /// The exact component.
    pub component: Digest,
    /// How many calls.
    pub calls: u32,
}

impl ShadowOrder {
    /// How many calls are left.
    pub fn left(&self) -> usize {
        (self.calls as usize).saturating_sub(self.runs.len())
    }

    /// How the calls ended.
    pub fn flips(&self) -> RunFlips {
        self.runs.iter().map(|run| run.flip).collect()
    }
}

const ALL: &str = "SELECT * FROM shadow_orders ORDER BY number";
const NEWEST: &str = "SELECT * FROM shadow_orders WHERE skill_name = ?1 ORDER BY number DESC LIMIT 1";
const RUNS: &str = "SELECT * FROM shadow_runs WHERE order_number = ?1 ORDER BY rowid";

fn from_row(row: &Row<'_>) -> rusqlite::Result<ShadowOrder> {
    Ok(ShadowOrder {
        number: row.get("number")?,
        skill: row.get("skill_name")?,
        proposal: row.get("proposal_id")?,
        component: row.get("component_sha256")?,
        calls: row.get("calls")?,
        after_record: row.get("after_record")?,
        by: row.get("ordered_by")?,
        at: row.get("created_at")?,
        runs: Vec::new(),
    })
}

fn run(row: &Row<'_>) -> rusqlite::Result<ShadowRun> {
    Ok(ShadowRun {
        execution: row.get("execution_id")?,
        flip: row.get("flip")?,
        trusted: row.get("trusted_sha256")?,
        candidate: row.get("candidate_sha256")?,
    })
}

fn with_runs(conn: &Connection, mut order: ShadowOrder) -> Result<ShadowOrder, LedgerError> {
    order.runs = conn.prepare_cached(RUNS)?.query_map([order.number], run)?.collect::<Result<_, _>>()?;
    Ok(order)
}

/// The subject of events about an order.
fn subject(number: u32) -> String {
    format!("shadow/{number}")
}

/// The order and its calls are in each event, so the newest one speaks for both.
fn append(tx: &WriteTransaction<'_>, number: u32, at: Timestamp) -> Result<(), LedgerError> {
    let event = NewEvent::new(EventKind::Improvement, &subject(number), at);
    events::append(tx, &event.row("shadow_orders", &number).row("shadow_runs", &number))
}

impl Ledger {
    /// Records a person's decision that a candidate repeats calls.
    ///
    /// # Errors
    /// [`LedgerError`] when it cannot be written.
    pub fn give_shadow_order(
        &self,
        new: &NewShadowOrder<'_>,
        decided: Decided<'_>,
    ) -> Result<ShadowOrder, LedgerError> {
        self.write(|tx| {
            // Inside of the write transaction, where no other writer can take the same number.
            let next = "SELECT coalesce(max(number), 0) + 1 FROM shadow_orders";
            let number: u32 = tx.query_row(next, [], |row| row.get(0))?;
            // Calls that were made before the decision are not repeated: the person did not decide
            // about them.
            let after: i64 = tx.query_row("SELECT coalesce(max(rowid), 0) FROM executions", [], |row| row.get(0))?;
            tx.insert(
                "shadow_orders",
                &[
                    ("number", &number),
                    ("skill_name", &new.skill),
                    ("proposal_id", &new.proposal),
                    ("component_sha256", &new.component),
                    ("calls", &new.calls),
                    ("after_record", &after),
                    ("ordered_by", &decided.by),
                    ("created_at", &decided.at),
                ],
            )?;
            append(tx, number, decided.at)?;
            let order = tx.query_row(NEWEST, [new.skill], from_row)?;
            with_runs(tx, order)
        })
    }

    /// Adds calls that a candidate repeated.
    ///
    /// # Errors
    /// [`LedgerError`] when one of them is there already.
    pub fn add_shadow_runs(&self, number: u32, runs: &[ShadowRun], at: Timestamp) -> Result<(), LedgerError> {
        self.write(|tx| {
            for run in runs {
                tx.insert(
                    "shadow_runs",
                    &[
                        ("order_number", &number),
                        ("execution_id", &run.execution),
                        ("flip", &run.flip),
                        ("trusted_sha256", &run.trusted),
                        ("candidate_sha256", &run.candidate),
                        ("created_at", &at),
                    ],
                )?;
            }
            append(tx, number, at)
        })
    }

    /// Every order with its calls, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] when they cannot be read.
    pub fn shadow_orders(&self) -> Result<Vec<ShadowOrder>, LedgerError> {
        let conn = self.reader()?;
        let orders = conn.prepare_cached(ALL)?.query_map([], from_row)?.collect::<Result<Vec<_>, _>>()?;
        orders.into_iter().map(|order| with_runs(conn, order)).collect()
    }

    /// The newest order of a skill, if calls are left.
    ///
    /// # Errors
    /// [`LedgerError::Tampered`] when it is not what its newest event says.
    pub fn open_shadow_order(&self, skill: &SkillName) -> Result<Option<ShadowOrder>, LedgerError> {
        let conn = self.reader()?;
        let Some(order) = conn.prepare_cached(NEWEST)?.query_row([skill], from_row).optional()? else {
            return Ok(None);
        };
        // Before its number of calls is believed: a row that was edited could let a candidate run
        // more often.
        state::check_subject(conn, self.anchor.as_deref(), &subject(order.number), Some(EventKind::Improvement))?;
        Ok(Some(with_runs(conn, order)?).filter(|order| order.left() > 0))
    }
}
