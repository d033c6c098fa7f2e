//! Checkpoints: signed in the transaction of the events that they cover, and kept outside of the ledger after it.
//!
//! A decision or a report is signed when it is written. Runs are many, so the next of them signs when [`MOST_UNSIGNED`] events
//! or [`LONGEST_UNSIGNED_MS`] have passed since the last checkpoint.
//!
//! Guarantees: a checkpoint is durable together with its leaves, and reaches the anchor only after them: the head may lag the
//! ledger, and never leads it. Nothing is signed over a history that the anchor's head is not a beginning of.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::super::LedgerError;
use super::super::write_transaction::WriteTransaction;
use super::images::{self, Placed};
use super::state;
use crate::history::anchor::{AnchorError, HistoryAnchor};
use crate::history::checkpoint::Checkpoint;
use crate::history::merkle::{Frontier, TreeHead, leaf_hash};
use crate::history::note::NoteKey;
use crate::history::{Hash, event::EventKind};
use crate::model::time::Timestamp;

/// Most events without a checkpoint.
const MOST_UNSIGNED: u64 = 1_000;
/// Longest time without a checkpoint while events come, in milliseconds.
const LONGEST_UNSIGNED_MS: u64 = 60_000;

/// A checkpoint as it is stored.
#[derive(Debug, Clone)]
pub(super) struct StoredCheckpoint {
    pub(super) size: u64,
    pub(super) note: String,
    pub(super) peaks: Vec<u8>,
    pub(super) created_at: Timestamp,
}

impl StoredCheckpoint {
    /// The frontier after the last leaf that it covers.
    pub(super) fn frontier(&self, last: Hash) -> Option<Frontier> {
        let peaks = self.peaks.chunks_exact(32).map(|peak| peak.try_into().unwrap_or_default()).collect();
        let mut frontier = Frontier::from_peaks(self.size.checked_sub(1)?, peaks)?;
        frontier.push(last);
        Some(frontier)
    }
}

pub(super) const COLUMNS: &str = "SELECT size, note, peaks, created_at FROM checkpoints";

pub(super) fn from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<StoredCheckpoint> {
    Ok(StoredCheckpoint { size: row.get(0)?, note: row.get(1)?, peaks: row.get(2)?, created_at: row.get(3)? })
}

pub(super) fn newest(conn: &Connection) -> Result<Option<StoredCheckpoint>, LedgerError> {
    let sql = format!("{COLUMNS} ORDER BY size DESC LIMIT 1");
    Ok(conn.prepare_cached(&sql)?.query_row([], from_row).optional()?)
}

fn at_size(conn: &Connection, size: u64) -> Result<Option<StoredCheckpoint>, LedgerError> {
    let sql = format!("{COLUMNS} WHERE size = ?1");
    Ok(conn.prepare_cached(&sql)?.query_row([size], from_row).optional()?)
}

/// The stored bytes of a leaf, if they were not pruned.
fn body(conn: &Connection, position: u64) -> Result<Option<String>, LedgerError> {
    let found =
        conn.prepare_cached("SELECT body FROM history WHERE position = ?1")?.query_row([position], |row| row.get(0));
    Ok(found.optional()?.flatten())
}

pub(super) fn unusable(error: AnchorError) -> LedgerError {
    LedgerError::UnusableAnchor(error.to_string())
}

/// The head that the anchor keeps and the newest checkpoint of the ledger, if the one is a beginning of the other.
struct CheckedHead {
    key: NoteKey,
    newest: StoredCheckpoint,
    head: TreeHead,
}

/// Compares the ledger with the head. `None` when neither has a checkpoint yet.
fn check_head(conn: &Connection, anchor: &dyn HistoryAnchor) -> Result<Option<CheckedHead>, LedgerError> {
    let refuse = |text: String| Err(LedgerError::Anchor(text));
    // The head is read first: whatever is committed in between only makes the ledger newer than it.
    let (kept, witnessed) = (anchor.head(), anchor.witnessed().map_err(unusable)?);
    if let Some(witnessed) = &witnessed {
        check_witnessed(conn, witnessed)?;
    }
    let Some(newest) = newest(conn)? else {
        return match kept {
            // Without a place nothing could be signed, so nothing was.
            Ok(None) | Err(AnchorError::NoPlace) => Ok(None),
            Err(error) => Err(unusable(error)),
            Ok(Some(_)) => refuse(
                "the ledger has no checkpoint, and its head has one: another ledger was put in its place".to_owned(),
            ),
        };
    };
    let Some(kept) = kept.map_err(unusable)? else {
        return refuse(
            "the head of this ledger is missing: nobody can tell whether this is its newest copy".to_owned(),
        );
    };
    let key = anchor.key().map_err(unusable)?;
    let head = Checkpoint::read_unverified(&kept).map_err(|error| LedgerError::Anchor(format!("the head: {error}")))?;
    if head.origin != key.name() {
        return refuse(format!("the head is of the history `{}`, not of `{}`", head.origin, key.name()));
    }
    let size = head.head.size;
    if newest.size < size {
        let (ours, theirs) = (newest.size, size);
        return refuse(format!(
            "the ledger is older than its head: it has checkpoints up to event {ours}, the head up to {theirs}"
        ));
    }
    if at_size(conn, size)?.is_none_or(|stored| stored.note != kept) {
        return refuse(format!(
            "the ledger is a fork: its checkpoint of {size} events is not the one that the head has"
        ));
    }
    // The head is kept where the key is, so its own signature says no more than that.
    let opened = match newest.note == kept {
        true => Checkpoint::read_unverified(&newest.note),
        false => Checkpoint::open(&newest.note, &key),
    };
    let opened =
        opened.map_err(|error| LedgerError::Tampered(format!("the checkpoint of {} events: {error}", newest.size)))?;
    Ok(Some(CheckedHead { key, newest, head: opened.head }))
}

/// Checks that a checkpoint that a witness saw is one of this ledger.
pub(in super::super) fn check_witnessed(conn: &Connection, note: &str) -> Result<(), LedgerError> {
    let seen = Checkpoint::read_unverified(note)
        .map_err(|error| LedgerError::Anchor(format!("what the witness saw: {error}")))?;
    let size = seen.head.size;
    match at_size(conn, size)?.is_some_and(|stored| stored.note == note) {
        true => Ok(()),
        false => Err(LedgerError::Anchor(format!(
            "the witness saw a checkpoint of {size} events that this ledger does not have: it is an older copy or another history"
        ))),
    }
}

/// The newest decision, if the newest checkpoint says that it is that, and one of its own covers it.
pub(super) fn check_decision(
    conn: &Connection,
    anchor: Option<&dyn HistoryAnchor>,
    newest: Option<u64>,
) -> Result<Placed, LedgerError> {
    let head = anchor.map(|anchor| check_head(conn, anchor)).transpose()?.flatten();
    let position = newest.ok_or_else(|| LedgerError::Tampered("the history has no decision".to_owned()))?;
    let Some(text) = body(conn, position)? else {
        return Err(LedgerError::Tampered(format!("event {position}, a decision, has no body")));
    };
    let placed = images::placed(position, &text)?;
    let Some(head) = head else { return check_leaf(conn, placed, &text) };
    // The last leaf under the checkpoint names the newest decision before it. A decision that was cut out is missed here.
    let last = head.newest.size - 1;
    if position < last {
        let Some(text) = body(conn, last)? else {
            return Err(LedgerError::Tampered(format!("event {last}, the last one of a checkpoint, has no body")));
        };
        covered(&head.newest, head.head, &text)?;
        if images::placed(last, &text)?.event.decision != Some(position) {
            return Err(LedgerError::Tampered(format!(
                "a decision is missing: event {last} names another one than {}",
                placed.name()
            )));
        }
    }
    if position + 1 == head.newest.size {
        covered(&head.newest, head.head, &text)?;
    } else {
        check_own_checkpoint(conn, &head.key, &placed, &text)?;
    }
    Ok(placed)
}

/// Without an anchor there is nothing but the leaf to compare an event with.
fn check_leaf(conn: &Connection, placed: Placed, text: &str) -> Result<Placed, LedgerError> {
    let sql = "SELECT leaf FROM history WHERE position = ?1";
    let leaf: Hash = conn.prepare_cached(sql)?.query_row([placed.position], |row| row.get(0))?;
    match leaf == leaf_hash(text.as_bytes()) {
        true => Ok(placed),
        false => Err(LedgerError::Tampered(format!("`body` of {} does not have its leaf", placed.name()))),
    }
}

/// Checks that a body is the last leaf of a checkpoint.
fn covered(stored: &StoredCheckpoint, head: TreeHead, text: &str) -> Result<(), LedgerError> {
    let frontier = stored.frontier(leaf_hash(text.as_bytes()));
    match frontier.is_some_and(|frontier| frontier.root() == head.root && frontier.size() == head.size) {
        true => Ok(()),
        false => Err(LedgerError::Tampered(format!("event {} is not what its checkpoint covers", stored.size - 1))),
    }
}

fn check_own_checkpoint(conn: &Connection, key: &NoteKey, placed: &Placed, text: &str) -> Result<(), LedgerError> {
    let Some(stored) = at_size(conn, placed.position + 1)? else {
        return Err(LedgerError::Tampered(format!("{} is not covered by a checkpoint of its own", placed.name())));
    };
    let opened = Checkpoint::open(&stored.note, key)
        .map_err(|error| LedgerError::Tampered(format!("the checkpoint of {}: {error}", placed.name())))?;
    covered(&stored, opened.head, text)
}

/// Checks that an event was signed when it was written.
pub(super) fn check_signed(
    conn: &Connection,
    anchor: Option<&dyn HistoryAnchor>,
    placed: &Placed,
) -> Result<(), LedgerError> {
    let head = anchor.map(|anchor| check_head(conn, anchor)).transpose()?.flatten();
    let (Some(head), Some(text)) = (head, body(conn, placed.position)?) else { return Ok(()) };
    if !EventKind::parse(&placed.event.kind).is_some_and(EventKind::is_signed) {
        return Err(LedgerError::Tampered(format!("{} is not of a kind that is signed", placed.name())));
    }
    // What a person adopted was signed with an earlier key. The adoption covers it.
    match newest_adoption(conn)? {
        Some(adoption) if adoption.position > placed.position => check_adopted(conn, &head, &adoption, placed),
        // Nothing could be signed before it.
        _ if placed.position == 0 => check_in_tree(conn, &head, &[placed]),
        _ => check_own_checkpoint(conn, &head.key, placed, &text),
    }
}

/// The newest event by which a person accepted the ledger as it was.
pub(super) fn newest_adoption(conn: &Connection) -> Result<Option<Placed>, LedgerError> {
    let sql = "SELECT position, body FROM history INDEXED BY history_adoptions WHERE kind = 'adopted'
         ORDER BY position DESC LIMIT 1";
    let found =
        conn.prepare_cached(sql)?.query_row([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?))).optional()?;
    found.map(|(position, body)| images::placed(position, &body)).transpose()
}

/// Checks that an event and the adoption after it are leaves of the newest checkpoint. Reads every leaf, which a decision about
/// something older than an adoption is worth.
fn check_adopted(conn: &Connection, head: &CheckedHead, adoption: &Placed, placed: &Placed) -> Result<(), LedgerError> {
    check_in_tree(conn, head, &[adoption, placed])?;
    match adoption.event.kind == EventKind::Adopted.as_str() {
        true => check_own_checkpoint(conn, &head.key, adoption, &body(conn, adoption.position)?.unwrap_or_default()),
        false => Err(not_covered(adoption)),
    }
}

fn not_covered(placed: &Placed) -> LedgerError {
    LedgerError::Tampered(format!("{} is not what a checkpoint covers", placed.name()))
}

/// Checks that events are leaves of the newest checkpoint. Reads every leaf.
fn check_in_tree(conn: &Connection, head: &CheckedHead, events: &[&Placed]) -> Result<(), LedgerError> {
    let mut statement = conn.prepare("SELECT leaf FROM history WHERE position < ?1 ORDER BY position")?;
    let mut frontier = Frontier::default();
    for leaf in statement.query_map([head.newest.size], |row| row.get::<_, Hash>(0))? {
        frontier.push(leaf?);
    }
    let fits = frontier.size() == head.head.size && frontier.root() == head.head.root;
    for event in events {
        let text = body(conn, event.position)?.unwrap_or_default();
        let leaf = conn.query_row("SELECT leaf FROM history WHERE position = ?1", [event.position], |row| row.get(0));
        if !fits || event.position >= head.newest.size || leaf != Ok(leaf_hash(text.as_bytes())) {
            return Err(not_covered(event));
        }
    }
    Ok(())
}

/// Asks for a checkpoint with the end of this transaction, though it appends nothing. Its time is that of the last event.
///
/// # Errors
/// [`LedgerError::Tampered`] when the state is not the one that the newest decision committed to.
pub(super) fn request(tx: &WriteTransaction<'_>) -> Result<(), LedgerError> {
    // Under the lock. Whoever asks has looked before, and an edit in between would be signed.
    state::checked(tx, tx.log().anchor)?;
    let sql = "SELECT body FROM history ORDER BY position DESC LIMIT 1";
    let last: Option<String> = tx.query_row(sql, [], |row| row.get(0)).optional()?.flatten();
    let event = last.map(|body| images::placed(0, &body)).transpose()?;
    if let Some(at) = event.and_then(|placed| Timestamp::parse(&placed.event.at).ok()) {
        tx.log().at.set(Some(at));
        tx.log().signed.set(true);
    }
    Ok(())
}

/// Signs a checkpoint over the events of this transaction, if one is due. Gives it, for the anchor.
pub(in super::super) fn seal(tx: &WriteTransaction<'_>) -> Result<Option<String>, LedgerError> {
    let log = tx.log();
    let (Some(anchor), Some(at)) = (log.anchor, log.at.get()) else { return Ok(None) };
    let newest_one = newest(tx)?;
    let next = super::end(tx)?.next;
    if let Some(newest) = newest_one.as_ref().filter(|newest| newest.size == next) {
        return Ok(Some(newest.note.clone()));
    }
    if log.signed.get() {
        return sign(tx, anchor, at).map(Some);
    }
    let due = newest_one.is_some_and(|newest| {
        next.saturating_sub(newest.size) >= MOST_UNSIGNED || at.millis_since(newest.created_at) >= LONGEST_UNSIGNED_MS
    });
    // A run is recorded also where nothing can be signed. Whoever runs next is told.
    Ok(if due { sign(tx, anchor, at).ok() } else { None })
}

fn sign(tx: &WriteTransaction<'_>, anchor: &dyn HistoryAnchor, at: Timestamp) -> Result<String, LedgerError> {
    let key = anchor.key().map_err(unusable)?;
    let checked = check_head(tx, anchor)?;
    // A key that was put in the place of the one that signed would be used from here on, and the audit alone would see it.
    if let Some(checked) = &checked {
        let size = checked.newest.size;
        Checkpoint::open(&checked.newest.note, &key)
            .map_err(|error| LedgerError::Tampered(format!("the checkpoint of {size} events: {error}")))?;
        check_tail(tx, size)?;
    }
    let (before, frontier) = grown(tx, checked)?;
    write(tx, anchor, &NewCheckpoint { key: &key, before: &before, frontier: &frontier, at })
}

/// The kind of an event, without the rest of it.
#[derive(serde::Deserialize)]
struct KindOnly<'b> {
    #[serde(borrow)]
    kind: std::borrow::Cow<'b, str>,
}

const TAIL: &str = "SELECT position, decides, body, leaf FROM history WHERE position >= ?1 ORDER BY position";

/// Checks that the events from this place on are of kinds that wait for a checkpoint. Any other one has got its own in the
/// transaction that appended it. So one without was put there by another program, and a checkpoint over it would make it
/// believed.
fn check_tail(tx: &WriteTransaction<'_>, from: u64) -> Result<(), LedgerError> {
    let mut statement = tx.prepare_cached(TAIL)?;
    let mut rows = statement.query([from])?;
    let mut without_body = None;
    while let Some(row) = rows.next()? {
        let (position, decides): (u64, bool) = (row.get(0)?, row.get(1)?);
        let foreign =
            |why: &str| Err(LedgerError::Tampered(format!("event {position} was not written by Kavi: {why}")));
        // Only in front of others, where a prune took its bytes away.
        without_body = None;
        let Some(body): Option<String> = row.get(2)? else {
            without_body = Some(position);
            continue;
        };
        if leaf_hash(body.as_bytes()) != row.get::<_, Hash>(3)? {
            return foreign("`body` does not have its `leaf`");
        }
        let kind = serde_json::from_str::<KindOnly<'_>>(&body).ok().and_then(|event| EventKind::parse(&event.kind));
        match kind {
            Some(kind) if !kind.is_signed() && !decides => {}
            Some(_) if tx.log().own_signed.get() == Some(position) => {}
            _ => return foreign("no checkpoint covers it, and its kind is signed"),
        }
    }
    match without_body {
        // The last leaf of a checkpoint is what a decision is compared with.
        Some(position) => Err(LedgerError::Tampered(format!("event {position}, the last one, has no body"))),
        None => Ok(()),
    }
}

/// The trees over all events but the last one, and over all of them.
fn grown(conn: &Connection, checked: Option<CheckedHead>) -> Result<(Frontier, Frontier), LedgerError> {
    let start = match checked {
        None => Frontier::default(),
        Some(checked) => {
            let sql = "SELECT leaf FROM history WHERE position = ?1";
            let last = conn.prepare_cached(sql)?.query_row([checked.newest.size - 1], |row| row.get(0)).optional()?;
            let frontier = last.and_then(|last| checked.newest.frontier(last));
            let fits = frontier.filter(|frontier| frontier.root() == checked.head.root);
            fits.ok_or_else(|| {
                LedgerError::Tampered(format!("the checkpoint of {} events does not fit them", checked.newest.size))
            })?
        }
    };
    grow(conn, start)
}

/// Adds the leaves after the tree to it.
fn grow(conn: &Connection, start: Frontier) -> Result<(Frontier, Frontier), LedgerError> {
    let (mut before, mut frontier) = (start.clone(), start);
    let mut statement = conn.prepare_cached("SELECT leaf FROM history WHERE position >= ?1 ORDER BY position")?;
    for leaf in statement.query_map([frontier.size()], |row| row.get::<_, Hash>(0))? {
        before = frontier.clone();
        frontier.push(leaf?);
    }
    Ok((before, frontier))
}

struct NewCheckpoint<'n> {
    key: &'n NoteKey,
    before: &'n Frontier,
    frontier: &'n Frontier,
    at: Timestamp,
}

fn write(
    tx: &WriteTransaction<'_>,
    anchor: &dyn HistoryAnchor,
    new: &NewCheckpoint<'_>,
) -> Result<String, LedgerError> {
    let head = TreeHead { size: new.frontier.size(), root: new.frontier.root() };
    let checkpoint = Checkpoint { origin: new.key.name().to_owned(), head };
    let note = checkpoint.note(new.key, &anchor.sign(&checkpoint.text()).map_err(unusable)?);
    let sql = "INSERT OR REPLACE INTO checkpoints (size, note, peaks, created_at) VALUES (?1, ?2, ?3, ?4)";
    tx.change(sql, params![head.size, note, new.before.peaks().concat(), new.at])?;
    Ok(note)
}

/// Signs a checkpoint over everything as it is found: for a person who accepts a ledger whose anchor does not.
pub(super) fn sign_all(
    tx: &WriteTransaction<'_>,
    anchor: &dyn HistoryAnchor,
    at: Timestamp,
) -> Result<String, LedgerError> {
    let key = anchor.key().map_err(unusable)?;
    let (before, frontier) = grow(tx, Frontier::default())?;
    write(tx, anchor, &NewCheckpoint { key: &key, before: &before, frontier: &frontier, at })
}
