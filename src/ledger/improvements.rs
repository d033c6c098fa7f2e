//! Attempts to improve the guidance of a skill.
//!
//! Guarantees: an attempt is on the disk before a model is asked, and its answer before anybody judges it. A skill has one open
//! attempt. Each step names the state that it starts from, and is an event of the history.
//!
//! Deliberately never: removes an attempt, or publishes anything.

use rusqlite::{OptionalExtension as _, Row, params};

use super::events::{self, NewEvent};
use super::write_transaction::WriteTransaction;
use super::{Decided, Ledger, LedgerError};
use crate::history::event::EventKind;
use crate::model::{guidance::ImprovementState, name::SkillName, time::Timestamp};

/// One attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Improvement {
    /// Its number, over all skills.
    pub number: u32,
    /// The skill.
    pub skill: SkillName,
    /// The revision of the guidance that it starts from.
    pub revision: u32,
    /// Which attempt at this skill it is within 30 days, from 1.
    pub attempt: u32,
    /// Its state.
    pub state: ImprovementState,
    /// The e-value that made the skill a candidate.
    pub e_value: f64,
    /// The model that answered.
    pub model: Option<String>,
    /// Its answer.
    pub answer: Option<String>,
    /// The text that passed the checks.
    pub body: Option<String>,
    /// Why it was refused, lost or rejected.
    pub why: Option<String>,
    /// Who decided.
    pub decided_by: Option<String>,
    /// When it began.
    pub created_at: Timestamp,
    /// When its state changed last.
    pub changed_at: Timestamp,
}

/// An attempt to be begun.
#[derive(Debug, Clone, Copy)]
pub struct NewImprovement<'a> {
    /// The skill.
    pub skill: &'a SkillName,
    /// The published revision.
    pub revision: u32,
    /// Which attempt it is.
    pub attempt: u32,
    /// The e-value.
    pub e_value: f64,
    /// When.
    pub at: Timestamp,
}

/// A step of an attempt.
#[derive(Debug, Clone, Copy)]
pub enum ImprovementStep<'a> {
    /// The model answered.
    Answered {
        /// The model.
        model: &'a str,
        /// Its answer.
        answer: &'a str,
    },
    /// The answer has a text that passed the checks.
    Passed(&'a str),
    /// It has none, or the model could not be asked.
    Refused(&'a str),
    /// The process ended while the model was asked.
    Lost(&'a str),
    /// A person published it.
    Published(&'a str),
    /// A person rejected it.
    Rejected {
        /// Who.
        by: &'a str,
        /// Why.
        why: &'a str,
    },
}

const ONE: &str = "SELECT * FROM improvements WHERE number = ?1";
const ALL: &str = "SELECT * FROM improvements ORDER BY number";
const OF_SKILL: &str = "SELECT * FROM improvements WHERE skill_name = ?1 ORDER BY number";
const CHANGE: &str =
    "UPDATE improvements SET state = ?2, model = ?3, answer = ?4, body = ?5, why = ?6, decided_by = ?7,
     changed_at = ?8 WHERE number = ?1";

fn from_row(row: &Row<'_>) -> rusqlite::Result<Improvement> {
    Ok(Improvement {
        number: row.get("number")?,
        skill: row.get("skill_name")?,
        revision: row.get("revision")?,
        attempt: row.get("attempt")?,
        state: row.get("state")?,
        e_value: row.get("e_value")?,
        model: row.get("model")?,
        answer: row.get("answer")?,
        body: row.get("body")?,
        why: row.get("why")?,
        decided_by: row.get("decided_by")?,
        created_at: row.get("created_at")?,
        changed_at: row.get("changed_at")?,
    })
}

fn append(tx: &WriteTransaction<'_>, number: u32, at: Timestamp) -> Result<(), LedgerError> {
    let event = NewEvent::new(EventKind::Improvement, &format!("improvement/{number}"), at);
    events::append(tx, &event.row("improvements", &number))
}

impl ImprovementStep<'_> {
    /// The states that it starts from.
    fn from(self) -> &'static [ImprovementState] {
        use ImprovementState as State;
        match self {
            Self::Answered { .. } | Self::Lost(_) => &[State::Started],
            Self::Passed(_) => &[State::Answered],
            Self::Refused(_) => &[State::Started, State::Answered],
            Self::Published(_) | Self::Rejected { .. } => &[State::Candidate],
        }
    }

    fn apply(self, to: &mut Improvement) {
        use ImprovementState as State;
        let owned = |text: &str| Some(text.to_owned());
        match self {
            Self::Answered { model, answer } => {
                (to.state, to.model, to.answer) = (State::Answered, owned(model), owned(answer));
            }
            Self::Passed(body) => (to.state, to.body) = (State::Candidate, owned(body)),
            Self::Refused(why) => (to.state, to.why) = (State::Refused, owned(why)),
            Self::Lost(why) => (to.state, to.why) = (State::Lost, owned(why)),
            Self::Published(by) => (to.state, to.decided_by) = (State::Published, owned(by)),
            Self::Rejected { by, why } => {
                (to.state, to.decided_by, to.why) = (State::Rejected, owned(by), owned(why));
            }
        }
    }
}

impl Ledger {
    /// Begins an attempt.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] when the skill has an open one.
    pub fn begin_improvement(&self, new: &NewImprovement<'_>) -> Result<Improvement, LedgerError> {
        self.write(|tx| {
            let open = "SELECT EXISTS (SELECT 1 FROM improvements WHERE skill_name = ?1
                 AND state IN ('STARTED', 'ANSWERED', 'CANDIDATE'))";
            if tx.query_row(open, [new.skill], |row| row.get(0))? {
                return Err(LedgerError::Conflict(format!("the improvement of `{}`", new.skill)));
            }
            let number: u32 =
                tx.query_row("SELECT coalesce(max(number), 0) + 1 FROM improvements", [], |row| row.get(0))?;
            tx.insert(
                "improvements",
                &[
                    ("number", &number),
                    ("skill_name", &new.skill),
                    ("revision", &new.revision),
                    ("attempt", &new.attempt),
                    ("state", &ImprovementState::Started),
                    ("e_value", &new.e_value),
                    ("created_at", &new.at),
                    ("changed_at", &new.at),
                ],
            )?;
            append(tx, number, new.at)?;
            Ok(tx.query_row(ONE, [number], from_row)?)
        })
    }

    /// Takes a step of an attempt.
    ///
    /// # Errors
    /// [`LedgerError::WrongState`] when it is in another state than the step starts from.
    pub fn step_improvement(
        &self,
        number: u32,
        step: ImprovementStep<'_>,
        at: Timestamp,
    ) -> Result<Improvement, LedgerError> {
        self.write(|tx| {
            let mut attempt = get(tx, number)?;
            if !step.from().contains(&attempt.state) {
                let (id, found) = (number.to_string(), attempt.state.to_string());
                return Err(LedgerError::WrongState { what: "improvement", id, found, step: "go on" });
            }
            step.apply(&mut attempt);
            let Improvement { state, model, answer, body, why, decided_by, .. } = &attempt;
            tx.change(CHANGE, params![number, state, model, answer, body, why, decided_by, at])?;
            append(tx, number, at)?;
            get(tx, number)
        })
    }

    /// One attempt.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] when there is none, [`LedgerError::Tampered`] when it is not what its newest event says.
    pub fn improvement(&self, number: u32) -> Result<Improvement, LedgerError> {
        let conn = self.reader()?;
        let found = get(conn, number)?;
        let subject = format!("improvement/{number}");
        events::state::check_subject(conn, self.anchor.as_deref(), &subject, Some(EventKind::Improvement))?;
        Ok(found)
    }

    /// Every attempt, or those at one skill, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] when they cannot be read.
    pub fn improvements(&self, skill: Option<&SkillName>) -> Result<Vec<Improvement>, LedgerError> {
        let conn = self.reader()?;
        let rows = match skill {
            Some(skill) => conn.prepare_cached(OF_SKILL)?.query_map([skill], from_row)?.collect::<Result<_, _>>()?,
            None => conn.prepare_cached(ALL)?.query_map([], from_row)?.collect::<Result<_, _>>()?,
        };
        Ok(rows)
    }

    /// A person rejects an attempt that waits for them.
    ///
    /// # Errors
    /// [`LedgerError::WrongState`] when it does not wait.
    pub fn reject_improvement(&self, number: u32, why: &str, decided: Decided<'_>) -> Result<Improvement, LedgerError> {
        self.step_improvement(number, ImprovementStep::Rejected { by: decided.by, why }, decided.at)
    }
}

fn get(conn: &rusqlite::Connection, number: u32) -> Result<Improvement, LedgerError> {
    let found = conn.prepare_cached(ONE)?.query_row([number], from_row).optional()?;
    found.ok_or_else(|| LedgerError::NotFound { what: "improvement", key: number.to_string() })
}
