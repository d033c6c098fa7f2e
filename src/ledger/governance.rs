//! Role charters, policy values and capability grants: a person's decisions about who the agent is and what it may do.
//!
//! Guarantees: each is a decision of the history, appended in the transaction that writes the row, and committed to by the state
//! that decides trust. At most one charter is active. Rows are added and never changed, but for the mark of the active charter.
//! The three reads are of one moment.
//!
//! Deliberately never: checks a text or a value; `policy` does that before and after.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _};
use serde_json::json;

use super::events::state::{self, StateKey};
use super::events::{self, NewEvent, images};
use super::write_transaction::{WriteTransaction, write_decision};
use super::{Decided, Ledger, LedgerError};
use crate::history::anchor::HistoryAnchor;
use crate::history::event::EventKind;
use crate::model::digest::Digest;
use crate::model::governance::{CharterRow, ContextSet, GovernanceMark, GovernanceRows, GrantRow, PinnedCharter};

/// What events about the charter are about.
const SUBJECT: &str = "role-charter";

/// A charter that a person sets.
#[derive(Debug, Clone, Copy)]
pub struct NewCharter<'a> {
    /// Its text.
    pub content_md: &'a str,
    /// The SHA-256 of the text.
    pub content_sha256: Digest,
    /// Its sections, as JSON.
    pub sections_json: &'a str,
}

/// A grant or a denial that a person stores.
#[derive(Debug, Clone, Copy)]
pub struct NewGrant<'a> {
    /// The actor.
    pub actor: &'a str,
    /// The capability.
    pub capability: &'a str,
    /// Whether it is granted.
    pub granted: bool,
}

const CHARTERS: &str = "SELECT version, content_md, content_hash, sections_json, set_by, created_at FROM role_charters";

/// The newest row of each key; those without a value are left out.
const POLICY: &str = "SELECT key, value_json FROM policy_values AS p
     WHERE value_json IS NOT NULL AND number = (SELECT max(number) FROM policy_values WHERE key = p.key)";

const GRANTS: &str = "SELECT actor, capability, granted FROM capability_grants AS g
     WHERE number = (SELECT max(number) FROM capability_grants WHERE actor = g.actor AND capability = g.capability)
     ORDER BY actor, capability";

const DISABLED: &str = "SELECT value_json FROM policy_values WHERE key = 'disabled' ORDER BY number DESC LIMIT 1";

fn charter_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<CharterRow> {
    Ok(CharterRow {
        version: row.get("version")?,
        content_md: row.get("content_md")?,
        content_hash: row.get("content_hash")?,
        sections_json: row.get("sections_json")?,
        set_by: row.get("set_by")?,
        created_at: row.get("created_at")?,
    })
}

fn charters(conn: &Connection, rest: &str) -> Result<Vec<CharterRow>, LedgerError> {
    let mut statement = conn.prepare_cached(&format!("{CHARTERS} {rest} ORDER BY version"))?;
    Ok(statement.query_map([], charter_row)?.collect::<Result<_, _>>()?)
}

/// What the newest event about the charter says.
fn pinned(conn: &Connection) -> Result<Option<PinnedCharter>, LedgerError> {
    let Some(placed) = images::newest_about(conn, SUBJECT, Some(EventKind::Charter))? else { return Ok(None) };
    let detail = placed.event.detail.clone().unwrap_or_default();
    let pinned = serde_json::from_value(detail)
        .map_err(|error| LedgerError::Tampered(format!("{} names no charter: {error}", placed.name())))?;
    Ok(Some(pinned))
}

fn read(conn: &Connection, anchor: Option<&dyn HistoryAnchor>) -> Result<GovernanceRows, LedgerError> {
    // Policy and grants decide for everybody, so an edit of them is refused here as it is before a run.
    state::check(conn, anchor, None)?;
    // A problem and no error: it stops agents, and the person must still be able to set another
    // charter.
    let intact = state::is_committed(conn, anchor, StateKey::Charter)?;
    let charter_problem =
        (!intact).then(|| "its row is not the one that the newest decision of the history commits to".to_owned());
    Ok(GovernanceRows { pinned: pinned(conn)?, charter_problem, ..rows(conn)? })
}

/// The rows, without any check.
fn rows(conn: &Connection) -> Result<GovernanceRows, LedgerError> {
    let mut policy = conn.prepare_cached(POLICY)?;
    let policy = policy.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<BTreeMap<_, _>, _>>()?;
    let mut grants = conn.prepare_cached(GRANTS)?;
    let grants = grants
        .query_map([], |row| Ok(GrantRow { actor: row.get(0)?, capability: row.get(1)?, granted: row.get(2)? }))?;
    Ok(GovernanceRows {
        charters: charters(conn, "WHERE active = 1")?,
        policy,
        grants: grants.collect::<Result<_, _>>()?,
        ..GovernanceRows::default()
    })
}

/// Whether agents are stopped. A value that is no `false` counts as `true`.
pub(super) fn is_disabled(conn: &Connection) -> rusqlite::Result<bool> {
    let value: Option<String> = conn.prepare_cached(DISABLED)?.query_row([], |row| row.get(0)).optional()?.flatten();
    // The text as it is stored. A switch whose value cannot be parsed must not count as off.
    Ok(value.is_some_and(|value| value != "false"))
}

/// Keeps what holds from now on, so that a record needs no more than its digest.
fn keep_context(tx: &WriteTransaction<'_>) -> Result<(), LedgerError> {
    let ContextSet { sha256, text } = rows(tx)?.context_set();
    tx.insert_if_missing("context_sets", &[("sha256", &sha256), ("context_json", &text)])
}

fn next(tx: &WriteTransaction<'_>, sql: &str) -> Result<u64, LedgerError> {
    Ok(tx.query_row(sql, [], |row| row.get(0))?)
}

impl Ledger {
    /// The three reads, of one moment, checked against the history.
    ///
    /// # Errors
    /// [`LedgerError::Tampered`] when policy or grants are not what the history says. A charter that is not is in the rows as
    /// a problem.
    pub fn governance(&self) -> Result<GovernanceRows, LedgerError> {
        self.at_one_moment(read)
    }

    /// What changes when anything of the three reads does, and the kill switch.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn governance_mark(&self) -> Result<GovernanceMark, LedgerError> {
        let conn = self.reader()?;
        // Each of the three is a decision, so the place of the newest one counts their changes.
        let counter = events::newest_decision(conn)?.unwrap_or_default();
        Ok(GovernanceMark { counter, disabled: is_disabled(conn)? })
    }

    /// Makes a charter the active one, in the place of the one before. Gives its number.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be written, [`LedgerError::NotApproved`] without a signature where one is needed.
    pub fn set_charter(&self, charter: &NewCharter<'_>, decided: Decided<'_>) -> Result<u64, LedgerError> {
        write_decision(self, |tx| {
            let version = next(tx, "SELECT coalesce(max(version), 0) + 1 FROM role_charters")?;
            let before = charters(tx, "WHERE active = 1")?;
            // First: an index allows one active charter.
            tx.change("UPDATE role_charters SET active = 0 WHERE active = 1", [])?;
            tx.insert(
                "role_charters",
                &[
                    ("version", &version),
                    ("active", &1),
                    ("content_md", &charter.content_md),
                    ("content_hash", &charter.content_sha256),
                    ("sections_json", &charter.sections_json),
                    ("set_by", &decided.by),
                    ("created_at", &decided.at),
                ],
            )?;
            let pinned = PinnedCharter { version, content_sha256: charter.content_sha256 };
            let event = NewEvent::new(EventKind::Charter, &SUBJECT, decided.at)
                .rows("role_charters", before.iter().map(|row| row.version))
                .row("role_charters", &version)
                .detail(json!(pinned))
                .changing(StateKey::Charter);
            events::append(tx, &event)?;
            keep_context(tx)?;
            Ok(version)
        })
    }

    /// Every charter that was ever set, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn charters(&self) -> Result<Vec<CharterRow>, LedgerError> {
        charters(self.reader()?, "")
    }

    /// Stores policy values, as JSON text; none gives a key its default again. All of them in one decision.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be written, [`LedgerError::NotApproved`] without a signature where one is needed.
    pub fn set_policy(&self, values: &[(String, Option<String>)], decided: Decided<'_>) -> Result<(), LedgerError> {
        write_decision(self, |tx| {
            let mut event = NewEvent::new(EventKind::Policy, &"policy", decided.at).changing(StateKey::Policy);
            for (key, value) in values {
                let number = next(tx, "SELECT coalesce(max(number), 0) + 1 FROM policy_values")?;
                tx.insert(
                    "policy_values",
                    &[
                        ("number", &number),
                        ("key", key),
                        ("value_json", value),
                        ("set_by", &decided.by),
                        ("created_at", &decided.at),
                    ],
                )?;
                event = event.row("policy_values", &number);
            }
            events::append(tx, &event)?;
            keep_context(tx)
        })
    }

    /// Stores a grant or a denial.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be written, [`LedgerError::NotApproved`] without a signature where one is needed.
    pub fn set_grant(&self, grant: &NewGrant<'_>, decided: Decided<'_>) -> Result<(), LedgerError> {
        write_decision(self, |tx| {
            let number = next(tx, "SELECT coalesce(max(number), 0) + 1 FROM capability_grants")?;
            tx.insert(
                "capability_grants",
                &[
                    ("number", &number),
                    ("actor", &grant.actor),
                    ("capability", &grant.capability),
                    ("granted", &grant.granted),
                    ("set_by", &decided.by),
                    ("created_at", &decided.at),
                ],
            )?;
            let event = NewEvent::new(EventKind::Capability, &grant.actor, decided.at)
                .row("capability_grants", &number)
                .changing(StateKey::Policy);
            events::append(tx, &event)?;
            keep_context(tx)
        })
    }

    /// What a run or a proposal was decided under, by its digest.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`], or [`LedgerError::Tampered`] when the text does not have the digest.
    pub fn context_text(&self, sha256: Digest) -> Result<String, LedgerError> {
        // Nobody ever decided it, so it is in no row, and runs of a workspace without any decision
        // name its digest.
        let unset = GovernanceRows::default().context_set();
        if unset.sha256 == sha256 {
            return Ok(unset.text);
        }
        let sql = "SELECT context_json FROM context_sets WHERE sha256 = ?1";
        let text: Option<String> = self.reader()?.query_row(sql, [sha256], |row| row.get(0)).optional()?;
        let text = text.ok_or_else(|| LedgerError::NotFound { what: "context", key: sha256.to_string() })?;
        match Digest::of(text.as_bytes()) == sha256 {
            true => Ok(text),
            false => Err(LedgerError::Tampered(format!("the context {sha256} does not have its digest"))),
        }
    }
}

#[cfg(test)]
#[path = "governance_tests.rs"]
mod tests;
