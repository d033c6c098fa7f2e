//! Kinds and hints of the errors that many steps pass on: of the ledger, of files, of the sandbox, of loading a skill.

use super::kind::Kind;
use super::storage::{FULL, READ_ONLY};
use crate::artifacts::ArtifactError;
use crate::cage::CageError;
use crate::ledger::LedgerError;
use crate::model::{lifecycle::ProposalStatus, name::SkillName};
use crate::runtime::{CodeError, LoadError};
use crate::secrets::{ReadRefusal, SecretError};

/// What to do where the kill switch ended the work.
pub(super) const STOPPED: &str = "`kavi resume` lets things run again; `kavi status` shows who stopped it and why";

/// The hint where a name was probably mistyped.
pub(super) fn meant(closest: &SkillName) -> String {
    format!("did you mean `{closest}`? see `kavi list-skills`")
}

pub(super) fn ledger(error: &LedgerError) -> Kind {
    match error {
        LedgerError::NotFound { .. } | LedgerError::Ambiguous { .. } => Kind::Usage,
        LedgerError::WrongState { .. }
        | LedgerError::TooMany { .. }
        | LedgerError::OverLimit { .. }
        | LedgerError::Conflict(_)
        | LedgerError::NotStopped
        | LedgerError::StoppedAgain
        | LedgerError::NeedsSignature(_)
        | LedgerError::NotApproved(_)
        | LedgerError::WeakerFile(_)
        | LedgerError::Halted(_) => Kind::Refused,
        // Nothing is broken here. The same command can work later.
        LedgerError::Busy
        | LedgerError::Full
        | LedgerError::ReadOnly
        | LedgerError::Copy { .. }
        | LedgerError::Unsynced(_)
        | LedgerError::Unrecorded(_) => Kind::Failed,
        // What is left says that the ledger cannot be believed, and then nothing may go on.
        _ => Kind::Internal,
    }
}

pub(super) fn ledger_hint(error: &LedgerError) -> Option<String> {
    let text = match error {
        LedgerError::WrongState { what: "proposal", id, found, .. } => return hint_of_state(id, found),
        LedgerError::NotFound { .. } => "see `kavi list-skills` and `kavi status`",
        LedgerError::Ambiguous { .. } => "give more digits of the id",
        LedgerError::WrongState { .. } => "check its status with `kavi show`",
        LedgerError::NotStopped => "see `kavi status`",
        LedgerError::OverLimit { .. } => "wait, or raise it with `kavi policy set`",
        LedgerError::TooMany { .. } => "review them with `kavi status` first",
        LedgerError::StoppedAgain => "read its reason with `kavi status`, then `kavi resume` again",
        LedgerError::Unrecorded(_) => "`kavi stop` again records it; `kavi resume` lets things run",
        LedgerError::Conflict(_) => "check `kavi show` and try again",
        LedgerError::NotApproved(_) | LedgerError::NeedsSignature(_) => {
            "`kavi trust signers list` shows who may sign; `kavi trust enroll` enrols the first key"
        }
        LedgerError::WeakerFile(_) => {
            "put that setting back, or have a signer accept the file as it is: `kavi trust policy --apply`"
        }
        LedgerError::Newer { .. } => "use the version of Kavi that wrote it, or a newer one",
        LedgerError::Missing(_) => "restore the ledger from a backup, or make a new workspace with `kavi init`",
        LedgerError::Busy => "wait for it to end, then try again",
        LedgerError::Unsynced(_) => "check the disk; a power cut now could take the newest records",
        LedgerError::Full => FULL,
        LedgerError::ReadOnly => READ_ONLY,
        LedgerError::Disk(_) => "check the disk and its cables; what was not reported as done was not done",
        LedgerError::NoWriter => "start Kavi again, and check with `kavi status` what was recorded",
        LedgerError::Sqlite(_) => {
            "see that the ledger's file and folder can be read and written; `kavi status` checks it"
        }
        LedgerError::Tampered(_) => {
            "nothing runs on it: `kavi audit` shows every difference; put the newest backup back"
        }
        LedgerError::Anchor(_) => {
            "put the newest copy back, or accept this one as it is: `kavi trust adopt --why TEXT`"
        }
        LedgerError::UnusableAnchor(_) => {
            "make its folder readable and writable, or name one with KAVI_STATE_DIR; where key or head are lost: `kavi trust adopt --why TEXT`"
        }
        LedgerError::ForeignSchema(_)
        | LedgerError::Damaged(_)
        | LedgerError::NotALedger
        | LedgerError::BadValue(_) => "nothing runs on a ledger that cannot be believed: restore it from a backup",
        _ => return None,
    };
    Some(text.to_owned())
}

pub(super) fn artifact(error: &ArtifactError) -> Kind {
    match error {
        ArtifactError::Missing { .. } | ArtifactError::Changed { .. } => Kind::Refused,
        ArtifactError::Io { .. } => Kind::Failed,
    }
}

pub(super) fn cage(error: &CageError) -> Kind {
    match error {
        CageError::NoCage { .. } | CageError::Start { .. } => Kind::Tool,
        CageError::Halted(_) => Kind::Refused,
        _ => Kind::Failed,
    }
}

pub(super) fn secret(error: &SecretError) -> Kind {
    match error {
        SecretError::Unknown(_) => Kind::Usage,
        SecretError::Refused { refusal: ReadRefusal::Unsafe { .. } | ReadRefusal::Value(_), .. } => Kind::Refused,
        // The store is a service of the machine, and it is not there or locked.
        SecretError::Refused { refusal: ReadRefusal::Undelivered(_), .. } => Kind::Failed,
        SecretError::Refused { .. } => Kind::Tool,
        SecretError::Reader { source, .. } => cage(source),
        SecretError::Lost(_) | SecretError::Io { .. } => Kind::Failed,
    }
}

pub(super) fn load(error: &LoadError) -> Kind {
    match error {
        // What the component is decides these.
        LoadError::Refused(_)
        | LoadError::Code(CodeError::Component(_) | CodeError::Refused(_) | CodeError::Stopped { .. }) => Kind::Refused,
        LoadError::Code(CodeError::Cage(error)) => cage(error),
        LoadError::Code(CodeError::OtherEngine) | LoadError::Runtime(_) => Kind::Failed,
    }
}

pub(super) fn load_hint(error: &LoadError) -> Option<String> {
    let text = match error {
        LoadError::Refused(_) => "propose it in a class that admits this, or build it again",
        LoadError::Code(CodeError::Component(_)) => "limits are set in [limits] of kavi.toml",
        LoadError::Code(CodeError::Refused(_) | CodeError::Stopped { .. }) => "build it again, smaller or simpler",
        LoadError::Code(CodeError::OtherEngine) => "try again: the program was updated meanwhile",
        LoadError::Code(CodeError::Cage(error)) => return error.hint().map(str::to_owned),
        LoadError::Runtime(_) => return None,
    };
    Some(text.to_owned())
}

/// The step that comes next for a proposal in this state, where only its id is known.
pub(super) fn hint_of_state(id: &str, status: &str) -> Option<String> {
    let id = id.get(..8).unwrap_or(id);
    let again = "a change is a new proposal: see `kavi propose-skill --help`";
    Some(match status.parse::<ProposalStatus>().ok()? {
        ProposalStatus::Proposed => format!("build it with `kavi build-skill {id}`"),
        ProposalStatus::Built => format!("verify it with `kavi verify-skill {id}`"),
        ProposalStatus::Verified => format!(
            "promote it with `kavi promote-skill {id} --approved-by NAME`, or reject it with `kavi reject {id} --why TEXT`"
        ),
        ProposalStatus::Trusted => format!("see `kavi show {id}`; it is trusted and can be run; {again}"),
        ProposalStatus::Rejected => format!("see why with `kavi show {id}`; {again}"),
        ProposalStatus::Superseded => format!("see `kavi show {id}` for the revision that replaced it; {again}"),
        ProposalStatus::Revoked => format!("see why with `kavi show {id}`; {again}"),
    })
}
