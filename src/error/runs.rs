//! Kinds and hints of what runs, effects and undos fail with.

use super::causes::{STOPPED, artifact, ledger, ledger_hint, load, load_hint, meant};
use super::kind::Kind;
use crate::invoke::{
    InvokeError,
    chain::ChainError,
    effects::EffectsError,
    pending_approval::ApprovalError,
    prune::{PruneError, Unswept},
    replay::ReplayError,
    undo::UndoError,
};
use crate::model::{chain_check::ChainMismatch, channel::Channel, lifecycle::ProposalStatus, name::SkillName};
use crate::policy::{
    access::{AccessDenied, AccessLayer},
    charter::CharterError,
};
use crate::registry::TrustError;
use crate::runtime::RunError;

const CLOCK: &str = "set the clock and try again; `kavi doctor` says more about it";

pub(super) fn kind_of_run(error: &InvokeError) -> Kind {
    match error {
        InvokeError::Trust(error) => trust(error),
        InvokeError::Ledger(error) => ledger(error),
        InvokeError::NotGranted { .. } | InvokeError::Stopped(_) => Kind::Refused,
        InvokeError::InputJson(_) | InvokeError::Input { .. } => Kind::Usage,
        InvokeError::Unmapped(_) => Kind::Failed,
        InvokeError::Run(
            RunError::Refused(_) | RunError::Stopped(_) | RunError::Revoked(_) | RunError::Disabled(_),
        ) => Kind::Refused,
        InvokeError::Access(_) | InvokeError::PolicyAsks { .. } | InvokeError::OverLimit { .. } => Kind::Refused,
        InvokeError::Run(RunError::Host(_)) => Kind::Internal,
        InvokeError::Run(
            RunError::Folder { .. }
            | RunError::StagingNotEmpty { .. }
            | RunError::SecondWall(_)
            | RunError::Runtime(_)
            | RunError::DiskFull,
        ) => Kind::Failed,
        InvokeError::Load(error) => load(error),
        InvokeError::Leak(_) => Kind::Refused,
        InvokeError::Denied { .. } | InvokeError::NeedsPerson { .. } | InvokeError::PrivateData { .. } => Kind::Refused,
        InvokeError::Effects(error) => effects(error),
        InvokeError::Artifact(error) => artifact(error),
        InvokeError::Runtime(_) => Kind::Failed,
        _ => Kind::Skill,
    }
}

/// What a person can do about a denial.
pub(super) fn hint_of_access(error: &AccessDenied) -> String {
    match error {
        AccessDenied::Charter(CharterError::NoActiveRoleCharter) => "set one with `kavi charter set FILE`",
        AccessDenied::Charter(CharterError::RoleCharterIntegrity(_)) => {
            "`kavi charter verify` says what differs; `kavi charter set FILE` sets a charter again"
        }
        AccessDenied::Layer { layer: AccessLayer::KillSwitch, .. } => DISABLED,
        AccessDenied::Layer { layer: AccessLayer::Matrix, .. } => {
            "`kavi capability list` shows what is granted, `kavi capability grant` changes it"
        }
        AccessDenied::Layer { .. } => "`kavi policy explain` shows what every layer answers",
    }
    .to_owned()
}

const DISABLED: &str = "`kavi policy set disabled false` lets the agents of this workspace work again";

fn trust(error: &TrustError) -> Kind {
    match error {
        TrustError::Unknown { .. } => Kind::Usage,
        TrustError::Ledger(error) => ledger(error),
        TrustError::NotTrusted { .. } | TrustError::Bytes { .. } => Kind::Refused,
    }
}

fn effects(error: &EffectsError) -> Kind {
    match error {
        EffectsError::Ledger(error) => ledger(error),
        EffectsError::Artifact(error) => artifact(error),
        EffectsError::NotRecorded { .. } => Kind::Refused,
        EffectsError::Place { .. }
        | EffectsError::FileSystem { .. }
        | EffectsError::Conflict { .. }
        | EffectsError::FutureFile { .. }
        | EffectsError::Io { .. }
        | EffectsError::Unfinished { .. } => Kind::Failed,
    }
}

pub(super) fn kind_of_held(error: &ApprovalError) -> Kind {
    match error {
        ApprovalError::NotHeld { .. }
        | ApprovalError::NotUnfinished { .. }
        | ApprovalError::Stopped(_)
        | ApprovalError::OtherRevision(_) => Kind::Refused,
        ApprovalError::Trust(error) => trust(error),
        ApprovalError::Artifact(error) => artifact(error),
        ApprovalError::Effects(error) => effects(error),
        ApprovalError::Ledger(error) => ledger(error),
    }
}

pub(super) fn kind_of_chain(error: &ChainError) -> Kind {
    match error {
        ChainError::Unknown { .. } => Kind::Usage,
        ChainError::Mismatch(mismatch) if is_too_wide(mismatch) => Kind::Refused,
        ChainError::Denied { .. } | ChainError::Stopped(_) => Kind::Refused,
        ChainError::Mismatch(_) => Kind::Usage,
        ChainError::WrittenTwice(_) => Kind::Failed,
        ChainError::Effects(error) => effects(error),
        ChainError::Ledger(error) => ledger(error),
    }
}

fn is_too_wide(mismatch: &ChainMismatch) -> bool {
    matches!(mismatch, ChainMismatch::TooWide { .. })
}

pub(super) fn kind_of_replay(error: &ReplayError) -> Kind {
    match error {
        ReplayError::NothingRan(_) | ReplayError::Gone(_) | ReplayError::Changed { .. } => Kind::Refused,
        ReplayError::InvalidRecord { .. } => Kind::Failed,
        ReplayError::Run(error) => kind_of_run(error),
        ReplayError::Artifact(error) => artifact(error),
        ReplayError::Ledger(error) => ledger(error),
    }
}

pub(super) fn kind_of_undo(error: &UndoError) -> Kind {
    match error {
        UndoError::Nothing(_) | UndoError::NotThere { .. } | UndoError::Twice { .. } | UndoError::NotKept(_) => {
            Kind::Refused
        }
        UndoError::Artifact(error) => artifact(error),
        UndoError::Effects(error) => effects(error),
        UndoError::Ledger(error) => ledger(error),
    }
}

pub(super) fn kind_of_prune(error: &PruneError) -> Kind {
    match error {
        PruneError::Ledger(error) | PruneError::Files(Unswept::Ledger(error)) => ledger(error),
        PruneError::Files(Unswept::Artifact(error)) => artifact(error),
        PruneError::Clock(_) => Kind::Refused,
    }
}

pub(super) fn hint_of_prune(error: &PruneError) -> Option<String> {
    match error {
        PruneError::Ledger(error) | PruneError::Files(Unswept::Ledger(error)) => ledger_hint(error),
        PruneError::Clock(_) => Some(CLOCK.to_owned()),
        PruneError::Files(Unswept::Artifact(_)) => {
            Some("mend the folder; the next `kavi prune` removes them".to_owned())
        }
    }
}

pub(super) fn hint_of_run(error: &InvokeError) -> Option<String> {
    let text = match error {
        InvokeError::Stopped(_) | InvokeError::Run(RunError::Stopped(_)) => STOPPED,
        InvokeError::Run(RunError::Revoked(_)) => {
            "see `kavi list-skills` for what is trusted now; nothing of the run was kept"
        }
        InvokeError::Load(error) => return load_hint(error),
        InvokeError::Trust(error) => return trust_hint(error),
        InvokeError::Input { .. } | InvokeError::InputJson(_) => {
            "run `kavi show NAME` for the schema and an example call"
        }
        InvokeError::NotGranted { .. } => "READ_ONLY, FILE_WRITE and NETWORK skills can be run",
        InvokeError::Denied { .. } => "see [policy] in kavi.toml",
        InvokeError::Access(error) => return Some(hint_of_access(error)),
        InvokeError::Run(RunError::Disabled(_)) => DISABLED,
        InvokeError::PrivateData { channel: Channel::Chain, .. } => {
            "see the steps before it with `kavi show NAME`; if you agree, say --yes; nothing ran"
        }
        InvokeError::PrivateData { .. } => {
            "a person runs it at the command line, or starts the server again, which forgets what agents read"
        }
        InvokeError::PolicyAsks { .. } => "say --yes, or see `kavi policy explain`",
        InvokeError::OverLimit { .. } => "wait, or raise it with `kavi policy set`; `kavi policy list` shows it",
        InvokeError::NeedsPerson { .. } => "say --yes, or see [policy] in kavi.toml",
        InvokeError::Run(RunError::LimitExceeded { .. } | RunError::Timeout { .. }) => {
            "limits are set in [limits] of kavi.toml; `kavi show` of the skill says which of them its promotion fixed"
        }
        InvokeError::Run(RunError::DiskFull) => "make room on the disk of the workspace and run it again",
        InvokeError::Effects(error) => return effects_hint(error),
        _ => return None,
    };
    Some(text.to_owned())
}

fn effects_hint(error: &EffectsError) -> Option<String> {
    let text = match error {
        EffectsError::Conflict { .. } => "look at the file, then run the skill again if it should still be changed",
        EffectsError::FutureFile { path } => {
            return Some(format!(
                "see that the clock is right, then give the file the time of now with `touch` (`{path}` in the vault), \
                 and run the skill again"
            ));
        }
        EffectsError::Ledger(error) => return ledger_hint(error),
        EffectsError::Unfinished { id, .. } => {
            return Some(format!(
                "mend what it says: the next `kavi run-skill` or `kavi status` finishes it; \
                 or give it up with `kavi effects abandon {id} --why TEXT`, which leaves the vault as it is now. \
                 Until then it blocks only the files that it wants"
            ));
        }
        EffectsError::NotRecorded { id, .. } => {
            return Some(format!(
                "somebody edited the ledger: restore it from a backup, or give the effect up with \
                 `kavi effects reject {id}` or `kavi effects abandon {id} --why TEXT`"
            ));
        }
        EffectsError::Place { .. }
        | EffectsError::FileSystem { .. }
        | EffectsError::Io { .. }
        | EffectsError::Artifact(_) => {
            "mend the folder; what is recorded and not finished, the next `kavi run-skill` or `kavi status` finishes"
        }
    };
    Some(text.to_owned())
}

pub(super) fn hint_of_held(error: &ApprovalError) -> Option<String> {
    let text = match error {
        ApprovalError::NotHeld { .. } | ApprovalError::NotUnfinished { .. } => "see `kavi effects list --all`",
        ApprovalError::Stopped(_) => STOPPED,
        ApprovalError::Trust(error) => return trust_hint(error),
        ApprovalError::OtherRevision(id) => {
            return Some(format!("reject it with `kavi effects reject {id}`, and run the skill as it is now"));
        }
        ApprovalError::Effects(EffectsError::Conflict { .. }) => {
            "the vault is not as it was when this was shown: reject it, and run the skill again"
        }
        ApprovalError::Effects(EffectsError::FileSystem { .. }) => {
            "mend what it says, and approve it again: the effect is still held"
        }
        ApprovalError::Effects(error) => return effects_hint(error),
        ApprovalError::Ledger(error) => return ledger_hint(error),
        ApprovalError::Artifact(_) => return None,
    };
    Some(text.to_owned())
}

pub(super) fn hint_of_chain(error: &ChainError) -> Option<String> {
    let text = match error {
        ChainError::Unknown { .. } => "see `kavi list-skills`; nothing ran",
        ChainError::Mismatch(mismatch) if is_too_wide(mismatch) => {
            "allow it with --max-effect, or take the step out; nothing ran"
        }
        ChainError::Mismatch(_) => "see `kavi show NAME` for the schemas; nothing ran",
        ChainError::Denied { source, .. } => return hint_of_run(source),
        ChainError::Stopped(_) => STOPPED,
        ChainError::WrittenTwice(_) => {
            "write to another file, or commit each run by itself: a chain with --commit-each, a batch without --together"
        }
        ChainError::Effects(error) => return effects_hint(error),
        ChainError::Ledger(error) => return ledger_hint(error),
    };
    Some(text.to_owned())
}

pub(super) fn hint_of_replay(error: &ReplayError) -> Option<String> {
    match error {
        ReplayError::Gone(skill) => Some(format!("see `kavi show {skill}`")),
        ReplayError::Changed { skill, .. } => Some(format!(
            "go back with `kavi rollback {skill}`, or compare with what is trusted now: `kavi replay --skill {skill} --all`"
        )),
        ReplayError::NothingRan(_) | ReplayError::InvalidRecord { .. } => Some("see `kavi tail-executions`".to_owned()),
        ReplayError::Ledger(error) => ledger_hint(error),
        ReplayError::Run(error) => hint_of_run(error),
        ReplayError::Artifact(_) => None,
    }
}

pub(super) fn hint_of_undo(error: &UndoError) -> Option<String> {
    let text = match error {
        UndoError::Nothing(_) | UndoError::NotThere { .. } | UndoError::Twice { .. } | UndoError::NotKept(_) => {
            "see `kavi effects list --all`"
        }
        UndoError::Effects(EffectsError::Conflict { .. }) => {
            "it was changed after the run: put it back by hand; `kavi effects list --all` has the id, `kavi effects show ID` the difference"
        }
        UndoError::Effects(error) => return effects_hint(error),
        UndoError::Ledger(error) => return ledger_hint(error),
        UndoError::Artifact(_) => return None,
    };
    Some(text.to_owned())
}

fn trust_hint(error: &TrustError) -> Option<String> {
    match error {
        TrustError::Unknown { closest: Some(closest), .. } => Some(meant(closest)),
        TrustError::Unknown { closest: None, .. } => Some("see `kavi list-skills`".to_owned()),
        TrustError::NotTrusted { name, id, status } => Some(not_trusted_hint(name, &id.short(), *status)),
        TrustError::Bytes { name, proposal, .. } => Some(format!(
            "its component on disk is not what was promoted: restore it from a backup, go back with `kavi rollback {name}`, \
             or propose, build and promote it again (`kavi show {}`)",
            proposal.id.short()
        )),
        TrustError::Ledger(error) => ledger_hint(error),
    }
}

/// The step that comes next for a proposal in this state.
fn not_trusted_hint(name: &SkillName, id: &str, status: ProposalStatus) -> String {
    match status {
        ProposalStatus::Proposed => format!("build it with `kavi build-skill {id}`"),
        ProposalStatus::Built => format!("verify it with `kavi verify-skill {id}`"),
        ProposalStatus::Verified => {
            format!("see `kavi show {id}`; promote it with `kavi promote-skill {id} --approved-by NAME`")
        }
        ProposalStatus::Rejected | ProposalStatus::Trusted | ProposalStatus::Superseded | ProposalStatus::Revoked => {
            format!(
                "see `kavi show {name}`; go back with `kavi rollback {name}` if a revision came before, or propose it again"
            )
        }
    }
}
