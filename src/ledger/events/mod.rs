//! The history of the ledger: every change appends an event, in the transaction that makes the change.
//!
//! - `images.rs`: rows as events hold them, and whether a row still is what its event says.
//! - `state.rs`: the state that decides trust, and the check of it before a run or a decision.
//! - `seal.rs`: checkpoints, signed in the transaction of the events that they cover.
//! - `begin.rs`: the first events of a ledger.
//! - `approvals.rs`: what a decision needs, and a person's signature over it.
//! - `trust_check.rs`: the same check around a read.
//! - `audit.rs`: the check of everything.
//! - `prove.rs`: events with their paths to a checkpoint.
//!
//! Guarantees: an event, its leaf and its link of the chain are written together with the rows that it is about, or not at all.
//! A decision also writes the digest of the state after it, made from the state before it, which was checked.
//!
//! Deliberately never: changes or removes an event. Only a prune takes the bytes of an event away, and leaves its leaf.

pub(super) mod approvals;
pub(super) mod audit;
pub(super) mod begin;
pub(super) mod images;
pub(super) mod prove;
pub(super) mod seal;
pub(super) mod state;
pub(super) mod trust_check;

use std::cell::Cell;

use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::{Map, Value, json};

use super::LedgerError;
use super::write_transaction::WriteTransaction;
use crate::history::anchor::HistoryAnchor;
use crate::history::approval::SignedStatement;
use crate::history::event::{EventKind, run_body};
use crate::history::rules::{DecisionRules, NO_RULES};
use crate::history::{CHAIN_START, Hash, chain, hex, merkle::leaf_hash, state::TrustState};
use crate::model::time::Timestamp;
use images::RowKey;
use state::StateKey;

/// The history as one transaction sees it.
#[derive(Debug, Default)]
pub(super) struct EventLog<'a> {
    /// Where checkpoints are signed and kept. Without one, events are appended and nothing is signed.
    anchor: Option<&'a dyn HistoryAnchor>,
    /// What comes from outside about who may decide. It counts also where the anchor does not.
    rules: Option<&'a DecisionRules>,
    /// Signatures that persons gave for this transaction.
    given: &'a [SignedStatement],
    end: Cell<Option<HistoryEnd>>,
    /// The time of the newest event that this transaction appended.
    at: Cell<Option<Timestamp>>,
    /// Whether one of its events is signed.
    signed: Cell<bool>,
    /// The place of the newest event of a signed kind that this transaction appended.
    own_signed: Cell<Option<u64>>,
}

impl<'a> EventLog<'a> {
    pub(super) fn new(anchor: Option<&'a dyn HistoryAnchor>, given: &'a [SignedStatement]) -> Self {
        Self { anchor, rules: anchor.map(HistoryAnchor::rules), given, ..Self::default() }
    }

    /// The same without comparing or signing anything.
    pub(super) fn unanchored(anchor: Option<&'a dyn HistoryAnchor>, given: &'a [SignedStatement]) -> Self {
        Self { anchor: None, ..Self::new(anchor, given) }
    }

    /// What comes from outside about who may decide.
    pub(super) fn rules(&self) -> &'a DecisionRules {
        self.rules.unwrap_or(&NO_RULES)
    }

    /// Signatures that persons gave for this transaction.
    fn given(&self) -> &'a [SignedStatement] {
        self.given
    }

    /// The anchor.
    pub(super) fn anchor(&self) -> Option<&'a dyn HistoryAnchor> {
        self.anchor
    }

    /// A part of the transaction was taken back, and the end of the history with it.
    pub(super) fn forget_end(&self) {
        self.end.set(None);
    }
}

/// Where the next event goes.
#[derive(Debug, Clone, Copy)]
struct HistoryEnd {
    next: u64,
    chain: Hash,
    decision: Option<u64>,
}

/// An event to be appended.
#[derive(Debug)]
pub(super) struct NewEvent<'e> {
    pub(super) kind: EventKind,
    /// The id of what it is about.
    pub(super) subject: String,
    pub(super) at: Timestamp,
    /// The rows that it leaves.
    pub(super) rows: Vec<RowKey>,
    /// What of the state a decision changes.
    pub(super) changes: Vec<StateKey<'e>>,
    /// Anything that is no row.
    pub(super) detail: Option<Value>,
}

impl<'e> NewEvent<'e> {
    pub(super) fn new(kind: EventKind, subject: &impl ToString, at: Timestamp) -> Self {
        Self { kind, subject: subject.to_string(), at, rows: Vec::new(), changes: Vec::new(), detail: None }
    }

    /// The row of a table with this key, as it is now.
    pub(super) fn row(mut self, table: &'static str, key: &impl ToString) -> Self {
        self.rows.push(RowKey { table, key: key.to_string() });
        self
    }

    /// The rows of a table with these keys.
    pub(super) fn rows<K: ToString>(self, table: &'static str, keys: impl IntoIterator<Item = K>) -> Self {
        keys.into_iter().fold(self, |event, key| event.row(table, &key))
    }

    /// A part of the state that it changes.
    pub(super) fn changing(mut self, key: StateKey<'e>) -> Self {
        self.changes.push(key);
        self
    }

    pub(super) fn detail(mut self, detail: Value) -> Self {
        self.detail = Some(detail);
        self
    }
}

const LAST: &str = "SELECT position, chain FROM history ORDER BY position DESC LIMIT 1";
const LAST_DECISION: &str = "SELECT max(position) FROM history INDEXED BY history_decisions WHERE decides = 1";
const INSERT: &str = "INSERT INTO history (position, kind, decides, subject, body, leaf, chain)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

/// The place of the newest decision.
pub(super) fn newest_decision(conn: &Connection) -> Result<Option<u64>, LedgerError> {
    Ok(conn.prepare_cached(LAST_DECISION)?.query_row([], |row| row.get(0))?)
}

fn end(tx: &WriteTransaction<'_>) -> Result<HistoryEnd, LedgerError> {
    if let Some(end) = tx.log().end.get() {
        return Ok(end);
    }
    let last = tx.prepare_cached(LAST)?.query_row([], |row| Ok((row.get::<_, u64>(0)?, row.get(1)?))).optional()?;
    let (next, chain) = last.map_or((0, CHAIN_START), |(position, chain)| (position + 1, chain));
    Ok(HistoryEnd { next, chain, decision: newest_decision(tx)? })
}

fn add(tx: &WriteTransaction<'_>, event: &Leaf<'_>) -> Result<(), LedgerError> {
    let end = end(tx)?;
    let leaf = leaf_hash(event.body.as_bytes());
    let link = chain(&end.chain, &leaf);
    let decides = event.kind.is_decision();
    tx.change(INSERT, params![end.next, event.kind.as_str(), decides, event.subject, event.body, leaf, link])?;
    let log = tx.log();
    let decision = if decides { Some(end.next) } else { end.decision };
    log.end.set(Some(HistoryEnd { next: end.next + 1, chain: link, decision }));
    log.at.set(Some(event.at));
    if event.kind.is_signed() {
        log.signed.set(true);
        log.own_signed.set(Some(end.next));
    }
    Ok(())
}

/// The bytes of an event, ready to be written.
struct Leaf<'l> {
    kind: EventKind,
    subject: &'l str,
    body: &'l str,
    at: Timestamp,
}

/// Appends an event, with the rows as they are now.
///
/// # Errors
/// [`LedgerError::Tampered`] when it is a decision, and the state before it is not what the history says.
pub(super) fn append(tx: &WriteTransaction<'_>, event: &NewEvent<'_>) -> Result<(), LedgerError> {
    let mut body = body(tx, event)?;
    approvals::approve(tx, event, &mut body)?;
    if event.kind.is_decision() {
        // The first decision has no state before it: everything is as it is found.
        let state = match end(tx)?.decision {
            None => {
                let found = state::found(tx)?;
                state::write(tx, &found)?;
                found
            }
            Some(_) => state::checked(tx, tx.log().anchor)?,
        };
        body["state"] = json!(hex(&state::change(tx, state, &event.changes)?));
    }
    add(tx, &Leaf { kind: event.kind, subject: &event.subject, body: &body.to_string(), at: event.at })?;
    // At once: another event of the same transaction may check this one, and each that is signed has a checkpoint of its own. Two held
    // runs that are recorded together are such events.
    if event.kind.is_signed() { seal::seal(tx).map(drop) } else { Ok(()) }
}

/// Appends the event by which a person accepts a state as it was found.
fn append_adopted(tx: &WriteTransaction<'_>, event: &NewEvent<'_>, found: &TrustState) -> Result<(), LedgerError> {
    let mut body = body(tx, event)?;
    approvals::approve(tx, event, &mut body)?;
    body["state"] = json!(hex(&found.digest()));
    add(tx, &Leaf { kind: event.kind, subject: &event.subject, body: &body.to_string(), at: event.at })
}

/// The bytes of an event, but for the state after it.
fn body(tx: &WriteTransaction<'_>, event: &NewEvent<'_>) -> Result<Value, LedgerError> {
    let mut rows = Map::new();
    for key in &event.rows {
        rows.insert(key.to_string(), images::read(tx, key)?);
    }
    let (kind, at, decision) = (event.kind.as_str(), event.at.to_string(), end(tx)?.decision);
    let mut body =
        json!({ "v": 1, "kind": kind, "at": at, "subject": event.subject, "decision": decision, "rows": rows });
    if let Some(detail) = &event.detail {
        body["detail"] = detail.clone();
    }
    Ok(body)
}

/// The record of a run, for its event.
#[derive(Debug)]
pub(super) struct RunLeaf<'r> {
    pub(super) id: &'r str,
    pub(super) at: &'r str,
    /// The digest of its record.
    pub(super) digest: Hash,
}

/// Appends the event of a run.
pub(super) fn append_run(tx: &WriteTransaction<'_>, run: &RunLeaf<'_>) -> Result<(), LedgerError> {
    let body = run_body(run.id, run.at, end(tx)?.decision, &run.digest);
    let at = Timestamp::parse(run.at).map_err(|error| LedgerError::BadValue(error.to_string()))?;
    add(tx, &Leaf { kind: EventKind::Run, subject: run.id, body: &body, at })
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
