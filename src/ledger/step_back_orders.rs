//! Standing orders of persons: the guidance of a skill may step back to a revision by itself.
//!
//! Guarantees: an order is a decision of the history, and needs the signature that a rollback needs. It is used once: the step
//! back and the end of the order are written together. An order whose end was removed is refused.
//!
//! Deliberately never: compares the time of an order with a clock; whoever uses it does.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::events::{self, NewEvent, images, state};
use super::guidance::{self, NewDecision};
use super::write_transaction::{WriteTransaction, write_decision};
use super::{Decided, GuidanceRevision, Ledger, LedgerError};
use crate::history::event::EventKind;
use crate::model::{guidance::GuidanceStep, name::SkillName, time::Timestamp};

/// One order.
#[derive(Debug, Clone, PartialEq)]
pub struct StepBackOrder {
    /// Its number, over all skills.
    pub number: u32,
    /// The skill.
    pub skill: SkillName,
    /// The revision of the guidance that may be published again.
    pub to: u32,
    /// When it expires.
    pub until: Timestamp,
    /// Who gave it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// How it ended before its time, if it did.
    pub end: Option<StepBackEnd>,
}

/// How an order ended before its time.
#[derive(Debug, Clone, PartialEq)]
pub struct StepBackEnd {
    /// The e-value by which it was used; none where a person withdrew it.
    pub e_value: Option<f64>,
    /// Who or what ended it.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// A step back under an order.
#[derive(Debug, Clone, Copy)]
pub struct NewStepBack<'a> {
    /// The order.
    pub order: &'a StepBackOrder,
    /// The revision that is published now.
    pub seen: u32,
    /// The evidence against it.
    pub e_value: f64,
    /// Why, in words.
    pub why: &'a str,
    /// When.
    pub at: Timestamp,
}

const SELECT: &str = "SELECT o.*, e.e_value, e.ended_by, e.created_at AS ended_at FROM step_back_orders AS o
     LEFT JOIN step_back_ends AS e ON e.order_number = o.number";
const PUBLISHED_BEFORE: &str =
    "SELECT EXISTS (SELECT 1 FROM guidance_decisions WHERE skill_name = ?1 AND published = ?2)";

fn newest_of_skill() -> String {
    format!("{SELECT} WHERE o.skill_name = ?1 ORDER BY o.number DESC LIMIT 1")
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<StepBackOrder> {
    let end = match row.get::<_, Option<String>>("ended_by")? {
        Some(by) => Some(StepBackEnd { e_value: row.get("e_value")?, by, at: row.get("ended_at")? }),
        None => None,
    };
    Ok(StepBackOrder {
        number: row.get("number")?,
        skill: row.get("skill_name")?,
        to: row.get("target")?,
        until: row.get("valid_until")?,
        by: row.get("ordered_by")?,
        at: row.get("created_at")?,
        end,
    })
}

/// The subject of events about an order.
fn subject(number: u32) -> String {
    format!("standing-order/{number}")
}

fn newest(conn: &Connection, skill: &SkillName) -> Result<Option<StepBackOrder>, LedgerError> {
    Ok(conn.prepare_cached(&newest_of_skill())?.query_row([skill], from_row).optional()?)
}

/// Writes how an order ended. Its event needs no signature: it takes a right away, or follows from the signed order.
fn end(
    tx: &WriteTransaction<'_>,
    number: u32,
    decision: Option<(u32, f64)>,
    ended: Decided<'_>,
) -> Result<(), LedgerError> {
    let (decision, e_value) = decision.unzip();
    tx.insert(
        "step_back_ends",
        &[
            ("order_number", &number),
            ("decision", &decision),
            ("e_value", &e_value),
            ("ended_by", &ended.by),
            ("created_at", &ended.at),
        ],
    )?;
    events::append(tx, &NewEvent::new(EventKind::Guidance, &subject(number), ended.at).row("step_back_ends", &number))
}

impl Ledger {
    /// Gives an order, in place of the one before.
    ///
    /// # Errors
    /// [`LedgerError::WrongState`] when the revision was never published, [`LedgerError::NotApproved`] without a signature where
    /// a rollback needs one.
    pub fn give_step_back_order(
        &self,
        skill: &SkillName,
        to: u32,
        until: Timestamp,
        decided: Decided<'_>,
    ) -> Result<StepBackOrder, LedgerError> {
        write_decision(self, |tx| {
            // A revision that a person never published would become guidance without a person's
            // decision.
            if !tx.query_row(PUBLISHED_BEFORE, params![skill, to], |row| row.get(0))? {
                let (id, found) = (format!("{skill}@{to}"), "never published".to_owned());
                return Err(LedgerError::WrongState { what: "guidance", id, found, step: "order a step back to" });
            }
            let next = "SELECT coalesce(max(number), 0) + 1 FROM step_back_orders";
            let number: u32 = tx.query_row(next, [], |row| row.get(0))?;
            tx.insert(
                "step_back_orders",
                &[
                    ("number", &number),
                    ("skill_name", &skill),
                    ("target", &to),
                    ("valid_until", &until),
                    ("ordered_by", &decided.by),
                    ("created_at", &decided.at),
                ],
            )?;
            // The text of the revision is in the event too. Else one could edit it after the person
            // signed.
            let event = NewEvent::new(EventKind::StandingOrder, &subject(number), decided.at)
                .row("step_back_orders", &number)
                .row("guidance_revisions", &format!("{skill}@{to}"));
            events::append(tx, &event)?;
            let order = newest(tx, skill)?;
            order.ok_or_else(|| LedgerError::NotFound { what: "standing order", key: number.to_string() })
        })
    }

    /// Withdraws the newest order of a skill.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] when there is none that has not ended.
    pub fn withdraw_step_back_order(&self, skill: &SkillName, decided: Decided<'_>) -> Result<u32, LedgerError> {
        self.write(|tx| {
            let open = newest(tx, skill)?.filter(|order| order.end.is_none());
            let missing = || LedgerError::NotFound { what: "standing order", key: skill.to_string() };
            let number = open.ok_or_else(missing)?.number;
            end(tx, number, None, decided)?;
            Ok(number)
        })
    }

    /// Every order, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] when they cannot be read.
    pub fn step_back_orders(&self) -> Result<Vec<StepBackOrder>, LedgerError> {
        let mut statement = self.reader()?.prepare_cached(&format!("{SELECT} ORDER BY o.number"))?;
        Ok(statement.query_map([], from_row)?.collect::<Result<_, _>>()?)
    }

    /// The newest order of a skill, if it has not ended. It may have expired.
    ///
    /// # Errors
    /// [`LedgerError::Tampered`] when it is not what its events say.
    pub fn open_step_back_order(&self, skill: &SkillName) -> Result<Option<StepBackOrder>, LedgerError> {
        let conn = self.reader()?;
        let Some(order) = newest(conn, skill)? else { return Ok(None) };
        let about = subject(order.number);
        state::check_subject(conn, self.anchor.as_deref(), &about, Some(EventKind::StandingOrder))?;
        // An end that was removed would let the order be used again.
        if let Some(ended) = images::newest_about(conn, &about, Some(EventKind::Guidance))? {
            ended.check_rows(conn)?;
        }
        Ok(Some(order).filter(|order| order.end.is_none()))
    }

    /// Publishes the revision of an order again, and ends the order.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] when another revision is published, or the order ended or is not the newest by now.
    pub fn step_back(&self, step: &NewStepBack<'_>) -> Result<GuidanceRevision, LedgerError> {
        let NewStepBack { order, seen, e_value, why, at } = *step;
        let skill = &order.skill;
        let by = format!("{} (standing order {})", order.by, order.number);
        self.write(|tx| {
            let open = newest(tx, skill)?.filter(|newest| newest.end.is_none() && newest.number == order.number);
            let published = guidance::newest(tx, skill)?.map(|newest| newest.published);
            if open.is_none() || published != Some(seen) || order.to == seen {
                return Err(LedgerError::Conflict(format!("the guidance of `{skill}`")));
            }
            let target = guidance::revision(tx, skill, order.to)?;
            let decided = Decided { by: &by, at };
            let (step, previous) = (GuidanceStep::StepBack, Some(seen));
            let decision =
                guidance::decide(tx, &NewDecision { skill, step, published: order.to, previous, why }, decided)?;
            end(tx, order.number, Some((decision, e_value)), decided)?;
            Ok(target)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::NewGuidance;
    use crate::model::guidance::{GuidanceOrigin, GuidanceText};

    type Tested = Result<(), Box<dyn std::error::Error>>;

    fn two_revisions() -> Result<(Ledger, SkillName, Timestamp), Box<dyn std::error::Error>> {
        let (ledger, skill, at) = (Ledger::in_memory()?, SkillName::parse("peek")?, Timestamp::from_millis(0)?);
        for (text, seen) in [("one", None), ("two", Some(1))] {
            let body = GuidanceText::parse(text)?;
            let origin = GuidanceOrigin::Person;
            let new = NewGuidance { skill: &skill, body: &body, origin, author: "ada", seen, why: "a test" };
            ledger.publish_guidance(&new, Decided { by: "ada", at })?;
        }
        Ok((ledger, skill, at))
    }

    #[test]
    fn an_order_is_used_once_and_only_the_newest_counts() -> Tested {
        let (ledger, skill, at) = two_revisions()?;
        let decided = Decided { by: "ada", at };
        assert!(ledger.give_step_back_order(&skill, 3, at, decided).is_err(), "there is no such revision");
        let older = ledger.give_step_back_order(&skill, 1, at, decided)?;
        let order = ledger.give_step_back_order(&skill, 1, at, decided)?;
        let step = |order| NewStepBack { order, seen: 2, e_value: 21.0, why: "worse", at };
        assert!(matches!(ledger.step_back(&step(&older)), Err(LedgerError::Conflict(_))), "it was replaced");
        assert_eq!(ledger.open_step_back_order(&skill)?, Some(order.clone()));
        assert_eq!(ledger.step_back(&step(&order))?.number, 1);
        assert!(matches!(ledger.step_back(&step(&order)), Err(LedgerError::Conflict(_))));
        assert_eq!(ledger.open_step_back_order(&skill)?, None);
        let newest = ledger.guidance_decisions(&skill)?.pop().ok_or("no decision")?;
        assert_eq!((newest.step, newest.by.as_str()), (GuidanceStep::StepBack, "ada (standing order 2)"));
        assert_eq!(ledger.step_back_orders()?[1].end.as_ref().and_then(|end| end.e_value), Some(21.0));
        assert!(matches!(ledger.withdraw_step_back_order(&skill, decided), Err(LedgerError::NotFound { .. })));
        assert!(ledger.audit_history()?.problems.is_empty());
        assert_eq!(crate::ledger::codec::full_scans(&ledger.conn, &newest_of_skill())?, [""; 0]);
        Ok(())
    }

    #[test]
    fn an_order_that_was_edited_or_revived_is_refused() -> Tested {
        for forged in [
            "UPDATE step_back_orders SET valid_until = '2099-01-01T00:00:00.000Z'",
            "INSERT INTO step_back_orders SELECT 2, skill_name, 2, valid_until, 'eve', created_at FROM step_back_orders",
            "DELETE FROM step_back_ends",
        ] {
            let (ledger, skill, at) = two_revisions()?;
            ledger.give_step_back_order(&skill, 1, at, Decided { by: "ada", at })?;
            if forged.starts_with("DELETE") {
                ledger.withdraw_step_back_order(&skill, Decided { by: "ada", at })?;
            }
            assert_eq!(ledger.conn.execute(forged, [])?, 1, "{forged}");
            let found = ledger.open_step_back_order(&skill);
            assert!(matches!(found, Err(LedgerError::Tampered(_))), "{forged}: {found:?}");
        }
        Ok(())
    }
}
