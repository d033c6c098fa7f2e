//! Attempts to improve the guidance of a skill.
//!
//! Guarantees: an attempt is on the disk before a model is asked, and its answer before anybody judges it.
//!
//! Deliberately never: publishes anything.

use rusqlite::{Row, params};

use super::attempts::{self, Attempt, AttemptDetails, AttemptStep, NewAttempt};
use super::events;
use super::write_transaction::WriteTransaction;
use super::{Decided, Ledger, LedgerError};
use crate::history::event::EventKind;
use crate::model::{guidance::ImprovementState, name::SkillName, time::Timestamp};

/// One attempt at guidance.
pub type Improvement = Attempt<ImprovementState, ImprovementDetails>;

/// What only an attempt at guidance has.
#[derive(Debug, Clone, PartialEq)]
pub struct ImprovementDetails {
    /// The model that answered.
    pub model: Option<String>,
    /// Its answer.
    pub answer: Option<String>,
    /// The text that passed the checks.
    pub body: Option<String>,
    /// Who decided.
    pub decided_by: Option<String>,
}

/// A step of an attempt at guidance.
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

const SAVE: &str = "UPDATE improvements SET model = ?2, answer = ?3, body = ?4, decided_by = ?5 WHERE number = ?1";

impl AttemptDetails for ImprovementDetails {
    type State = ImprovementState;

    const TABLE: &'static str = "improvements";
    const SUBJECT: &'static str = "improvement";
    const NOUN: &'static str = "improvement";
    const STARTED: ImprovementState = ImprovementState::Started;
    const OPEN: &'static [ImprovementState] =
        &[ImprovementState::Started, ImprovementState::Answered, ImprovementState::Candidate];

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            model: row.get("model")?,
            answer: row.get("answer")?,
            body: row.get("body")?,
            decided_by: row.get("decided_by")?,
        })
    }

    fn save(&self, tx: &WriteTransaction<'_>, number: u32) -> Result<(), LedgerError> {
        tx.change(SAVE, params![number, self.model, self.answer, self.body, self.decided_by])?;
        Ok(())
    }
}

impl AttemptStep<ImprovementDetails> for ImprovementStep<'_> {
    fn starts_from(self) -> &'static [ImprovementState] {
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
                (to.state, to.details.model, to.details.answer) = (State::Answered, owned(model), owned(answer));
            }
            Self::Passed(body) => (to.state, to.details.body) = (State::Candidate, owned(body)),
            Self::Refused(why) => (to.state, to.why) = (State::Refused, owned(why)),
            Self::Lost(why) => (to.state, to.why) = (State::Lost, owned(why)),
            Self::Published(by) => (to.state, to.details.decided_by) = (State::Published, owned(by)),
            Self::Rejected { by, why } => {
                (to.state, to.details.decided_by, to.why) = (State::Rejected, owned(by), owned(why));
            }
        }
    }
}

impl Ledger {
    /// Begins an attempt at guidance.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] when the skill has an open one.
    pub fn begin_improvement(&self, new: &NewAttempt<'_>) -> Result<Improvement, LedgerError> {
        self.write(|tx| attempts::begin(tx, new))
    }

    /// Takes a step of an attempt at guidance.
    ///
    /// # Errors
    /// [`LedgerError::WrongState`] when it is in another state than the step starts from.
    pub fn step_improvement(
        &self,
        number: u32,
        step: ImprovementStep<'_>,
        at: Timestamp,
    ) -> Result<Improvement, LedgerError> {
        self.write(|tx| attempts::step(tx, number, step, at))
    }

    /// One attempt at guidance.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] when there is none, [`LedgerError::Tampered`] when it is not what its newest event says.
    pub fn improvement(&self, number: u32) -> Result<Improvement, LedgerError> {
        let conn = self.reader()?;
        let found = attempts::get(conn, number)?;
        let subject = attempts::subject::<ImprovementDetails>(number);
        events::state::check_subject(conn, self.anchor.as_deref(), &subject, Some(EventKind::Improvement))?;
        Ok(found)
    }

    /// Every attempt, or those at one skill, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] when they cannot be read.
    pub fn improvements(&self, skill: Option<&SkillName>) -> Result<Vec<Improvement>, LedgerError> {
        attempts::all(self.reader()?, skill)
    }

    /// A person rejects an attempt that waits for them.
    ///
    /// # Errors
    /// [`LedgerError::WrongState`] when it does not wait.
    pub fn reject_improvement(&self, number: u32, why: &str, decided: Decided<'_>) -> Result<Improvement, LedgerError> {
        self.step_improvement(number, ImprovementStep::Rejected { by: decided.by, why }, decided.at)
    }
}
