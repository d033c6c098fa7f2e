//! The check of the whole history, and of every row against it.
//!
//! Guarantees: an edited column, an inserted or removed row, and an edited event, leaf, link, checkpoint or state is named. What
//! was pruned is counted, and the counts must be those that the prunes recorded.
//!
//! Deliberately never: changes anything, or stops at the first problem.

use std::collections::{BTreeMap, HashMap};

use rusqlite::Connection;

use super::super::{Ledger, LedgerError, Pruned};
use super::images::{self, RECORDS, RowKey, TABLES, difference, record_digest, select_records};
use super::seal::{self, StoredCheckpoint};
use super::state;
use crate::history::approval_walk::ApprovalWalk;
use crate::history::checkpoint::Checkpoint;
use crate::history::event::{Event, EventKind, RowImage};
use crate::history::merkle::{Frontier, leaf_hash};
use crate::history::note::NoteKey;
use crate::history::{CHAIN_START, Hash, chain, hex};
use crate::model::digest::Digest;
use crate::model::governance::GovernanceRows;

/// Most problems that are named.
const MOST_PROBLEMS: usize = 100;

/// What the check of a history found.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct HistoryAudit {
    /// Events.
    pub events: u64,
    /// Events that decide what may run.
    pub decisions: u64,
    /// Events that a person signed.
    pub signed_decisions: u64,
    /// Events whose bytes were pruned.
    pub pruned: u64,
    /// Signed checkpoints.
    pub checkpoints: u64,
    /// The size of the newest checkpoint.
    pub signed_events: u64,
    /// Rows that were compared with their events.
    pub rows: u64,
    /// What is wrong; empty when nothing is.
    pub problems: Vec<String>,
}

impl HistoryAudit {
    fn problem(&mut self, text: String) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(text);
        }
    }
}

/// What the events say of the rows, in their order.
#[derive(Default)]
struct Said {
    rows: BTreeMap<String, (String, RowImage)>,
    records: HashMap<String, Hash>,
    /// Records and commits that were pruned before the history began.
    pruned_before: Pruned,
}

/// One walk over the history.
struct Walk<'w> {
    audit: &'w mut HistoryAudit,
    checkpoints: BTreeMap<u64, StoredCheckpoint>,
    frontier: Frontier,
    chain: Hash,
    decision: Option<u64>,
    key: Option<NoteKey>,
    said: Said,
    approvals: ApprovalWalk,
}

/// A row of the history.
struct StoredEvent {
    position: u64,
    kind: String,
    decides: i64,
    subject: String,
    body: Option<String>,
    leaf: Hash,
    chain: Hash,
}

impl Walk<'_> {
    fn step(&mut self, stored: StoredEvent) {
        let place = format!("event {} ({})", stored.position, stored.kind);
        if stored.position != self.frontier.size() {
            self.audit.problem(format!("{place}: its place is not the next one; events are missing or were moved"));
        }
        self.chain = chain(&self.chain, &stored.leaf);
        if stored.chain != self.chain {
            self.audit.problem(format!("{place}: `chain` does not follow from the event before it"));
            self.chain = stored.chain;
        }
        let before = self.frontier.clone();
        self.frontier.push(stored.leaf);
        self.audit.events += 1;
        match stored.body.as_deref() {
            None if stored.kind == EventKind::Run.as_str() && stored.subject.is_empty() && stored.decides == 0 => {
                self.audit.pruned += 1;
            }
            None => self.audit.problem(format!("{place}: `body` is gone, and only those of runs are pruned")),
            Some(body) if leaf_hash(body.as_bytes()) != stored.leaf => {
                self.audit.problem(format!("{place}: `body` does not have its `leaf`"));
            }
            Some(body) => match Event::parse(body) {
                Ok(event) => {
                    self.approval(&place, &stored.kind, body);
                    self.event(&place, &stored, event);
                }
                Err(error) => self.audit.problem(format!("{place}: {error}")),
            },
        }
        self.checkpoint(&place, &stored, &before);
    }

    fn approval(&mut self, place: &str, kind: &str, body: &str) {
        // Runs are many, and nobody signs them.
        if kind == EventKind::Run.as_str() {
            return;
        }
        match self.approvals.step(&serde_json::from_str(body).unwrap_or_default()) {
            Ok(approved) => self.audit.signed_decisions += u64::from(approved.is_some()),
            Err(error) => self.audit.problem(format!("{place}: {error}")),
        }
    }

    fn event(&mut self, place: &str, stored: &StoredEvent, event: Event) {
        let kind = EventKind::parse(&event.kind);
        let decides = kind.is_some_and(EventKind::is_decision);
        if event.kind != stored.kind || i64::from(decides) != stored.decides {
            self.audit.problem(format!("{place}: `kind` or `decides` is not what its body says"));
        }
        if event.decision != self.decision {
            self.audit.problem(format!("{place}: names another decision before it than there is"));
        }
        let run = event.rows.keys().next().and_then(|name| name.strip_prefix("executions/"));
        let subject = if kind == Some(EventKind::Run) { run } else { event.subject.as_deref() };
        if subject != Some(stored.subject.as_str()) {
            self.audit.problem(format!("{place}: `subject` is not what its body says"));
        }
        if decides {
            self.audit.decisions += 1;
            self.decision = Some(stored.position);
        }
        let key = event.detail.as_ref().and_then(|detail| detail["key"].as_str()).map(NoteKey::parse);
        if let (Some(EventKind::Key | EventKind::Adopted), Some(Ok(key))) = (kind, key) {
            self.key = Some(key);
        }
        if kind == Some(EventKind::TakenOver) {
            self.said.pruned_before = pruned_before(&event);
        }
        for (name, image) in event.rows {
            let record = name.strip_prefix("executions/").zip(match &image {
                RowImage::Digest(digest) => crate::history::parse_hex(digest),
                RowImage::Columns(_) => None,
            });
            match record {
                Some((id, digest)) if kind == Some(EventKind::Run) => {
                    self.said.records.insert(id.to_owned(), digest);
                }
                // Another event about a record that was pruned since says nothing about a row.
                Some((id, digest)) => {
                    if let Some(said) = self.said.records.get_mut(id) {
                        *said = digest;
                    }
                }
                None => drop(self.said.rows.insert(name, (place.to_owned(), image))),
            }
        }
    }

    fn checkpoint(&mut self, place: &str, stored: &StoredEvent, before: &Frontier) {
        let size = self.frontier.size();
        let signed = EventKind::parse(&stored.kind).is_some_and(EventKind::is_signed);
        let Some(checkpoint) = self.checkpoints.remove(&size) else {
            if signed && self.key.is_some() {
                self.audit.problem(format!("{place}: no checkpoint covers it, and its kind is signed"));
            }
            return;
        };
        self.audit.checkpoints += 1;
        self.audit.signed_events = size;
        let Some(key) = &self.key else {
            return self.audit.problem(format!("the checkpoint of {size} events: no event names its key"));
        };
        match Checkpoint::open(&checkpoint.note, key) {
            Ok(opened) if opened.head.size == size && opened.head.root == self.frontier.root() => {}
            Ok(_) => self.audit.problem(format!("the checkpoint of {size} events: `note` is of another history")),
            Err(error) => self.audit.problem(format!("the checkpoint of {size} events: `note`: {error}")),
        }
        if checkpoint.peaks != before.peaks().concat() {
            self.audit.problem(format!("the checkpoint of {size} events: `peaks` are not those of the history"));
        }
        let at = stored.body.as_deref().and_then(|body| Event::parse(body).ok()).map(|event| event.at);
        if at.is_some_and(|at| at != checkpoint.created_at.to_string()) {
            self.audit
                .problem(format!("the checkpoint of {size} events: `created_at` is not the time of its last event"));
        }
    }
}

/// What the prunes had recorded when a ledger was taken over.
fn pruned_before(event: &Event) -> Pruned {
    let prunes = event.rows.iter().filter(|(name, _)| name.starts_with("prunes/"));
    let sum = |column: &str| {
        let each = prunes.clone().filter_map(|(_, image)| match image {
            RowImage::Columns(rows) => rows.first()?.get(column)?.as_u64(),
            RowImage::Digest(_) => None,
        });
        each.sum::<u64>()
    };
    Pruned { executions: sum("executions"), commits: sum("commits") }
}

fn stored_checkpoints(conn: &Connection) -> Result<BTreeMap<u64, StoredCheckpoint>, LedgerError> {
    let mut statement = conn.prepare(&format!("{} ORDER BY size", seal::COLUMNS))?;
    let all = statement.query_map([], seal::from_row)?.collect::<Result<Vec<_>, _>>()?;
    Ok(all.into_iter().map(|checkpoint| (checkpoint.size, checkpoint)).collect())
}

fn walk(conn: &Connection, audit: &mut HistoryAudit) -> Result<Said, LedgerError> {
    let checkpoints = stored_checkpoints(conn)?;
    let (frontier, chain) = (Frontier::default(), CHAIN_START);
    let (said, approvals) = (Said::default(), ApprovalWalk::default());
    let mut walk = Walk { audit, checkpoints, frontier, chain, decision: None, key: None, said, approvals };
    let mut statement =
        conn.prepare("SELECT position, kind, decides, subject, body, leaf, chain FROM history ORDER BY position")?;
    let rows = statement.query_map([], |row| {
        Ok(StoredEvent {
            position: row.get(0)?,
            kind: row.get(1)?,
            decides: row.get(2)?,
            subject: row.get(3)?,
            body: row.get(4)?,
            leaf: row.get(5)?,
            chain: row.get(6)?,
        })
    })?;
    for stored in rows {
        match stored {
            Ok(stored) => walk.step(stored),
            Err(error) => walk.audit.problem(format!("an event cannot be read: {error}")),
        }
    }
    let left: Vec<u64> = walk.checkpoints.keys().copied().collect();
    for size in left {
        walk.audit.problem(format!("the checkpoint of {size} events: there are not that many"));
    }
    Ok(walk.said)
}

/// Compares every row with the newest event about it.
fn rows(conn: &Connection, said: &mut Said, audit: &mut HistoryAudit) -> Result<(), LedgerError> {
    for (table, column) in TABLES.into_iter().filter(|(table, _)| *table != RECORDS) {
        let mut statement = conn.prepare(&format!("SELECT DISTINCT CAST({column} AS TEXT) FROM {table}"))?;
        let keys = statement.query_map([], |row| row.get::<_, Option<String>>(0))?.collect::<Result<Vec<_>, _>>()?;
        for key in keys {
            audit.rows += 1;
            let key = RowKey { table, key: key.unwrap_or_default() };
            let name = key.to_string();
            let Some((event, image)) = said.rows.remove(&name) else {
                audit.problem(format!("{name}: the row was inserted, no event is about it"));
                continue;
            };
            if let Some(field) = difference(&image, &images::read(conn, &key)?) {
                audit.problem(format!("{name}: `{field}` is not what {event} says"));
            }
        }
    }
    Ok(())
}

/// The same for records of runs, which are many.
fn records(conn: &Connection, said: &mut Said, audit: &mut HistoryAudit) -> Result<(), LedgerError> {
    let mut statement = conn.prepare(&select_records(""))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        audit.rows += 1;
        let id = row.get_ref(0)?.as_str().unwrap_or_default();
        match said.records.remove(id) {
            Some(digest) if digest == record_digest(row)? => {}
            Some(_) => {
                audit.problem(format!("executions/{id}: the record is not the one that its event has the digest of"))
            }
            None => audit.problem(format!("executions/{id}: the row was inserted, no event is about it")),
        }
    }
    Ok(())
}

/// What events say of rows that are not there: only what was pruned, as often as the prunes say.
fn removed(conn: &Connection, said: Said, audit: &mut HistoryAudit) -> Result<(), LedgerError> {
    let sql = "SELECT coalesce(sum(executions), 0), coalesce(sum(commits), 0) FROM prunes";
    let (records, commits): (u64, u64) = conn.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let before = said.pruned_before;
    let (records, commits) = (records.saturating_sub(before.executions), commits.saturating_sub(before.commits));
    if audit.pruned != records {
        audit.problem(format!("{} records were pruned, and the prunes recorded {records}", audit.pruned));
    }
    for id in said.records.keys() {
        audit.problem(format!("executions/{id}: the row was removed, and no prune did that"));
    }
    let missing = |name: &String| name.starts_with("commits/");
    let gone = said.rows.keys().filter(|name| missing(name)).count() as u64;
    if gone != commits {
        audit.problem(format!("{gone} commits are gone, and the prunes recorded {commits}"));
    }
    for (name, (event, image)) in said.rows.iter().filter(|(name, _)| !missing(name)) {
        // An event may say that there is no such row.
        if *image != RowImage::Columns(Vec::new()) {
            audit.problem(format!("{name}: the row was removed, {event} has it"));
        }
    }
    Ok(())
}

fn limits(conn: &Connection, audit: &mut HistoryAudit) -> Result<(), LedgerError> {
    let mut statement = conn.prepare(
        "SELECT sha256, limits_json, EXISTS (SELECT 1 FROM executions WHERE limits_sha256 = sha256) FROM limit_sets",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (digest, limits, used): (String, String, bool) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if Digest::of(limits.as_bytes()).to_string() != digest || !used {
            audit.problem(format!("limit_sets/{digest}: `limits_json` does not have that digest, or no record has it"));
        }
    }
    let missing = "SELECT count(*) FROM executions WHERE limits_sha256 IS NOT NULL
         AND NOT EXISTS (SELECT 1 FROM limit_sets WHERE sha256 = limits_sha256)";
    match conn.query_row(missing, [], |row| row.get::<_, u64>(0))? {
        0 => {}
        count => audit.problem(format!("limit_sets: {count} records have limits that were removed")),
    }
    Ok(())
}

/// What runs and proposals were decided under is named by its digest, so it needs no event.
fn contexts(conn: &Connection, audit: &mut HistoryAudit) -> Result<(), LedgerError> {
    let mut statement = conn.prepare("SELECT sha256, context_json FROM context_sets")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (digest, context): (String, String) = (row.get(0)?, row.get(1)?);
        if Digest::of(context.as_bytes()).to_string() != digest {
            audit.problem(format!("context_sets/{digest}: `context_json` does not have that digest"));
        }
    }
    // A workspace without any decision has no row for what holds there.
    let unset = GovernanceRows::default().context_set().sha256;
    let missing = "SELECT count(*) FROM (SELECT context_sha256 FROM executions UNION ALL SELECT context_sha256 FROM proposal_contexts)
         WHERE context_sha256 <> ?1 AND NOT EXISTS (SELECT 1 FROM context_sets WHERE sha256 = context_sha256)";
    match conn.query_row(missing, [unset], |row| row.get::<_, u64>(0))? {
        0 => {}
        count => audit.problem(format!("context_sets: {count} runs or proposals have a context that was removed")),
    }
    Ok(())
}

/// How many events there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventCounts {
    /// All of them.
    pub events: u64,
    /// Those that the newest checkpoint covers.
    pub signed: u64,
}

impl Ledger {
    /// How many events there are, and how many are signed.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn count_events(&self) -> Result<EventCounts, LedgerError> {
        let conn = self.reader()?;
        let events = conn.query_row("SELECT coalesce(max(position) + 1, 0) FROM history", [], |row| row.get(0))?;
        Ok(EventCounts { events, signed: seal::newest(conn)?.map_or(0, |newest| newest.size) })
    }

    /// Signs a checkpoint over the events that none covers yet. Gives whether there were any.
    ///
    /// # Errors
    /// [`LedgerError`] when it cannot be signed or written.
    pub fn sign_tail(&self) -> Result<bool, LedgerError> {
        let counts = self.count_events()?;
        if self.anchor.is_none() || counts.events == counts.signed {
            return Ok(false);
        }
        self.write(seal::request)?;
        Ok(true)
    }

    /// Checks the whole history, and every row against it.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn audit_history(&self) -> Result<HistoryAudit, LedgerError> {
        let mut audit = HistoryAudit::default();
        if let Err(error) = self.check_all_trust() {
            audit.problem(error.to_string());
        }
        let conn = self.reader()?;
        // All of it at one moment: what another process writes meanwhile would look like an edit.
        let moment = if conn.is_autocommit() { Some(conn.unchecked_transaction()?) } else { None };
        let mut said = walk(conn, &mut audit)?;
        rows(conn, &mut said, &mut audit)?;
        records(conn, &mut said, &mut audit)?;
        removed(conn, said, &mut audit)?;
        limits(conn, &mut audit)?;
        contexts(conn, &mut audit)?;
        let (stored, found) = (state::stored(conn)?, state::found(conn)?);
        drop(moment);
        for (key, leaf) in found.leaves() {
            if stored.get(key) != Some(leaf) {
                audit.problem(format!("trust_state/{key}: `leaf` is not that of the rows"));
            }
        }
        for (key, leaf) in stored.leaves().filter(|(key, _)| found.get(key).is_none()) {
            audit.problem(format!("trust_state/{key}: no row has the leaf {}", hex(leaf)));
        }
        Ok(audit)
    }
}
