//! The state that decides trust, and the check of it before a run or a decision.
//!
//! The check begins at the head, which is kept outside of the ledger, and goes to the newest checkpoint. From there it goes
//! to the newest decision, to the digest of the state, and to the leaf of one skill. That leaf is made from the skill's
//! rows.
//!
//! Guarantees: a state that [`checked`] gives is the one that the newest decision committed to. With an anchor, that decision is
//! covered by a checkpoint of the workspace's key, and no checkpoint that the anchor knows is missing.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::{Value, json};

use super::super::LedgerError;
use super::super::write_transaction::WriteTransaction;
use super::images::{self, Placed, RowKey};
use super::{approvals, newest_decision, seal};
use crate::history::anchor::HistoryAnchor;
use crate::history::state::{CHARTER, POLICY, SKILL, SWITCH, TRUST_POLICY, TrustState, skill_key};
use crate::history::{Hash, merkle::leaf_hash};
use crate::model::name::SkillName;

/// A part of the state.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum StateKey<'k> {
    /// The switch.
    Switch,
    /// The policy in force.
    TrustPolicy,
    /// A skill, by its name.
    Skill(&'k SkillName),
    /// The active role charter.
    Charter,
    /// The policy values and the capability grants that hold.
    Policy,
}

impl StateKey<'_> {
    fn text(self) -> String {
        match self {
            StateKey::Switch => SWITCH.to_owned(),
            StateKey::TrustPolicy => TRUST_POLICY.to_owned(),
            StateKey::Skill(name) => skill_key(name.as_str()),
            StateKey::Charter => CHARTER.to_owned(),
            StateKey::Policy => POLICY.to_owned(),
        }
    }

    /// The leaf, made from the rows as they are now.
    fn leaf(self, conn: &Connection) -> Result<Option<Hash>, LedgerError> {
        match self {
            StateKey::Switch => switch_leaf(conn),
            StateKey::TrustPolicy => trust_policy_leaf(conn),
            StateKey::Skill(name) => skill_leaf(conn, name.as_str()),
            StateKey::Charter => rows_leaf(conn, "charter", &[ACTIVE_CHARTERS]),
            StateKey::Policy => rows_leaf(conn, "policy", &[POLICY_ROWS, GRANT_ROWS]),
        }
    }
}

const SWITCH_ROW: &str = "SELECT * FROM switch_turns ORDER BY number DESC LIMIT 1";

const ACTIVE_CHARTERS: &str = "SELECT * FROM role_charters WHERE active = 1 ORDER BY version";
const POLICY_ROWS: &str = "SELECT * FROM policy_values ORDER BY number";
const GRANT_ROWS: &str = "SELECT * FROM capability_grants ORDER BY number";
const TRUST_POLICY_ROW: &str = "SELECT * FROM trust_policies ORDER BY number DESC LIMIT 1";

const REVISIONS: &str = "SELECT id, revision, status, spec_sha256, component_sha256, snapshot_sha256, limits_json
     FROM skill_proposals WHERE name = ?1 AND revision IS NOT NULL ORDER BY revision";

const STATE: &str = "SELECT key, leaf FROM trust_state";
const SET: &str = "INSERT INTO trust_state (key, leaf) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET leaf = ?2";

fn switch_leaf(conn: &Connection) -> Result<Option<Hash>, LedgerError> {
    let newest = conn.prepare_cached(SWITCH_ROW)?.query_row([], images::columns).optional()?;
    // The name of the part is in the leaf, so that a row of one table cannot stand for one of
    // another.
    Ok(newest.map(|row| leaf_hash(json!({ "switch": row }).to_string().as_bytes())))
}

fn trust_policy_leaf(conn: &Connection) -> Result<Option<Hash>, LedgerError> {
    let newest = conn.prepare_cached(TRUST_POLICY_ROW)?.query_row([], images::columns).optional()?;
    Ok(newest.map(|row| leaf_hash(json!({ "policy": row }).to_string().as_bytes())))
}

fn skill_leaf(conn: &Connection, name: &str) -> Result<Option<Hash>, LedgerError> {
    let mut statement = conn.prepare_cached(REVISIONS)?;
    let revisions = statement.query_map([name], |row| images::columns(row).map(Value::Object))?;
    let revisions = revisions.collect::<Result<Vec<_>, _>>()?;
    // A name that was only proposed has no trust, and no leaf. Otherwise each proposal would be a
    // decision.
    if revisions.is_empty() {
        return Ok(None);
    }
    Ok(Some(leaf_hash(json!({ "skill": name, "revisions": revisions }).to_string().as_bytes())))
}

/// The leaf of all rows of some statements. None where there is no row, as in a workspace that never set any.
fn rows_leaf(conn: &Connection, part: &str, statements: &[&str]) -> Result<Option<Hash>, LedgerError> {
    let mut rows = Vec::new();
    for sql in statements {
        let mut statement = conn.prepare_cached(sql)?;
        let found = statement.query_map([], |row| images::columns(row).map(Value::Object))?;
        rows.extend(found.collect::<Result<Vec<_>, _>>()?);
    }
    Ok((!rows.is_empty()).then(|| leaf_hash(json!({ part: rows }).to_string().as_bytes())))
}

/// Whether a part of the state is what the newest decision committed to.
pub(in super::super) fn is_committed(
    conn: &Connection,
    anchor: Option<&dyn HistoryAnchor>,
    key: StateKey<'_>,
) -> Result<bool, LedgerError> {
    Ok(key.leaf(conn)?.as_ref() == checked(conn, anchor)?.get(&key.text()))
}

/// The state of all rows as they are found, without any check.
pub(super) fn found(conn: &Connection) -> Result<TrustState, LedgerError> {
    let mut state = TrustState::default();
    if let Some(leaf) = switch_leaf(conn)? {
        state.set(SWITCH, leaf);
    }
    for key in [StateKey::Charter, StateKey::Policy, StateKey::TrustPolicy] {
        if let Some(leaf) = key.leaf(conn)? {
            state.set(&key.text(), leaf);
        }
    }
    let mut names = conn.prepare("SELECT DISTINCT name FROM skill_proposals WHERE revision IS NOT NULL")?;
    for name in names.query_map([], |row| row.get::<_, String>(0))? {
        let name = name?;
        if let Some(leaf) = skill_leaf(conn, &name)? {
            state.set(&skill_key(&name), leaf);
        }
    }
    Ok(state)
}

/// The state, if it is the one that the newest decision committed to.
pub(super) fn checked(conn: &Connection, anchor: Option<&dyn HistoryAnchor>) -> Result<TrustState, LedgerError> {
    // The state is a table like any other and is not believed by itself. Its digest must be in the
    // newest decision, and that under a signed checkpoint.
    let newest = newest_decision(conn)?;
    let decision = seal::check_decision(conn, anchor, newest)?;
    let state = stored(conn)?;
    match decision.event.state() {
        Some(said) if said == state.digest() => Ok(state),
        _ => Err(LedgerError::Tampered(format!("`trust_state` is not the state that {} commits to", decision.name()))),
    }
}

/// The state as it is stored, without any check.
pub(super) fn stored(conn: &Connection) -> Result<TrustState, LedgerError> {
    let leaves = conn
        .prepare_cached(STATE)?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<BTreeMap<_, _>, _>>()?;
    Ok(TrustState::new(leaves))
}

/// Makes the leaves of some parts anew, and gives the digest of the state with them.
pub(super) fn change(
    tx: &WriteTransaction<'_>,
    mut state: TrustState,
    keys: &[StateKey<'_>],
) -> Result<Hash, LedgerError> {
    for key in keys {
        // From the rows as the decision left them, in the same transaction. A leaf that is handed
        // in could differ from them.
        if let Some(leaf) = key.leaf(tx)? {
            state.set(&key.text(), leaf);
            tx.change(SET, params![key.text(), leaf])?;
        }
    }
    Ok(state.digest())
}

/// Writes a state as it is.
pub(super) fn write(tx: &WriteTransaction<'_>, state: &TrustState) -> Result<(), LedgerError> {
    // All of it: a leaf that is left over would be part of the digest and of no row.
    tx.change("DELETE FROM trust_state", [])?;
    for (key, leaf) in state.leaves() {
        tx.change(SET, params![key, leaf])?;
    }
    Ok(())
}

/// Checks that switch, policy and, if one is named, a skill are what the newest decision committed to. Checks also that
/// kavi.toml is not weaker than the policy, and that a pinned signer has signed the trust in the skill.
pub(in super::super) fn check(
    conn: &Connection,
    anchor: Option<&dyn HistoryAnchor>,
    skill: Option<&SkillName>,
) -> Result<(), LedgerError> {
    let state = checked(conn, anchor)?;
    // Not the charter: a person may run skills under one that cannot be believed, and set another one.
    let keys =
        [Some(StateKey::Switch), Some(StateKey::Policy), Some(StateKey::TrustPolicy), skill.map(StateKey::Skill)];
    for key in keys.into_iter().flatten() {
        if key.leaf(conn)?.as_ref() != state.get(&key.text()) {
            return Err(explain(conn, key)?);
        }
    }
    let Some(anchor) = anchor else { return Ok(()) };
    approvals::check_file(conn, anchor.rules())?;
    skill.map_or(Ok(()), |skill| approvals::check_pinned(conn, anchor.rules(), skill))
}

/// Checks that the policy is what the newest decision committed to.
pub(in super::super) fn check_trust_policy(
    conn: &Connection,
    anchor: Option<&dyn HistoryAnchor>,
) -> Result<(), LedgerError> {
    let state = checked(conn, anchor)?;
    match trust_policy_leaf(conn)?.as_ref() == state.get(TRUST_POLICY) {
        true => Ok(()),
        false => Err(explain(conn, StateKey::TrustPolicy)?),
    }
}

/// Checks that all of the state is what the newest decision committed to.
pub(in super::super) fn check_all(conn: &Connection, anchor: Option<&dyn HistoryAnchor>) -> Result<(), LedgerError> {
    let (said, now) = (checked(conn, anchor)?, found(conn)?);
    anchor.map_or(Ok(()), |anchor| approvals::check_anchor_place(anchor.rules()))?;
    let differs = |key: &&str| said.get(key) != now.get(key);
    let Some(key) = said.leaves().chain(now.leaves()).map(|(key, _)| key).find(differs) else { return Ok(()) };
    let name = key.strip_prefix(SKILL).and_then(|name| SkillName::parse(name).ok());
    let part = match (key, &name) {
        (CHARTER, _) => StateKey::Charter,
        (POLICY, _) => StateKey::Policy,
        (TRUST_POLICY, _) => StateKey::TrustPolicy,
        (_, Some(name)) => StateKey::Skill(name),
        _ => StateKey::Switch,
    };
    Err(explain(conn, part)?)
}

/// Finds the event and the field that a part of the state differs from.
fn explain(conn: &Connection, part: StateKey<'_>) -> Result<LedgerError, LedgerError> {
    // Slow, and only for the message: something differs already, and the person must learn which
    // row.
    let mut known = BTreeMap::new();
    let mut statement = conn.prepare("SELECT position, body FROM history WHERE kind <> 'run' ORDER BY position")?;
    for row in statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))? {
        let (position, body) = row?;
        let placed = images::placed(position, &body)?;
        for (name, image) in &placed.event.rows {
            known.insert(name.clone(), (placed.name(), image.clone()));
        }
    }
    let mine = match part {
        StateKey::Switch => keys(conn, "switch_turns", "SELECT number FROM switch_turns WHERE ?1 <> ''", "switch")?,
        StateKey::TrustPolicy => {
            keys(conn, "trust_policies", "SELECT number FROM trust_policies WHERE ?1 <> ''", "policy")?
        }
        StateKey::Skill(name) => {
            keys(conn, "skill_proposals", "SELECT id FROM skill_proposals WHERE name = ?1", name.as_str())?
        }
        StateKey::Charter => keys(conn, "role_charters", "SELECT version FROM role_charters WHERE ?1 <> ''", CHARTER)?,
        StateKey::Policy => {
            let mut rows = keys(conn, "policy_values", "SELECT number FROM policy_values WHERE ?1 <> ''", POLICY)?;
            let sql = "SELECT number FROM capability_grants WHERE ?1 <> ''";
            rows.extend(keys(conn, "capability_grants", sql, POLICY)?);
            rows
        }
    };
    let tables: &[&str] = match part {
        StateKey::Switch => &["switch_turns/"],
        StateKey::TrustPolicy => &["trust_policies/"],
        StateKey::Skill(_) => &["skill_proposals/"],
        StateKey::Charter => &["role_charters/"],
        StateKey::Policy => &["policy_values/", "capability_grants/"],
    };
    let is_part = |name: &&String| tables.iter().any(|table| name.starts_with(table));
    let all = known.keys().filter(is_part).filter_map(|name| RowKey::parse(name));
    for key in mine.iter().cloned().chain(all) {
        let name = key.to_string();
        let field = match known.get(&name) {
            None => Some(("the row, which was inserted".to_owned(), "no event".to_owned())),
            Some((event, image)) => {
                images::difference(image, &images::read(conn, &key)?).map(|field| (field, event.clone()))
            }
        };
        match field {
            Some((field, event)) if event == "no event" => {
                return Ok(LedgerError::Tampered(format!("`{field}`: no event of the history has {name}")));
            }
            Some((field, event)) => {
                return Ok(LedgerError::Tampered(format!("`{field}` of {name} is not what {event} says")));
            }
            None => {}
        }
    }
    Ok(LedgerError::Tampered(format!(
        "the state of `{}` is not the one that the newest decision commits to",
        part.text()
    )))
}

fn keys(conn: &Connection, table: &'static str, sql: &str, name: &str) -> Result<Vec<RowKey>, LedgerError> {
    let mut statement = conn.prepare(sql)?;
    let keys = statement.query_map([name], |row| {
        Ok(match row.get_ref(0)? {
            rusqlite::types::ValueRef::Integer(number) => number.to_string(),
            other => other.as_str().unwrap_or_default().to_owned(),
        })
    })?;
    Ok(keys.collect::<Result<Vec<_>, _>>()?.into_iter().map(|key| RowKey { table, key }).collect())
}

/// Checks that the newest event of one kind about something is signed, and that its rows are what it says.
pub(in super::super) fn check_subject(
    conn: &Connection,
    anchor: Option<&dyn HistoryAnchor>,
    subject: &impl ToString,
    kind: Option<crate::history::event::EventKind>,
) -> Result<(), LedgerError> {
    let subject = subject.to_string();
    let Some(placed) = images::newest_about(conn, &subject, kind)? else {
        return Err(LedgerError::Tampered(format!("no event of the history is about {subject}")));
    };
    seal::check_signed(conn, anchor, &placed)?;
    placed.check_rows(conn)
}

/// Checks that the newest event about the guidance of a skill is signed, is about this decision, and has its rows as they are.
pub(in super::super) fn check_guidance(
    conn: &Connection,
    anchor: Option<&dyn HistoryAnchor>,
    subject: &str,
    decision: u32,
) -> Result<(), LedgerError> {
    let placed = images::newest_about(conn, subject, Some(crate::history::event::EventKind::Guidance))?;
    // A row that was inserted beside its events would be the newest, and no event would differ from it.
    let placed = placed.filter(|placed| placed.event.rows.contains_key(&format!("guidance_decisions/{decision}")));
    let Some(placed) = placed else {
        return Err(LedgerError::Tampered(format!(
            "the newest event about {subject} is not about decision {decision}"
        )));
    };
    seal::check_signed(conn, anchor, &placed)?;
    placed.check_rows(conn)
}

/// Checks that what is to happen with a commit is what the newest event about it says. Its event need not be signed.
pub(in super::super) fn check_commit(conn: &Connection, subject: &impl ToString) -> Result<(), LedgerError> {
    let subject = subject.to_string();
    let placed: Option<Placed> = images::newest_about(conn, &subject, None)?;
    let placed =
        placed.ok_or_else(|| LedgerError::Tampered(format!("no event of the history is about commits/{subject}")))?;
    placed.check_rows(conn)
}
