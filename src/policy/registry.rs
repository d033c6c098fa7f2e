//! The policy registry: one table of typed keys with their defaults, ranges and documentation.
//!
//! Guarantees: a value that is stored is of its key's type and within its range, or it is an error, and an error denies. A key
//! that is missing has its documented default; a limit that is not set does not limit. A registry that lacks an expected key, or
//! has one that is unknown, has drifted: that is a warning, because a person may prune.
//!
//! Deliberately never: reads a store, or enforces a value.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::channels::{self, ChannelRule};
use crate::model::{channel::Channel, effect::EffectClass, governance::decode};

/// The kill switch for the agents of one workspace.
pub const DISABLED: &str = "disabled";
/// Overrides within 24 hours.
pub const MOST_OVERRIDES: &str = "max_nonsecurity_overrides_per_24h";
/// Bytes of an output that an agent is sent.
pub const OUTPUT_CAP: &str = "output_size_cap_pull";
/// Runs of agents within a minute.
pub const RATE_LIMIT: &str = "rate_limit_per_minute";
/// Whether agents need a charter.
pub const CHARTER: &str = "context.charter";
/// Bytes of the identity block.
pub const BLOCK_CAP: &str = "context.identity_block_bytes";
/// What the keys of token ceilings begin with; the name of a model follows.
pub const TOKEN_CEILING: &str = "context_assembler_token_ceiling.";
/// The token ceiling of models that have none of their own.
const DEFAULT_CEILING: &str = "context_assembler_token_ceiling.default";
/// What the keys of channel rules begin with.
const DOOR: &str = "policy.";
/// Largest identity block, in bytes.
pub const MOST_BLOCK_BYTES: u64 = 8 * 1024;
/// How many keys are expected: those of [`expected_keys`].
pub const EXPECTED_KEYS: usize = 31;

/// What a key holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueType {
    /// `true` or `false`.
    Switch,
    /// A whole number in a range.
    Count {
        /// The least.
        least: u64,
        /// The most.
        most: u64,
    },
    /// "allow", "ask" or "deny".
    Rule,
    /// "optional" or "required".
    Requirement,
}

impl ValueType {
    /// What values it has, for people.
    pub fn range(self) -> String {
        match self {
            Self::Switch => "true or false".to_owned(),
            Self::Count { least, most } => format!("{least} to {most}"),
            Self::Rule => "\"allow\", \"ask\" or \"deny\"".to_owned(),
            Self::Requirement => "\"optional\" or \"required\"".to_owned(),
        }
    }

    fn admits(self, value: &Value) -> bool {
        let one_of = |words: &[&str]| value.as_str().is_some_and(|value| words.contains(&value));
        match self {
            Self::Switch => value.is_boolean(),
            Self::Count { least, most } => value.as_u64().is_some_and(|value| (least..=most).contains(&value)),
            Self::Rule => one_of(&["allow", "ask", "deny"]),
            Self::Requirement => one_of(&["optional", "required"]),
        }
    }
}

/// A key of the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyKey {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub value_type: ValueType,
    /// Its value where none is stored; none where it then limits nothing, or where kavi.toml decides.
    pub default: Option<Value>,
    /// What it does.
    pub doc: &'static str,
}

struct Row {
    name: &'static str,
    value_type: ValueType,
    default: fn() -> Option<Value>,
    doc: &'static str,
}

/// The table, but for the rules of channels, which are made from channels and classes.
const TABLE: [Row; 7] = [
    Row {
        name: DISABLED,
        value_type: ValueType::Switch,
        default: || Some(json!(false)),
        doc: "Stops the agents of this workspace at once: no call, no proposal. The person still works. `kavi stop` stops all.",
    },
    Row {
        name: MOST_OVERRIDES,
        value_type: ValueType::Count { least: 0, most: 10_000 },
        default: || None,
        doc: "How often within 24 hours a person may let through what policy asked about. Not set: no limit.",
    },
    Row {
        name: OUTPUT_CAP,
        value_type: ValueType::Count { least: 64, most: 16 * 1024 * 1024 },
        default: || None,
        doc: "Most bytes of an output that an agent is sent. The record keeps all of it. Not set: no limit.",
    },
    Row {
        name: RATE_LIMIT,
        value_type: ValueType::Count { least: 0, most: 1_000_000 },
        default: || None,
        doc: "Most runs of agents within a minute, over all processes. Not set: no limit.",
    },
    Row {
        name: DEFAULT_CEILING,
        value_type: ValueType::Count { least: 1_000, most: 10_000_000 },
        default: || None,
        doc: "Most tokens (UTF-8 bytes / 3, rounded up) of a build packet or an identity block. Not set: no limit.",
    },
    Row {
        name: CHARTER,
        value_type: ValueType::Requirement,
        default: || Some(json!("optional")),
        doc: "Whether agents may act only while a role charter is active. The stricter of this and [context] of kavi.toml holds.",
    },
    Row {
        name: BLOCK_CAP,
        value_type: ValueType::Count { least: 1_024, most: MOST_BLOCK_BYTES },
        default: || Some(json!(MOST_BLOCK_BYTES)),
        doc: "Most bytes of the identity block. A longer one is cut with a mark.",
    },
];

const DOOR_DOC: &str = "What this channel may do with skills of this class. The stricter of this and kavi.toml holds.";

/// The key of the rule for a channel and a class.
pub fn door_key(channel: Channel, class: EffectClass) -> String {
    format!("{DOOR}{channel}.{class}")
}

/// The names of all keys that a workspace is expected to have, in order.
pub fn expected_keys() -> Vec<String> {
    let doors = Channel::ALL.into_iter().flat_map(|channel| EffectClass::ALL.map(|class| door_key(channel, class)));
    let mut names: Vec<String> = TABLE.iter().map(|row| row.name.to_owned()).chain(doors).collect();
    names.sort();
    names
}

/// Whether a text can be the name of a model.
fn is_model(name: &str) -> bool {
    !name.is_empty() && name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-:/".contains(&b))
}

/// The key of this name; none where there is no such key.
pub fn key(name: &str) -> Option<PolicyKey> {
    let of_row = |row: &Row| PolicyKey {
        name: name.to_owned(),
        value_type: row.value_type,
        default: (row.default)(),
        doc: row.doc,
    };
    if let Some(row) = TABLE.iter().find(|row| row.name == name) {
        return Some(of_row(row));
    }
    // Models come and go, so their names are no fixed keys.
    if name.strip_prefix(TOKEN_CEILING).is_some_and(is_model) {
        return TABLE.iter().find(|row| row.name == DEFAULT_CEILING).map(of_row);
    }
    let (channel, class) = name.strip_prefix(DOOR)?.split_once('.')?;
    let is_door = channel.parse::<Channel>().is_ok() && class.parse::<EffectClass>().is_ok();
    is_door.then(|| PolicyKey { name: name.to_owned(), value_type: ValueType::Rule, default: None, doc: DOOR_DOC })
}

/// A key or a value that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// There is no such key.
    #[error("`{0}` is not a policy key; `kavi policy list` shows them")]
    UnknownKey(String),
    /// The value is of another type, or out of range.
    #[error("`{key}` cannot be {value}: it is {range}")]
    OutOfRange {
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// What it may be.
        range: String,
    },
    /// The stored text is not JSON.
    #[error("the stored value of `{0}` is not JSON")]
    NotJson(String),
    /// A channel that no person watches would commit.
    #[error("`{0}` cannot be \"allow\": no person is present, so nothing is committed; set \"ask\" or \"deny\"")]
    BackgroundCommits(String),
}

/// Checks a value for a key.
///
/// # Errors
/// [`PolicyError`].
pub fn check(name: &str, value: &Value) -> Result<(), PolicyError> {
    let key = key(name).ok_or_else(|| PolicyError::UnknownKey(name.to_owned()))?;
    if !key.value_type.admits(value) {
        let range = key.value_type.range();
        return Err(PolicyError::OutOfRange { key: key.name, value: value.to_string(), range });
    }
    let unattended =
        name.strip_prefix("policy.background.").is_some_and(|class| class != EffectClass::ReadOnly.as_str());
    match unattended && value == "allow" {
        true => Err(PolicyError::BackgroundCommits(name.to_owned())),
        false => Ok(()),
    }
}

/// What is stored for the keys of the registry, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyValues {
    stored: BTreeMap<String, Value>,
    /// Stored keys that this version does not know.
    unknown: Vec<String>,
}

/// How a registry differs from what is expected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyDrift {
    /// Expected keys that are not stored.
    pub missing: Vec<String>,
    /// Stored keys that this version does not know.
    pub unknown: Vec<String>,
    /// How many expected keys are stored.
    pub seeded: usize,
}

impl PolicyDrift {
    /// The warning; none where nothing has drifted.
    pub fn warning(&self) -> Option<String> {
        let unknown = match self.unknown.as_slice() {
            [] => String::new(),
            unknown => format!("; unknown: {}", unknown.join(", ")),
        };
        let drifted = !self.missing.is_empty() || !self.unknown.is_empty();
        drifted.then(|| format!("policy drift: {} of {EXPECTED_KEYS} expected keys are seeded{unknown}", self.seeded))
    }
}

impl PolicyValues {
    /// Checks what a store has.
    ///
    /// # Errors
    /// [`PolicyError`] for a known key with a value that cannot be.
    pub fn of(rows: &BTreeMap<String, String>) -> Result<Self, PolicyError> {
        let mut values = Self::default();
        for (name, text) in rows {
            // Kept aside and not refused: a key that a later version stored must not stop
            // everything after a downgrade. It is named as drift.
            if key(name).is_none() {
                values.unknown.push(name.clone());
                continue;
            }
            // One value that cannot be read makes all of them unread. A registry with a hole in it
            // could miss the very rule that denies.
            let value = decode(text).map_err(|_| PolicyError::NotJson(name.clone()))?;
            check(name, &value)?;
            values.stored.insert(name.clone(), value);
        }
        Ok(values)
    }

    /// The stored value of a key.
    pub fn stored(&self, name: &str) -> Option<&Value> {
        self.stored.get(name)
    }

    /// The stored values, by key.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.stored.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The value of a key: what is stored, else its default.
    pub fn value(&self, name: &str) -> Option<Value> {
        self.stored.get(name).cloned().or_else(|| key(name)?.default)
    }

    fn count(&self, name: &str) -> Option<u64> {
        self.value(name)?.as_u64()
    }

    /// Whether agents are stopped.
    pub fn is_disabled(&self) -> bool {
        self.value(DISABLED) == Some(json!(true))
    }

    /// Whether agents need a charter.
    pub fn requires_charter(&self) -> bool {
        self.value(CHARTER) == Some(json!("required"))
    }

    /// Most runs of agents within a minute.
    pub fn rate_limit(&self) -> Option<u64> {
        self.count(RATE_LIMIT)
    }

    /// Most overrides within 24 hours.
    pub fn most_overrides(&self) -> Option<u64> {
        self.count(MOST_OVERRIDES)
    }

    /// Most bytes of an output that an agent is sent.
    pub fn output_cap(&self) -> Option<u64> {
        self.count(OUTPUT_CAP)
    }

    /// Most bytes of the identity block.
    pub fn block_cap(&self) -> u64 {
        self.count(BLOCK_CAP).unwrap_or(MOST_BLOCK_BYTES)
    }

    /// The token ceiling of a model: its own, else that of every model.
    pub fn token_ceiling(&self, model: &str) -> Option<u64> {
        // Only what is stored. By its default, a model without a ceiling of its own would hide the
        // one for all models.
        let own = self.stored.get(&format!("{TOKEN_CEILING}{model}")).and_then(Value::as_u64);
        own.or_else(|| self.count(DEFAULT_CEILING))
    }

    /// The stored rule of a channel for a class.
    pub fn door(&self, channel: Channel, class: EffectClass) -> Option<ChannelRule> {
        let rule = self.stored.get(&door_key(channel, class))?.as_str()?;
        // Checked when it was read. Anything else denies.
        Some(channels::rule(rule).unwrap_or(ChannelRule::Deny))
    }

    /// How it differs from what is expected.
    pub fn drift(&self) -> PolicyDrift {
        let missing: Vec<String> = expected_keys().into_iter().filter(|name| !self.stored.contains_key(name)).collect();
        PolicyDrift { seeded: EXPECTED_KEYS - missing.len(), missing, unknown: self.unknown.clone() }
    }
}

/// The tokens of a text, as they are counted here: its UTF-8 bytes divided by three, rounded up. No model counts fewer for
/// common prose, so a ceiling is met early rather than late.
pub fn tokens(text: &str) -> u64 {
    (text.len() as u64).div_ceil(3)
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
