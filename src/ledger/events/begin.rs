//! The first events of a ledger, and the one by which a person accepts a ledger as it is.
//!
//! Guarantees: a ledger that is open has at least one event, and the newest decision commits to its state. A ledger from before
//! the history has as its first event that it was taken over as it was found, with every row.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _};
use serde_json::json;

use super::super::write_transaction::{self, WriteTransaction};
use super::super::{Decided, Ledger, LedgerError};
use super::images::{RECORDS, TABLES, record_digest, select_records};
use super::state;
use super::{NewEvent, RunLeaf, append, append_run, seal};
use crate::history::anchor::HistoryAnchor;
use crate::history::event::{Event, EventKind};
use crate::model::time::Timestamp;

/// The database has the only clock that a migration can ask.
const NOW: &str = "SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now')";
const NEW_WORKSPACE: &str = "SELECT lower(hex(randomblob(16)))";
const FIRST: &str = "SELECT body FROM history WHERE position = 0";

/// Appends the first event, if there is none.
pub(in super::super) fn begin(tx: &WriteTransaction<'_>) -> Result<(), LedgerError> {
    if tx.query_row("SELECT EXISTS (SELECT 1 FROM history)", [], |row| row.get(0))? {
        return Ok(());
    }
    let at: Timestamp = tx.query_row(NOW, [], |row| row.get(0))?;
    let workspace: String = tx.query_row(NEW_WORKSPACE, [], |row| row.get(0))?;
    // One row of the switch is there from the migration that made its table.
    let new: bool = tx.query_row(
        "SELECT NOT EXISTS (SELECT 1 FROM skill_proposals) AND NOT EXISTS (SELECT 1 FROM executions)
             AND (SELECT count(*) FROM switch_turns) = 1",
        [],
        |row| row.get(0),
    )?;
    let kind = if new { EventKind::Created } else { EventKind::TakenOver };
    let mut event = NewEvent::new(kind, &workspace, at).detail(json!({ "workspace": workspace }));
    // All rows as they are found. From here on an edit shows, and what was edited before cannot be
    // known.
    for (table, column) in TABLES.into_iter().filter(|(table, _)| *table != RECORDS) {
        let mut statement = tx.prepare(&format!("SELECT DISTINCT CAST({column} AS TEXT) FROM {table} ORDER BY 1"))?;
        let keys = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
        event = event.rows(table, keys);
    }
    append(tx, &event)?;
    let mut records = tx.prepare(&select_records("ORDER BY rowid"))?;
    let mut rows = records.query([])?;
    while let Some(row) = rows.next()? {
        let (id, digest) = (row.get::<_, String>("execution_id")?, record_digest(row)?);
        // An event for each record, because a prune takes them away one by one.
        append_run(tx, &RunLeaf { id: &id, at: &row.get::<_, String>("finished_at")?, digest })?;
    }
    Ok(())
}

/// The first event of the history.
fn first(conn: &Connection) -> Result<Event, LedgerError> {
    let body: Option<String> = conn.query_row(FIRST, [], |row| row.get(0)).optional()?.flatten();
    let body = body.ok_or_else(|| LedgerError::Tampered("the first event of the history is missing".to_owned()))?;
    Event::parse(&body).map_err(|error| LedgerError::Tampered(format!("event 0: {error}")))
}

/// The id that the newest adoption gave the workspace, else the one that it began with.
pub(super) fn workspace_id(conn: &Connection) -> Result<String, LedgerError> {
    let event = match seal::newest_adoption(conn)? {
        Some(adoption) => adoption.event,
        None => first(conn)?,
    };
    let id = event.detail.as_ref().and_then(|detail| detail["workspace"].as_str());
    // It becomes the name of a folder, so a text out of an edited history must not be a path.
    let id = id.filter(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    id.map(str::to_owned).ok_or_else(|| LedgerError::Tampered("the history names no workspace".to_owned()))
}

/// Every id that the workspace has or had.
pub(in super::super) fn workspace_ids(conn: &Connection) -> Result<Vec<String>, LedgerError> {
    let sql = "SELECT body FROM history WHERE position = 0 OR kind = 'adopted' ORDER BY position";
    let mut ids = Vec::new();
    for body in conn.prepare(sql)?.query_map([], |row| row.get::<_, Option<String>>(0))? {
        let event = body?.and_then(|body| Event::parse(&body).ok());
        let detail = event.and_then(|event| event.detail);
        ids.extend(detail.and_then(|detail| detail["workspace"].as_str().map(str::to_owned)));
    }
    Ok(ids)
}

/// What a person accepts, and where its head is kept from then on.
#[derive(Debug)]
pub struct Adoption<'a> {
    /// The id that the workspace has from then on.
    pub workspace: &'a str,
    /// The anchor of that id.
    pub anchor: &'a dyn HistoryAnchor,
    /// Why.
    pub why: &'a str,
}

impl Ledger {
    /// The id of the workspace: its history begins with it, and a person who adopts a copy gives it another one.
    ///
    /// # Errors
    /// [`LedgerError::Tampered`] when the first event is missing or names none.
    pub fn workspace_id(&self) -> Result<String, LedgerError> {
        workspace_id(self.reader()?)
    }

    /// When a ledger from before the history was taken over as it was found; none for one that always had it.
    ///
    /// # Errors
    /// [`LedgerError`] when the first event cannot be read.
    pub fn taken_over(&self) -> Result<Option<Timestamp>, LedgerError> {
        let event = first(self.reader()?)?;
        let at = Timestamp::parse(&event.at).map_err(|error| LedgerError::BadValue(error.to_string()))?;
        Ok((event.kind == EventKind::TakenOver.as_str()).then_some(at))
    }

    /// Whether a checkpoint was ever signed.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn has_checkpoints(&self) -> Result<bool, LedgerError> {
        Ok(seal::newest(self.reader()?)?.is_some())
    }

    /// The first checkpoint, while it is the only one.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn only_checkpoint(&self) -> Result<Option<String>, LedgerError> {
        let conn = self.reader()?;
        let one: bool =
            conn.query_row("SELECT count(*) = 1 FROM (SELECT 1 FROM checkpoints LIMIT 2)", [], |row| row.get(0))?;
        Ok(if one { seal::newest(conn)?.map(|newest| newest.note) } else { None })
    }

    /// The newest signed checkpoint, as its note.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn newest_checkpoint(&self) -> Result<Option<String>, LedgerError> {
        Ok(seal::newest(self.reader()?)?.map(|newest| newest.note))
    }

    /// From now on checkpoints are signed by this anchor's key and kept there, and the ledger is compared with them.
    pub fn with_anchor(mut self, anchor: Arc<dyn HistoryAnchor>) -> Self {
        self.anchor = Some(anchor);
        self
    }

    /// Names the key that signs checkpoints, with the first of them. For a ledger that has none.
    ///
    /// # Errors
    /// [`LedgerError`] when the anchor cannot be used, or knows of a checkpoint already.
    pub fn name_key(&self, at: Timestamp) -> Result<(), LedgerError> {
        let Some(anchor) = &self.anchor else { return Ok(()) };
        let key = anchor.key().map_err(seal::unusable)?;
        self.write(|tx| {
            // Two processes may open a new ledger at once. The second finds the key of the first.
            if seal::newest(tx)?.is_some() {
                return Ok(());
            }
            append(tx, &NewEvent::new(EventKind::Key, &key.name(), at).detail(json!({ "key": key.text() })))
        })
    }

    /// Accepts the ledger as it is, by this person's word. Its state is made anew from its rows, and signed with the key of
    /// an anchor that is used for nothing else. Gives the checkpoint that this anchor is to have as its head.
    ///
    /// # Errors
    /// [`LedgerError`] when the anchor's key cannot be used or the ledger cannot be written.
    pub fn adopt(&self, adoption: &Adoption<'_>, decided: Decided<'_>) -> Result<String, LedgerError> {
        let key = adoption.anchor.key().map_err(seal::unusable)?;
        // Without its anchor: the check of it is what the person decides against.
        write_transaction::write_unanchored(self, |tx| {
            let state = state::found(tx)?;
            state::write(tx, &state)?;
            let was = workspace_id(tx).ok();
            let detail = json!({ "key": key.text(), "why": adoption.why, "by": decided.by,
                "workspace": adoption.workspace, "was": was });
            super::append_adopted(
                tx,
                &NewEvent::new(EventKind::Adopted, &key.name(), decided.at).detail(detail),
                &state,
            )?;
            seal::sign_all(tx, adoption.anchor, decided.at)
        })
    }
}
