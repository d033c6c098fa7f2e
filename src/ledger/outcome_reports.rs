//! Words about single runs: what a person says decides, what an agent says is kept.
//!
//! Guarantees: a person's word is an event of the history. An agent has one opinion about a run, however often it repeats itself.

use rusqlite::{Row, params};

use super::events::{self, NewEvent};
use super::{Decided, Ledger, LedgerError};
use crate::history::event::EventKind;
use crate::model::{
    guidance::{Fault, UseVerdict},
    id::ExecutionId,
    name::SkillName,
    time::Timestamp,
};

/// What a person says about a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcomeReport {
    /// The run.
    pub run: ExecutionId,
    /// How it went.
    pub verdict: UseVerdict,
    /// What that says something about.
    pub fault: Fault,
    /// Who says so.
    pub by: String,
    /// Why.
    pub why: String,
    /// When.
    pub at: Timestamp,
}

/// What an agent says about a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcomeOpinion {
    /// The run.
    pub run: ExecutionId,
    /// How it went.
    pub verdict: UseVerdict,
    /// What the client calls itself.
    pub by: String,
    /// Why.
    pub why: String,
    /// When.
    pub at: Timestamp,
}

const REPORTS: &str = "SELECT * FROM outcome_reports WHERE skill_name = ?1 ORDER BY number";
const OPINIONS: &str = "SELECT * FROM outcome_opinions WHERE skill_name = ?1 ORDER BY rowid DESC LIMIT 100";
const OPINION: &str = "INSERT INTO outcome_opinions (execution_id, skill_name, verdict, opinion_by, why, created_at)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (execution_id) DO NOTHING";

fn report(row: &Row<'_>) -> rusqlite::Result<OutcomeReport> {
    Ok(OutcomeReport {
        run: row.get("execution_id")?,
        verdict: row.get("verdict")?,
        fault: row.get("fault")?,
        by: row.get("reported_by")?,
        why: row.get("why")?,
        at: row.get("created_at")?,
    })
}

fn opinion(row: &Row<'_>) -> rusqlite::Result<OutcomeOpinion> {
    Ok(OutcomeOpinion {
        run: row.get("execution_id")?,
        verdict: row.get("verdict")?,
        by: row.get("opinion_by")?,
        why: row.get("why")?,
        at: row.get("created_at")?,
    })
}

impl Ledger {
    /// Records a person's word about a run.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] when there is no such run.
    pub fn report_outcome(&self, report: &OutcomeReport) -> Result<(), LedgerError> {
        let skill = self.execution(report.run)?.record.skill_name;
        self.write(|tx| {
            let number: i64 =
                tx.query_row("SELECT coalesce(max(number), 0) + 1 FROM outcome_reports", [], |row| row.get(0))?;
            tx.insert(
                "outcome_reports",
                &[
                    ("number", &number),
                    ("execution_id", &report.run),
                    ("skill_name", &skill),
                    ("verdict", &report.verdict),
                    ("fault", &report.fault),
                    ("reported_by", &report.by),
                    ("why", &report.why),
                    ("created_at", &report.at),
                ],
            )?;
            let event = NewEvent::new(EventKind::OutcomeReport, &report.run, report.at).row("outcome_reports", &number);
            events::append(tx, &event)
        })
    }

    /// Keeps an agent's opinion about a run. Gives whether it is the first.
    ///
    /// # Errors
    /// [`LedgerError`] when it cannot be written.
    pub fn keep_opinion(
        &self,
        skill: &SkillName,
        run: ExecutionId,
        verdict: UseVerdict,
        why: &str,
        told: Decided<'_>,
    ) -> Result<bool, LedgerError> {
        self.write(|tx| Ok(tx.change(OPINION, params![run, skill, verdict, told.by, why, told.at])? == 1))
    }

    /// What persons said about the runs of a skill, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] when it cannot be read.
    pub fn outcome_reports(&self, skill: &SkillName) -> Result<Vec<OutcomeReport>, LedgerError> {
        let mut statement = self.reader()?.prepare_cached(REPORTS)?;
        Ok(statement.query_map([skill], report)?.collect::<Result<_, _>>()?)
    }

    /// The newest opinions of agents about the runs of a skill, newest first.
    ///
    /// # Errors
    /// [`LedgerError`] when they cannot be read.
    pub fn outcome_opinions(&self, skill: &SkillName) -> Result<Vec<OutcomeOpinion>, LedgerError> {
        let mut statement = self.reader()?.prepare_cached(OPINIONS)?;
        Ok(statement.query_map([skill], opinion)?.collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_about_a_skill_are_found_without_reading_all() -> Result<(), LedgerError> {
        let ledger = Ledger::in_memory()?;
        for sql in [REPORTS, OPINIONS] {
            assert_eq!(crate::ledger::codec::full_scans(&ledger.conn, sql)?, [""; 0]);
        }
        Ok(())
    }
}
