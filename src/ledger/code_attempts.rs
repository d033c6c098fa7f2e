//! Attempts to improve the code of a skill.
//!
//! Guarantees: an attempt is on the disk before its proposal, and its proposal before a builder is asked.
//!
//! Deliberately never: promotes anything.

use rusqlite::{Row, params};

use super::attempts::{self, Attempt, AttemptDetails, AttemptStep, NewAttempt};
use super::write_transaction::WriteTransaction;
use super::{Ledger, LedgerError};
use crate::model::{guidance::CodeAttemptState, id::ProposalId, name::SkillName, run_flips::RunFlips, time::Timestamp};

/// One attempt at code.
pub type CodeAttempt = Attempt<CodeAttemptState, CodeAttemptDetails>;

/// What only an attempt at code has.
#[derive(Debug, Clone, PartialEq)]
pub struct CodeAttemptDetails {
    /// The proposal with the released failures as examples.
    pub proposal: Option<ProposalId>,
    /// How recorded runs end with it.
    pub flips: Option<RunFlips>,
}

/// A step of an attempt at code.
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

const SAVE: &str = "UPDATE code_attempts SET proposal_id = ?2, gains = ?3, losses = ?4, same = ?5 WHERE number = ?1";

impl AttemptDetails for CodeAttemptDetails {
    type State = CodeAttemptState;

    const TABLE: &'static str = "code_attempts";
    const SUBJECT: &'static str = "code-attempt";
    const NOUN: &'static str = "attempt at code";
    const STARTED: CodeAttemptState = CodeAttemptState::Started;
    const OPEN: &'static [CodeAttemptState] =
        &[CodeAttemptState::Started, CodeAttemptState::Proposed, CodeAttemptState::Candidate];

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let flips = match row.get::<_, Option<u32>>("gains")? {
            Some(gains) => Some(RunFlips { gains, losses: row.get("losses")?, same: row.get("same")? }),
            None => None,
        };
        Ok(Self { proposal: row.get("proposal_id")?, flips })
    }

    fn save(&self, tx: &WriteTransaction<'_>, number: u32) -> Result<(), LedgerError> {
        let [gains, losses, same] =
            self.flips.map_or([None; 3], |flips| [flips.gains, flips.losses, flips.same].map(Some));
        tx.change(SAVE, params![number, self.proposal, gains, losses, same])?;
        Ok(())
    }
}

impl AttemptStep<CodeAttemptDetails> for CodeAttemptStep<'_> {
    fn starts_from(self) -> &'static [CodeAttemptState] {
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
            Self::Proposed(proposal) => (to.state, to.details.proposal) = (State::Proposed, Some(proposal)),
            Self::Passed(flips) => (to.state, to.details.flips) = (State::Candidate, flips),
            Self::Refused { why, flips } => {
                (to.state, to.why, to.details.flips) = (State::Refused, Some(why.to_owned()), flips);
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
    /// [`LedgerError::Conflict`] when the skill has an open one.
    pub fn begin_code_attempt(&self, new: &NewAttempt<'_>) -> Result<CodeAttempt, LedgerError> {
        self.write(|tx| attempts::begin(tx, new))
    }

    /// Takes a step of an attempt at code.
    ///
    /// # Errors
    /// [`LedgerError::WrongState`] when it is in another state than the step starts from.
    pub fn step_code_attempt(
        &self,
        number: u32,
        step: CodeAttemptStep<'_>,
        at: Timestamp,
    ) -> Result<CodeAttempt, LedgerError> {
        self.write(|tx| attempts::step(tx, number, step, at))
    }

    /// Every attempt, or those at the code of one skill, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] when they cannot be read.
    pub fn code_attempts(&self, skill: Option<&SkillName>) -> Result<Vec<CodeAttempt>, LedgerError> {
        attempts::all(self.reader()?, skill)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_attempt_at_a_time_and_each_step_from_its_state() -> Result<(), Box<dyn std::error::Error>> {
        let (ledger, skill, at) = (Ledger::in_memory()?, SkillName::parse("peek")?, Timestamp::from_millis(0)?);
        let new = NewAttempt { skill: &skill, revision: 1, attempt: 1, e_value: 20.0, at };
        assert_eq!(ledger.begin_code_attempt(&new)?.state, CodeAttemptState::Started);
        let second = ledger.begin_code_attempt(&new);
        assert!(matches!(second, Err(LedgerError::Conflict(_))), "one is open: {second:?}");
        let early = ledger.step_code_attempt(1, CodeAttemptStep::Passed(None), at);
        assert!(matches!(early, Err(LedgerError::WrongState { .. })), "{early:?}");
        let flips = Some(RunFlips { gains: 1, losses: 2, same: 3 });
        let refused = ledger.step_code_attempt(1, CodeAttemptStep::Refused { why: "x", flips }, at)?;
        assert_eq!((refused.state, refused.details.flips), (CodeAttemptState::Refused, flips));
        assert_eq!(ledger.begin_code_attempt(&new)?.number, 2);
        assert_eq!(ledger.code_attempts(Some(&skill))?.len(), 2);
        let of_skill = attempts::of_skill::<CodeAttemptDetails>();
        assert_eq!(crate::ledger::codec::full_scans(&ledger.conn, &of_skill)?, [""; 0]);
        assert!(ledger.audit_history()?.problems.is_empty());
        Ok(())
    }
}
