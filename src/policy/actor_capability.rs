//! What an actor may do with Kavi: 48 capabilities in two groups. What a skill may touch is something else
//! (`model::capabilities`).
//!
//! Guarantees: the groups share nothing, and each public method of `app` belongs to exactly one capability, which
//! `docs/CAPABILITIES.md` lists and a test compares. Deliberately never: says who has a capability (that is `matrix`).

use std::{fmt, str::FromStr};

/// Something that an actor may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ActorCapability {
    /// See where the workspace is and how it is.
    ObserveWorkspace,
    /// See what waits for a person.
    ObserveInbox,
    /// Have everything checked that the workspace depends on.
    ObserveHealth,
    /// Find a proposal, skill, attempt or run by an id or a name.
    FindSubject,
    /// List trusted skills.
    ListSkills,
    /// Read the specification of a trusted skill.
    ReadSkill,
    /// List proposals.
    ListProposals,
    /// Read a proposal, its reports and what a promotion would trust.
    ReadProposal,
    /// Read the sources of a proposal.
    ReadSources,
    /// Learn why an attempt or a run failed, and say how a run went.
    ExplainFailure,
    /// List records of runs, without inputs and outputs.
    ListRecords,
    /// Read the record of a run, and of the runs around it.
    ReadRecord,
    /// Read large inputs and outputs of recorded runs.
    ReadValues,
    /// Write records or a diagnostic bundle to a file.
    ExportRecords,
    /// Read a specification, report or note by its digest.
    ReadArtifact,
    /// List changes of the vault.
    ListEffects,
    /// See a change of the vault, file by file.
    ReadEffect,
    /// Check the history.
    ObserveHistory,
    /// See the code cache.
    ObserveCache,
    /// Read charter, policy and capabilities.
    ReadContext,
    /// Have a specification checked without proposing it.
    CheckSpecification,
    /// Propose a skill.
    ProposeSkill,
    /// Run a trusted skill.
    RunSkill,
    /// Pass on a person's answer about held files of its own call.
    RelayAnswer,
    /// Have a proposal built.
    BuildSkill,
    /// Have attempts repeated until one is verified.
    RetrySkill,
    /// Have a build verified, or a trusted skill verified again.
    VerifySkill,
    /// Have a failure researched.
    ResearchFailure,
    /// Add a skill that comes with Kavi.
    AddBundled,
    /// Reject a proposal.
    RejectProposal,
    /// Promote a verified skill.
    PromoteSkill,
    /// Trust an earlier revision again.
    RollbackSkill,
    /// Revoke the trust in a skill.
    RevokeSkill,
    /// Stop everything.
    StopWorkspace,
    /// Let things run again after a stop.
    ResumeWorkspace,
    /// Release held changes of the vault.
    ReleaseEffect,
    /// Reject or abandon changes of the vault.
    RejectEffect,
    /// Put back what a run changed.
    UndoRun,
    /// Repeat recorded runs.
    ReplayRun,
    /// Delete old records.
    PruneRecords,
    /// Sign and write proofs.
    ProveHistory,
    /// Accept a ledger as it is.
    AdoptHistory,
    /// Make derived files again, and clear caches.
    RebuildDerived,
    /// Make a workspace, its toolchain and its skeletons.
    ManageWorkspace,
    /// Serve agents, and configure their programs.
    ServeAgents,
    /// Set the role charter.
    SetCharter,
    /// Set policy values.
    SetPolicy,
    /// Grant and revoke capabilities.
    SetCapability,
}

/// The two groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CapabilityGroup {
    /// To look, to propose, and to run what a person trusts.
    ObserveAndPropose,
    /// To decide, which is a person's.
    Decide,
}

impl CapabilityGroup {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ObserveAndPropose => "observe and propose",
            Self::Decide => "decide",
        }
    }
}

/// The text names no capability of actors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a capability; `kavi capability list` shows them")]
pub struct UnknownCapability(pub String);

impl ActorCapability {
    /// Every capability, group by group.
    pub const ALL: [Self; 48] = [
        Self::ObserveWorkspace,
        Self::ObserveInbox,
        Self::ObserveHealth,
        Self::FindSubject,
        Self::ListSkills,
        Self::ReadSkill,
        Self::ListProposals,
        Self::ReadProposal,
        Self::ReadSources,
        Self::ExplainFailure,
        Self::ListRecords,
        Self::ReadRecord,
        Self::ReadValues,
        Self::ExportRecords,
        Self::ReadArtifact,
        Self::ListEffects,
        Self::ReadEffect,
        Self::ObserveHistory,
        Self::ObserveCache,
        Self::ReadContext,
        Self::CheckSpecification,
        Self::ProposeSkill,
        Self::RunSkill,
        Self::RelayAnswer,
        Self::BuildSkill,
        Self::RetrySkill,
        Self::VerifySkill,
        Self::ResearchFailure,
        Self::AddBundled,
        Self::RejectProposal,
        Self::PromoteSkill,
        Self::RollbackSkill,
        Self::RevokeSkill,
        Self::StopWorkspace,
        Self::ResumeWorkspace,
        Self::ReleaseEffect,
        Self::RejectEffect,
        Self::UndoRun,
        Self::ReplayRun,
        Self::PruneRecords,
        Self::ProveHistory,
        Self::AdoptHistory,
        Self::RebuildDerived,
        Self::ManageWorkspace,
        Self::ServeAgents,
        Self::SetCharter,
        Self::SetPolicy,
        Self::SetCapability,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ObserveWorkspace => "observe_workspace",
            Self::ObserveInbox => "observe_inbox",
            Self::ObserveHealth => "observe_health",
            Self::FindSubject => "find_subject",
            Self::ListSkills => "list_skills",
            Self::ReadSkill => "read_skill",
            Self::ListProposals => "list_proposals",
            Self::ReadProposal => "read_proposal",
            Self::ReadSources => "read_sources",
            Self::ExplainFailure => "explain_failure",
            Self::ListRecords => "list_records",
            Self::ReadRecord => "read_record",
            Self::ReadValues => "read_values",
            Self::ExportRecords => "export_records",
            Self::ReadArtifact => "read_artifact",
            Self::ListEffects => "list_effects",
            Self::ReadEffect => "read_effect",
            Self::ObserveHistory => "observe_history",
            Self::ObserveCache => "observe_cache",
            Self::ReadContext => "read_context",
            Self::CheckSpecification => "check_specification",
            Self::ProposeSkill => "propose_skill",
            Self::RunSkill => "run_skill",
            Self::RelayAnswer => "relay_answer",
            Self::BuildSkill => "build_skill",
            Self::RetrySkill => "retry_skill",
            Self::VerifySkill => "verify_skill",
            Self::ResearchFailure => "research_failure",
            Self::AddBundled => "add_bundled",
            Self::RejectProposal => "reject_proposal",
            Self::PromoteSkill => "promote_skill",
            Self::RollbackSkill => "rollback_skill",
            Self::RevokeSkill => "revoke_skill",
            Self::StopWorkspace => "stop_workspace",
            Self::ResumeWorkspace => "resume_workspace",
            Self::ReleaseEffect => "release_effect",
            Self::RejectEffect => "reject_effect",
            Self::UndoRun => "undo_run",
            Self::ReplayRun => "replay_run",
            Self::PruneRecords => "prune_records",
            Self::ProveHistory => "prove_history",
            Self::AdoptHistory => "adopt_history",
            Self::RebuildDerived => "rebuild_derived",
            Self::ManageWorkspace => "manage_workspace",
            Self::ServeAgents => "serve_agents",
            Self::SetCharter => "set_charter",
            Self::SetPolicy => "set_policy",
            Self::SetCapability => "set_capability",
        }
    }

    /// What it allows.
    pub fn doc(self) -> &'static str {
        match self {
            Self::ObserveWorkspace => "See where the workspace is and how it is.",
            Self::ObserveInbox => "See what waits for a person.",
            Self::ObserveHealth => "Have everything checked that the workspace depends on.",
            Self::FindSubject => "Find a proposal, skill, attempt or run by an id or a name.",
            Self::ListSkills => "List trusted skills.",
            Self::ReadSkill => "Read the specification of a trusted skill.",
            Self::ListProposals => "List proposals.",
            Self::ReadProposal => "Read a proposal, its reports and what a promotion would trust.",
            Self::ReadSources => "Read the sources of a proposal.",
            Self::ExplainFailure => "Learn why an attempt or a run failed, and say how a run went.",
            Self::ListRecords => "List records of runs, without inputs and outputs.",
            Self::ReadRecord => "Read the record of a run, and of the runs around it.",
            Self::ReadValues => "Read large inputs and outputs of recorded runs.",
            Self::ExportRecords => "Write records or a diagnostic bundle to a file.",
            Self::ReadArtifact => "Read a specification, report or note by its digest.",
            Self::ListEffects => "List changes of the vault.",
            Self::ReadEffect => "See a change of the vault, file by file.",
            Self::ObserveHistory => "Check the history.",
            Self::ObserveCache => "See the code cache.",
            Self::ReadContext => "Read charter, policy and capabilities.",
            Self::CheckSpecification => "Have a specification checked without proposing it.",
            Self::ProposeSkill => "Propose a skill.",
            Self::RunSkill => "Run a trusted skill.",
            Self::RelayAnswer => "Pass on a person's answer about held files of its own call.",
            Self::BuildSkill => "Have a proposal built.",
            Self::RetrySkill => "Have attempts repeated until one is verified.",
            Self::VerifySkill => "Have a build verified, or a trusted skill verified again.",
            Self::ResearchFailure => "Have a failure researched.",
            Self::AddBundled => "Add a skill that comes with Kavi.",
            Self::RejectProposal => "Reject a proposal.",
            Self::PromoteSkill => "Promote a verified skill.",
            Self::RollbackSkill => "Trust an earlier revision again.",
            Self::RevokeSkill => "Revoke the trust in a skill.",
            Self::StopWorkspace => "Stop everything.",
            Self::ResumeWorkspace => "Let things run again after a stop.",
            Self::ReleaseEffect => "Release held changes of the vault.",
            Self::RejectEffect => "Reject or abandon changes of the vault.",
            Self::UndoRun => "Put back what a run changed.",
            Self::ReplayRun => "Repeat recorded runs.",
            Self::PruneRecords => "Delete old records.",
            Self::ProveHistory => "Sign and write proofs.",
            Self::AdoptHistory => "Accept a ledger as it is.",
            Self::RebuildDerived => "Make derived files again, and clear caches.",
            Self::ManageWorkspace => "Make a workspace, its toolchain and its skeletons.",
            Self::ServeAgents => "Serve agents, and configure their programs.",
            Self::SetCharter => "Set the role charter.",
            Self::SetPolicy => "Set policy values.",
            Self::SetCapability => "Grant and revoke capabilities.",
        }
    }

    /// Its group.
    pub fn group(self) -> CapabilityGroup {
        // In the order of the list: everything from `BuildSkill` on decides.
        if self < Self::BuildSkill { CapabilityGroup::ObserveAndPropose } else { CapabilityGroup::Decide }
    }
}

impl fmt::Display for ActorCapability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ActorCapability {
    type Err = UnknownCapability;

    fn from_str(text: &str) -> Result<Self, UnknownCapability> {
        let found = Self::ALL.into_iter().find(|capability| capability.as_str() == text);
        found.ok_or_else(|| UnknownCapability(text.to_owned()))
    }
}
