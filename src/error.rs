//! The top-level error: what every verb can fail with, its kind, its hint, and its exit code. One place for all of them.

use std::sync::Arc;

use crate::artifacts::ArtifactError;
use crate::context::diagnostic_bundle::DiagnosticBundleError;
use crate::context::identity_block::BlockError;
use crate::context::reader::UnreadGovernance;
use crate::context::store::{GovernanceReadError, GovernanceStoreError};
use crate::forge::build::{BuildError, listed};
use crate::forge::compile::CompileError;
use crate::forge::diagnosis::DiagnosisError;
use crate::forge::promote::PromoteError;
use crate::forge::propose::{ProposalWriteError, ProposeError};
use crate::forge::rebuild::RebuildError;
use crate::forge::toolchain::ToolchainError;
use crate::forge::verify::VerifyError;
use crate::improve::guidance::GuidanceError;
use crate::invoke::{
    InvokeError, chain::ChainError, pending_approval::ApprovalError, prune::PruneError, replay::ReplayError,
    resident::ResidentError, undo::UndoError,
};
use crate::ledger::{LedgerError, OpenProposal};
use crate::model::research::Escalation;
use crate::model::{
    approver::InvalidApprover, chain::InvalidChain, id::ExecutionId, name::SkillName, switch::Stopped, text,
};
use crate::policy::{access::AccessDenied, charter::InvalidCharter, registry::PolicyError};
use crate::runtime::{CacheError, RuntimeError};
use crate::secrets::SecretError;
use crate::workspace::ConfigError;

mod causes;
mod forge;
mod governance;
mod improve;
mod kind;
mod runs;
mod storage;

use causes::{STOPPED, artifact, hint_of_state, ledger, ledger_hint, load_hint, meant, secret};

pub use governance::GovernanceError;
pub use improve::ImproveError;
pub use kind::Kind;

/// Everything that a verb can fail with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was asked for was done, and its result could not be printed.
    #[error("it was done, but the result could not be printed: {0}")]
    Lost(String),
    /// Something was typed that cannot be.
    #[error("{0}")]
    Usage(String),
    /// A person said no, or was not there to be asked.
    #[error("{0}")]
    Refused(String),
    /// A check of `kavi doctor` failed; all of them have been printed.
    #[error("{0}")]
    Unhealthy(String),
    /// The gates or an attempt failed; the report has been printed.
    #[error("{message}")]
    Verification {
        /// What failed.
        message: String,
        /// What to do next.
        hint: String,
    },
    /// An attempt to build failed.
    #[error("{message}")]
    Attempt {
        /// What failed.
        message: String,
        /// What to do next.
        hint: String,
        /// Whether the workspace held what it may not.
        violation: Violation,
    },
    /// A person must look before the next attempt.
    #[error("proposal {id} waits for a person: {}", listed(.escalations))]
    Escalated {
        /// The proposal.
        id: String,
        /// Why.
        escalations: Vec<Escalation>,
    },
    /// Failed, and everything about it has been printed.
    #[error("failed")]
    Reported(Kind),
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A proposal.
    #[error(transparent)]
    Propose(#[from] ProposeError),
    /// Writing a proposal.
    #[error(transparent)]
    Write(#[from] ProposalWriteError),
    /// A build.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A look into a failure.
    #[error(transparent)]
    Diagnosis(#[from] DiagnosisError),
    /// A verification.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// A decision.
    #[error(transparent)]
    Promote(#[from] PromoteError),
    /// A rebuild.
    #[error(transparent)]
    Rebuild(#[from] RebuildError),
    /// The name of the person who decides.
    #[error(transparent)]
    Approver(#[from] InvalidApprover),
    /// The guidance of a skill.
    #[error(transparent)]
    Guidance(#[from] GuidanceError),
    /// An improvement.
    #[error(transparent)]
    Improve(#[from] ImproveError),
    /// A run.
    #[error(transparent)]
    Invoke(#[from] InvokeError),
    /// A name has several open proposals, and a decision is about one.
    #[error("{}", ambiguous(.name, .open))]
    AmbiguousName {
        /// The name.
        name: SkillName,
        /// The proposals, oldest first.
        open: Vec<OpenProposal>,
    },
    /// Nothing has the name that was typed, and another name is close to it.
    #[error("there is no {what} `{name}`")]
    Mistyped {
        /// What was looked for.
        what: &'static str,
        /// What was typed.
        name: SkillName,
        /// What was probably meant.
        closest: SkillName,
    },
    /// A run that failed and is on record.
    #[error("{source}")]
    Run {
        /// Its id.
        run: ExecutionId,
        /// Why it failed.
        source: Box<InvokeError>,
    },
    /// A held effect.
    #[error(transparent)]
    Held(#[from] ApprovalError),
    /// A chain that cannot be.
    #[error(transparent)]
    InvalidChain(#[from] InvalidChain),
    /// A chain.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A replay gave something else than the run that it repeats.
    #[error("{0}")]
    Differs(String),
    /// A replay that cannot be.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// An undo.
    #[error(transparent)]
    Undo(#[from] UndoError),
    /// A prune.
    #[error(transparent)]
    Prune(#[from] PruneError),
    /// Runs in one process.
    #[error(transparent)]
    Resident(#[from] ResidentError),
    /// The engine.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The code cache.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The toolchain.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A stored file.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// A secret.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Nothing may run in this workspace.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// Charter, policy and capabilities.
    #[error(transparent)]
    Governance(#[from] GovernanceError),
    /// A file or a stream.
    #[error("{what}: {source}")]
    Io {
        /// What was read or written.
        what: String,
        /// What the operating system said.
        source: std::io::Error,
    },
}

/// Whether a failed attempt was a gate violation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// The workspace held what it may not.
    Yes,
    /// The builder failed otherwise.
    No,
}

impl Error {
    /// What went wrong, in a word.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Usage(_)
            | Self::Propose(_)
            | Self::Approver(_)
            | Self::AmbiguousName { .. }
            | Self::Mistyped { .. } => Kind::Usage,
            Self::Governance(error) => error.kind(),
            Self::Refused(_) | Self::Escalated { .. } | Self::Stopped(_) => Kind::Refused,
            // Printed already. Only its exit code is still needed.
            Self::Reported(kind) => *kind,
            Self::Verification { .. } => Kind::Verification,
            Self::Attempt { violation: Violation::Yes, .. } => Kind::Refused,
            Self::Attempt { .. } | Self::Unhealthy(_) | Self::Io { .. } => Kind::Failed,
            Self::Config(ConfigError::NoCacheFolder) => Kind::Tool,
            // Not a mistake of the command line: a person has to decide whether they trust that
            // workspace.
            Self::Config(ConfigError::Foreign(_)) => Kind::Refused,
            Self::Lost(_) => Kind::Failed,
            Self::Config(_) => Kind::Usage,
            Self::Ledger(error) => ledger(error),
            Self::Write(ProposalWriteError::Record(error)) => forge::kind_of_record(error),
            Self::Write(ProposalWriteError::Json(_)) => Kind::Internal,
            Self::Write(ProposalWriteError::Artifact(error)) | Self::Artifact(error) => artifact(error),
            Self::Build(error) => forge::kind_of_build(error),
            Self::Diagnosis(error) => forge::kind_of_diagnosis(error),
            Self::Verify(error) => forge::kind_of_verify(error),
            Self::Promote(error) => forge::kind_of_promote(error),
            Self::Rebuild(error) => forge::kind_of_rebuild(error),
            Self::Guidance(error) => improve::kind_of_guidance(error),
            Self::Improve(error) => improve::kind_of_improve(error),
            Self::Invoke(error) => runs::kind_of_run(error),
            Self::Run { source, .. } => runs::kind_of_run(source),
            Self::InvalidChain(_) => Kind::Usage,
            Self::Chain(error) => runs::kind_of_chain(error),
            Self::Differs(_) => Kind::Skill,
            Self::Replay(error) => runs::kind_of_replay(error),
            Self::Held(error) => runs::kind_of_held(error),
            Self::Undo(error) => runs::kind_of_undo(error),
            Self::Prune(error) => runs::kind_of_prune(error),
            Self::Resident(ResidentError::Ledger(error)) => ledger(error),
            Self::Resident(_) | Self::Runtime(_) | Self::Cache(_) => Kind::Failed,
            Self::Toolchain(error) => forge::kind_of_toolchain(error),
            Self::Secret(error) => secret(error),
        }
    }

    /// The run that failed, where its record exists.
    pub fn run(&self) -> Option<ExecutionId> {
        match self {
            Self::Run { run, .. } => Some(*run),
            _ => None,
        }
    }

    /// The text of the error, without the numbers of the operating system, which say nothing to a person.
    pub fn message(&self) -> String {
        text::without_os_numbers(&self.to_string())
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        if let Some(hint) = storage::hint(self) {
            return Some(hint.to_owned());
        }
        let text = match self {
            Self::Stopped(_) | Self::Build(BuildError::Stopped(_)) | Self::Verify(VerifyError::Stopped(_)) => STOPPED,
            Self::Governance(error) => return Some(error.hint()),
            Self::Mistyped { closest, .. } => return Some(meant(closest)),
            Self::Verification { hint, .. } | Self::Attempt { hint, .. } => {
                return Some(hint.clone()).filter(|h| !h.is_empty());
            }
            Self::Config(ConfigError::NoWorkspace(_)) => {
                "run `kavi init` to make a workspace, or name one with --workspace"
            }
            Self::Config(ConfigError::NoCacheFolder) => "set HOME or KAVI_CACHE_DIR",
            Self::Config(ConfigError::Foreign(_)) => "if you trust it, name it: `kavi --workspace DIR …`",
            Self::Config(ConfigError::Malformed { .. }) => {
                "mend kavi.toml; `kavi init` writes one with every setting explained"
            }
            Self::Propose(ProposeError::Schema(_)) => {
                "e.g. --io-schema-json '{\"input\":{\"title\":\"str\"},\"output\":{\"path\":\"str\"}}'"
            }
            Self::Propose(_) => "see `kavi propose-skill --help`; nothing was written",
            Self::Build(BuildError::Claude(error)) => return error.hint().map(str::to_owned),
            Self::Build(BuildError::Escalated { id, .. }) | Self::Escalated { id, .. } => {
                return Some(format!(
                    "look at it with `kavi show {id}`, then let it go ahead by name: \
                     `kavi build-skill {id} --acknowledge NAME`"
                ));
            }
            Self::Build(BuildError::NothingToAcknowledge(_)) => "remove --acknowledge",
            Self::Build(BuildError::History(error)) | Self::Diagnosis(error) => return forge::hint_of_diagnosis(error),
            Self::Build(BuildError::Lock(error)) => return forge::hint_of_lock(error),
            Self::Build(BuildError::Ledger(error)) | Self::Ledger(error) => return ledger_hint(error),
            Self::Build(BuildError::Record(error))
            | Self::Verify(VerifyError::Record(error))
            | Self::Promote(PromoteError::Record(error))
            | Self::Write(ProposalWriteError::Record(error)) => return forge::hint_of_record(error),
            Self::Verify(VerifyError::NotBuilt { id, status } | VerifyError::NotTrusted { id, status }) => {
                return hint_of_state(id, status);
            }
            Self::Verify(VerifyError::Compile(CompileError::Cage(error))) => return error.hint().map(str::to_owned),
            Self::Toolchain(ToolchainError::NoExec(_)) => {
                "set KAVI_CACHE_DIR to a folder on a file system that is not mounted `noexec`"
            }
            Self::AmbiguousName { open, .. } => {
                let id = open.last().map(|open| open.proposal.id.short()).unwrap_or_default();
                return Some(format!(
                    "give the id of the one that you mean; see `kavi show {id}`, and `kavi reject ID --why TEXT` for others"
                ));
            }
            Self::Secret(error) => return error.hint(),
            Self::Config(ConfigError::NoHome(_)) => "set HOME, or write the whole path",
            Self::Toolchain(ToolchainError::Cage(error)) => return error.hint().map(str::to_owned),
            Self::Promote(PromoteError::NotVerified { id, status }) => return hint_of_state(id, status.as_str()),
            Self::Promote(PromoteError::NotPassed(id)) => return Some(format!("run `kavi verify-skill {id}` first")),
            Self::Promote(PromoteError::Load(error)) => return load_hint(error),
            Self::Promote(PromoteError::Ledger(error)) | Self::Resident(ResidentError::Ledger(error)) => {
                return ledger_hint(error);
            }
            Self::Guidance(error) => return improve::hint_of_guidance(error),
            Self::Improve(error) => return improve::hint_of_improve(error),
            Self::Invoke(error) => return runs::hint_of_run(error),
            Self::Run { source, .. } => return runs::hint_of_run(source),
            Self::InvalidChain(_) => "see `kavi consume-chain --help`; nothing ran",
            Self::Chain(error) => return runs::hint_of_chain(error),
            Self::Replay(error) => return runs::hint_of_replay(error),
            Self::Held(error) => return runs::hint_of_held(error),
            Self::Undo(error) => return runs::hint_of_undo(error),
            Self::Prune(error) => return runs::hint_of_prune(error),
            _ => return None,
        };
        Some(text.to_owned())
    }
}

impl From<AccessDenied> for Error {
    fn from(error: AccessDenied) -> Self {
        Self::Governance(error.into())
    }
}

impl From<InvalidCharter> for Error {
    fn from(error: InvalidCharter) -> Self {
        Self::Governance(error.into())
    }
}

impl From<PolicyError> for Error {
    fn from(error: PolicyError) -> Self {
        Self::Governance(error.into())
    }
}

impl From<DiagnosticBundleError> for Error {
    fn from(error: DiagnosticBundleError) -> Self {
        Self::Governance(error.into())
    }
}

impl From<BlockError> for Error {
    fn from(error: BlockError) -> Self {
        Self::Governance(error.into())
    }
}

impl From<Arc<UnreadGovernance>> for Error {
    fn from(unread: Arc<UnreadGovernance>) -> Self {
        Self::Governance(unread.into())
    }
}

impl From<GovernanceStoreError> for Error {
    fn from(error: GovernanceStoreError) -> Self {
        Self::Governance(error.into())
    }
}

impl From<GovernanceReadError> for Error {
    fn from(error: GovernanceReadError) -> Self {
        match error {
            GovernanceReadError::Ledger(error) => error.into(),
            GovernanceReadError::Store(error) => error.into(),
        }
    }
}

/// The open proposals of a name, each with what tells it from the others.
fn ambiguous(name: &SkillName, open: &[OpenProposal]) -> String {
    let line = |OpenProposal { proposal, source, .. }: &OpenProposal| {
        let (id, class, status) = (proposal.id.short(), proposal.spec.side_effect_class, proposal.status);
        let by = source.as_ref().map_or_else(
            || "a person at the command line".to_owned(),
            |source| format!("{} through {}", text::line(&source.by, 100), source.channel),
        );
        format!("\n  {id}  {class}  {status}  by {by}, {}", proposal.created_at)
    };
    format!("`{name}` has {} open proposals:{}", open.len(), open.iter().map(line).collect::<String>())
}

#[cfg(test)]
mod tests;
