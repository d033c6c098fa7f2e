//! What a store says about who an agent is and what it may do, as it was read: charter, policy values, capability grants.
//!
//! Guarantees: plain values, in the order of the store. Deliberately never: believes them; `policy` checks and decides.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{digest::Digest, json::canonical, time::Timestamp};

/// A role charter as a store has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CharterRow {
    /// Its number, from 1.
    pub version: u64,
    /// Its text; none where the row lost it.
    pub content_md: Option<String>,
    /// What the row says is the SHA-256 of the text.
    pub content_hash: String,
    /// The stored copy of its sections, as JSON.
    pub sections_json: String,
    /// Who set it.
    pub set_by: String,
    /// When.
    pub created_at: Timestamp,
}

/// What the newest event of the history says about the charter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedCharter {
    /// The number of the charter.
    pub version: u64,
    /// The SHA-256 of its text.
    pub content_sha256: Digest,
}

/// A stored grant or denial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GrantRow {
    /// The actor, as it is written.
    pub actor: String,
    /// The capability, as it is written.
    pub capability: String,
    /// Whether it is granted.
    pub granted: bool,
}

/// The three reads, of one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GovernanceRows {
    /// The charters that are active. More than one is an error that `policy` reports.
    pub charters: Vec<CharterRow>,
    /// What the history says is the active one.
    pub pinned: Option<PinnedCharter>,
    /// Why the charter's row cannot be believed, where the store itself found that out.
    pub charter_problem: Option<String>,
    /// Each key with its stored JSON text.
    pub policy: BTreeMap<String, String>,
    /// The stored grants, one for each actor and capability.
    pub grants: Vec<GrantRow>,
}

/// What changes when anything of the three reads does, and the kill switch, which is never kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GovernanceMark {
    /// The store's change counter.
    pub counter: u64,
    /// Whether agents are stopped in this workspace.
    pub disabled: bool,
}

/// What a run or a proposal was decided under, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextSet {
    /// The digest of the text.
    pub sha256: Digest,
    /// The digests of charter, policy and capabilities, and the values themselves.
    pub text: String,
}

impl GovernanceRows {
    /// The digest of the charter's text, as the store has it.
    pub fn charter_digest(&self) -> Option<Digest> {
        self.charters.first().and_then(|row| row.content_md.as_ref()).map(|text| Digest::of(text.as_bytes()))
    }

    /// The digest of all stored policy values.
    pub fn policy_digest(&self) -> Digest {
        Digest::of(canonical(&json!(self.policy)).as_bytes())
    }

    /// The digest of all stored grants.
    pub fn capabilities_digest(&self) -> Digest {
        Digest::of(canonical(&json!(self.grants)).as_bytes())
    }

    /// What a run or a proposal keeps of it: the same rows give the same bytes.
    pub fn context_set(&self) -> ContextSet {
        let version = self.charters.first().map(|row| row.version);
        let value = json!({
            "charter": { "version": version, "sha256": self.charter_digest() },
            "policy": { "sha256": self.policy_digest(), "values": self.policy },
            "capabilities": { "sha256": self.capabilities_digest(), "grants": self.grants },
        });
        let text = canonical(&value);
        ContextSet { sha256: Digest::of(text.as_bytes()), text }
    }

    /// The policy values and grants of a kept text, to compare them with those of today.
    ///
    /// # Errors
    /// When the text is not one that [`GovernanceRows::context_set`] made.
    pub fn from_context_text(text: &str) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Kept {
            policy: KeptPolicy,
            capabilities: KeptGrants,
        }
        #[derive(Deserialize)]
        struct KeptPolicy {
            values: BTreeMap<String, String>,
        }
        #[derive(Deserialize)]
        struct KeptGrants {
            grants: Vec<KeptGrant>,
        }
        #[derive(Deserialize)]
        struct KeptGrant {
            actor: String,
            capability: String,
            granted: bool,
        }
        let kept: Kept = serde_json::from_str(text)?;
        let grants = kept.capabilities.grants.into_iter();
        let grants = grants.map(|KeptGrant { actor, capability, granted }| GrantRow { actor, capability, granted });
        Ok(Self { policy: kept.policy.values, grants: grants.collect(), ..Self::default() })
    }
}

/// Decodes a stored policy value.
///
/// # Errors
/// When the text is not JSON.
pub fn decode(value_json: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(value_json)
}
