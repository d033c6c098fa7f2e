//! Texts of runs that persons saw and released.
//!
//! Guarantees: a text that was released never changes, and is an event of the history with its digest. One that is not what its
//! event says is an error, so no text leaves that nobody released.
//!
//! Deliberately never: removes a text. What has left cannot be taken back.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension as _, Row};

use super::events::{self, NewEvent, state};
use super::{Decided, Ledger, LedgerError};
use crate::history::event::EventKind;
use crate::model::{
    digest::Digest,
    evidence::{EvidenceText, RunEvidence},
    id::ExecutionId,
    name::SkillName,
    time::Timestamp,
};

/// A text that a person released.
#[derive(Debug, Clone, PartialEq)]
pub struct ReleasedEvidence {
    /// Its number, over all skills.
    pub number: u32,
    /// What it says.
    pub evidence: RunEvidence,
    /// The digest of the text.
    pub sha256: Digest,
    /// Whether it is kept from the writer of a guidance. A run keeps that when its text is released again.
    pub held_out: bool,
    /// Who released it.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

const OF_SKILL: &str = "SELECT * FROM released_evidence WHERE skill_name = ?1 ORDER BY number";
const NEXT: &str = "SELECT coalesce(max(number), 0) + 1 FROM released_evidence";

const EARLIER: &str = "SELECT held_out FROM released_evidence WHERE execution_id = ?1 LIMIT 1";
/// Every second run, from the second one on.
const HELD_OUT: &str = "SELECT count(DISTINCT execution_id) % 2 FROM released_evidence WHERE skill_name = ?1";

/// A text as it is stored.
struct StoredEvidence {
    number: u32,
    run: ExecutionId,
    body: String,
    sha256: Digest,
    held_out: bool,
    by: String,
    at: Timestamp,
}

fn stored(row: &Row<'_>) -> rusqlite::Result<StoredEvidence> {
    Ok(StoredEvidence {
        number: row.get("number")?,
        run: row.get("execution_id")?,
        body: row.get("body")?,
        sha256: row.get("sha256")?,
        held_out: row.get("held_out")?,
        by: row.get("released_by")?,
        at: row.get("created_at")?,
    })
}

fn checked(skill: &SkillName, stored: StoredEvidence) -> Result<ReleasedEvidence, LedgerError> {
    let StoredEvidence { number, run, body, sha256, held_out, by, at } = stored;
    let evidence = RunEvidence::parse(&body)
        .ok()
        .filter(|evidence| Digest::of(body.as_bytes()) == sha256 && evidence.run == run && evidence.skill == *skill);
    let evidence = evidence.ok_or_else(|| LedgerError::Tampered(format!("{} has another text", subject(number))))?;
    Ok(ReleasedEvidence { number, evidence, sha256, held_out, by, at })
}

/// The subject of the event about a text.
fn subject(number: u32) -> String {
    format!("evidence/{number}")
}

impl Ledger {
    /// Records that a person released a text of evidence.
    ///
    /// # Errors
    /// [`LedgerError`] when it cannot be written.
    pub fn release_evidence(
        &self,
        evidence: &RunEvidence,
        text: &EvidenceText,
        decided: Decided<'_>,
    ) -> Result<(), LedgerError> {
        self.write(|tx| {
            let number: u32 = tx.query_row(NEXT, [], |row| row.get(0))?;
            let earlier = tx.query_row(EARLIER, [&evidence.run], |row| row.get(0)).optional()?;
            // A run that is released again stays on its side. Otherwise a text that the writer saw
            // could become one that the judge uses.
            let held_out: bool = match earlier {
                Some(held_out) => held_out,
                None => tx.query_row(HELD_OUT, [&evidence.skill], |row| row.get(0))?,
            };
            tx.insert(
                "released_evidence",
                &[
                    ("number", &number),
                    ("execution_id", &evidence.run),
                    ("skill_name", &evidence.skill),
                    ("body", &text.as_str()),
                    ("sha256", &text.sha256()),
                    ("held_out", &held_out),
                    ("released_by", &decided.by),
                    ("created_at", &decided.at),
                ],
            )?;
            let event =
                NewEvent::new(EventKind::Evidence, &subject(number), decided.at).row("released_evidence", &number);
            events::append(tx, &event)
        })
    }

    /// The newest released text of each run of a skill, in the order of their release.
    ///
    /// # Errors
    /// [`LedgerError::Tampered`] when one is not what its event says.
    pub fn released_evidence(&self, skill: &SkillName) -> Result<Vec<ReleasedEvidence>, LedgerError> {
        let conn = self.reader()?;
        let found = conn.prepare_cached(OF_SKILL)?.query_map([skill], stored)?.collect::<Result<Vec<_>, _>>()?;
        let mut newest = BTreeMap::new();
        for row in found {
            newest.insert(row.run, row);
        }
        let mut released = Vec::new();
        for row in newest.into_values() {
            state::check_subject(conn, self.anchor.as_deref(), &subject(row.number), Some(EventKind::Evidence))?;
            released.push(checked(skill, row)?);
        }
        released.sort_by_key(|released| released.number);
        Ok(released)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn evidence(error: &str) -> Result<RunEvidence, Box<dyn std::error::Error>> {
        Ok(RunEvidence {
            run: ExecutionId::parse("0198c0de-0000-7000-8000-000000000001")?,
            skill: SkillName::parse("peek")?,
            input: json!({ "path": "a.md" }),
            output: None,
            error: Some(error.to_owned()),
            now: None,
            expect: None,
        })
    }

    fn release(ledger: &Ledger, error: &str) -> Result<(), Box<dyn std::error::Error>> {
        let (evidence, at) = (evidence(error)?, Timestamp::from_millis(0)?);
        Ok(ledger.release_evidence(&evidence, &evidence.text()?, Decided { by: "ada", at })?)
    }

    #[test]
    fn the_newest_text_of_a_run_counts() -> Result<(), Box<dyn std::error::Error>> {
        let (ledger, skill) = (Ledger::in_memory()?, SkillName::parse("peek")?);
        assert_eq!(ledger.released_evidence(&skill)?, []);
        release(&ledger, "one")?;
        release(&ledger, "two")?;
        let found = ledger.released_evidence(&skill)?;
        let said: Vec<_> = found.iter().map(|it| (it.number, it.evidence.error.as_deref(), it.by.as_str())).collect();
        assert_eq!(said, [(2, Some("two"), "ada")]);
        assert_eq!(crate::ledger::codec::full_scans(&ledger.conn, OF_SKILL)?, [""; 0]);
        Ok(())
    }

    #[test]
    fn a_text_that_nobody_released_does_not_leave() -> Result<(), Box<dyn std::error::Error>> {
        let skill = SkillName::parse("peek")?;
        for forged in [
            "UPDATE released_evidence SET body = replace(body, 'a.md', 'b.md')",
            "UPDATE released_evidence SET released_by = 'eve'",
            "INSERT INTO released_evidence SELECT 2, execution_id, skill_name, body, sha256, 0, 'eve', created_at FROM released_evidence",
        ] {
            let ledger = Ledger::in_memory()?;
            release(&ledger, "one")?;
            assert_eq!(ledger.conn.execute(forged, [])?, 1, "{forged}");
            let found = ledger.released_evidence(&skill);
            assert!(matches!(found, Err(LedgerError::Tampered(_))), "{forged}: {found:?}");
        }
        Ok(())
    }
}
