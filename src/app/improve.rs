//! Improvement of skills: candidates, passes, and a person's decision about what came of them.
//!
//! Guarantees: a pass publishes nothing. What is published is exactly what the person saw.

use std::time::Duration;

use super::open_workspace::OpenWorkspace;
use crate::error::Error;
use crate::http::BaseUrlError;
use crate::improve::candidates::{self, CandidateReport};
use crate::improve::guidance::{self, GuidanceContext, GuidanceEdit, GuidanceError};
use crate::improve::pass::{self, PassContext, PassReport};
use crate::improve::statistics::attempt_threshold;
use crate::ledger::{Decided, GuidanceRevision, Improvement, ImprovementStep, LedgerError};
use crate::llm::{AdviceClient, AdviceClientSettings};
use crate::model::{
    approver::Approver,
    guidance::{GuidanceOrigin, GuidanceText, ImprovementState},
    text,
};
use crate::policy::actor_capability::ActorCapability;

/// An attempt that waits for a person, with all that they decide by.
#[derive(Debug)]
pub struct ImprovementReview {
    /// The attempt.
    pub improvement: Improvement,
    /// The revision that is published.
    pub published: GuidanceRevision,
    /// The unified diff.
    pub diff: String,
    /// The e-value that pairs would need for this attempt. None were compared.
    pub threshold: f64,
}

/// Improvements in one workspace.
#[derive(Debug, Clone, Copy)]
pub struct ImproveService<'a> {
    pub(super) workspace: &'a OpenWorkspace,
}

impl ImproveService<'_> {
    fn context(&self) -> GuidanceContext<'_> {
        let OpenWorkspace { ledger, store, clock, .. } = self.workspace;
        GuidanceContext { ledger, store, clock: clock.as_ref() }
    }

    /// The candidates, and what could not be looked at. Asks no model.
    ///
    /// # Errors
    /// When nobody can say what is trusted.
    pub fn candidates(&self) -> Result<CandidateReport, Error> {
        Ok(candidates::find(&self.context())?)
    }

    /// Makes one pass with the model of `[advice]`.
    ///
    /// # Errors
    /// When another one runs, the workspace is stopped, or its ledger is not believed.
    pub fn run(&self) -> Result<PassReport, Error> {
        self.workspace.allow_person(ActorCapability::ResearchFailure)?;
        let settings = &self.workspace.config.advice;
        let base_url = settings.base_url.parse();
        let base_url = base_url.map_err(|error: BaseUrlError| Error::Usage(format!("kavi.toml: {error}")))?;
        let client = AdviceClient::new(AdviceClientSettings {
            base_url,
            model: Some(settings.model.clone()).filter(|model| !model.is_empty()),
            timeout: Duration::from_secs(settings.timeout_s),
            prompt_chars: settings.prompt_chars,
        });
        let layout = &self.workspace.config.layout;
        Ok(pass::run(&PassContext { guidance: self.context(), layout, client: &client })?)
    }

    /// Every attempt, oldest first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn all(&self) -> Result<Vec<Improvement>, Error> {
        Ok(self.workspace.ledger.improvements(None)?)
    }

    /// What a person would publish.
    ///
    /// # Errors
    /// When it does not wait for a person, or another revision is published by now.
    pub fn review(&self, number: u32) -> Result<ImprovementReview, Error> {
        let improvement = self.workspace.ledger.improvement(number)?;
        let state = improvement.state;
        let body = improvement.body.as_deref().filter(|_| state == ImprovementState::Candidate);
        let body = body.ok_or_else(|| {
            let (id, found) = (number.to_string(), state.to_string());
            LedgerError::WrongState { what: "improvement", id, found, step: "publish" }
        })?;
        let body = GuidanceText::parse(body).map_err(GuidanceError::Invalid)?;
        let trusted = self.context().trusted(improvement.skill.as_str())?;
        let published = self.context().published(&trusted)?;
        if published.number != improvement.revision {
            return Err(LedgerError::Conflict(format!("the guidance of `{}`", improvement.skill)).into());
        }
        let new = GuidanceRevision { number: published.number + 1, body, ..published.clone() };
        let diff = guidance::difference(&published, &new);
        Ok(ImprovementReview { threshold: attempt_threshold(improvement.attempt), diff, published, improvement })
    }

    /// Publishes exactly what the review shows.
    ///
    /// # Errors
    /// When another revision is published by now.
    pub fn publish(&self, review: &ImprovementReview, approver: &Approver) -> Result<GuidanceRevision, Error> {
        self.workspace.allow_person(ActorCapability::PromoteSkill)?;
        let Improvement { number, body, model, .. } = &review.improvement;
        let body = GuidanceText::parse(body.as_deref().unwrap_or_default()).map_err(GuidanceError::Invalid)?;
        let model = model.as_deref().unwrap_or("a model");
        let why = format!("improvement {number}, written by {}", text::line(model, 100));
        let edit = GuidanceEdit { body: &body, origin: GuidanceOrigin::Model, why: &why };
        let published = self.context().publish(&review.published, &edit, approver)?;
        let step = ImprovementStep::Published(approver.as_str());
        self.workspace.ledger.step_improvement(*number, step, self.workspace.clock.now())?;
        Ok(published)
    }

    /// Rejects an attempt that waits for a person.
    ///
    /// # Errors
    /// When it does not wait, or no reason is given.
    pub fn reject(&self, number: u32, why: &str, approver: &Approver) -> Result<Improvement, Error> {
        self.workspace.allow_person(ActorCapability::RejectProposal)?;
        let why = text::block(why.trim(), 2_000);
        if why.is_empty() {
            return Err(GuidanceError::NoReason.into());
        }
        let decided = Decided { by: approver.as_str(), at: self.workspace.clock.now() };
        Ok(self.workspace.ledger.reject_improvement(number, &why, decided)?)
    }
}
