//! The record of one run.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    digest::Digest, effect::EffectClass, id::ExecutionId, name::SkillName, time::Timestamp, vault_path::VaultPath,
};

/// What a run is given besides its input, so that it can be replayed bit for bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Determinism {
    /// What the guest's wall clock says when it starts.
    pub clock: Timestamp,
    /// The seed of the guest's random numbers.
    pub seed: [u8; 32],
}

/// One file that a run wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// Where in the vault.
    pub path: VaultPath,
    /// Digest of its bytes.
    pub sha256: Digest,
    /// Its size in bytes.
    pub bytes: u64,
}

/// One run of a skill, successful or not. Version 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutionRecord {
    /// Version of this format.
    pub v: u32,
    /// Its id.
    pub execution_id: ExecutionId,
    /// The run it was derived from (chain or replay).
    pub parent_execution_id: Option<ExecutionId>,
    /// The skill's name.
    pub skill_name: SkillName,
    /// The trusted revision that ran.
    pub revision: u32,
    /// Digest of the component that ran.
    pub source_hash: Digest,
    /// Its class.
    pub side_effect_class: EffectClass,
    /// The input.
    pub input_json: Value,
    /// The output of a success.
    pub output_json: Option<Value>,
    /// Whether it succeeded.
    pub success: bool,
    /// `Kind: message` of a failure.
    pub error: Option<String>,
    /// What the guest's clock said.
    pub clock: Timestamp,
    /// The seed of its random numbers, in hexadecimal.
    pub seed: String,
    /// The files it wrote to the vault.
    pub effects: Vec<Effect>,
    /// When it started.
    pub started_at: Timestamp,
    /// When it was over.
    pub finished_at: Timestamp,
}
