//! Research: why the newest attempt failed, and whether a person must look before the next one.
//!
//! Guarantees: kind, facts and escalations come from the ledger and the stored sources by pure functions (`classify`,
//! `escalate`); a model's advice (`advice`) is optional, checked against a closed format, and reaches the next packet as
//! quoted data only; every next attempt asks [`standing`] again, whether somebody ran a research or not.
//!
//! Deliberately never: starts an attempt, changes a proposal, or lets a model decide anything.

pub mod advice;
pub mod classify;
pub mod escalate;
mod note;
#[cfg(test)]
mod tests;

use std::path::Path;

use self::classify::Event;
use self::escalate::{Change, Seen};
use super::{Forge, build, snapshots};
use crate::artifacts::ArtifactError;
use crate::ledger::{Acknowledgement, Build, LedgerError, Proposal, Research, Verification};
use crate::llm;
use crate::model::{
    artifact::ArtifactKind,
    id::{ResearchId, VerificationId},
    lifecycle::ProposalStatus,
    research::{Advice, AdviceOutcome, Classified, Escalation, MAX_HINT},
    snapshot::Snapshot,
    text,
};

/// Why there is nothing to research, or it could not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum ResearchError {
    /// Not the newest attempt.
    #[error("build {id} is not the newest attempt of its proposal: {newest} is")]
    NotNewest {
        /// The build.
        id: String,
        /// The newest one.
        newest: String,
    },
    /// Nothing failed.
    #[error("attempt {attempt} of proposal {proposal} did not fail")]
    NotFailed {
        /// Its number.
        attempt: u32,
        /// The proposal.
        proposal: String,
    },
    /// It runs right now.
    #[error("another process is building proposal {0}")]
    Busy(String),
    /// A stored file.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// What a research is asked to do.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ask<'a> {
    /// What a person wants the next attempt to know.
    pub hint: Option<&'a str>,
    /// The model to ask; none means not to ask.
    pub advisor: Option<&'a llm::AdviceClient>,
}

/// Where a proposal stands before its next attempt. Everything in it comes from one reading of the ledger.
#[derive(Debug)]
pub struct Standing {
    builds: Vec<Build>,
    verifications: Vec<Verification>,
    looks: Vec<Research>,
    failure: Option<Classified>,
    /// Why a person must say go first.
    pub escalations: Vec<Escalation>,
}

/// What the next packet says about the attempt before.
#[derive(Debug, Clone, Copy)]
pub struct Before<'a> {
    /// The attempt.
    pub build: &'a Build,
    /// Why it failed, if it did.
    pub failure: Option<&'a Classified>,
    /// What a person wants the next attempt to know.
    pub hint: Option<&'a str>,
    /// What a model advises.
    pub advice: Option<&'a Advice>,
}

impl Standing {
    fn newest(&self) -> Option<Event<'_>> {
        Event::newest_first(&self.builds, &self.verifications).next()
    }

    /// The looks into the newest event: of the same attempt and the same verification of it, oldest first.
    fn looks(&self) -> impl DoubleEndedIterator<Item = &Research> {
        let event = self.newest();
        let same = move |look: &&Research| {
            event.is_some_and(|event| {
                look.build_id == event.build.id && look.verification_id == event.verification.map(|found| found.id)
            })
        };
        self.looks.iter().filter(same)
    }

    /// What the next packet says about the attempt before.
    pub fn before(&self) -> Option<Before<'_>> {
        let newest = self.newest()?;
        let given = |look: &'_ Research| matches!(look.advice, AdviceOutcome::Given { .. });
        let advice = match self.looks().rev().find(|look| given(look)).map(|look| &look.advice) {
            Some(AdviceOutcome::Given { advice, .. }) => Some(advice),
            _ => None,
        };
        let hint = self.looks().rev().find_map(|look| look.hint.as_deref());
        Some(Before { build: newest.build, failure: self.failure.as_ref(), hint, advice })
    }

    /// The sources that the next attempt starts from: the last ones that were accepted.
    pub fn sources(&self) -> Option<crate::model::digest::Digest> {
        self.builds.iter().rev().find_map(|build| build.snapshot_sha256)
    }

    /// The newest attempt, whatever became of it.
    pub fn newest_build(&self) -> Option<&Build> {
        self.builds.last()
    }

    /// The newest verification of the proposal.
    pub fn newest_verification(&self) -> Option<VerificationId> {
        self.verifications.last().map(|found| found.id)
    }

    /// What the forge has to do next.
    pub fn next_step(&self, status: ProposalStatus) -> NextStep {
        let unverified = self.newest().is_some_and(|event| event.verification.is_none() && !event.failed());
        match status {
            ProposalStatus::Verified => NextStep::Nothing,
            ProposalStatus::Built if unverified => NextStep::Verify,
            _ => NextStep::Build,
        }
    }

    /// The person's go for the next attempt, where one is needed.
    ///
    /// # Errors
    /// [`GoError`] when one is needed and there is none, or the other way round.
    pub fn go_ahead(&self, by: Option<&str>) -> Result<Option<Acknowledgement>, GoError> {
        match (by, self.escalations.as_slice()) {
            (None, []) => Ok(None),
            (None, _) => Err(GoError::Needed(self.escalations.clone())),
            (Some(_), []) => Err(GoError::Pointless),
            (Some(by), escalations) => {
                Ok(Some(Acknowledgement { acknowledged_by: by.to_owned(), escalations: escalations.to_vec() }))
            }
        }
    }
}

/// What the forge has to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextStep {
    /// It is VERIFIED.
    Nothing,
    /// The newest sources have not been verified.
    Verify,
    /// Another attempt.
    Build,
}

/// Whether an attempt may start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GoError {
    /// A person must say go.
    Needed(Vec<Escalation>),
    /// A person said go and nobody asked: a go that lies ready is no look.
    Pointless,
}

/// Reads where a proposal stands.
///
/// # Errors
/// [`ResearchError`] when the ledger or a stored source cannot be read.
pub fn standing(forge: &Forge<'_>, proposal: &Proposal) -> Result<Standing, ResearchError> {
    let mut standing = Standing {
        builds: forge.ledger.builds_of(proposal.id)?,
        verifications: forge.ledger.verifications_of(proposal.id)?,
        looks: forge.ledger.research_of(proposal.id)?,
        failure: None,
        escalations: Vec::new(),
    };
    let newest = standing.newest();
    let change = newest.map(|event| change(forge, &standing, event)).transpose()?.flatten();
    standing.failure = newest.and_then(|event| event.classify());
    let widened = match standing.builds.is_empty() {
        true => last_packet(forge, proposal)?.map(|last| escalate::widened(&last.spec, &proposal.spec)),
        false => None,
    };
    standing.escalations = escalate::escalations(&Seen {
        failure: standing.failure.as_ref(),
        in_a_row: escalate::in_a_row(Event::newest_first(&standing.builds, &standing.verifications)),
        widened: widened.unwrap_or_default(),
        change,
        advice: escalate::advice(standing.looks()),
    });
    Ok(standing)
}

/// How much an attempt changed of the sources that came with its packet.
fn change(forge: &Forge<'_>, standing: &Standing, event: Event<'_>) -> Result<Option<Change>, ResearchError> {
    let earlier = standing.builds.iter().rev().filter(|build| build.attempt_number < event.build.attempt_number);
    let base = earlier.filter_map(|build| build.snapshot_sha256).next();
    match (base, event.build.snapshot_sha256) {
        (Some(base), Some(left)) => {
            let (base, left) = (snapshots::load(forge.store, base)?, snapshots::load(forge.store, left)?);
            Ok(Some(Change::between(&base, &left)))
        }
        _ => Ok(None),
    }
}

/// The proposal of the same name whose packet was the last one.
fn last_packet(forge: &Forge<'_>, proposal: &Proposal) -> Result<Option<Proposal>, LedgerError> {
    let mut last: Option<(Build, Proposal)> = None;
    for other in forge.ledger.proposals_named(&proposal.spec.name)? {
        let newest = forge.ledger.builds_of(other.id)?.pop();
        if let Some(build) = newest
            && last.as_ref().is_none_or(|(last, _)| build.started_at >= last.started_at)
        {
            last = Some((build, other));
        }
    }
    Ok(last.map(|(_, proposal)| proposal))
}

/// Classifies the failure of `build`, asks for advice if that is wanted, and records both.
///
/// # Errors
/// [`ResearchError`] when `build` is not the newest attempt, runs, or did not fail. That no model is there is no error.
pub fn run(forge: &Forge<'_>, build: &Build, ask: Ask<'_>) -> Result<Research, ResearchError> {
    let proposal = forge.ledger.proposal(build.proposal_id)?;
    let _lock = match build::lock(forge, &proposal) {
        Ok(lock) => lock,
        Err(build::BuildError::Artifact(error)) => return Err(error.into()),
        Err(_) => return Err(ResearchError::Busy(proposal.id.short())),
    };
    let standing = standing(forge, &proposal)?;
    let Some(event) = standing.newest().filter(|event| event.build.id == build.id) else {
        let newest = standing.newest_build().map(|build| build.id.short()).unwrap_or_default();
        return Err(match build.was_not_invoked() {
            true => ResearchError::NotFailed { attempt: build.attempt_number, proposal: proposal.id.short() },
            false => ResearchError::NotNewest { id: build.id.short(), newest },
        });
    };
    let not_failed = || ResearchError::NotFailed { attempt: build.attempt_number, proposal: proposal.id.short() };
    let failure = standing.failure.clone().ok_or_else(not_failed)?;
    let hint = ask.hint.map(|hint| text::block(hint.trim(), MAX_HINT)).filter(|hint| !hint.is_empty());
    let sources = build.snapshot_sha256.map(|digest| snapshots::load(forge.store, digest)).transpose()?;
    let advice = match ask.advisor {
        None => AdviceOutcome::NotAsked,
        Some(model) => consult(model, &proposal, &failure, hint.as_deref(), sources.as_ref()),
    };
    record(forge, &proposal, &standing, event, (failure, hint, advice))
}

/// Asks the model. Whatever goes wrong with that is an outcome.
fn consult(
    model: &llm::AdviceClient,
    proposal: &Proposal,
    failure: &Classified,
    hint: Option<&str>,
    sources: Option<&Snapshot>,
) -> AdviceOutcome {
    let prompt = advice::prompt(proposal, failure, hint, sources, model.prompt_chars());
    match model.ask(advice::SYSTEM, &prompt) {
        Ok(reply) => advice::read(&reply.model, &reply.text),
        Err(unavailable) => AdviceOutcome::Unreachable { why: text::line(&unavailable.to_string(), 300) },
    }
}

fn record(
    forge: &Forge<'_>,
    proposal: &Proposal,
    standing: &Standing,
    event: Event<'_>,
    (classified, hint, advice): (Classified, Option<String>, AdviceOutcome),
) -> Result<Research, ResearchError> {
    let id = ResearchId::new(forge.ids);
    let mut research = Research {
        id,
        build_id: event.build.id,
        verification_id: event.verification.map(|found| found.id),
        classified,
        hint,
        advice,
        escalations: Vec::new(),
        note_path: String::new(),
        created_at: forge.clock.now(),
    };
    let looks = standing.looks().chain([&research]);
    let seen = Seen {
        failure: Some(&research.classified),
        in_a_row: escalate::in_a_row(Event::newest_first(&standing.builds, &standing.verifications)),
        widened: Vec::new(),
        change: change(forge, standing, event)?,
        advice: escalate::advice(looks.collect::<Vec<_>>().into_iter()),
    };
    research.escalations = escalate::escalations(&seen);
    let folder = build::folder(proposal, event.build.attempt_number);
    let related = event.build.id.to_string();
    let write = |name: String, bytes: &[u8]| {
        forge.write_artifact(ArtifactKind::ResearchNote, &folder.join(Path::new(&name)), bytes, related.clone())
    };
    let markdown = note::render(proposal, event.build, &research);
    let document = format!("{:#}\n", note::document(proposal, event.build, &research));
    let notes = [
        write(format!("RESEARCH_NOTE-{id}.md"), markdown.as_bytes())?,
        write(format!("RESEARCH_NOTE-{id}.json"), document.as_bytes())?,
    ];
    research.note_path = notes[0].path.clone();
    forge.ledger.insert_research(&research, &notes)?;
    Ok(research)
}
