//! Whether the ledger has exactly the tables and indexes that its migrations make, and nothing else.
//!
//! A trigger can undo a stop in the transaction that writes it, and a view can stand in for a table. So the whole list
//! of objects is compared: type, name and SQL text. The list comes from the migrations themselves.
//!
//! Guarantees: a [`SchemaCheck`] compares when the file is opened, and again when SQLite's schema cookie is another one.
//! SQLite obeys a new trigger or view in an open connection only after it saw a new cookie.
//!
//! Deliberately never: repairs a schema, or believes an object because of its name.

use std::cell::Cell;
use std::collections::BTreeSet;

use rusqlite::Connection;

use super::{LedgerError, migrations};
use crate::model::{digest::Digest, json};

/// The digest of the objects after all migrations. A test says what it must be.
const SCHEMA_SHA256: &str = "261b15e97873df011a9e57709aaccf862fd8209d96831e4764582454c34f7252";

/// The tables that SQLite itself makes for `ANALYZE`. They hold statistics for the planner, which change no answer.
const STATISTICS: [&str; 2] =
    ["CREATE TABLE sqlite_stat1(tbl,idx,stat)", "CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)"];

/// One object of a schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct SchemaObject {
    kind: String,
    name: String,
    sql: String,
}

impl SchemaObject {
    fn is_statistics(&self) -> bool {
        self.kind == "table" && STATISTICS.contains(&self.sql.as_str())
    }
}

fn objects(conn: &Connection) -> Result<BTreeSet<SchemaObject>, LedgerError> {
    let mut statement = conn.prepare("SELECT type, name, coalesce(sql, '') FROM main.sqlite_schema")?;
    let found = statement
        .query_map([], |row| Ok(SchemaObject { kind: row.get(0)?, name: row.get(1)?, sql: row.get(2)? }))?
        .collect::<Result<Vec<_>, _>>()?;
    Ok(found.into_iter().filter(|object| !object.is_statistics()).collect())
}

fn digest(objects: &BTreeSet<SchemaObject>) -> Digest {
    let parts = objects.iter().flat_map(|object| [&object.kind, &object.name, &object.sql]);
    Digest::of(parts.flat_map(|part| [part.as_str(), "\0"]).collect::<String>().as_bytes())
}

/// Compares the objects of the file with those that the migrations make.
pub(super) fn check_now(conn: &Connection) -> Result<(), LedgerError> {
    let found = objects(conn)?;
    // The digest spares each process the making of a whole schema.
    if digest(&found).to_string() == SCHEMA_SHA256 { Ok(()) } else { Err(difference(conn, &found)?) }
}

/// Names the first object that differs.
fn difference(conn: &Connection, found: &BTreeSet<SchemaObject>) -> Result<LedgerError, LedgerError> {
    migrations::check_version(conn)?;
    let mut fresh = Connection::open_in_memory()?;
    migrations::bring_up(&mut fresh)?;
    let expected = objects(&fresh)?;
    let foreign = found.difference(&expected).next().map(|object| (object, "is not what Kavi makes"));
    let missing = || expected.difference(found).next().map(|object| (object, "is missing"));
    let what = foreign
        .or_else(missing)
        .map(|(object, what)| format!("{} `{}` {what}", json::shown(&object.kind), json::shown(&object.name)));
    Ok(LedgerError::ForeignSchema(what.unwrap_or_else(|| "an object is there twice".to_owned())))
}

/// Remembers for which schema cookie a connection's schema was found right.
#[derive(Debug, Default)]
pub(super) struct SchemaCheck(Cell<Option<i64>>);

impl SchemaCheck {
    /// Compares the schema, unless the cookie is the one of the last comparison.
    pub(super) fn check(&self, conn: &Connection) -> Result<(), LedgerError> {
        // The cookie is read first: a change in between makes the next check compare once more.
        let cookie = conn.prepare_cached("PRAGMA main.schema_version")?.query_row([], |row| row.get(0))?;
        if self.0.get() != Some(cookie) {
            check_now(conn)?;
            self.0.set(Some(cookie));
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "schema_check_tests.rs"]
mod tests;
