//! Why a run gave no output.
//!
//! Deliberately never: says what to do about it (that is `crate::error`).

use super::effects::EffectsError;
use crate::artifacts::ArtifactError;
use crate::egress::EgressError;
use crate::ledger::LedgerError;
use crate::model::{
    chain::MappingError, channel::Channel, effect::EffectClass, example::ErrorKind, json::JsonError, name::SkillName,
    schema::SchemaMismatch, switch::Stopped, text, vault_path::VaultPath,
};
use crate::policy::access::AccessDenied;
use crate::policy::charter::CharterError;
use crate::registry::TrustError;
use crate::runtime::{LoadError, RunError, RuntimeError, collect_output::CollectError};

/// Why a run gave no output. The record of the run has the same error.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    /// Not trusted, or not the promoted bytes.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// Its class cannot be granted yet.
    #[error("skill `{name}` is {class}: that class is not granted anything to run with yet")]
    NotGranted {
        /// The skill.
        name: SkillName,
        /// Its class.
        class: EffectClass,
    },
    /// The input is no JSON.
    #[error("the input cannot be read: {0}")]
    InputJson(#[from] JsonError),
    /// The output of an earlier step does not have what this step's input needs.
    #[error("the input could not be made: {0}")]
    Unmapped(MappingError),
    /// The input does not match the schema.
    #[error("the input does not match the schema of `{skill}`: {why}")]
    Input {
        /// The skill.
        skill: SkillName,
        /// What does not match.
        why: SchemaMismatch,
    },
    /// The skill returned an error.
    #[error("the skill failed ({}): {message}", kind.as_str())]
    SkillComponent {
        /// Its kind.
        kind: ErrorKind,
        /// Its text, escaped.
        message: String,
    },
    /// Nothing may run in this workspace.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// A limit, a trap, a refused component, a stop or a revocation while it ran.
    #[error(transparent)]
    Run(RunError),
    /// The engine.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The component does not match its class, or has no machine code.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Policy denies the class to the channel.
    #[error("policy says no: `{channel}` may not run {class} skills (policy.{channel}.{class} is \"deny\")")]
    Denied {
        /// The channel.
        channel: Channel,
        /// The class.
        class: EffectClass,
    },
    /// Policy asks for a person first, and the class leaves no files that could be held for one.
    #[error(
        "policy wants a person's word before `{channel}` runs a {class} skill (policy.{channel}.{class} is \"ask\")"
    )]
    NeedsPerson {
        /// The channel.
        channel: Channel,
        /// The class.
        class: EffectClass,
    },
    /// Private data of an earlier run could go into a request, and nobody agreed to that.
    #[error(
        "private data of {from} could go into a request of `{skill}`: a person must agree before `{channel}` runs it"
    )]
    PrivateData {
        /// The channel.
        channel: Channel,
        /// The skill that reaches hosts.
        skill: SkillName,
        /// The run that read the vault, in words.
        from: String,
    },
    /// What makes the requests of the run cannot be started.
    #[error(transparent)]
    Egress(#[from] EgressError),
    /// The charter, the capabilities, the kill switch or a policy value denies it.
    #[error(transparent)]
    Access(#[from] AccessDenied),
    /// A policy value asks for a person first, and the class leaves no files that could be held for one.
    #[error("policy wants a person's word before `{channel}` runs a {class} skill: {why}")]
    PolicyAsks {
        /// The channel.
        channel: Channel,
        /// The class.
        class: EffectClass,
        /// Which value.
        why: String,
    },
    /// A policy value allows no more of it within its window.
    #[error("`{key}` of {most} is used up: {}", window(.key))]
    OverLimit {
        /// The key.
        key: &'static str,
        /// Its value.
        most: u64,
    },
    /// What the run would leave behind contains a secret, or could not be looked at. Nothing of it is kept.
    #[error("what the skill gave back {0}; nothing of it was kept")]
    Leak(String),
    /// The output is no JSON.
    #[error("the skill's output is not JSON: {0}")]
    OutputJson(JsonError),
    /// The output does not match the schema.
    #[error("the output of `{skill}` does not match its schema: {why}")]
    Output {
        /// The skill.
        skill: SkillName,
        /// What does not match.
        why: SchemaMismatch,
    },
    /// It wrote outside the folders that its spec declares.
    #[error("the skill wrote `{0}`, outside the folders of its spec")]
    OutsidePaths(VaultPath),
    /// It removed a file, and its spec does not say that it does.
    #[error("the skill removed `{0}`, and its spec does not say `removes_files`")]
    RemovalNotGranted(VaultPath),
    /// It left something in its staging folder that is no regular file.
    #[error(transparent)]
    Staged(#[from] CollectError),
    /// The files could not be committed.
    #[error(transparent)]
    Effects(#[from] EffectsError),
    /// A large value, or the content that a file replaces, cannot be stored.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl InvokeError {
    /// The kind in the record's `StoredKind: message`. Records keep it, so it never changes.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Trust(TrustError::Bytes { .. }) => "HashMismatch",
            Self::Trust(_) => "NotTrusted",
            Self::NotGranted { .. } => "NotGranted",
            Self::InputJson(_) | Self::Input { .. } => "InvalidInput",
            Self::Unmapped(_) => "Unmapped",
            Self::SkillComponent { .. } => "SkillError",
            Self::Run(RunError::LimitExceeded { .. }) | Self::Staged(CollectError::Limit { .. }) => "LimitExceeded",
            Self::Run(RunError::Timeout { .. }) => "Timeout",
            Self::Run(RunError::Refused(_)) | Self::Load(LoadError::Refused(_)) => "Refused",
            Self::Stopped(_) | Self::Run(RunError::Stopped(_)) => "Stopped",
            Self::Run(RunError::Revoked(_)) => "Revoked",
            Self::Run(RunError::Cancelled(_)) => "Cancelled",
            Self::Run(RunError::NotRecorded(_)) => "NotRecorded",
            Self::Run(RunError::Egress(_)) | Self::Egress(_) => "EgressError",
            Self::Run(RunError::Disabled(_)) => "Denied",
            Self::Run(_) | Self::Runtime(_) | Self::Load(_) => "RuntimeError",
            Self::Leak(_) => "SecretLeak",
            Self::OutputJson(_) | Self::Output { .. } => "InvalidOutput",
            Self::OutsidePaths(_) | Self::RemovalNotGranted(_) | Self::Staged(_) => "OutsidePaths",
            Self::Denied { .. } | Self::NeedsPerson { .. } | Self::PolicyAsks { .. } => "Denied",
            Self::PrivateData { .. } => "PrivateData",
            Self::Access(AccessDenied::Charter(CharterError::NoActiveRoleCharter)) => "NoActiveRoleCharter",
            Self::Access(AccessDenied::Charter(CharterError::RoleCharterIntegrity(_))) => "RoleCharterIntegrity",
            Self::Access(_) => "Denied",
            Self::OverLimit { .. } => "RateLimited",
            Self::Effects(EffectsError::Conflict { .. }) => "Conflict",
            Self::Effects(_) | Self::Artifact(_) => "EffectsError",
            Self::Ledger(_) => "LedgerError",
        }
    }
}

/// When something that is used up is there again.
fn window(key: &str) -> &'static str {
    match key {
        "rate_limit_per_minute" => "agents wait until a minute has passed since the earliest of these runs",
        _ => "24 hours have to pass since the earliest of these overrides",
    }
}

/// A failure as its record has it.
pub(super) fn record_text(error: &InvokeError) -> String {
    format!("{}: {}", error.kind(), text::line(&error.to_string(), 2_000))
}
