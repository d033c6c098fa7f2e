//! Improvement of skills: candidates, passes, and a person's decision about what came of them.
//!
//! Guarantees: a pass publishes nothing. What is published is exactly what the person saw.

use std::path::PathBuf;
use std::time::Duration;

use super::attempts::{Advise, AttemptService, DiagnosisOptions};
use super::open_workspace::OpenWorkspace;
use super::retry::{RetryEnd, RetryOptions, RetryReport, RetryStep};
use crate::error::{Error, ImproveError};
use crate::forge::build::{Builder, listed};
use crate::forge::propose;
use crate::forge::verify::{self, ShadowRequest};
use crate::http::BaseUrlError;
use crate::improve::candidates::{self, CandidateReport};
use crate::improve::episodes::{self, PairSummary};
use crate::improve::evidence::{self, EvidenceDraft};
use crate::improve::guidance::{self, GuidanceContext, GuidanceEdit, GuidanceError};
use crate::improve::pass::{self, PassReport};
use crate::improve::pass_context::PassContext;
use crate::improve::shadow::{self, ShadowReview};
use crate::improve::skill_forge::{ForgeEnd, SkillForge};
use crate::improve::step_back;
use crate::ledger::{
    CodeAttempt, Decided, GuidanceRevision, Improvement, ImprovementStep, LedgerError, Proposal, ProposalSource,
    ShadowOrder, ShadowRun, StepBackOrder,
};
use crate::llm::{AdviceClient, AdviceClientSettings};
use crate::model::{
    approver::Approver,
    channel::Channel,
    digest::Digest,
    example::Expectation,
    guidance::{GuidanceOrigin, GuidanceText, ImprovementState},
    id::{ExecutionId, IdPrefix, ProposalId},
    lifecycle::Verdict,
    spec::SkillSpec,
    text,
    time::Timestamp,
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
    /// What pairs of episodes say.
    pub pairs: PairSummary,
}

/// Every attempt, oldest first.
#[derive(Debug)]
pub struct ImprovementStatus {
    /// Attempts at guidance.
    pub guidance: Vec<Improvement>,
    /// What pairs of episodes say about each of them.
    pub pairs: Vec<PairSummary>,
    /// Attempts at code.
    pub code: Vec<CodeAttempt>,
    /// Standing orders.
    pub orders: Vec<StepBackOrder>,
    /// Live shadows.
    pub shadows: Vec<ShadowOrder>,
}

/// When an order expires.
#[derive(Debug, Clone, Copy)]
pub enum OrderExpiry {
    /// At this time.
    At(Timestamp),
    /// This long after now.
    After(Duration),
}

/// The forge, as a pass uses it: nobody is there, so it may only propose.
#[derive(Debug)]
struct PassForge<'a> {
    workspace: &'a OpenWorkspace,
}

impl PassForge<'_> {
    fn write(&self, spec: &SkillSpec, why: &str) -> Result<Proposal, Error> {
        let caller = self.workspace.caller(Channel::Background);
        self.workspace.allow(&caller, ActorCapability::ProposeSkill)?;
        let ledger = &self.workspace.ledger;
        for open in ledger.open_proposals(Some(&spec.name))? {
            // A pass that was killed right after it proposed. One with a build belongs to an earlier attempt.
            if open.proposal.spec == *spec && ledger.builds_of(open.proposal.id)?.is_empty() {
                return Ok(open.proposal);
            }
        }
        let source = ProposalSource { channel: caller.channel, by: "kavi improve".to_owned(), why: why.to_owned() };
        Ok(propose::write(&self.workspace.forge(), spec, Some(&source))?)
    }

    fn build(&self, proposal: ProposalId, attempts: u32) -> Result<ForgeEnd, Error> {
        let service = AttemptService { workspace: self.workspace };
        let builder = match attempts {
            // What is built already is verified, and nothing is built.
            0 => Builder::Import(PathBuf::new()),
            _ => service.claude(None)?,
        };
        let diagnosis = DiagnosisOptions { hint: None, advise: Advise::No };
        let options = RetryOptions { builder: &builder, attempts, by: None, diagnosis };
        let RetryReport { steps, end } = service.forge_until_verified(proposal, &options)?;
        Ok(match end {
            RetryEnd::Verified => ForgeEnd::Verified,
            RetryEnd::Escalated(escalations) => {
                ForgeEnd::Failed(format!("a person must look first: {}", listed(&escalations)))
            }
            RetryEnd::BuildFailed | RetryEnd::VerificationFailed => ForgeEnd::Failed(said(&steps)),
        })
    }
}

impl PassForge<'_> {
    fn repeat(&self, request: &ShadowRequest<'_>) -> Result<Vec<ShadowRun>, Error> {
        let toolchain = self.workspace.toolchain()?;
        Ok(verify::shadow(&self.workspace.forge(), &toolchain, request)?)
    }
}

impl SkillForge for PassForge<'_> {
    fn shadow(
        &self,
        proposal: &Proposal,
        component: Digest,
        snapshot_sha256: Digest,
        runs: &[ExecutionId],
    ) -> Result<Vec<ShadowRun>, String> {
        let request = ShadowRequest { proposal, component, snapshot_sha256, runs };
        self.repeat(&request).map_err(|error| error.to_string())
    }

    fn propose(&self, spec: &SkillSpec, why: &str) -> Result<Proposal, String> {
        self.write(spec, why).map_err(|error| error.to_string())
    }

    fn until_verified(&self, proposal: ProposalId, attempts: u32) -> Result<ForgeEnd, String> {
        self.build(proposal, attempts).map_err(|error| error.to_string())
    }
}

/// What the last build or verification of some steps says.
fn said(steps: &[RetryStep]) -> String {
    let of_step = |step: &RetryStep| match step {
        RetryStep::Built(attempt) => Some(format!("its build failed: {}", attempt.build.summary)),
        RetryStep::Verified(verified) => {
            let failed = verified.verification.gates.iter().filter(|gate| gate.status == Verdict::Failed);
            let failed: Vec<&str> = failed.map(|gate| gate.gate.as_str()).collect();
            Some(format!("gates that failed: {}", failed.join(", ")))
        }
        RetryStep::Researched(_) => None,
    };
    let newest = steps.iter().rev().find_map(of_step);
    newest.unwrap_or_else(|| "the pass ended while it was built".to_owned())
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
        // Before the pass takes its lock, so that a typing error in kavi.toml is told at once.
        let base_url = settings.base_url.parse();
        let base_url = base_url.map_err(|error: BaseUrlError| Error::Usage(format!("kavi.toml: {error}")))?;
        let client = AdviceClient::new(AdviceClientSettings {
            base_url,
            model: Some(settings.model.clone()).filter(|model| !model.is_empty()),
            timeout: Duration::from_secs(settings.timeout_s),
            prompt_chars: settings.prompt_chars,
        });
        let layout = &self.workspace.config.layout;
        let forge = PassForge { workspace: self.workspace };
        Ok(pass::run(&PassContext { guidance: self.context(), layout, client: &client, forge: &forge })
            .map_err(ImproveError::from)?)
    }

    /// The text of a run as it would be released, with what a person says should have come of it.
    ///
    /// # Errors
    /// When there is no such run, or its skill is not trusted.
    pub fn evidence(&self, run: &str, expect: Option<Expectation>) -> Result<EvidenceDraft, Error> {
        let prefix = IdPrefix::parse(run).map_err(|error| Error::Usage(error.to_string()))?;
        let record = self.workspace.ledger.execution_by_prefix(&prefix)?.record;
        Ok(evidence::draft(&self.context(), &record, expect).map_err(ImproveError::from)?)
    }

    /// Releases exactly the text with this digest.
    ///
    /// # Errors
    /// When the text of the draft has another one.
    pub fn release(&self, draft: &EvidenceDraft, sha256: Digest, approver: &Approver) -> Result<(), Error> {
        Ok(evidence::release(&self.context(), draft, sha256, approver).map_err(ImproveError::from)?)
    }

    /// Orders that the guidance of a skill may step back to a revision by itself, once.
    ///
    /// # Errors
    /// When the order would last longer than 90 days, or the revision was never published.
    pub fn order(&self, skill: &str, to: u32, until: OrderExpiry, approver: &Approver) -> Result<StepBackOrder, Error> {
        let until = match until {
            OrderExpiry::At(time) => time,
            OrderExpiry::After(span) => self.workspace.clock.now().after(span),
        };
        Ok(step_back::order(&self.context(), skill, to, until, approver).map_err(ImproveError::from)?)
    }

    /// Withdraws the newest order of a skill. Gives its number.
    ///
    /// # Errors
    /// When there is none.
    pub fn withdraw_order(&self, skill: &str, approver: &Approver) -> Result<u32, Error> {
        let trusted = self.context().trusted(skill)?;
        let decided = Decided { by: approver.as_str(), at: self.workspace.clock.now() };
        Ok(self.workspace.ledger.withdraw_step_back_order(&trusted.spec.name, decided)?)
    }

    /// What a person would decide about: the candidate for the code of a skill, and how many calls it repeats.
    ///
    /// # Errors
    /// When there is no candidate, or the skill reaches more than files.
    pub fn shadow_review(&self, skill: &str, calls: u32) -> Result<ShadowReview, Error> {
        Ok(shadow::review(&self.context(), skill, calls).map_err(ImproveError::from)?)
    }

    /// Lets exactly the component of the review repeat the next calls.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub fn shadow(&self, review: &ShadowReview, approver: &Approver) -> Result<ShadowOrder, Error> {
        Ok(shadow::order(&self.context(), review, approver).map_err(ImproveError::from)?)
    }

    /// Every attempt, oldest first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn status(&self) -> Result<ImprovementStatus, Error> {
        let ledger = &self.workspace.ledger;
        let guidance = ledger.improvements(None)?;
        let pairs = guidance.iter().map(|attempt| episodes::summary(ledger, attempt)).collect::<Result<_, _>>()?;
        Ok(ImprovementStatus {
            guidance,
            pairs,
            code: ledger.code_attempts(None)?,
            orders: ledger.step_back_orders()?,
            shadows: ledger.shadow_orders()?,
        })
    }

    /// What a person would publish.
    ///
    /// # Errors
    /// When it does not wait for a person, or another revision is published by now.
    pub fn review(&self, number: u32) -> Result<ImprovementReview, Error> {
        let improvement = self.workspace.ledger.improvement(number)?;
        let state = improvement.state;
        let body = improvement.details.body.as_deref().filter(|_| state == ImprovementState::Candidate);
        let body = body.ok_or_else(|| {
            let (id, found) = (number.to_string(), state.to_string());
            LedgerError::WrongState { what: "improvement", id, found, step: "publish" }
        })?;
        let body = GuidanceText::parse(body).map_err(GuidanceError::Invalid)?;
        let trusted = self.context().trusted(improvement.skill.as_str())?;
        let published = self.context().published(&trusted)?;
        // The text was written against another revision. Published now, it would undo that one
        // without a word.
        if published.number != improvement.revision {
            return Err(LedgerError::Conflict(format!("the guidance of `{}`", improvement.skill)).into());
        }
        let new = GuidanceRevision { number: published.number + 1, body, ..published.clone() };
        let diff = guidance::difference(&published, &new);
        let pairs = episodes::summary(&self.workspace.ledger, &improvement)?;
        Ok(ImprovementReview { pairs, diff, published, improvement })
    }

    /// Publishes exactly what the review shows.
    ///
    /// # Errors
    /// When another revision is published by now.
    pub fn publish(&self, review: &ImprovementReview, approver: &Approver) -> Result<GuidanceRevision, Error> {
        self.workspace.allow_person(ActorCapability::PromoteSkill)?;
        let Improvement { number, details, .. } = &review.improvement;
        let body = details.body.as_deref().unwrap_or_default();
        let body = GuidanceText::parse(body).map_err(GuidanceError::Invalid)?;
        let model = details.model.as_deref().unwrap_or("a model");
        let why = format!("improvement {number}, written by {}", text::line(model, 100));
        let edit = GuidanceEdit { body: &body, origin: GuidanceOrigin::Model, why: &why };
        let published = self.context().publish(&review.published, &edit, approver)?;
        // After the guidance. A kill in between leaves an attempt that waits, and the next pass
        // sees that its text is published.
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
