//! How often a skill called the hosts of a rule within the last hour.
//!
//! Guarantees: a call is counted before it is made, in one transaction with the look at the count. So many runs at once, of many
//! processes, together make no more calls than the rule allows. A count that cannot be written allows nothing.
//!
//! Deliberately never: says what was asked, or of whom. The record of the run does.

use std::path::PathBuf;

use super::write_transaction::write_unanchored;
use super::{Create, Ledger, LedgerError};
use crate::model::{exchange::CallBudget, host_rule::HostRule, name::SkillName, time::Clock};

const HOUR_MS: i64 = 3_600_000;

/// The calls of one skill. It opens a connection of its own, because the run's belongs to another thread.
#[derive(Debug)]
pub struct NetworkBudget<'c> {
    path: PathBuf,
    skill: SkillName,
    clock: &'c dyn Clock,
    ledger: Option<Ledger>,
}

impl Ledger {
    /// Counts the calls of a skill, on any thread.
    pub fn network_budget<'c>(&self, skill: &SkillName, clock: &'c dyn Clock) -> NetworkBudget<'c> {
        let path = self.conn.path().unwrap_or_default().into();
        NetworkBudget { path, skill: skill.clone(), clock, ledger: None }
    }
}

impl NetworkBudget<'_> {
    fn count(&mut self, rule: &HostRule) -> Result<bool, LedgerError> {
        // Only for the first call: most runs of such a skill make few.
        let ledger = match self.ledger.take() {
            Some(ledger) => ledger,
            None => Ledger::open(&self.path, Create::Never)?,
        };
        let ledger = self.ledger.insert(ledger);
        let now = self.clock.now().as_millis();
        let (skill, text) = (self.skill.as_str(), rule.to_string());
        let most = i64::try_from(rule.limits.calls_per_hour).unwrap_or(i64::MAX);
        write_unanchored(ledger, |tx| {
            tx.change("DELETE FROM network_calls WHERE at_ms <= ?1", [now.saturating_sub(HOUR_MS)])?;
            let count = "SELECT count(*) FROM network_calls WHERE skill_name = ?1 AND rule = ?2";
            let made: i64 = tx.prepare_cached(count)?.query_row([skill, &text], |row| row.get(0))?;
            if made >= most {
                return Ok(false);
            }
            tx.insert("network_calls", &[("skill_name", &skill), ("rule", &text), ("at_ms", &now)])?;
            Ok(true)
        })
    }
}

impl CallBudget for NetworkBudget<'_> {
    fn grant(&mut self, rule: &HostRule) -> Result<(), String> {
        match self.count(rule) {
            Ok(true) => Ok(()),
            Ok(false) => {
                let most = rule.limits.calls_per_hour;
                Err(format!("the {most} requests of `calls_per_hour` of rule `{rule}` were made"))
            }
            Err(_) => Err("the ledger cannot count the request".to_owned()),
        }
    }
}
