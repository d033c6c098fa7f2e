//! Proposals: parsed, recorded, found, and shown with everything that is known of them.

use std::collections::BTreeMap;

use super::open_workspace::{OpenWorkspace, UnreadLedger};
use super::policy::PolicyService;
use crate::error::Error;
use crate::forge::promote;
use crate::forge::propose::{self, ProposalRequest};
use crate::forge::source_review::{self, SourceReview};
use crate::history::approval::Approved;
use crate::ledger::{
    Acknowledgement, ArtifactRow, Build, LedgerError, Promotion, Proposal, ProposalOrigin, ProposalSource, Rejection,
    Research, Verification,
};
use crate::model::{
    approver::Approver,
    channel::Channel,
    execution::SecondWall,
    id::{BuildId, IdPrefix, ProposalId},
    lifecycle::ProposalStatus,
    limits::Limits,
    name::SkillName,
    spec::SkillSpec,
    time::Timestamp,
};
use crate::policy::actor_capability::ActorCapability;
use crate::runtime::second_wall;

/// Everything that is known of one proposal.
#[derive(Debug)]
pub struct Dossier {
    /// The proposal.
    pub proposal: Proposal,
    /// Who sent it; none when it was typed at the command line.
    pub source: Option<ProposalSource>,
    /// The bundle that it came in; none when it came in none.
    pub origin: Option<ProposalOrigin>,
    /// How often the same specification was proposed.
    pub times: u32,
    /// Why a person rejected it, if one did.
    pub rejection: Option<Rejection>,
    /// Its attempts.
    pub builds: Vec<Build>,
    /// Its verifications.
    pub verifications: Vec<Verification>,
    /// The diagnoses of its failures.
    pub research: Vec<Research>,
    /// The attempts that a person acknowledged.
    pub acknowledgements: Vec<(BuildId, Acknowledgement)>,
    /// The decisions about it.
    pub promotions: Vec<Promotion>,
    /// Who signed the decision by which it was trusted last, as far as its own signature says.
    pub signed_by: Option<Approved>,
    /// When a ledger from before the history was taken over as it was found, if that was after the proposal.
    pub taken_over: Option<Timestamp>,
    /// Every proposal of the same name.
    pub lineage: Vec<Proposal>,
    /// Its artifacts: path and digest.
    pub artifacts: Vec<ArtifactRow>,
    /// The limits of a run in this workspace now.
    pub limits: Limits,
    /// The second wall of a run on this machine now, or why nothing can run.
    pub second_wall: Result<SecondWall, String>,
}

/// The proposals of one workspace.
#[derive(Debug, Clone, Copy)]
pub struct ProposalService<'a> {
    pub(super) workspace: &'a OpenWorkspace,
}

impl ProposalService<'_> {
    /// Finds a proposal by id, unique prefix, `NAME` (its trusted revision, else its newest proposal) or `NAME@REVISION`.
    ///
    /// # Errors
    /// When nothing or more than one proposal matches.
    pub fn find(&self, key: &str) -> Result<Proposal, Error> {
        let ledger = &self.workspace.ledger;
        let (name, revision) = split_revision(key);
        if let Ok(name) = SkillName::parse(name) {
            let proposals = ledger.proposals_named(&name)?;
            let found = match revision {
                Some(revision) => proposals.into_iter().find(|p| p.trust.is_some_and(|t| t.revision == revision)),
                // Whoever names a skill means the one that runs, if one does. This decides nothing, so it also
                // works on a ledger on which nothing runs.
                None => {
                    let running = proposals.iter().position(|proposal| proposal.status == ProposalStatus::Trusted);
                    let shown = running.or(proposals.len().checked_sub(1));
                    shown.and_then(|place| proposals.into_iter().nth(place))
                }
            };
            if let Some(found) = found {
                return Ok(found);
            }
        }
        let found = match IdPrefix::parse(key) {
            Ok(prefix) => ledger.proposal_by_prefix(&prefix),
            Err(_) => Err(LedgerError::NotFound { what: "proposal or skill", key: key.to_owned() }),
        };
        found.map_err(|error| self.mistyped(name, error))
    }

    /// What is said where nothing has the name: another name, if one is close to it.
    pub(super) fn mistyped(&self, name: &str, error: LedgerError) -> Error {
        let LedgerError::NotFound { what, .. } = error else { return error.into() };
        let names = self.workspace.ledger.skill_names().unwrap_or_default();
        // Only for something that could be a name: what is close to the prefix of an id is another
        // id.
        let typed = SkillName::parse(name).ok();
        match typed.and_then(|name| Some((name.closest(&names)?.clone(), name))) {
            Some((closest, name)) => Error::Mistyped { what, name, closest },
            None => error.into(),
        }
    }

    /// Finds the proposal that a step of the forge works on: by id or prefix, or the newest one of a name.
    ///
    /// # Errors
    /// When nothing or more than one proposal matches.
    pub fn find_newest(&self, key: &str) -> Result<Proposal, Error> {
        if let Ok(name) = SkillName::parse(key)
            && let Some(newest) = self.workspace.ledger.proposals_named(&name)?.pop()
        {
            return Ok(newest);
        }
        self.find(key)
    }

    /// Finds the proposal that a step of the forge or a decision is about: by id or prefix, or the only open one of a name.
    ///
    /// # Errors
    /// [`Error::AmbiguousName`] when several are open: a name must not lead to one that the person never looked at.
    pub fn find_open(&self, key: &str) -> Result<Proposal, Error> {
        if let Ok(name) = SkillName::parse(key)
            && let Some(only) = self.open_of(&name)?
        {
            return Ok(only);
        }
        self.find_newest(key)
    }

    /// The open proposal of a name, if there is one.
    ///
    /// # Errors
    /// [`Error::AmbiguousName`] when there are several.
    pub fn open_of(&self, name: &SkillName) -> Result<Option<Proposal>, Error> {
        let mut open = self.workspace.ledger.open_proposals(Some(name))?;
        match (open.pop(), open.is_empty()) {
            (Some(only), true) => Ok(Some(only.proposal)),
            // A person who names a skill with two open proposals would decide about one that they
            // may not mean.
            (Some(newest), false) => {
                open.push(newest);
                Err(Error::AmbiguousName { name: name.clone(), open })
            }
            (None, _) => Ok(None),
        }
    }

    /// Who sent each of these proposals. One that was typed at the command line has no entry.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn sources_of(&self, proposals: &[Proposal]) -> Result<BTreeMap<ProposalId, ProposalSource>, Error> {
        let source = |proposal: &Proposal| {
            let source = self.workspace.ledger.proposal_source(proposal.id)?;
            Ok(source.map(|source| (proposal.id, source)))
        };
        proposals.iter().filter_map(|proposal| source(proposal).transpose()).collect()
    }

    /// The sources of a proposal: those that were promoted, else those of its newest build. Compared with the trusted
    /// revision of its name, if that is another one.
    ///
    /// # Errors
    /// When it has no accepted sources, or they are missing or changed.
    pub fn sources(&self, proposal: &Proposal) -> Result<SourceReview, Error> {
        let ledger = &self.workspace.ledger;
        let missing = || LedgerError::NotFound { what: "accepted source of proposal", key: proposal.id.short() };
        let snapshot = match proposal.trust {
            Some(trust) => trust.snapshot_sha256,
            None => {
                ledger.builds_of(proposal.id)?.iter().rev().find_map(|it| it.snapshot_sha256).ok_or_else(missing)?
            }
        };
        let other = ledger.trusted(&proposal.spec.name)?.filter(|trusted| trusted.id != proposal.id);
        Ok(source_review::review(&self.workspace.store, snapshot, other.and_then(|trusted| trusted.trust))?)
    }

    /// What differs between the specification of a proposal and that of the trusted revision of its name, in words.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn spec_differences(&self, proposal: &Proposal) -> Result<Vec<String>, Error> {
        Ok(promote::differences(&self.workspace.forge(), proposal)?)
    }

    /// Turns an open proposal down.
    ///
    /// # Errors
    /// When it is not open, or no reason is given.
    pub fn reject(&self, proposal: &Proposal, approver: &Approver, why: &str) -> Result<Proposal, Error> {
        self.workspace.allow_person_as_decided(ActorCapability::RejectProposal, UnreadLedger::Proceeds)?;
        Ok(promote::reject(&self.workspace.forge(), proposal, approver, why)?)
    }

    /// Turns typed arguments into a spec. Writes nothing.
    ///
    /// # Errors
    /// [`Error::Propose`] when the arguments are invalid.
    pub fn parse_spec(&self, request: &ProposalRequest) -> Result<SkillSpec, Error> {
        Ok(propose::parse(request)?)
    }

    /// Parses a spec from the bytes of a file. Writes nothing.
    ///
    /// # Errors
    /// [`Error::Propose`] when the file is invalid.
    pub fn parse_spec_file(&self, bytes: &[u8]) -> Result<SkillSpec, Error> {
        Ok(propose::parse_file(bytes)?)
    }

    /// Records a proposal.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn propose(&self, spec: &SkillSpec) -> Result<Proposal, Error> {
        self.workspace.allow(&self.workspace.caller(Channel::Cli), ActorCapability::ProposeSkill)?;
        Ok(propose::write(&self.workspace.forge(), spec, None)?)
    }

    /// Every proposal.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn all(&self) -> Result<Vec<Proposal>, Error> {
        Ok(self.workspace.ledger.proposals()?)
    }

    /// Everything that is known of a proposal.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn dossier(&self, proposal: Proposal) -> Result<Dossier, Error> {
        let ledger = &self.workspace.ledger;
        let builds = ledger.builds_of(proposal.id)?;
        let verifications = ledger.verifications_of(proposal.id)?;
        let mut related = vec![proposal.id.to_string()];
        related.extend(builds.iter().map(|build| build.id.to_string()));
        related.extend(verifications.iter().map(|verification| verification.id.to_string()));
        let artifacts = related.iter().map(|id| ledger.artifacts_of(id)).collect::<Result<Vec<_>, _>>()?;
        Ok(Dossier {
            source: ledger.proposal_source(proposal.id)?,
            origin: ledger.proposal_origin(proposal.id)?,
            times: ledger.times_proposed(proposal.id)?,
            rejection: ledger.rejection(proposal.id)?,
            research: ledger.research_of(proposal.id)?,
            acknowledgements: ledger.acknowledgements_of(proposal.id)?,
            promotions: ledger.promotions_of(proposal.id)?,
            signed_by: PolicyService { workspace: self.workspace }.signed_by(&proposal)?,
            taken_over: ledger.taken_over().ok().flatten().filter(|at| *at > proposal.created_at),
            lineage: ledger.proposals_named(&proposal.spec.name)?,
            artifacts: artifacts.concat(),
            limits: self.workspace.config.limits.narrowed(&proposal.limits),
            second_wall: second_wall::probe().map_err(|error| error.to_string()),
            builds,
            verifications,
            proposal,
        })
    }
}

/// Splits `NAME` or `NAME@REVISION`.
pub(super) fn split_revision(key: &str) -> (&str, Option<u32>) {
    match key.split_once('@') {
        Some((name, revision)) => (name, revision.parse().ok()),
        None => (key, None),
    }
}
