//! Guidance of skills: revisions, and the decisions about which one is published.
//!
//! Guarantees: a revision that was written never changes. What is published is what the newest signed event about it says, and its
//! text has its digest. The revision that is published and the one before it are never the same. A decision names the revision
//! that the person saw, and fails when another one is published by then.
//!
//! Deliberately never: removes a revision.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::events::{self, NewEvent, state};
use super::write_transaction::WriteTransaction;
use super::{Decided, Ledger, LedgerError};
use crate::history::event::EventKind;
use crate::model::{
    digest::Digest,
    guidance::{GuidanceOrigin, GuidanceStep, GuidanceText},
    name::SkillName,
    time::Timestamp,
};

/// One revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuidanceRevision {
    /// The skill.
    pub skill: SkillName,
    /// Its number, from 1.
    pub number: u32,
    /// The text.
    pub body: GuidanceText,
    /// Where the text comes from.
    pub origin: GuidanceOrigin,
    /// Who wrote it.
    pub author: String,
    /// When.
    pub created_at: Timestamp,
}

/// One decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuidanceDecision {
    /// Its number, over all skills.
    pub number: u32,
    /// What was decided.
    pub step: GuidanceStep,
    /// The revision that is published since then.
    pub published: u32,
    /// The one that was published before.
    pub previous: Option<u32>,
    /// Who decided.
    pub by: String,
    /// Why.
    pub why: String,
    /// The number of the newest record of a run then.
    pub after_record: i64,
    /// When.
    pub at: Timestamp,
}

/// A revision to be published.
#[derive(Debug, Clone, Copy)]
pub struct NewGuidance<'a> {
    /// The skill.
    pub skill: &'a SkillName,
    /// The text.
    pub body: &'a GuidanceText,
    /// Where the text comes from.
    pub origin: GuidanceOrigin,
    /// Who wrote it.
    pub author: &'a str,
    /// The revision that the person saw as published.
    pub seen: Option<u32>,
    /// Why it is published.
    pub why: &'a str,
}

const NEWEST: &str = "SELECT * FROM guidance_decisions WHERE skill_name = ?1 ORDER BY number DESC LIMIT 1";
const DECISIONS: &str = "SELECT * FROM guidance_decisions WHERE skill_name = ?1 ORDER BY number";
const REVISION: &str = "SELECT * FROM guidance_revisions WHERE skill_name = ?1 AND number = ?2";
const REVISIONS: &str = "SELECT * FROM guidance_revisions WHERE skill_name = ?1 ORDER BY number";

/// The subject of events about the guidance of a skill.
fn subject(skill: &SkillName) -> String {
    format!("guidance/{skill}")
}

fn decision(row: &Row<'_>) -> rusqlite::Result<GuidanceDecision> {
    Ok(GuidanceDecision {
        number: row.get("number")?,
        step: row.get("step")?,
        published: row.get("published")?,
        previous: row.get("previous")?,
        by: row.get("decided_by")?,
        why: row.get("why")?,
        after_record: row.get("after_record")?,
        at: row.get("created_at")?,
    })
}

/// A revision as it is stored, with the digest that its text must have.
struct StoredRevision {
    text: String,
    sha256: Digest,
    number: u32,
    origin: GuidanceOrigin,
    author: String,
    created_at: Timestamp,
}

fn stored(row: &Row<'_>) -> rusqlite::Result<StoredRevision> {
    Ok(StoredRevision {
        text: row.get("body")?,
        sha256: row.get("sha256")?,
        number: row.get("number")?,
        origin: row.get("origin")?,
        author: row.get("author")?,
        created_at: row.get("created_at")?,
    })
}

fn checked(skill: &SkillName, stored: StoredRevision) -> Result<GuidanceRevision, LedgerError> {
    let StoredRevision { text, sha256, number, origin, author, created_at } = stored;
    // The same text after parsing, too: what is served must be what the digest is of, and not a
    // tidied form of it.
    let body = GuidanceText::parse(&text).ok().filter(|body| body.sha256() == sha256 && body.as_str() == text);
    let body = body.ok_or_else(|| {
        LedgerError::Tampered(format!("revision {number} of the guidance of `{skill}` has another text"))
    })?;
    Ok(GuidanceRevision { skill: skill.clone(), number, body, origin, author, created_at })
}

pub(super) fn newest(conn: &Connection, skill: &SkillName) -> Result<Option<GuidanceDecision>, LedgerError> {
    Ok(conn.prepare_cached(NEWEST)?.query_row([skill], decision).optional()?)
}

pub(super) fn revision(conn: &Connection, skill: &SkillName, number: u32) -> Result<GuidanceRevision, LedgerError> {
    let found = conn.prepare_cached(REVISION)?.query_row(params![skill, number], stored).optional()?;
    let missing = || LedgerError::NotFound { what: "revision of the guidance", key: format!("{skill}@{number}") };
    checked(skill, found.ok_or_else(missing)?)
}

/// A decision to be recorded.
pub(super) struct NewDecision<'a> {
    pub(super) skill: &'a SkillName,
    pub(super) step: GuidanceStep,
    pub(super) published: u32,
    pub(super) previous: Option<u32>,
    pub(super) why: &'a str,
}

/// Records a decision, and gives its number.
pub(super) fn decide(
    tx: &WriteTransaction<'_>,
    new: &NewDecision<'_>,
    decided: Decided<'_>,
) -> Result<u32, LedgerError> {
    let number: u32 =
        tx.query_row("SELECT coalesce(max(number), 0) + 1 FROM guidance_decisions", [], |row| row.get(0))?;
    // Under the write lock. So each record is clearly before or after this decision, whatever the
    // clocks of two processes say.
    let after: i64 = tx.query_row("SELECT coalesce(max(rowid), 0) FROM executions", [], |row| row.get(0))?;
    tx.insert(
        "guidance_decisions",
        &[
            ("number", &number),
            ("skill_name", &new.skill),
            ("step", &new.step),
            ("published", &new.published),
            ("previous", &new.previous),
            ("decided_by", &decided.by),
            ("why", &new.why),
            ("after_record", &after),
            ("created_at", &decided.at),
        ],
    )?;
    let event = NewEvent::new(EventKind::Guidance, &subject(new.skill), decided.at)
        // Both rows: a decision whose revision was edited would publish another text.
        .row("guidance_decisions", &number)
        .row("guidance_revisions", &format!("{}@{}", new.skill, new.published));
    events::append(tx, &event)?;
    Ok(number)
}

impl Ledger {
    /// What is published of a skill; none before the first revision.
    ///
    /// # Errors
    /// [`LedgerError::Tampered`] when it is not what the newest event about it says.
    pub fn published_guidance(&self, skill: &SkillName) -> Result<Option<GuidanceRevision>, LedgerError> {
        let conn = self.reader()?;
        let Some(GuidanceDecision { number, published, .. }) = newest(conn, skill)? else { return Ok(None) };
        state::check_guidance(conn, self.anchor.as_deref(), &subject(skill), number)?;
        revision(conn, skill, published).map(Some)
    }

    /// One revision.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] when there is none.
    pub fn guidance_revision(&self, skill: &SkillName, number: u32) -> Result<GuidanceRevision, LedgerError> {
        revision(self.reader()?, skill, number)
    }

    /// Every revision of a skill, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] when they cannot be read.
    pub fn guidance_revisions(&self, skill: &SkillName) -> Result<Vec<GuidanceRevision>, LedgerError> {
        let mut statement = self.reader()?.prepare_cached(REVISIONS)?;
        let found = statement.query_map([skill], stored)?.collect::<Result<Vec<_>, _>>()?;
        found.into_iter().map(|revision| checked(skill, revision)).collect()
    }

    /// Every decision about a skill, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] when they cannot be read.
    pub fn guidance_decisions(&self, skill: &SkillName) -> Result<Vec<GuidanceDecision>, LedgerError> {
        let mut statement = self.reader()?.prepare_cached(DECISIONS)?;
        Ok(statement.query_map([skill], decision)?.collect::<Result<_, _>>()?)
    }

    /// Writes the next revision of a skill and publishes it.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] when another revision is published than the person saw.
    pub fn publish_guidance(
        &self,
        new: &NewGuidance<'_>,
        decided: Decided<'_>,
    ) -> Result<GuidanceRevision, LedgerError> {
        self.write(|tx| {
            let skill = new.skill;
            let previous = newest(tx, skill)?.map(|newest| newest.published);
            // Compared in the transaction that writes. Two persons who edit at once would otherwise
            // overwrite one another unseen.
            if previous != new.seen {
                return Err(LedgerError::Conflict(format!("the guidance of `{skill}`")));
            }
            let next = "SELECT coalesce(max(number), 0) + 1 FROM guidance_revisions WHERE skill_name = ?1";
            let number: u32 = tx.query_row(next, [skill], |row| row.get(0))?;
            tx.insert(
                "guidance_revisions",
                &[
                    ("id", &format!("{skill}@{number}")),
                    ("skill_name", &skill),
                    ("number", &number),
                    ("body", &new.body.as_str()),
                    ("sha256", &new.body.sha256()),
                    ("origin", &new.origin),
                    ("author", &new.author),
                    ("created_at", &decided.at),
                ],
            )?;
            let step = GuidanceStep::Publish;
            decide(tx, &NewDecision { skill, step, published: number, previous, why: new.why }, decided)?;
            revision(tx, skill, number)
        })
    }

    /// Publishes an earlier revision again. `seen` is the one that the person saw as published.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] when another one is published, [`LedgerError::NotFound`] when there is no such revision,
    /// [`LedgerError::WrongState`] when it is the published one.
    pub fn roll_back_guidance(
        &self,
        rollback: &GuidanceRollback<'_>,
        decided: Decided<'_>,
    ) -> Result<GuidanceRevision, LedgerError> {
        let GuidanceRollback { skill, to, seen, why } = *rollback;
        self.write(|tx| {
            let published = newest(tx, skill)?.map(|newest| newest.published);
            if published != Some(seen) {
                return Err(LedgerError::Conflict(format!("the guidance of `{skill}`")));
            }
            if to == seen {
                let (id, found) = (format!("{skill}@{to}"), "published".to_owned());
                return Err(LedgerError::WrongState { what: "guidance", id, found, step: "roll back to" });
            }
            let target = revision(tx, skill, to)?;
            let (step, previous) = (GuidanceStep::Rollback, Some(seen));
            decide(tx, &NewDecision { skill, step, published: to, previous, why }, decided)?;
            Ok(target)
        })
    }
}

/// An earlier revision that is to be published again.
#[derive(Debug, Clone, Copy)]
pub struct GuidanceRollback<'a> {
    /// The skill.
    pub skill: &'a SkillName,
    /// The revision.
    pub to: u32,
    /// The revision that is published now.
    pub seen: u32,
    /// Why.
    pub why: &'a str,
}

#[cfg(test)]
#[path = "guidance_tests.rs"]
mod tests;
