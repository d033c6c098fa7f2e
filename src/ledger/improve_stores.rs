//! What `improve` needs of the ledger besides what the forge needs, as small traits: guidance, outcomes, attempts, pairs, orders.
//!
//! [`Ledger`](super::Ledger) is one implementation. No trait names a type of SQLite.
//!
//! Guarantees that an implementation must give: a call that returns without an error is durable and whole; a decision is recorded
//! only about exactly what was shown. Deliberately never: decides anything; an implementation answers and records.

use super::ledger_trait::ledger_trait;
use super::{
    ChangeStore, CodeAttempt, CodeAttemptStep, Decided, ForgeStore, GuidanceDecision, GuidancePair, GuidanceRevision,
    GuidanceRollback, Improvement, ImprovementStep, LedgerError, NewAttempt, NewGuidance, NewShadowOrder, NewStepBack,
    OutcomeOpinion, OutcomeReport, RecordFilter, RecordTail, ReleasedEvidence, ShadowOrder, ShadowRun, StepBackOrder,
};
use crate::model::{
    evidence::{EvidenceText, RunEvidence},
    name::SkillName,
    time::Timestamp,
};

ledger_trait! {
    /// Has the revisions of guidance, and the decisions about them.
    pub trait GuidanceStore {
        /// One revision.
        ///
        /// # Errors
        /// [`LedgerError::NotFound`] when there is none.
        fn guidance_revision(&self, skill: &SkillName, number: u32) -> Result<GuidanceRevision, LedgerError>;

        /// Every revision of a skill, oldest first.
        ///
        /// # Errors
        /// [`LedgerError`] when they cannot be read.
        fn guidance_revisions(&self, skill: &SkillName) -> Result<Vec<GuidanceRevision>, LedgerError>;

        /// What is published of a skill; none before the first revision.
        ///
        /// # Errors
        /// [`LedgerError::Tampered`] when it is not what the newest event about it says.
        fn published_guidance(&self, skill: &SkillName) -> Result<Option<GuidanceRevision>, LedgerError>;

        /// Every decision about a skill, oldest first.
        ///
        /// # Errors
        /// [`LedgerError`] when they cannot be read.
        fn guidance_decisions(&self, skill: &SkillName) -> Result<Vec<GuidanceDecision>, LedgerError>;

        /// Writes the next revision of a skill and publishes it.
        ///
        /// # Errors
        /// [`LedgerError::Conflict`] when another revision is published than the person saw.
        fn publish_guidance(&self, new: &NewGuidance<'_>, decided: Decided<'_>) -> Result<GuidanceRevision, LedgerError>;

        /// Publishes an earlier revision again. `seen` is the one that the person saw as published.
        ///
        /// # Errors
        /// [`LedgerError::Conflict`] when another one is published, [`LedgerError::NotFound`] when there is no such revision,
        /// [`LedgerError::WrongState`] when it is the published one.
        fn roll_back_guidance(&self, rollback: &GuidanceRollback<'_>, decided: Decided<'_>) -> Result<GuidanceRevision, LedgerError>;
    }
}

ledger_trait! {
    /// Says how runs went: their records in order, and what persons and agents said about them.
    pub trait OutcomeStore {
        /// What persons said about the runs of a skill, oldest first.
        ///
        /// # Errors
        /// [`LedgerError`] when it cannot be read.
        fn outcome_reports(&self, skill: &SkillName) -> Result<Vec<OutcomeReport>, LedgerError>;

        /// The newest opinions of agents about the runs of a skill, newest first.
        ///
        /// # Errors
        /// [`LedgerError`] when they cannot be read.
        fn outcome_opinions(&self, skill: &SkillName) -> Result<Vec<OutcomeOpinion>, LedgerError>;

        /// At most so many records from the one after `seen` up to the record with the number `until`.
        ///
        /// # Errors
        /// [`LedgerError`] when the ledger cannot be read.
        fn written_between(&self, filter: &RecordFilter, seen: i64, until: i64, most: u32) -> Result<RecordTail, LedgerError>;

        /// At most so many of these records that were written after the one with this number, in the order in which they were.
        ///
        /// # Errors
        /// [`LedgerError`] when the ledger cannot be read.
        fn written_after(&self, filter: &RecordFilter, seen: i64, most: u32) -> Result<RecordTail, LedgerError>;
    }
}

ledger_trait! {
    /// Has the attempts to improve a skill, at its guidance and at its code.
    pub trait ImprovementStore {
        /// Every attempt, or those at one skill, oldest first.
        ///
        /// # Errors
        /// [`LedgerError`] when they cannot be read.
        fn improvements(&self, skill: Option<&SkillName>) -> Result<Vec<Improvement>, LedgerError>;

        /// Begins an attempt at guidance.
        ///
        /// # Errors
        /// [`LedgerError::Conflict`] when the skill has an open one.
        fn begin_improvement(&self, new: &NewAttempt<'_>) -> Result<Improvement, LedgerError>;

        /// Takes a step of an attempt at guidance.
        ///
        /// # Errors
        /// [`LedgerError::WrongState`] when it is in another state than the step starts from.
        fn step_improvement(&self, number: u32, step: ImprovementStep<'_>, at: Timestamp) -> Result<Improvement, LedgerError>;

        /// Every attempt, or those at the code of one skill, oldest first.
        ///
        /// # Errors
        /// [`LedgerError`] when they cannot be read.
        fn code_attempts(&self, skill: Option<&SkillName>) -> Result<Vec<CodeAttempt>, LedgerError>;

        /// Begins an attempt at the code of a skill.
        ///
        /// # Errors
        /// [`LedgerError::Conflict`] when the skill has an open one.
        fn begin_code_attempt(&self, new: &NewAttempt<'_>) -> Result<CodeAttempt, LedgerError>;

        /// Takes a step of an attempt at code.
        ///
        /// # Errors
        /// [`LedgerError::WrongState`] when it is in another state than the step starts from.
        fn step_code_attempt(&self, number: u32, step: CodeAttemptStep<'_>, at: Timestamp) -> Result<CodeAttempt, LedgerError>;
    }
}

ledger_trait! {
    /// Has the texts that a person released, and the pairs in which two guidances were compared with them.
    pub trait PairStore {
        /// The newest released text of each run of a skill, in the order of their release.
        ///
        /// # Errors
        /// [`LedgerError::Tampered`] when one is not what its event says.
        fn released_evidence(&self, skill: &SkillName) -> Result<Vec<ReleasedEvidence>, LedgerError>;

        /// Records that a person released a text of evidence.
        ///
        /// # Errors
        /// [`LedgerError`] when it cannot be written.
        fn release_evidence(&self, evidence: &RunEvidence, text: &EvidenceText, decided: Decided<'_>) -> Result<(), LedgerError>;

        /// The pairs of an attempt, oldest first.
        ///
        /// # Errors
        /// [`LedgerError`] when they cannot be read.
        fn guidance_pairs(&self, improvement: u32) -> Result<Vec<GuidancePair>, LedgerError>;

        /// Begins a pair.
        ///
        /// # Errors
        /// [`LedgerError`] when the text was compared before.
        fn begin_pair(&self, improvement: u32, evidence: u32, at: Timestamp) -> Result<(), LedgerError>;

        /// Ends a pair that was begun.
        ///
        /// # Errors
        /// [`LedgerError::Conflict`] when it is over.
        fn end_pair(&self, improvement: u32, pair: &GuidancePair, at: Timestamp) -> Result<(), LedgerError>;

        /// Gives up pairs that an earlier pass began. Gives how many they were.
        ///
        /// # Errors
        /// [`LedgerError`] when that cannot be written.
        fn lose_pairs(&self, improvement: u32, at: Timestamp) -> Result<usize, LedgerError>;
    }
}

ledger_trait! {
    /// Has the standing orders of a person, and what was done under them.
    pub trait StandingOrderStore {
        /// Records a person's decision that a candidate repeats calls.
        ///
        /// # Errors
        /// [`LedgerError`] when it cannot be written.
        fn give_shadow_order(&self, new: &NewShadowOrder<'_>, decided: Decided<'_>) -> Result<ShadowOrder, LedgerError>;

        /// The newest order of a skill, if calls are left.
        ///
        /// # Errors
        /// [`LedgerError::Tampered`] when it is not what its newest event says.
        fn open_shadow_order(&self, skill: &SkillName) -> Result<Option<ShadowOrder>, LedgerError>;

        /// Adds calls that a candidate repeated.
        ///
        /// # Errors
        /// [`LedgerError`] when one of them is there already.
        fn add_shadow_runs(&self, number: u32, runs: &[ShadowRun], at: Timestamp) -> Result<(), LedgerError>;

        /// Gives an order, in place of the one before.
        ///
        /// # Errors
        /// [`LedgerError::WrongState`] when the revision was never published, [`LedgerError::NotApproved`] without a signature where
        /// a rollback needs one.
        fn give_step_back_order(&self, skill: &SkillName, to: u32, until: Timestamp, decided: Decided<'_>) -> Result<StepBackOrder, LedgerError>;

        /// The newest order of a skill, if it has not ended. It may have expired.
        ///
        /// # Errors
        /// [`LedgerError::Tampered`] when it is not what its events say.
        fn open_step_back_order(&self, skill: &SkillName) -> Result<Option<StepBackOrder>, LedgerError>;

        /// Publishes the revision of an order again, and ends the order.
        ///
        /// # Errors
        /// [`LedgerError::Conflict`] when another revision is published, or the order ended or is not the newest by now.
        fn step_back(&self, step: &NewStepBack<'_>) -> Result<GuidanceRevision, LedgerError>;
    }
}

/// All that `improve` needs.
pub trait ImproveStore:
    ForgeStore + ChangeStore + GuidanceStore + OutcomeStore + ImprovementStore + PairStore + StandingOrderStore
{
}

impl<S> ImproveStore for S where
    S: ForgeStore + ChangeStore + GuidanceStore + OutcomeStore + ImprovementStore + PairStore + StandingOrderStore
{
}
