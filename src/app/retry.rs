//! Attempts: one, the look into why it failed, and the loop build → verify → research → build.
//!
//! Guarantees: the loop goes on only while nothing waits for a person, makes no more attempts than it was given, and never
//! promotes. Deliberately never: acknowledges anything by itself; a person's go is for the next attempt alone.

use crate::error::Error;
use crate::forge::build::{self, Attempt, Builder, Progress};
use crate::forge::promote::Approver;
use crate::forge::rebuild;
use crate::forge::research::{self, Ask, NextStep};
use crate::forge::verify::{Reuse, Verified};
use crate::ledger::{Build, LedgerError, Proposal, Research};
use crate::llm;
use crate::model::{
    id::{BuildId, IdPrefix, ProposalId},
    lifecycle::{BuildStatus, BuilderKind, Verdict},
    research::Escalation,
};

use super::App;

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

/// How a failure is looked into.
#[derive(Debug, Clone, Copy, Default)]
pub struct Look<'a> {
    /// What a person wants the next attempt to know.
    pub hint: Option<&'a str>,
    /// Whether a model is asked.
    pub advise: Advise,
}

/// What the loop may do.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    /// Who writes the sources.
    pub builder: &'a Builder,
    /// Most attempts.
    pub attempts: u32,
    /// A person's go for the first attempt.
    pub by: Option<&'a Approver>,
    /// How each failure is looked into.
    pub look: Look<'a>,
}

/// One thing that the loop did.
#[derive(Debug)]
pub enum Step {
    /// An attempt.
    Built(Attempt),
    /// A verification.
    Verified(Verified),
    /// A look into a failure.
    Researched(Research),
}

/// How the loop ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Every gate passed.
    Verified,
    /// A person must say go before the next attempt.
    Escalated(Vec<Escalation>),
    /// The last attempt failed before it came to a verification.
    BuildFailed,
    /// The last attempt did not pass the gates.
    VerificationFailed,
}

/// What the loop did and how it ended.
#[derive(Debug)]
pub struct Forged {
    /// What it did, in order.
    pub steps: Vec<Step>,
    /// How it ended.
    pub end: End,
}

impl App {
    /// Makes one attempt to build, with a person's go where one is needed.
    ///
    /// # Errors
    /// When no attempt could be made or recorded; a failed attempt is an [`Attempt`].
    pub fn build(
        &self,
        proposal: &Proposal,
        builder: &Builder,
        by: Option<&Approver>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Attempt, Error> {
        let attempt = build::run(&self.forge(), proposal, builder, by, progress)?;
        rebuild::after_step(&self.forge(), &proposal.spec.name)?;
        Ok(attempt)
    }

    /// Writes packet and workspace and stops.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn prepare_build(
        &self,
        proposal: &Proposal,
        builder: BuilderKind,
        by: Option<&Approver>,
    ) -> Result<Attempt, Error> {
        let attempt = build::prepare_only(&self.forge(), proposal, builder, by)?;
        rebuild::after_step(&self.forge(), &proposal.spec.name)?;
        Ok(attempt)
    }

    /// Finds a build: by its id or a prefix of it, else the newest attempt of the proposal or skill of that name.
    ///
    /// # Errors
    /// When nothing or more than one thing fits.
    pub fn find_build(&self, key: &str) -> Result<Build, Error> {
        if let Ok(prefix) = IdPrefix::parse(key) {
            match self.ledger.build_by_prefix(&prefix) {
                Err(LedgerError::NotFound { .. }) => {}
                found => return Ok(found?),
            }
        }
        let proposal = self.find_newest(key).map_err(|error| match error {
            Error::Ledger(LedgerError::NotFound { key, .. }) => {
                Error::Ledger(LedgerError::NotFound { what: "build, proposal or skill", key })
            }
            error => error,
        })?;
        let newest = self.ledger.builds_of(proposal.id)?.into_iter().rev().find(|build| !build.was_not_invoked());
        newest.ok_or_else(|| LedgerError::NotFound { what: "attempt of proposal", key: proposal.id.short() }.into())
    }

    /// Looks into why the newest attempt failed, and records it.
    ///
    /// # Errors
    /// When there is nothing to look into or it cannot be recorded; that no model is there is no error.
    pub fn research(&self, build: BuildId, look: Look<'_>) -> Result<Research, Error> {
        let build = self.ledger.build(build)?;
        let advisor = self.advisor(look.advise)?;
        let ask = Ask { hint: look.hint, advisor: advisor.as_ref() };
        let research = research::run(&self.forge(), &build, ask)?;
        rebuild::after_step(&self.forge(), &self.ledger.proposal(build.proposal_id)?.spec.name)?;
        Ok(research)
    }

    /// Why a person must say go before the next attempt.
    ///
    /// # Errors
    /// When the ledger or a stored source cannot be read.
    pub fn escalations(&self, proposal: &Proposal) -> Result<Vec<Escalation>, Error> {
        Ok(research::standing(&self.forge(), proposal)?.escalations)
    }

    fn advisor(&self, advise: Advise) -> Result<Option<llm::Client>, Error> {
        let settings = &self.config.advice;
        let wanted = match advise {
            Advise::AsConfigured => settings.ask,
            Advise::Yes => true,
            Advise::No => false,
        };
        if !wanted {
            return Ok(None);
        }
        let base_url = settings.base_url.parse();
        let base_url = base_url.map_err(|error: llm::InvalidUrl| Error::Usage(format!("kavi.toml: {error}")))?;
        Ok(Some(llm::Client::new(llm::Settings {
            base_url,
            model: Some(settings.model.clone()).filter(|model| !model.is_empty()),
            timeout: std::time::Duration::from_secs(settings.timeout_s),
            prompt_chars: settings.prompt_chars,
        })))
    }

    /// Goes round build → verify → research until the proposal is VERIFIED, a person must look, or the attempts are
    /// used up. What lies built and unverified is verified first, which costs no attempt. Never promotes.
    ///
    /// # Errors
    /// When a step could not be made or recorded; a failed attempt or gate is an [`End`].
    pub fn forge_until_verified(
        &self,
        id: ProposalId,
        plan: &Plan<'_>,
        say: &(dyn Fn(&str) + Sync),
    ) -> Result<Forged, Error> {
        self.ledger.authorize()?;
        let (mut steps, mut made, mut last) = (Vec::new(), 0, End::BuildFailed);
        loop {
            let proposal = self.ledger.proposal(id)?;
            let standing = research::standing(&self.forge(), &proposal)?;
            let failed = match standing.next_step(proposal.status) {
                NextStep::Nothing => return Ok(Forged { steps, end: End::Verified }),
                NextStep::Verify => {
                    let toolchain = self.toolchain(&mut |line| say(line))?;
                    let verified = self.verify(&proposal, &toolchain, Reuse::Allowed, say)?;
                    last = End::VerificationFailed;
                    let build = verified.verification.build_id;
                    let failed = (verified.verification.status != Verdict::Passed).then_some(build);
                    steps.push(Step::Verified(verified));
                    failed
                }
                NextStep::Build => {
                    let by = plan.by.filter(|_| made == 0);
                    if by.is_none() && !standing.escalations.is_empty() {
                        return Ok(Forged { steps, end: End::Escalated(standing.escalations) });
                    }
                    if made == plan.attempts {
                        return Ok(Forged { steps, end: last });
                    }
                    made += 1;
                    say(&format!("attempt {made} of {}", plan.attempts));
                    let mut tell = |progress: Progress| match progress {
                        Progress::Stage(stage) => say(stage),
                        Progress::Builder(line) => say(&line),
                    };
                    let attempt = self.build(&proposal, plan.builder, by, &mut tell)?;
                    last = End::BuildFailed;
                    let failed = (attempt.build.status != BuildStatus::Succeeded).then_some(attempt.build.id);
                    steps.push(Step::Built(attempt));
                    failed
                }
            };
            if let Some(build) = failed {
                say("research");
                steps.push(Step::Researched(self.research(build, plan.look)?));
            }
        }
    }
}
