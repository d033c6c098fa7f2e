//! Golden examples of a spec: an input, a vault, and what must come of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{time::Timestamp, vault_path::VaultPath};

/// One golden case, run on the exact component that would be promoted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// Its name in reports.
    pub name: String,
    /// The input.
    pub input: Value,
    /// Text files that lie in the vault before the run.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vault: BTreeMap<VaultPath, String>,
    /// The time of the run, for a skill that asks for the time. Without it the example must hold at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<Timestamp>,
    /// What must come back.
    pub expect: Expectation,
    /// Files that the run must stage, with their whole text. Empty: not compared.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<VaultPath, String>,
    /// Files that the run must remove. Compared where `files` or this is not empty.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub removed: BTreeSet<VaultPath>,
}

/// What an example must give.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Expectation {
    /// Exactly this output.
    Ok(Value),
    /// An error of this kind.
    Err(ErrorKind),
}

/// The kinds of error a skill can return, as in `wit/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// The input matched the schema, but the skill cannot use it.
    InvalidInput,
    /// What the input names is not there.
    NotFound,
    /// Not allowed to this skill.
    Denied,
    /// Anything else.
    Failed,
}

impl ErrorKind {
    /// The spelling in WIT and in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid-input",
            Self::NotFound => "not-found",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }
}
