//! Side-effect classes: what a skill says it may touch.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The label of what a skill may touch. `policy::capabilities` says which capabilities each class admits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EffectClass {
    /// Reads the vault, changes nothing.
    ReadOnly,
    /// Writes files under the vault folders its spec declares.
    FileWrite,
    /// Talks to the hosts its spec declares.
    Network,
    /// Reads the secrets its spec names.
    SecretRead,
    /// Puts a message in the outbox; a person releases it.
    Messaging,
    /// Puts a payment in the outbox; a person releases it.
    Money,
}

/// The text is not a side-effect class.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a side-effect class (one of READ_ONLY, FILE_WRITE, NETWORK, SECRET_READ, MESSAGING, MONEY)")]
pub struct UnknownClass(pub String);

impl EffectClass {
    /// Every class, narrowest first.
    pub const ALL: [Self; 6] =
        [Self::ReadOnly, Self::FileWrite, Self::Network, Self::SecretRead, Self::Messaging, Self::Money];

    /// The spelling used in specs, the ledger and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "READ_ONLY",
            Self::FileWrite => "FILE_WRITE",
            Self::Network => "NETWORK",
            Self::SecretRead => "SECRET_READ",
            Self::Messaging => "MESSAGING",
            Self::Money => "MONEY",
        }
    }
}

impl fmt::Display for EffectClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for EffectClass {
    type Err = UnknownClass;
    fn from_str(text: &str) -> Result<Self, UnknownClass> {
        Self::ALL.into_iter().find(|class| class.as_str() == text).ok_or_else(|| UnknownClass(text.to_owned()))
    }
}
