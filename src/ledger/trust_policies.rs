//! The policy in force: what decisions need, who may sign them, and what channels may do.
//!
//! Guarantees: each change is a row and an event, and the newest row counts. Once there is a signer, a change is signed by one.
//! Deliberately never: reads kavi.toml.

use rusqlite::{Connection, OptionalExtension as _};

use super::events::seal;
use super::events::state::{self, StateKey};
use super::events::{self, NewEvent, approvals};
use super::write_transaction::write_decision;
use super::{Decided, Ledger, LedgerError, codec};
use crate::history::event::EventKind;
use crate::history::signers::Signer;
use crate::history::trust_policy::TrustPolicy;
use crate::model::id::ProposalId;

/// A policy that is to be in force.
#[derive(Debug)]
pub struct PolicyChange<'a> {
    /// The policy that it was made from; none before the first.
    pub from: Option<&'a TrustPolicy>,
    /// The policy.
    pub to: &'a TrustPolicy,
}

impl Ledger {
    /// The policy in force; none when there never was one.
    ///
    /// # Errors
    /// [`LedgerError`] when it cannot be read.
    pub fn trust_policy(&self) -> Result<Option<TrustPolicy>, LedgerError> {
        approvals::policy(self.reader()?)
    }

    /// Every signer of every policy that was in force, newest first, each key once for each span of time.
    ///
    /// # Errors
    /// [`LedgerError`] when it cannot be read.
    pub fn every_signer(&self) -> Result<Vec<Signer>, LedgerError> {
        let mut statement = self.reader()?.prepare("SELECT policy FROM trust_policies ORDER BY number DESC")?;
        let mut all: Vec<Signer> = Vec::new();
        for text in statement.query_map([], |row| row.get::<_, String>(0))? {
            let policy = TrustPolicy::parse(&text?).map_err(|error| LedgerError::BadValue(error.to_string()))?;
            policy.signers.into_iter().for_each(|signer| {
                if !all.contains(&signer) {
                    all.push(signer);
                }
            });
        }
        Ok(all)
    }

    /// Checks that a checkpoint that somebody kept is one of this ledger.
    ///
    /// # Errors
    /// [`LedgerError::Anchor`] when it is not.
    pub fn check_witnessed(&self, note: &str) -> Result<(), LedgerError> {
        seal::check_witnessed(self.reader()?, note)
    }

    /// Every id that the workspace has or had.
    ///
    /// # Errors
    /// [`LedgerError`] when the history cannot be read.
    pub fn workspace_ids(&self) -> Result<Vec<String>, LedgerError> {
        events::begin::workspace_ids(self.reader()?)
    }

    /// The bytes of the event by which a proposal was trusted last.
    ///
    /// # Errors
    /// [`LedgerError`] when the history cannot be read.
    pub fn trust_event(&self, proposal: ProposalId) -> Result<Option<String>, LedgerError> {
        let sql = "SELECT h.body FROM promotions p JOIN history h ON h.subject = p.id
             WHERE p.proposal_id = ?1 AND h.kind IN ('promotion', 'rollback') ORDER BY h.position DESC LIMIT 1";
        Ok(self.reader()?.query_row(sql, [proposal], |row| row.get(0)).optional()?.flatten())
    }

    /// The bytes of the newest event of a kind.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] when there is none, another [`LedgerError`] when the history cannot be read.
    pub fn newest_decision(&self, kind: EventKind) -> Result<String, LedgerError> {
        let sql = "SELECT body FROM history WHERE kind = ?1 ORDER BY position DESC LIMIT 1";
        let found: Option<Option<String>> =
            self.reader()?.query_row(sql, [kind.as_str()], |row| row.get(0)).optional()?;
        let missing = || LedgerError::NotFound { what: "decision", key: kind.as_str().to_owned() };
        found.flatten().ok_or_else(missing)
    }

    /// Puts a policy into force.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] when another one is in force by now, [`LedgerError::NotApproved`] without the signature of a signer.
    pub fn change_policy(&self, change: &PolicyChange<'_>, decided: Decided<'_>) -> Result<(), LedgerError> {
        if self.anchor.is_none() {
            return Err(LedgerError::UnusableAnchor("nothing signs the history".to_owned()));
        }
        write_decision(self, |tx| {
            state::check_trust_policy(tx, tx.log().anchor())?;
            let before = approvals::policy(tx)?;
            if before.as_ref() != change.from {
                return Err(LedgerError::Conflict("the policy".to_owned()));
            }
            let number = next(tx)?;
            let text = codec::to_json(change.to)?;
            tx.insert(
                "trust_policies",
                &[("number", &number), ("policy", &text), ("decided_by", &decided.by), ("created_at", &decided.at)],
            )?;
            let same_signers = before.as_ref().is_some_and(|before| before.signers == change.to.signers);
            let kind = if same_signers { EventKind::TrustPolicy } else { EventKind::Signers };
            let policy = serde_json::to_value(change.to).map_err(|error| LedgerError::BadValue(error.to_string()))?;
            let event = NewEvent::new(kind, &number, decided.at)
                .row("trust_policies", &number)
                .changing(StateKey::TrustPolicy)
                .detail(serde_json::json!({ "policy": policy }));
            events::append(tx, &event)
        })
    }
}

fn next(conn: &Connection) -> Result<i64, LedgerError> {
    Ok(conn.query_row("SELECT coalesce(max(number), 0) + 1 FROM trust_policies", [], |row| row.get(0))?)
}
