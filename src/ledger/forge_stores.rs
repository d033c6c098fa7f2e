//! What the forge needs of the ledger, as small traits: proposals, their attempts, their verifications, and decisions about trust.
//!
//! [`Ledger`](super::Ledger) is one implementation. Every stage of the forge takes the traits, so another store can take its
//! place. No trait names a type of SQLite.
//!
//! Guarantees that an implementation must give: a call that returns without an error is durable and whole; a decision is recorded
//! only about exactly what was shown. Deliberately never: decides anything; an implementation answers and records.

use std::sync::Arc;

use super::ledger_trait::ledger_trait;
use super::{
    ArtifactRow, Build, BuildEnd, EarlierDraw, ExecutionStore, LedgerError, NewBuild, NewProposal, Promotion,
    PromotionRequest, PromotionSubject, Proposal, ProposalOrigin, ProposalSource, Rejection, Research, Reusable,
    Reverification, TrustStore, Verification,
};
use crate::history::anchor::HistoryAnchor;
use crate::model::{
    digest::Digest,
    id::{BuildId, ExecutionId, ProposalId},
    name::SkillName,
    time::Timestamp,
};

ledger_trait! {
    /// Has the proposals.
    pub trait ProposalStore {
        /// A proposal.
        ///
        /// # Errors
        /// [`LedgerError::NotFound`] when there is none.
        fn proposal(&self, id: ProposalId) -> Result<Proposal, LedgerError>;

        /// Every proposal, oldest first.
        ///
        /// # Errors
        /// [`LedgerError`] when they cannot be read.
        fn proposals(&self) -> Result<Vec<Proposal>, LedgerError>;

        /// How often it was proposed.
        ///
        /// # Errors
        /// [`LedgerError`] when it cannot be read.
        fn times_proposed(&self, id: ProposalId) -> Result<u32, LedgerError>;

        /// Who sent it; none when it was typed at the command line.
        ///
        /// # Errors
        /// [`LedgerError`] when it cannot be read.
        fn proposal_source(&self, id: ProposalId) -> Result<Option<ProposalSource>, LedgerError>;

        /// Where it came from; none when it came in no bundle.
        ///
        /// # Errors
        /// [`LedgerError`] when it cannot be read.
        fn proposal_origin(&self, id: ProposalId) -> Result<Option<ProposalOrigin>, LedgerError>;

        /// Records a proposal.
        ///
        /// # Errors
        /// [`LedgerError`] when it cannot be written.
        fn insert_proposal(&self, new: &NewProposal<'_>) -> Result<Proposal, LedgerError>;

        /// Counts a specification that came again, and gives the proposal that it repeats. None when it repeats nothing.
        ///
        /// # Errors
        /// [`LedgerError`] when it cannot be written.
        fn repeat_proposal(
            &self,
            name: &SkillName,
            spec_sha256: Digest,
            source: &ProposalSource,
            at: Timestamp,
        ) -> Result<Option<Proposal>, LedgerError>;

        /// Records that a person rejects an open proposal.
        ///
        /// # Errors
        /// [`LedgerError::WrongState`] when it is not open.
        fn reject_proposal(&self, id: ProposalId, rejection: &Rejection) -> Result<Proposal, LedgerError>;

        /// The artifacts of a proposal, build or verification, oldest first.
        ///
        /// # Errors
        /// [`LedgerError`] when they cannot be read.
        fn artifacts_of(&self, related_id: &str) -> Result<Vec<ArtifactRow>, LedgerError>;

        /// Every artifact, oldest first.
        ///
        /// # Errors
        /// [`LedgerError`] when they cannot be read.
        fn artifacts(&self) -> Result<Vec<ArtifactRow>, LedgerError>;
    }
}

ledger_trait! {
    /// Has the attempts to build, and what was found about failed ones.
    pub trait BuildStore {
        /// The attempts of a proposal, first to last.
        ///
        /// # Errors
        /// [`LedgerError`] when they cannot be read.
        fn builds_of(&self, proposal: ProposalId) -> Result<Vec<Build>, LedgerError>;

        /// Records that an attempt begins, before a builder is asked.
        ///
        /// # Errors
        /// [`LedgerError::WrongState`] when the proposal is not buildable.
        fn start_build(&self, new: &NewBuild<'_>) -> Result<Build, LedgerError>;

        /// Records how an attempt ended. A success makes its proposal BUILT.
        ///
        /// # Errors
        /// [`LedgerError::Conflict`] when it is no longer open.
        fn finish_build(&self, id: BuildId, end: &BuildEnd) -> Result<Build, LedgerError>;

        /// Records that an attempt was left open on purpose.
        ///
        /// # Errors
        /// [`LedgerError::Conflict`] when it is no longer open.
        fn leave_build_open(&self, id: BuildId) -> Result<Build, LedgerError>;

        /// What was found about the failed attempts of a proposal.
        ///
        /// # Errors
        /// [`LedgerError`] when it cannot be read.
        fn research_of(&self, proposal: ProposalId) -> Result<Vec<Research>, LedgerError>;

        /// Records what was found about a failed attempt, with its notes.
        ///
        /// # Errors
        /// [`LedgerError`] when it cannot be written.
        fn insert_research(&self, new: &Research, notes: &[ArtifactRow]) -> Result<(), LedgerError>;
    }
}

ledger_trait! {
    /// Has the verifications, and the results of gates that may be reused.
    pub trait VerificationStore {
        /// The verifications of a proposal, first to last.
        ///
        /// # Errors
        /// [`LedgerError`] when they cannot be read.
        fn verifications_of(&self, proposal: ProposalId) -> Result<Vec<Verification>, LedgerError>;

        /// The newest verification of a proposal.
        ///
        /// # Errors
        /// [`LedgerError`] when it cannot be read.
        fn latest_verification(&self, proposal: ProposalId) -> Result<Option<Verification>, LedgerError>;

        /// The verifications of these sources whose conformance gate drew inputs, first to last.
        ///
        /// # Errors
        /// [`LedgerError`] when they cannot be read.
        fn verifications_of_sources(&self, snapshot: Digest) -> Result<Vec<EarlierDraw>, LedgerError>;

        /// The newest result of a gate over the inputs that `key` names.
        ///
        /// # Errors
        /// [`LedgerError`] when it cannot be read.
        fn gate_result(&self, key: Digest) -> Result<Option<Reusable>, LedgerError>;

        /// Records a verification with its report.
        ///
        /// # Errors
        /// [`LedgerError`] when it cannot be written.
        fn insert_verification(&self, new: &Verification, report: &ArtifactRow) -> Result<(), LedgerError>;

        /// Records that what is trusted was verified again.
        ///
        /// # Errors
        /// [`LedgerError`] when it cannot be written.
        fn insert_reverification(&self, new: &Reverification) -> Result<(), LedgerError>;

        /// The recorded runs of a skill that can be repeated.
        ///
        /// # Errors
        /// [`LedgerError`] when they cannot be read.
        fn runs_to_replay(&self, name: &SkillName) -> Result<Vec<ExecutionId>, LedgerError>;
    }
}

ledger_trait! {
    /// Has the decisions about trust, and records new ones.
    pub trait PromotionStore {
        /// Everything that is trusted, by name.
        ///
        /// # Errors
        /// [`LedgerError`] when it cannot be read.
        fn all_trusted(&self) -> Result<Vec<Proposal>, LedgerError>;

        /// The decisions about a proposal, first to last.
        ///
        /// # Errors
        /// [`LedgerError`] when they cannot be read.
        fn promotions_of(&self, proposal: ProposalId) -> Result<Vec<Promotion>, LedgerError>;

        /// Makes all of these proposals TRUSTED, or none.
        ///
        /// # Errors
        /// [`LedgerError::WrongState`] or [`LedgerError::Conflict`] when one is not exactly what was shown.
        fn promote_all(&self, subjects: &[PromotionSubject<'_>]) -> Result<Vec<Proposal>, LedgerError>;

        /// What a rollback would go back to.
        ///
        /// # Errors
        /// [`LedgerError::NotFound`] when there is none.
        fn rollback_target(&self, name: &SkillName) -> Result<Proposal, LedgerError>;

        /// Goes back to what [`PromotionStore::rollback_target`] gave.
        ///
        /// # Errors
        /// [`LedgerError::Conflict`] when another process decided something in between.
        fn rollback(
            &self,
            name: &SkillName,
            target: ProposalId,
            request: &PromotionRequest,
        ) -> Result<Proposal, LedgerError>;

        /// Takes the trust in a revision back for good. Without a revision: the active one.
        ///
        /// # Errors
        /// [`LedgerError::NotFound`] when there is no such revision.
        fn revoke(
            &self,
            name: &SkillName,
            revision: Option<u32>,
            request: &PromotionRequest,
        ) -> Result<Proposal, LedgerError>;

        /// What signs for the workspace, if anything does.
        fn anchor(&self) -> Option<Arc<dyn HistoryAnchor>>;
    }
}

/// All that the forge needs.
pub trait ForgeStore:
    TrustStore + ExecutionStore + ProposalStore + BuildStore + VerificationStore + PromotionStore
{
}

impl<S: TrustStore + ExecutionStore + ProposalStore + BuildStore + VerificationStore + PromotionStore> ForgeStore
    for S
{
}
