//! Attempts at a proposal: build, verification, and the diagnosis of a failure.
//!
//! Deliberately never: acknowledges anything by itself; a person's approval is for the next attempt alone.

use std::time::Duration;

use super::coding_agent;
use super::notify::NotifyService;
use super::open_workspace::OpenWorkspace;
use super::proposals::ProposalService;
use crate::error::Error;
use crate::forge::build::{self, BuildAttempt, BuildRequest, Builder};
use crate::forge::diagnosis::{self, DiagnosisRequest};
use crate::forge::toolchain::{Toolchain, ToolchainError};
use crate::forge::verify::{self, Reuse, Verified};
use crate::http::BaseUrlError;
use crate::ledger::{Build, LedgerError, Proposal, Research, Reverification};
use crate::llm;
use crate::log_targets::STAGE;
use crate::model::approver::Approver;
use crate::model::{
    finding::Finding,
    id::{BuildId, IdPrefix},
    lifecycle::BuilderKind,
    research::Escalation,
};
use crate::policy::actor_capability::ActorCapability;

/// Whether a model is asked for advice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Advise {
    /// As kavi.toml says.
    #[default]
    AsConfigured,
    /// `--advise`
    Yes,
    /// `--no-advise`
    No,
}

/// How a failure is diagnosed.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiagnosisOptions<'a> {
    /// What a person wants the next attempt to know.
    pub hint: Option<&'a str>,
    /// Whether a model is asked.
    pub advise: Advise,
}

/// The attempts of one workspace.
#[derive(Debug, Clone, Copy)]
pub struct AttemptService<'a> {
    pub(super) workspace: &'a OpenWorkspace,
}

impl AttemptService<'_> {
    /// The toolchain for a step of the forge. Installs what is missing.
    ///
    /// # Errors
    /// When the workspace is stopped, or a part is missing and cannot be installed.
    pub fn toolchain(&self) -> Result<Toolchain, Error> {
        self.workspace.toolchain()
    }

    /// The Claude Code builder as configured, with this time limit or the configured one.
    ///
    /// # Errors
    /// When the program or the key is missing, or the model's name is invalid.
    pub fn claude(&self, timeout: Option<Duration>) -> Result<Builder, Error> {
        coding_agent::claude(self.workspace, timeout)
    }

    /// Makes one attempt to build, with a person's approval where one is needed.
    ///
    /// # Errors
    /// When no attempt could be made or recorded; a failed attempt is an [`BuildAttempt`].
    pub fn build(&self, proposal: &Proposal, builder: &Builder, by: Option<&Approver>) -> Result<BuildAttempt, Error> {
        self.workspace.allow_person(ActorCapability::BuildSkill)?;
        let formatter = match self.workspace.formatter() {
            // The gates need a toolchain, a build does not: its sources then stay as they are.
            Err(Error::Toolchain(ToolchainError::Missing { .. })) => None,
            found => Some(found?),
        };
        let request = BuildRequest { proposal, builder, formatter: formatter.as_ref(), by };
        Ok(build::run(&self.workspace.forge(), &request)?)
    }

    /// Writes packet and workspace and stops.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn prepare(
        &self,
        proposal: &Proposal,
        builder: BuilderKind,
        by: Option<&Approver>,
    ) -> Result<BuildAttempt, Error> {
        self.workspace.allow_person(ActorCapability::BuildSkill)?;
        Ok(build::prepare_only(&self.workspace.forge(), proposal, builder, by)?)
    }

    /// Runs every gate on the newest build.
    ///
    /// # Errors
    /// When there is nothing to verify or a gate could not do its work; failed gates are in the result.
    pub fn verify(&self, proposal: &Proposal, toolchain: &Toolchain, reuse: Reuse) -> Result<Verified, Error> {
        self.workspace.allow_person(ActorCapability::VerifySkill)?;
        let verified = verify::run(&self.workspace.forge(), proposal, toolchain, reuse)?;
        NotifyService { workspace: self.workspace }.tell();
        Ok(verified)
    }

    /// Runs today's gates over a trusted revision. Changes no trust.
    ///
    /// # Errors
    /// When the proposal is not trusted or a gate could not do its work; what they found is in the
    /// result.
    pub fn reverify(&self, proposal: &Proposal, toolchain: &Toolchain) -> Result<Reverification, Error> {
        self.workspace.allow_person(ActorCapability::VerifySkill)?;
        Ok(verify::reverify(&self.workspace.forge(), proposal, toolchain)?)
    }

    /// Runs the invariants gate alone. Records nothing.
    ///
    /// # Errors
    /// When there is nothing to check or a tool could not run.
    pub fn check_invariants(&self, proposal: &Proposal, toolchain: &Toolchain) -> Result<Vec<Finding>, Error> {
        self.workspace.allow_person(ActorCapability::VerifySkill)?;
        Ok(verify::check_invariants(&self.workspace.forge(), proposal, toolchain)?)
    }

    /// Finds a build: by its id or a prefix of it, else the newest attempt of the proposal or skill of that name.
    ///
    /// # Errors
    /// When nothing or more than one build matches.
    pub fn find(&self, key: &str) -> Result<Build, Error> {
        let ledger = &self.workspace.ledger;
        if let Ok(prefix) = IdPrefix::parse(key) {
            // A name like `deadbeef` is a valid prefix too, so a prefix that fits nothing is tried
            // as a name.
            match ledger.build_by_prefix(&prefix) {
                Err(LedgerError::NotFound { .. }) => {}
                found => return Ok(found?),
            }
        }
        let proposals = ProposalService { workspace: self.workspace };
        let proposal = proposals.find_newest(key).map_err(|error| match error {
            Error::Ledger(LedgerError::NotFound { key, .. }) => {
                Error::Ledger(LedgerError::NotFound { what: "build, proposal or skill", key })
            }
            error => error,
        })?;
        // An attempt without a builder has no failure to look at.
        let newest = ledger.builds_of(proposal.id)?.into_iter().rev().find(|build| !build.was_not_invoked());
        newest.ok_or_else(|| LedgerError::NotFound { what: "attempt of proposal", key: proposal.id.short() }.into())
    }

    /// Diagnoses why an attempt failed, and records the diagnosis.
    ///
    /// # Errors
    /// When there is no failure or the diagnosis cannot be recorded. A model that does not answer is no error.
    pub fn research(&self, build: BuildId, options: DiagnosisOptions<'_>) -> Result<Research, Error> {
        self.workspace.allow_person(ActorCapability::ResearchFailure)?;
        tracing::info!(target: STAGE, "research");
        let (ledger, forge) = (&self.workspace.ledger, self.workspace.forge());
        let build = ledger.build(build)?;
        let advisor = self.advisor(options.advise)?;
        let request = DiagnosisRequest { hint: options.hint, advisor: advisor.as_ref() };
        Ok(diagnosis::diagnose(&forge, &build, request)?)
    }

    /// Why a person must approve the next attempt.
    ///
    /// # Errors
    /// When the ledger or a stored source cannot be read.
    pub fn escalations(&self, proposal: &Proposal) -> Result<Vec<Escalation>, Error> {
        Ok(diagnosis::attempt_history(&self.workspace.forge(), proposal)?.escalations)
    }

    fn advisor(&self, advise: Advise) -> Result<Option<llm::AdviceClient>, Error> {
        let settings = &self.workspace.config.advice;
        let enabled = match advise {
            Advise::AsConfigured => settings.ask,
            Advise::Yes => true,
            Advise::No => false,
        };
        if !enabled {
            return Ok(None);
        }
        let base_url = settings.base_url.parse();
        let base_url = base_url.map_err(|error: BaseUrlError| Error::Usage(format!("kavi.toml: {error}")))?;
        Ok(Some(llm::AdviceClient::new(llm::AdviceClientSettings {
            base_url,
            model: Some(settings.model.clone()).filter(|model| !model.is_empty()),
            timeout: Duration::from_secs(settings.timeout_s),
            prompt_chars: settings.prompt_chars,
        })))
    }
}
