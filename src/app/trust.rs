//! Trust: promotion, rollback and revocation, each by a person.
//!
//! Guarantees: what is promoted is exactly what the report showed. Deliberately never: decides anything by itself.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::guidance::GuidanceService;
use super::open_workspace::{OpenWorkspace, UnreadLedger};
use super::proposals::{ProposalService, split_revision};
use crate::artifacts;
use crate::error::Error;
use crate::forge::promote::{self, PromotionReport};
use crate::ledger::{LedgerError, Proposal};
use crate::model::approver::Approver;
use crate::model::{id::ProposalId, limits::Narrowed, name::SkillName, text};
use crate::policy::actor_capability::ActorCapability;

/// The trust decisions of one workspace.
#[derive(Debug, Clone, Copy)]
pub struct TrustService<'a> {
    pub(super) workspace: &'a OpenWorkspace,
}

impl TrustService<'_> {
    /// Every trusted skill.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn all(&self) -> Result<Vec<Proposal>, Error> {
        Ok(self.workspace.ledger.all_trusted()?)
    }

    /// The trusted revision of a skill.
    ///
    /// # Errors
    /// When there is none.
    pub fn trusted(&self, name: &str) -> Result<Proposal, Error> {
        let missing = || LedgerError::NotFound { what: "trusted skill", key: text::line(name, 100) };
        let name = SkillName::parse(name).map_err(|_| missing())?;
        let ledger = &self.workspace.ledger;
        if let Some(trusted) = ledger.trusted(&name)? {
            return Ok(trusted);
        }
        match name.closest(&ledger.skill_names()?) {
            Some(closest) => Err(Error::Mistyped { what: "trusted skill", closest: closest.clone(), name }),
            None => Err(missing().into()),
        }
    }

    /// The version of the gates that the promotion of each proposal rests on.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn promoted_gates(&self) -> Result<BTreeMap<ProposalId, u32>, Error> {
        Ok(self.workspace.ledger.promoted_gates()?)
    }

    /// What a promotion would trust.
    ///
    /// # Errors
    /// When the proposal cannot be promoted.
    pub fn report(&self, proposal: Proposal) -> Result<PromotionReport, Error> {
        Ok(promote::report(&self.workspace.forge(), proposal)?)
    }

    /// Promotes exactly what the report shows.
    ///
    /// # Errors
    /// When anything changed since the report; nothing is promoted then.
    pub fn promote(&self, report: &PromotionReport, limits: &Narrowed, approver: &Approver) -> Result<Proposal, Error> {
        self.workspace.allow_person(ActorCapability::PromoteSkill)?;
        let promoted = promote::apply(&self.workspace.forge(), report, limits, approver)?;
        GuidanceService { workspace: self.workspace }.promoted(&promoted, approver);
        Ok(promoted)
    }

    /// Promotes exactly what several reports show, in one decision.
    ///
    /// # Errors
    /// When anything changed since the reports; nothing is promoted then.
    pub fn promote_all(&self, reports: &[PromotionReport], approver: &Approver) -> Result<Vec<Proposal>, Error> {
        self.workspace.allow_person(ActorCapability::PromoteSkill)?;
        let promoted = promote::apply_all(&self.workspace.forge(), reports, approver)?;
        let guidance = GuidanceService { workspace: self.workspace };
        promoted.iter().for_each(|proposal| guidance.promoted(proposal, approver));
        Ok(promoted)
    }

    /// The limits that a promotion fixes, `NAME=VALUE` each. They may only be lower than those of kavi.toml.
    ///
    /// # Errors
    /// [`Error::Usage`] for an unknown limit or a higher value.
    pub fn narrow(&self, limits: &[String]) -> Result<Narrowed, Error> {
        let narrowed = Narrowed::parse(limits.iter().map(String::as_str), &self.workspace.config.limits);
        narrowed.map_err(|error| Error::Usage(error.to_string()))
    }

    /// Trusts the revision before the active one again.
    ///
    /// # Errors
    /// When there is none.
    pub fn rollback(&self, name: &SkillName, approver: &Approver) -> Result<Proposal, Error> {
        self.workspace.allow_person(ActorCapability::RollbackSkill)?;
        Ok(promote::rollback(&self.workspace.forge(), name, approver)?)
    }

    /// Whether a rollback of a skill would find a revision to go back to.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn can_roll_back(&self, name: &SkillName) -> Result<bool, Error> {
        match self.workspace.ledger.rollback_target(name) {
            Ok(_) => Ok(true),
            Err(LedgerError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Revokes the trust in `NAME` or `NAME@REVISION` for good.
    ///
    /// # Errors
    /// When there is no such revision.
    pub fn revoke(&self, key: &str, approver: &Approver, why: &str) -> Result<Proposal, Error> {
        self.workspace.allow_person_as_decided(ActorCapability::RevokeSkill, UnreadLedger::Proceeds)?;
        let (name, revision) = split_revision(key);
        let name = SkillName::parse(name).map_err(|error| Error::Usage(error.to_string()))?;
        // Without this, a revision that was mistyped would revoke the active one.
        if key.contains('@') && revision.is_none() {
            return Err(Error::Usage(format!("`{key}` is not NAME@REVISION: a revision is a number from 1")));
        }
        if self.workspace.ledger.proposals_named(&name)?.is_empty() {
            let missing = LedgerError::NotFound { what: "trusted skill", key: key.to_owned() };
            return Err(ProposalService { workspace: self.workspace }.mistyped(name.as_str(), missing));
        }
        Ok(promote::revoke(&self.workspace.forge(), &name, revision, approver, why)?)
    }

    /// Where the component of a trusted proposal is stored.
    pub fn component_path(&self, proposal: &Proposal) -> Option<PathBuf> {
        let kind = artifacts::StoredKind::Component;
        proposal.trust.map(|trust| self.workspace.store.path(kind, trust.component_sha256))
    }
}
