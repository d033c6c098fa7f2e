//! Kinds and hints of what the steps of the forge fail with.

use super::causes::{artifact, cage, ledger, ledger_hint, load};
use super::kind::Kind;
use crate::forge::attempt::AttemptLockError;
use crate::forge::build::BuildError;
use crate::forge::builder::claude::ClaudeError;
use crate::forge::compile::CompileError;
use crate::forge::diagnosis::DiagnosisError;
use crate::forge::promote::PromoteError;
use crate::forge::rebuild::RebuildError;
use crate::forge::record::RecordError;
use crate::forge::toolchain::ToolchainError;
use crate::forge::verify::VerifyError;

pub(super) fn kind_of_build(error: &BuildError) -> Kind {
    match error {
        BuildError::Escalated { .. } | BuildError::Stopped(_) | BuildError::TokenCeiling { .. } => Kind::Refused,
        BuildError::Lock(error) => kind_of_lock(error),
        BuildError::Record(error) => kind_of_record(error),
        BuildError::NothingToAcknowledge(_) => Kind::Usage,
        BuildError::History(error) => kind_of_diagnosis(error),
        BuildError::Source(_) => Kind::Usage,
        BuildError::Claude(ClaudeError::Cage(error)) => cage(error),
        BuildError::Claude(ClaudeError::Unreadable { .. } | ClaudeError::NotNative { .. }) => Kind::Tool,
        BuildError::Claude(ClaudeError::Scratch(_) | ClaudeError::Gateway(_)) | BuildError::Workspace(_) => {
            Kind::Failed
        }
        BuildError::Format(CompileError::Cage(error)) => cage(error),
        BuildError::Format(_) => Kind::Failed,
        BuildError::Artifact(error) => artifact(error),
        BuildError::Ledger(error) => ledger(error),
    }
}

pub(super) fn kind_of_verify(error: &VerifyError) -> Kind {
    match error {
        VerifyError::NotBuilt { .. }
        | VerifyError::NotTrusted { .. }
        | VerifyError::Stopped(_)
        | VerifyError::Revoked(_)
        | VerifyError::Disabled(_) => Kind::Refused,
        VerifyError::Artifact(error) => artifact(error),
        VerifyError::Ledger(error) => ledger(error),
        VerifyError::Record(error) => kind_of_record(error),
        VerifyError::Load(error) => load(error),
        VerifyError::Compile(CompileError::Cage(error)) => cage(error),
        VerifyError::Compile(CompileError::Kit(_)) => Kind::Tool,
        _ => Kind::Failed,
    }
}

pub(super) fn kind_of_promote(error: &PromoteError) -> Kind {
    match error {
        PromoteError::NoReason(_) => Kind::Usage,
        PromoteError::NotVerified { .. } | PromoteError::NotPassed(_) | PromoteError::Inspect(_) => Kind::Refused,
        PromoteError::Artifact(error) => artifact(error),
        PromoteError::Ledger(error) => ledger(error),
        PromoteError::Load(error) => load(error),
        PromoteError::Record(error) => kind_of_record(error),
        PromoteError::Runtime(_) => Kind::Failed,
    }
}

pub(super) fn kind_of_toolchain(error: &ToolchainError) -> Kind {
    match error {
        ToolchainError::Missing { .. } | ToolchainError::Failed { .. } | ToolchainError::NoExec(_) => Kind::Tool,
        ToolchainError::Cage(error) => cage(error),
        ToolchainError::File(error) => artifact(error),
        ToolchainError::Seal(_) => Kind::Failed,
    }
}

pub(super) fn kind_of_diagnosis(error: &DiagnosisError) -> Kind {
    match error {
        DiagnosisError::NotNewest { .. } | DiagnosisError::NotFailed { .. } => Kind::Usage,
        DiagnosisError::Lock(error) => kind_of_lock(error),
        DiagnosisError::Record(error) => kind_of_record(error),
        DiagnosisError::Artifact(error) => artifact(error),
        DiagnosisError::Ledger(error) => ledger(error),
    }
}

pub(super) fn hint_of_diagnosis(error: &DiagnosisError) -> Option<String> {
    match error {
        DiagnosisError::NotNewest { newest, .. } => {
            Some(format!("the newest failure counts: run `kavi research-skill {newest}`"))
        }
        DiagnosisError::NotFailed { proposal, .. } => {
            Some(format!("see `kavi show {proposal}`; what is built is checked with `kavi verify-skill {proposal}`"))
        }
        DiagnosisError::Lock(error) => hint_of_lock(error),
        DiagnosisError::Record(error) => hint_of_record(error),
        DiagnosisError::Ledger(error) => ledger_hint(error),
        DiagnosisError::Artifact(_) => None,
    }
}

pub(super) fn kind_of_record(error: &RecordError) -> Kind {
    match error {
        RecordError::Ledger(error) => ledger(error),
        RecordError::Views(error) => kind_of_rebuild(error),
    }
}

pub(super) fn hint_of_record(error: &RecordError) -> Option<String> {
    match error {
        RecordError::Ledger(error) => ledger_hint(error),
        RecordError::Views(_) => Some("run `kavi rebuild`".to_owned()),
    }
}

pub(super) fn kind_of_rebuild(error: &RebuildError) -> Kind {
    match error {
        RebuildError::Ledger(error) => ledger(error),
        RebuildError::Artifact(_) | RebuildError::Registry(_) => Kind::Failed,
    }
}

fn kind_of_lock(error: &AttemptLockError) -> Kind {
    match error {
        AttemptLockError::Busy(_) => Kind::Refused,
        AttemptLockError::File(error) => artifact(error),
    }
}

pub(super) fn hint_of_lock(error: &AttemptLockError) -> Option<String> {
    match error {
        AttemptLockError::Busy(_) => Some("wait for it to end, then try again".to_owned()),
        AttemptLockError::File(_) => None,
    }
}
