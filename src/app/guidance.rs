//! Guidance of trusted skills, and what their runs say.
//!
//! Guarantees: what is published was decided by the person that is named. Deliberately never: decides.

use std::path::{Path, PathBuf};

use super::open_workspace::OpenWorkspace;
use crate::error::Error;
use crate::improve::assessment::{self, Assessment};
use crate::improve::guidance::{self, GuidanceContext, GuidanceEdit, GuidanceError};
use crate::ledger::{GuidanceDecision, GuidanceRevision, OutcomeReport, Proposal};
use crate::model::{
    approver::Approver,
    guidance::{Fault, GuidanceOrigin, GuidanceText, UseVerdict},
    id::{ExecutionId, IdPrefix},
    text,
};
use crate::policy::actor_capability::ActorCapability;

/// Longest reason of a word about a run, in characters.
const MOST_WHY: usize = 2_000;

/// The revisions and decisions of the guidance of one skill.
#[derive(Debug)]
pub struct GuidanceHistory {
    /// The revisions, oldest first.
    pub revisions: Vec<GuidanceRevision>,
    /// The decisions, oldest first.
    pub decisions: Vec<GuidanceDecision>,
}

/// A published revision, and how it differs from the one before.
#[derive(Debug)]
pub struct GuidanceChange {
    /// The revision that is published now.
    pub revision: GuidanceRevision,
    /// The unified diff.
    pub diff: String,
}

/// The guidance of one workspace.
#[derive(Debug, Clone, Copy)]
pub struct GuidanceService<'a> {
    pub(super) workspace: &'a OpenWorkspace,
}

impl GuidanceService<'_> {
    fn context(&self) -> GuidanceContext<'_> {
        let OpenWorkspace { ledger, store, clock, .. } = self.workspace;
        GuidanceContext { ledger, store, clock: clock.as_ref() }
    }

    /// One revision of the guidance of a skill: this one, else the published one.
    ///
    /// # Errors
    /// When there is none.
    pub fn revision(&self, name: &str, number: Option<u32>) -> Result<GuidanceRevision, Error> {
        let trusted = self.context().trusted(name)?;
        let published = self.context().published(&trusted)?;
        Ok(match number {
            Some(number) => self.workspace.ledger.guidance_revision(&published.skill, number)?,
            None => published,
        })
    }

    /// Every revision and decision.
    ///
    /// # Errors
    /// When the skill is not trusted.
    pub fn history(&self, name: &str) -> Result<GuidanceHistory, Error> {
        let published = self.revision(name, None)?;
        let ledger = &self.workspace.ledger;
        Ok(GuidanceHistory {
            revisions: ledger.guidance_revisions(&published.skill)?,
            decisions: ledger.guidance_decisions(&published.skill)?,
        })
    }

    /// How two revisions differ: these, else the published one and the one before.
    ///
    /// # Errors
    /// When there are no two.
    pub fn diff(&self, name: &str, from: Option<u32>, to: Option<u32>) -> Result<String, Error> {
        let new = self.revision(name, to)?;
        let before = self.workspace.ledger.guidance_decisions(&new.skill)?.pop().and_then(|newest| newest.previous);
        let old = from.or(before).ok_or_else(|| GuidanceError::NothingBefore(new.skill.clone()))?;
        Ok(guidance::difference(&self.revision(name, Some(old))?, &new))
    }

    /// Publishes a person's text.
    ///
    /// # Errors
    /// When it is no guidance, or changes nothing.
    pub fn edit(&self, name: &str, text: &[u8], why: &str, approver: &Approver) -> Result<GuidanceChange, Error> {
        self.workspace.allow_person(ActorCapability::PromoteSkill)?;
        let body = GuidanceText::from_bytes(text).map_err(GuidanceError::Invalid)?;
        let seen = self.revision(name, None)?;
        let edit = GuidanceEdit { body: &body, origin: GuidanceOrigin::Person, why };
        let revision = self.context().publish(&seen, &edit, approver)?;
        Ok(GuidanceChange { diff: guidance::difference(&seen, &revision), revision })
    }

    /// Publishes an earlier revision again.
    ///
    /// # Errors
    /// When there is none.
    pub fn roll_back(
        &self,
        name: &str,
        to: Option<u32>,
        why: &str,
        approver: &Approver,
    ) -> Result<GuidanceChange, Error> {
        self.workspace.allow_person(ActorCapability::PromoteSkill)?;
        let seen = self.revision(name, None)?;
        let revision = self.context().roll_back(&seen.skill, to, why, approver)?;
        Ok(GuidanceChange { diff: guidance::difference(&seen, &revision), revision })
    }

    /// Publishes the guidance of a folder with a `SKILL.md`.
    ///
    /// # Errors
    /// When it cannot be read, or brings nothing new.
    pub fn import(&self, folder: &Path, approver: &Approver) -> Result<GuidanceRevision, Error> {
        self.workspace.allow_person(ActorCapability::PromoteSkill)?;
        Ok(self.context().import(&self.workspace.host.cwd.join(folder), approver)?)
    }

    /// Writes a trusted skill as a folder with a `SKILL.md`.
    ///
    /// # Errors
    /// When it cannot be written, or is somebody else's.
    pub fn export(&self, name: &str, to: &Path) -> Result<PathBuf, Error> {
        let trusted = self.context().trusted(name)?;
        Ok(self.context().export(&trusted, &self.workspace.host.cwd.join(to))?)
    }

    /// Publishes what the promotion of a skill brings.
    pub(super) fn promoted(&self, proposal: &Proposal, approver: &Approver) {
        // The promotion is done. What is missing here is published when the guidance is first asked for.
        if let Err(error) = self.context().promoted(proposal, approver.as_str()) {
            tracing::warn!("the guidance of `{}` is not published yet: {error}", proposal.spec.name);
        }
    }

    /// What the runs of a trusted skill say.
    ///
    /// # Errors
    /// When it is not trusted, or its records cannot be read.
    pub fn outcomes(&self, name: &str) -> Result<Assessment, Error> {
        let trusted = self.context().trusted(name)?;
        let published = self.context().published(&trusted)?;
        Ok(assessment::of(&self.workspace.ledger, &trusted, &published)?)
    }

    /// Records a person's word about a run. Gives the run.
    ///
    /// # Errors
    /// When there is no such run, or no reason is given.
    pub fn report(&self, run: &str, word: &PersonsWord<'_>, approver: &Approver) -> Result<ExecutionId, Error> {
        let why = text::block(word.why.trim(), MOST_WHY);
        if why.is_empty() {
            return Err(Error::Usage("say why: give --why TEXT".to_owned()));
        }
        let prefix = IdPrefix::parse(run).map_err(|error| Error::Usage(error.to_string()))?;
        let run = self.workspace.ledger.execution_by_prefix(&prefix)?.record.execution_id;
        let (by, at) = (approver.as_str().to_owned(), self.workspace.clock.now());
        let (verdict, fault) = (word.verdict, word.fault);
        self.workspace.ledger.report_outcome(&OutcomeReport { run, verdict, fault, by, why, at })?;
        Ok(run)
    }
}

/// What a person says about a run.
#[derive(Debug, Clone, Copy)]
pub struct PersonsWord<'a> {
    /// How it went.
    pub verdict: UseVerdict,
    /// What that says something about.
    pub fault: Fault,
    /// Why.
    pub why: &'a str,
}
