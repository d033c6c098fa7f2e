//! Attempts to improve the code of a skill.
//!
//! Guarantees: an attempt is on the disk before its proposal, and its proposal before a builder is asked. A skill has one open
//! attempt. Each step names the states that it starts from, and is an event of the history.
//!
//! Deliberately never: removes an attempt, or promotes anything.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::events::{self, NewEvent};
use super::write_transaction::WriteTransaction;
use super::{Ledger, LedgerError};
use crate::history::event::EventKind;
use crate::model::{guidance::CodeAttemptState, id::ProposalId, name::SkillName, run_flips::RunFlips, time::Timestamp};

/// One attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct CodeAttempt {
    /// Its number, over all skills.
    pub number: u32,
    /// The skill.
    pub skill: SkillName,
    /// The trusted revision that it starts from.
    pub revision: u32,
    /// Which attempt at this code it is within 30 days, from 1.
    pub attempt: u32,
    /// Its state.
    pub state: CodeAttemptState,
    /// The e-value that made the skill a candidate.
    pub e_value: f64,
    /// The proposal with the released failures as examples.
    pub proposal: Option<ProposalId>,
    /// How recorded runs end with it.
    pub flips: Option<RunFlips>,
    /// Why it was refused.
    pub why: Option<String>,
    /// When it began.
    pub created_at: Timestamp,
    /// When its state changed last.
    pub changed_at: Timestamp,
}

/// An attempt to be begun.
#[derive(Debug, Clone, Copy)]
pub struct NewCodeAttempt<'a> {
    /// The skill.
    pub skill: &'a SkillName,
    /// The trusted revision.
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
pub enum CodeAttemptStep<'a> {
    /// Its proposal is written, and has no build yet.
    Proposed(ProposalId),
    /// Every gate passed.
    Passed(Option<RunFlips>),
    /// It cannot go on.
    Refused {
        /// Why.
        why: &'a str,
        /// How recorded runs end with it, if that is known.
        flips: Option<RunFlips>,
    },
    /// A person promoted it.
    Published,
    /// A person rejected it.
    Rejected,
}

const ONE: &str = "SELECT * FROM code_attempts WHERE number = ?1";
const ALL: &str = "SELECT * FROM code_attempts ORDER BY number";
const OF_SKILL: &str = "SELECT * FROM code_attempts WHERE skill_name = ?1 ORDER BY number";
const CHANGE: &str =
    "UPDATE code_attempts SET state = ?2, proposal_id = ?3, gains = ?4, losses = ?5, same = ?6, why = ?7,
     changed_at = ?8 WHERE number = ?1";

fn from_row(row: &Row<'_>) -> rusqlite::Result<CodeAttempt> {
    let flips = match row.get::<_, Option<u32>>("gains")? {
        Some(gains) => Some(RunFlips { gains, losses: row.get("losses")?, same: row.get("same")? }),
        None => None,
    };
    Ok(CodeAttempt {
        number: row.get("number")?,
        skill: row.get("skill_name")?,
        revision: row.get("revision")?,
        attempt: row.get("attempt")?,
        state: row.get("state")?,
        e_value: row.get("e_value")?,
        proposal: row.get("proposal_id")?,
        flips,
        why: row.get("why")?,
        created_at: row.get("created_at")?,
        changed_at: row.get("changed_at")?,
    })
}

fn get(conn: &Connection, number: u32) -> Result<CodeAttempt, LedgerError> {
    let found = conn.prepare_cached(ONE)?.query_row([number], from_row).optional()?;
    found.ok_or_else(|| LedgerError::NotFound { what: "attempt at code", key: number.to_string() })
}

fn append(tx: &WriteTransaction<'_>, number: u32, at: Timestamp) -> Result<(), LedgerError> {
    let event = NewEvent::new(EventKind::Improvement, &format!("code-attempt/{number}"), at);
    events::append(tx, &event.row("code_attempts", &number))
}

impl CodeAttemptStep<'_> {
    /// The states that it starts from.
    fn from(self) -> &'static [CodeAttemptState] {
        use CodeAttemptState as State;
        match self {
            Self::Proposed(_) => &[State::Started],
            Self::Passed(_) => &[State::Proposed],
            Self::Refused { .. } => &[State::Started, State::Proposed],
            // A person may also build and promote what a pass gave up.
            Self::Published | Self::Rejected => &[State::Proposed, State::Candidate, State::Refused],
        }
    }

    fn apply(self, to: &mut CodeAttempt) {
        use CodeAttemptState as State;
        match self {
            Self::Proposed(proposal) => (to.state, to.proposal) = (State::Proposed, Some(proposal)),
            Self::Passed(flips) => (to.state, to.flips) = (State::Candidate, flips),
            Self::Refused { why, flips } => {
                (to.state, to.why, to.flips) = (State::Refused, Some(why.to_owned()), flips);
            }
            Self::Published => to.state = State::Published,
            Self::Rejected => to.state = State::Rejected,
        }
    }
}

impl Ledger {
    /// Begins an attempt at the code of a skill.
    ///
    /// # Errors
    /// [`LedgerError::Sqlite`] when the skill has an open one.
    pub fn begin_code_attempt(&self, new: &NewCodeAttempt<'_>) -> Result<CodeAttempt, LedgerError> {
        self.write(|tx| {
            let number: u32 =
                tx.query_row("SELECT coalesce(max(number), 0) + 1 FROM code_attempts", [], |row| row.get(0))?;
            tx.insert(
                "code_attempts",
                &[
                    ("number", &number),
                    ("skill_name", &new.skill),
                    ("revision", &new.revision),
                    ("attempt", &new.attempt),
                    ("state", &CodeAttemptState::Started),
                    ("e_value", &new.e_value),
                    ("created_at", &new.at),
                    ("changed_at", &new.at),
                ],
            )?;
            append(tx, number, new.at)?;
            get(tx, number)
        })
    }

    /// Takes a step of an attempt.
    ///
    /// # Errors
    /// [`LedgerError::WrongState`] when it is in another state than the step starts from.
    pub fn step_code_attempt(
        &self,
        number: u32,
        step: CodeAttemptStep<'_>,
        at: Timestamp,
    ) -> Result<CodeAttempt, LedgerError> {
        self.write(|tx| {
            let mut attempt = get(tx, number)?;
            if !step.from().contains(&attempt.state) {
                let (id, found) = (number.to_string(), attempt.state.to_string());
                return Err(LedgerError::WrongState { what: "attempt at code", id, found, step: "go on" });
            }
            step.apply(&mut attempt);
            let CodeAttempt { state, proposal, flips, why, .. } = &attempt;
            let [gains, losses, same] =
                flips.map_or([None; 3], |flips| [flips.gains, flips.losses, flips.same].map(Some));
            tx.change(CHANGE, params![number, state, proposal, gains, losses, same, why, at])?;
            append(tx, number, at)?;
            get(tx, number)
        })
    }

    /// Every attempt, or those at the code of one skill, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] when they cannot be read.
    pub fn code_attempts(&self, skill: Option<&SkillName>) -> Result<Vec<CodeAttempt>, LedgerError> {
        let conn = self.reader()?;
        Ok(match skill {
            Some(skill) => conn.prepare_cached(OF_SKILL)?.query_map([skill], from_row)?.collect::<Result<_, _>>()?,
            None => conn.prepare_cached(ALL)?.query_map([], from_row)?.collect::<Result<_, _>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_attempt_at_a_time_and_each_step_from_its_state() -> Result<(), Box<dyn std::error::Error>> {
        let (ledger, skill, at) = (Ledger::in_memory()?, SkillName::parse("peek")?, Timestamp::from_millis(0)?);
        let new = NewCodeAttempt { skill: &skill, revision: 1, attempt: 1, e_value: 20.0, at };
        assert_eq!(ledger.begin_code_attempt(&new)?.state, CodeAttemptState::Started);
        assert!(ledger.begin_code_attempt(&new).is_err(), "one is open");
        let early = ledger.step_code_attempt(1, CodeAttemptStep::Passed(None), at);
        assert!(matches!(early, Err(LedgerError::WrongState { .. })), "{early:?}");
        let flips = Some(RunFlips { gains: 1, losses: 2, same: 3 });
        let refused = ledger.step_code_attempt(1, CodeAttemptStep::Refused { why: "x", flips }, at)?;
        assert_eq!((refused.state, refused.flips), (CodeAttemptState::Refused, flips));
        assert_eq!(ledger.begin_code_attempt(&new)?.number, 2);
        assert_eq!(ledger.code_attempts(Some(&skill))?.len(), 2);
        assert_eq!(crate::ledger::codec::full_scans(&ledger.conn, OF_SKILL)?, [""; 0]);
        assert!(ledger.audit_history()?.problems.is_empty());
        Ok(())
    }
}
