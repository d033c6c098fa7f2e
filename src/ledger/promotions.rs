//! Decisions of people: promote, rollback, revoke. Each is one transaction that checks again what it rests on.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::events::state::{self, StateKey};
use super::events::{self, NewEvent};
use super::write_transaction::{WriteTransaction, write_decision};
use super::{
    Ledger, LedgerError, Proposal, SignedEnvelope, builds, codec, integrity, proposals, statements, verifications,
};
use crate::history::event::EventKind;
use crate::model::{
    digest::Digest,
    id::{PromotionId, ProposalId, VerificationId},
    lifecycle::{Decision, ProposalStatus, Verdict},
    limits::Narrowed,
    name::SkillName,
    time::Timestamp,
};

/// One decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promotion {
    /// Its id.
    pub id: PromotionId,
    /// The proposal whose state it changed.
    pub proposal_id: ProposalId,
    /// What was decided.
    pub decision: Decision,
    /// The state before.
    pub from_status: ProposalStatus,
    /// The state after.
    pub to_status: ProposalStatus,
    /// The component it is about.
    pub component_sha256: Digest,
    /// The spec it is about.
    pub spec_sha256: Digest,
    /// The verification it rests on.
    pub verification_id: Option<VerificationId>,
    /// Who decided.
    pub approved_by: String,
    /// Why, where a reason is asked for.
    pub reason: Option<String>,
    /// When.
    pub created_at: Timestamp,
}

/// Who decided, why and when.
#[derive(Debug, Clone)]
pub struct PromotionRequest {
    /// The id of the decision.
    pub id: PromotionId,
    /// Who decided.
    pub approved_by: String,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Promotion> {
    Ok(Promotion {
        id: row.get("id")?,
        proposal_id: row.get("proposal_id")?,
        decision: row.get("decision")?,
        from_status: row.get("from_status")?,
        to_status: row.get("to_status")?,
        component_sha256: row.get("component_sha256")?,
        spec_sha256: row.get("spec_sha256")?,
        verification_id: row.get("verification_id")?,
        approved_by: row.get("approved_by")?,
        reason: row.get("reason")?,
        created_at: row.get("created_at")?,
    })
}

/// What a person saw of one proposal, and their decision to trust it.
#[derive(Debug, Clone)]
pub struct PromotionSubject<'a> {
    /// The proposal.
    pub id: ProposalId,
    /// Its newest verification.
    pub verification: VerificationId,
    /// The component that passed it, and whose bytes lie in the store.
    pub component: Digest,
    /// Fixed with the trust, and given back with it.
    pub limits: &'a Narrowed,
    /// The decision.
    pub request: PromotionRequest,
    /// What is stated about it, signed.
    pub statements: Vec<SignedEnvelope>,
}

impl Ledger {
    /// VERIFIED → TRUSTED as the next revision of its name; the revision that was active becomes SUPERSEDED. What each
    /// parameter means, [`PromotionSubject`] says.
    ///
    /// # Errors
    /// [`LedgerError::WrongState`] or [`LedgerError::Conflict`] when the proposal is not exactly what was shown.
    pub fn promote(
        &self,
        id: ProposalId,
        verification: VerificationId,
        component: Digest,
        limits: &Narrowed,
        request: &PromotionRequest,
    ) -> Result<Proposal, LedgerError> {
        let (request, statements) = (request.clone(), Vec::new());
        let subject = PromotionSubject { id, verification, component, limits, request, statements };
        write_decision(self, |tx| promote(tx, &subject))
    }

    /// The same for several proposals, in one transaction: all of them, or none.
    ///
    /// # Errors
    /// As of [`Self::promote`], for the first that is not exactly what was shown.
    pub fn promote_all(&self, subjects: &[PromotionSubject<'_>]) -> Result<Vec<Proposal>, LedgerError> {
        write_decision(self, |tx| subjects.iter().map(|subject| promote(tx, subject)).collect())
    }

    /// What a rollback would go back to: the newest superseded revision before the active one, or before the newest
    /// one when none is active.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] when there is none.
    pub fn rollback_target(&self, name: &SkillName) -> Result<Proposal, LedgerError> {
        rollback_target(self.reader()?, name)
    }

    /// Back to `target`, which [`Ledger::rollback_target`] gave.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] when another process decided something in between.
    pub fn rollback(
        &self,
        name: &SkillName,
        target: ProposalId,
        request: &PromotionRequest,
    ) -> Result<Proposal, LedgerError> {
        write_decision(self, |tx| {
            integrity::check(tx, &integrity::OF_TRUST)?;
            check_skill(tx, name)?;
            // The person confirmed one target. Another decision in between may have made a
            // different one the newest.
            if rollback_target(tx, name)?.id != target {
                return Err(LedgerError::Conflict(format!("skill {name}")));
            }
            let superseded = supersede(tx, name)?;
            tx.change("UPDATE skill_proposals SET status = 'TRUSTED' WHERE id = ?1", [target])?;
            let (id, from) = (target, ProposalStatus::Superseded);
            let decision = Decision::Rollback;
            record(tx, Recorded { decision, id, from, verification: None, superseded, statements: &[] }, request)
        })
    }

    /// Takes the trust in a revision back for good. Without a revision: the active one.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] when there is no such revision, [`LedgerError::WrongState`] when it is revoked already.
    pub fn revoke(
        &self,
        name: &SkillName,
        revision: Option<u32>,
        request: &PromotionRequest,
    ) -> Result<Proposal, LedgerError> {
        self.write(|tx| {
            check_skill(tx, name)?;
            let key = revision.map_or_else(|| name.to_string(), |revision| format!("{name}@{revision}"));
            let id: Option<ProposalId> = match revision {
                Some(revision) => tx
                    .query_row(
                        "SELECT id FROM skill_proposals WHERE name = ?1 AND revision = ?2",
                        params![name, revision],
                        |row| row.get(0),
                    )
                    .optional()?,
                None => proposals::trusted(tx, name)?.map(|active| active.id),
            };
            let id = id.ok_or(LedgerError::NotFound { what: "trusted skill", key })?;
            // A superseded revision can be revoked too, since a rollback could make it active
            // again.
            let from = [ProposalStatus::Trusted, ProposalStatus::Superseded];
            let was = proposals::step(tx, id, &from, ProposalStatus::Revoked, "revoke")?;
            let decision = Decision::Revoke;
            let recorded = Recorded { decision, id, from: was, verification: None, superseded: None, statements: &[] };
            record(tx, recorded, request)
        })
    }

    /// The decisions about a proposal, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn promotions_of(&self, proposal: ProposalId) -> Result<Vec<Promotion>, LedgerError> {
        let mut statement = self.reader()?.prepare("SELECT * FROM promotions WHERE proposal_id = ?1 ORDER BY rowid")?;
        Ok(statement.query_map([proposal], from_row)?.collect::<Result<_, _>>()?)
    }
}

fn promote(tx: &WriteTransaction<'_>, subject: &PromotionSubject<'_>) -> Result<Proposal, LedgerError> {
    let PromotionSubject { id, verification, component, limits, ref request, ref statements } = *subject;
    integrity::check(tx, &integrity::OF_TRUST)?;
    let proposal = proposals::get(tx, id)?;
    check_skill(tx, &proposal.spec.name)?;
    // What was decided in the meantime differs from the verification's event, and is no edit.
    if proposal.status != ProposalStatus::Verified {
        return Err(wrong_state(id, proposal.status, "promote"));
    }
    state::check_subject(tx, tx.log().anchor(), &verification, Some(EventKind::Verification))?;
    let changed = || LedgerError::Conflict(format!("proposal {id}"));
    // A person saw a report minutes ago. Everything it showed is compared again under the
    // write lock, so that the decision applies to exactly these bytes.
    let checked = verifications::latest(tx, id)?.ok_or_else(changed)?;
    let built = builds::latest(tx, id)?.ok_or_else(changed)?;
    let same = checked.id == verification
        && checked.status == Verdict::Passed
        && checked.component_sha256 == Some(component)
        // A build that came after the verification was never checked, even if the proposal
        // still says VERIFIED.
        && built.id == checked.build_id
        && built.snapshot_sha256 == Some(checked.snapshot_sha256);
    if !same {
        return Err(changed());
    }
    // Before the new one becomes TRUSTED: an index allows one trusted revision for a name.
    let superseded = supersede(tx, &proposal.spec.name)?;
    // Read after the update above: if the active revision is this proposal, it is
    // SUPERSEDED now and is refused.
    let from = proposals::get(tx, id)?.status;
    if from != ProposalStatus::Verified {
        return Err(wrong_state(id, from, "promote"));
    }
    tx.change(
        "UPDATE skill_proposals SET status = 'TRUSTED', component_sha256 = ?2, snapshot_sha256 = ?3,
             limits_json = ?5,
             revision = (SELECT coalesce(max(revision), 0) + 1 FROM skill_proposals WHERE name = ?4)
         WHERE id = ?1",
        params![id, component, checked.snapshot_sha256, proposal.spec.name, codec::to_json(limits)?],
    )?;
    let verification = Some(verification);
    record(tx, Recorded { decision: Decision::Promote, id, from, verification, superseded, statements }, request)
}

fn rollback_target(conn: &Connection, name: &SkillName) -> Result<Proposal, LedgerError> {
    let active = proposals::trusted(conn, name)?;
    // Two rollbacks in a row go back two revisions. Without the bound the second would return to
    // the revision that was just left.
    let below = active.and_then(|active| active.trust).map_or(u32::MAX, |trust| trust.revision);
    let sql = "SELECT id FROM skill_proposals WHERE name = ?1 AND status = 'SUPERSEDED' AND revision < ?2
               ORDER BY revision DESC LIMIT 1";
    let target: Option<ProposalId> = conn.query_row(sql, params![name, below], |row| row.get(0)).optional()?;
    let missing = || LedgerError::NotFound { what: "earlier trusted revision of skill", key: name.to_string() };
    proposals::get(conn, target.ok_or_else(missing)?)
}

fn wrong_state(id: ProposalId, found: ProposalStatus, step: &'static str) -> LedgerError {
    LedgerError::WrongState { what: "proposal", id: id.to_string(), found: found.to_string(), step }
}

/// Before a decision about a skill: its rows are what the decision before it said.
fn check_skill(tx: &WriteTransaction<'_>, name: &SkillName) -> Result<(), LedgerError> {
    state::check(tx, tx.log().anchor(), Some(name))
}

/// The active revision becomes SUPERSEDED. Gives it.
fn supersede(tx: &WriteTransaction<'_>, name: &SkillName) -> Result<Option<ProposalId>, LedgerError> {
    let active = proposals::trusted(tx, name)?.map(|active| active.id);
    if let Some(id) = active {
        tx.change("UPDATE skill_proposals SET status = 'SUPERSEDED' WHERE id = ?1", [id])?;
    }
    Ok(active)
}

/// A decision that was made, to be recorded.
struct Recorded<'r> {
    decision: Decision,
    id: ProposalId,
    from: ProposalStatus,
    verification: Option<VerificationId>,
    /// The revision that was active until then.
    superseded: Option<ProposalId>,
    statements: &'r [SignedEnvelope],
}

fn record(
    tx: &WriteTransaction<'_>,
    recorded: Recorded<'_>,
    request: &PromotionRequest,
) -> Result<Proposal, LedgerError> {
    let Recorded { decision, id, from, verification, superseded, statements } = recorded;
    let after = proposals::get(tx, id)?;
    let trust = after.trust.ok_or_else(|| wrong_state(id, after.status, "decide on"))?;
    let expected = match decision {
        Decision::Promote | Decision::Rollback => ProposalStatus::Trusted,
        Decision::Revoke => ProposalStatus::Revoked,
    };
    if after.status != expected {
        return Err(LedgerError::Damaged(format!("proposal {id} was set to {expected} and is {}", after.status)));
    }
    tx.insert(
        "promotions",
        &[
            ("id", &request.id),
            ("proposal_id", &id),
            ("decision", &decision),
            ("from_status", &from),
            ("to_status", &after.status),
            ("component_sha256", &trust.component_sha256),
            ("spec_sha256", &after.spec_sha256),
            ("verification_id", &verification),
            ("approved_by", &request.approved_by),
            ("reason", &request.reason),
            ("created_at", &request.at),
        ],
    )?;
    statements::insert_all(tx, request.id, statements)?;
    let kind = match decision {
        Decision::Promote => EventKind::Promotion,
        Decision::Rollback => EventKind::Rollback,
        Decision::Revoke => EventKind::Revocation,
    };
    let event = NewEvent::new(kind, &request.id, request.at)
        .row("promotions", &request.id)
        .row("skill_proposals", &id)
        .rows("skill_proposals", superseded)
        .rows("statements", statements.first().map(|_| request.id))
        .changing(StateKey::Skill(&after.spec.name));
    events::append(tx, &event)?;
    Ok(after)
}
