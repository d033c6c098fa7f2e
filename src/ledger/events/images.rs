//! Rows as events hold them, and whether a row still is what its event says.
//!
//! Guarantees: every column of a row is in its image, so a column that a migration adds is too. Of a record of a run there is one
//! digest, because there are many of them and they are long.

use std::collections::BTreeMap;
use std::fmt;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::{Map, Value};

use super::super::LedgerError;
use super::super::executions::COLUMNS as RECORD;
use crate::history::event::{Event, EventKind, RowImage, value_image};
use crate::history::{Hash, hex};

/// The tables whose rows events hold, and the column that finds them.
pub(super) const TABLES: [(&str, &str); 34] = [
    ("skill_proposals", "id"),
    ("builds", "id"),
    ("verifications", "id"),
    ("verification_gates", "verification_id"),
    ("reverifications", "id"),
    ("promotions", "id"),
    ("artifacts", "id"),
    (RECORDS, "execution_id"),
    ("commits", "id"),
    ("switch_turns", "number"),
    ("prunes", "number"),
    ("research", "id"),
    ("acknowledgements", "build_id"),
    ("proposal_askers", "proposal_id"),
    ("rejections", "proposal_id"),
    ("guidance_revisions", "id"),
    ("guidance_decisions", "number"),
    ("outcome_reports", "number"),
    ("improvements", "number"),
    ("role_charters", "version"),
    ("policy_values", "number"),
    ("capability_grants", "number"),
    ("proposal_contexts", "proposal_id"),
    ("trust_policies", "number"),
    ("verification_programs", "verification_id"),
    ("statements", "promotion_id"),
    ("proposal_origins", "proposal_id"),
    ("released_evidence", "number"),
    ("code_attempts", "number"),
    ("step_back_orders", "number"),
    ("step_back_ends", "order_number"),
    ("shadow_orders", "number"),
    ("shadow_runs", "order_number"),
    ("guidance_pairs", "improvement"),
];

/// The table of the records of runs.
pub(super) const RECORDS: &str = "executions";

/// Which row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) struct RowKey {
    pub(in super::super) table: &'static str,
    pub(in super::super) key: String,
}

impl fmt::Display for RowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.table, self.key)
    }
}

impl RowKey {
    /// Reads `TABLE/KEY`. `None` for a table that no event is about.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (table, key) = text.split_once('/')?;
        // Only a name of the list gets into SQL. The text comes out of an event, and an event may
        // be forged.
        let (table, _) = TABLES.into_iter().find(|(name, _)| *name == table)?;
        Some(Self { table, key: key.to_owned() })
    }
}

/// The digest of values, each with its type and length, so that no two rows have the same bytes.
#[derive(Debug)]
pub(in super::super) struct RecordDigest(sha2::Sha256);

impl RecordDigest {
    pub(in super::super) fn new() -> Self {
        Self(sha2::Digest::new())
    }

    pub(in super::super) fn add(&mut self, value: ValueRef<'_>) {
        let (kind, bytes): (u8, &[u8]) = match &value {
            ValueRef::Null => (0, &[]),
            ValueRef::Integer(number) => (1, &number.to_le_bytes()),
            ValueRef::Real(number) => (2, &number.to_le_bytes()),
            ValueRef::Text(text) => (3, text),
            ValueRef::Blob(blob) => (4, blob),
        };
        // Type and length go first. Without them, moving a letter from one column to the next would
        // leave the digest as it is.
        let mut head = [kind; 9];
        head[1..].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
        sha2::Digest::update(&mut self.0, head);
        sha2::Digest::update(&mut self.0, bytes);
    }

    pub(in super::super) fn finish(self) -> Hash {
        sha2::Digest::finalize(self.0).into()
    }
}

/// The digest of a record, whose columns are the first ones of the row.
pub(super) fn record_digest(row: &Row<'_>) -> rusqlite::Result<Hash> {
    let mut digest = RecordDigest::new();
    for index in 0..RECORD.len() {
        let value = row.get_ref(index)?;
        if has_part(index, value) {
            digest.add(value);
        }
    }
    Ok(digest.finish())
}

/// Whether a column is a part of the digest. A record from before the last column was there has the digest that it had.
pub(in super::super) fn has_part(index: usize, value: ValueRef<'_>) -> bool {
    index < FIRST_COLUMNS || !matches!(value, ValueRef::Null)
}

/// The columns that every record has.
const FIRST_COLUMNS: usize = 26;

/// Selects what [`record_digest`] reads.
pub(super) fn select_records(rest: &str) -> String {
    format!("SELECT {} FROM {RECORDS} {rest}", RECORD.join(", "))
}

/// A row as an object, by its columns.
pub(super) fn columns(row: &Row<'_>) -> rusqlite::Result<Map<String, Value>> {
    let names = row.as_ref().column_names();
    let mut image = Map::new();
    for (index, name) in names.into_iter().enumerate() {
        let value = match row.get_ref(index)? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => number.into(),
            // As text, because a number with a fraction is written in more than one way in JSON.
            ValueRef::Real(number) => number.to_string().into(),
            ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned().into(),
            ValueRef::Blob(blob) => ::hex::encode(blob).into(),
        };
        image.insert(name.to_owned(), value_image(value));
    }
    Ok(image)
}

/// The image of a row as it is now. For a key that several rows have, all of them; for one that none has, an empty list.
pub(super) fn read(conn: &Connection, key: &RowKey) -> Result<Value, LedgerError> {
    if key.table == RECORDS {
        let sql = select_records("WHERE execution_id = ?1");
        let digest = conn.prepare_cached(&sql)?.query_row([&key.key], record_digest).optional()?;
        // An empty list, as for any other row that is missing, so that a removed record is told
        // from a changed one.
        return Ok(digest.map_or(Value::Array(Vec::new()), |digest| hex(&digest).into()));
    }
    let column = TABLES.iter().find(|(table, _)| *table == key.table).map_or("id", |(_, column)| column);
    let mut statement =
        // Every column, also of later migrations: a column that is not in the image could be edited
        // unseen.
        conn.prepare_cached(&format!("SELECT * FROM {} WHERE {column} = ?1 ORDER BY rowid", key.table))?;
    let rows = statement.query_map([&key.key], |row| columns(row).map(Value::Object))?;
    Ok(Value::Array(rows.collect::<Result<_, _>>()?))
}

/// The first column in which a row differs from its image, or the whole row when it is missing or new. `None` when it is the
/// same.
pub(super) fn difference(said: &RowImage, now: &Value) -> Option<String> {
    let now: RowImage = serde_json::from_value(now.clone()).unwrap_or_else(|_| RowImage::Digest(String::new()));
    match (said, &now) {
        (said, now) if said == now => None,
        (RowImage::Columns(said), RowImage::Columns(now)) if said.len() == now.len() => {
            let nothing = BTreeMap::new();
            let differs = |(said, now): (&BTreeMap<String, Value>, &BTreeMap<String, Value>)| {
                said.keys().chain(now.keys()).find(|name| said.get(*name) != now.get(*name)).cloned()
            };
            said.iter().zip(now.iter().chain(std::iter::repeat(&nothing))).find_map(differs)
        }
        (_, RowImage::Columns(now)) if now.is_empty() => Some("the row, which was removed".to_owned()),
        (RowImage::Columns(said), RowImage::Columns(now)) if said.len() < now.len() => {
            Some("the row, which was inserted".to_owned())
        }
        (RowImage::Columns(_), _) => Some("a row, which was removed".to_owned()),
        (RowImage::Digest(_), _) => Some("the digest of the record".to_owned()),
    }
}

/// An event and its place.
#[derive(Debug)]
pub(in super::super) struct Placed {
    pub(super) position: u64,
    pub(in super::super) event: Event,
}

impl Placed {
    /// The event, for a message.
    pub(in super::super) fn name(&self) -> String {
        format!("event {} ({}, {})", self.position, self.event.kind, self.event.at)
    }

    /// Whether every row that it left is still what it says.
    pub(in super::super) fn check_rows(&self, conn: &Connection) -> Result<(), LedgerError> {
        for (name, said) in &self.event.rows {
            let Some(key) = RowKey::parse(name) else { continue };
            if let Some(field) = difference(said, &read(conn, &key)?) {
                return Err(LedgerError::Tampered(format!("`{field}` of {name} is not what {} says", self.name())));
            }
        }
        Ok(())
    }
}

const NEWEST_ABOUT: &str = "SELECT position, body FROM history INDEXED BY history_subjects
     WHERE subject = ?1 AND kind <> 'run' ORDER BY position DESC LIMIT 1";

const NEWEST_OF_KIND: &str = "SELECT position, body FROM history INDEXED BY history_subjects
     WHERE subject = ?1 AND kind <> 'run' AND kind = ?2 ORDER BY position DESC LIMIT 1";

/// The newest event about something, of one kind if that is given.
pub(in super::super) fn newest_about(
    conn: &Connection,
    subject: &str,
    kind: Option<EventKind>,
) -> Result<Option<Placed>, LedgerError> {
    let read = |row: &Row<'_>| Ok((row.get::<_, u64>(0)?, row.get::<_, String>(1)?));
    let found = match kind {
        None => conn.prepare_cached(NEWEST_ABOUT)?.query_row([subject], read).optional()?,
        Some(kind) => {
            conn.prepare_cached(NEWEST_OF_KIND)?.query_row(params![subject, kind.as_str()], read).optional()?
        }
    };
    match found {
        Some((position, body)) => placed(position, &body).map(Some),
        // What was there before the history has no event of its own. The first event has the image
        // of all of it.
        None => taken_over(conn, subject),
    }
}

/// What the first event of a ledger from before the history says about something: its own rows, and those of its proposal and
/// its build.
fn taken_over(conn: &Connection, subject: &str) -> Result<Option<Placed>, LedgerError> {
    let sql = "SELECT body FROM history WHERE position = 0 AND kind = 'taken-over'";
    let Some(body) = conn.prepare_cached(sql)?.query_row([], |row| row.get::<_, String>(0)).optional()? else {
        return Ok(None);
    };
    let mut first = placed(0, &body)?;
    let is_of = |name: &String, key: &str| name.split_once('/').is_some_and(|(_, of)| of == key);
    let own: Vec<&RowImage> =
        first.event.rows.iter().filter(|(name, _)| is_of(name, subject)).map(|(_, image)| image).collect();
    if own.is_empty() {
        return Ok(None);
    }
    let columns = own.iter().filter_map(|image| match image {
        RowImage::Columns(rows) => Some(rows),
        RowImage::Digest(_) => None,
    });
    let related: Vec<String> = columns
        .flatten()
        .flat_map(|row| ["proposal_id", "build_id"].map(|column| row.get(column).and_then(Value::as_str)))
        .flatten()
        .map(str::to_owned)
        .collect();
    first.event.rows.retain(|name, _| {
        let of_related = ["skill_proposals/", "builds/"].iter().any(|table| name.starts_with(table));
        is_of(name, subject) || (of_related && related.iter().any(|key| is_of(name, key)))
    });
    Ok(Some(first))
}

/// An event of the history, read.
pub(super) fn placed(position: u64, body: &str) -> Result<Placed, LedgerError> {
    let event = Event::parse(body).map_err(|error| LedgerError::Tampered(format!("event {position}: {error}")))?;
    Ok(Placed { position, event })
}
