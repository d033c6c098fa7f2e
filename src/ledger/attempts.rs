//! Attempts to improve a skill: what those at its guidance and those at its code have in common.
//!
//! Guarantees: a skill has one open attempt of each kind. Each step names the states that it starts from, and is an event of
//! the history in the transaction of its change.
//!
//! Deliberately never: removes an attempt, or knows what a step means.

use std::fmt::Display;

use rusqlite::types::FromSql;
use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, params};

use super::LedgerError;
use super::events::{self, NewEvent};
use super::write_transaction::WriteTransaction;
use crate::history::event::EventKind;
use crate::model::{name::SkillName, time::Timestamp};

/// One attempt. `S` are the states of its kind, `D` is what only its kind has.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt<S, D> {
    /// Its number, over all skills.
    pub number: u32,
    /// The skill.
    pub skill: SkillName,
    /// The revision that it starts from: of the guidance, or of the trusted code.
    pub revision: u32,
    /// Which attempt of its kind at this skill it is within 30 days, from 1.
    pub attempt: u32,
    /// Its state.
    pub state: S,
    /// The e-value that made the skill a candidate.
    pub e_value: f64,
    /// Why it was refused, lost or rejected.
    pub why: Option<String>,
    /// When it began.
    pub created_at: Timestamp,
    /// When its state changed last.
    pub changed_at: Timestamp,
    /// What only its kind has.
    pub details: D,
}

/// An attempt to be begun.
#[derive(Debug, Clone, Copy)]
pub struct NewAttempt<'a> {
    /// The skill.
    pub skill: &'a SkillName,
    /// The revision that it starts from.
    pub revision: u32,
    /// Which attempt it is.
    pub attempt: u32,
    /// The e-value.
    pub e_value: f64,
    /// When.
    pub at: Timestamp,
}

/// What the kinds of attempts differ in: their table, their states, and the columns of their own.
pub(super) trait AttemptDetails: Sized {
    type State: Copy + PartialEq + Display + ToSql + FromSql + 'static;

    const TABLE: &'static str;
    /// What its events are about, before the number.
    const SUBJECT: &'static str;
    /// The words for it in an error.
    const NOUN: &'static str;
    /// The state of a new one.
    const STARTED: Self::State;
    /// The states of which a skill has one attempt at most.
    const OPEN: &'static [Self::State];

    /// Reads its own columns.
    fn read(row: &Row<'_>) -> rusqlite::Result<Self>;

    /// Writes its own columns.
    fn save(&self, tx: &WriteTransaction<'_>, number: u32) -> Result<(), LedgerError>;
}

/// A step of one kind of attempt.
pub(super) trait AttemptStep<D: AttemptDetails>: Copy {
    /// The states that it starts from.
    fn starts_from(self) -> &'static [D::State];

    /// Changes the state, and what the step brings.
    fn apply(self, to: &mut Attempt<D::State, D>);
}

fn read<D: AttemptDetails>(row: &Row<'_>) -> rusqlite::Result<Attempt<D::State, D>> {
    Ok(Attempt {
        number: row.get("number")?,
        skill: row.get("skill_name")?,
        revision: row.get("revision")?,
        attempt: row.get("attempt")?,
        state: row.get("state")?,
        e_value: row.get("e_value")?,
        why: row.get("why")?,
        created_at: row.get("created_at")?,
        changed_at: row.get("changed_at")?,
        details: D::read(row)?,
    })
}

fn append<D: AttemptDetails>(tx: &WriteTransaction<'_>, number: u32, at: Timestamp) -> Result<(), LedgerError> {
    let event = NewEvent::new(EventKind::Improvement, &subject::<D>(number), at);
    events::append(tx, &event.row(D::TABLE, &number))
}

/// What the events of an attempt are about.
pub(super) fn subject<D: AttemptDetails>(number: u32) -> String {
    format!("{}/{number}", D::SUBJECT)
}

/// Those of one skill, oldest first.
pub(super) fn of_skill<D: AttemptDetails>() -> String {
    format!("SELECT * FROM {} WHERE skill_name = ?1 ORDER BY number", D::TABLE)
}

/// Begins an attempt.
///
/// # Errors
/// [`LedgerError::Conflict`] when the skill has an open one.
pub(super) fn begin<D: AttemptDetails>(
    tx: &WriteTransaction<'_>,
    new: &NewAttempt<'_>,
) -> Result<Attempt<D::State, D>, LedgerError> {
    // A unique index refuses a second open one as well, but its error does not say what is open.
    if all::<D>(tx, Some(new.skill))?.iter().any(|earlier| D::OPEN.contains(&earlier.state)) {
        return Err(LedgerError::Conflict(format!("the {} of `{}`", D::NOUN, new.skill)));
    }
    let next = format!("SELECT coalesce(max(number), 0) + 1 FROM {}", D::TABLE);
    let number: u32 = tx.query_row(&next, [], |row| row.get(0))?;
    tx.insert(
        D::TABLE,
        &[
            ("number", &number),
            ("skill_name", &new.skill),
            ("revision", &new.revision),
            ("attempt", &new.attempt),
            ("state", &D::STARTED),
            ("e_value", &new.e_value),
            ("created_at", &new.at),
            ("changed_at", &new.at),
        ],
    )?;
    append::<D>(tx, number, new.at)?;
    get(tx, number)
}

/// Takes a step of an attempt.
///
/// # Errors
/// [`LedgerError::WrongState`] when it is in another state than the step starts from.
pub(super) fn step<D: AttemptDetails>(
    tx: &WriteTransaction<'_>,
    number: u32,
    step: impl AttemptStep<D>,
    at: Timestamp,
) -> Result<Attempt<D::State, D>, LedgerError> {
    let mut attempt = get::<D>(tx, number)?;
    if !step.starts_from().contains(&attempt.state) {
        let (id, found) = (number.to_string(), attempt.state.to_string());
        return Err(LedgerError::WrongState { what: D::NOUN, id, found, step: "go on" });
    }
    step.apply(&mut attempt);
    // A check of the table demands details of some states, so the details come first.
    attempt.details.save(tx, number)?;
    let change = format!("UPDATE {} SET state = ?2, why = ?3, changed_at = ?4 WHERE number = ?1", D::TABLE);
    tx.change(&change, params![number, attempt.state, attempt.why, at])?;
    append::<D>(tx, number, at)?;
    get(tx, number)
}

/// One attempt.
///
/// # Errors
/// [`LedgerError::NotFound`] when there is none.
pub(super) fn get<D: AttemptDetails>(conn: &Connection, number: u32) -> Result<Attempt<D::State, D>, LedgerError> {
    let one = format!("SELECT * FROM {} WHERE number = ?1", D::TABLE);
    let found = conn.prepare_cached(&one)?.query_row([number], read::<D>).optional()?;
    found.ok_or_else(|| LedgerError::NotFound { what: D::NOUN, key: number.to_string() })
}

/// Every attempt, or those at one skill, oldest first.
///
/// # Errors
/// [`LedgerError`] when they cannot be read.
pub(super) fn all<D: AttemptDetails>(
    conn: &Connection,
    skill: Option<&SkillName>,
) -> Result<Vec<Attempt<D::State, D>>, LedgerError> {
    let every = format!("SELECT * FROM {} ORDER BY number", D::TABLE);
    Ok(match skill {
        Some(skill) => {
            conn.prepare_cached(&of_skill::<D>())?.query_map([skill], read::<D>)?.collect::<Result<_, _>>()?
        }
        None => conn.prepare_cached(&every)?.query_map([], read::<D>)?.collect::<Result<_, _>>()?,
    })
}
