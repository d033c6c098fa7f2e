//! Through which door a run was asked for, by whom, and what for.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Where a wish to run a skill comes from. What each door may do is decided in `policy::doors`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Door {
    /// A person at the command line, one skill.
    Cli,
    /// A chain of skills.
    Chain,
    /// An agent, over the Model Context Protocol.
    Mcp,
    /// Nobody is there: a timer, a hook.
    Background,
}

/// The text names no door.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no door (one of cli, chain, mcp, background)")]
pub struct UnknownDoor(pub String);

impl Door {
    /// Every door.
    pub const ALL: [Self; 4] = [Self::Cli, Self::Chain, Self::Mcp, Self::Background];

    /// The spelling in kavi.toml and the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cli => "cli",
            Self::Chain => "chain",
            Self::Mcp => "mcp",
            Self::Background => "background",
        }
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Door {
    type Err = UnknownDoor;

    fn from_str(text: &str) -> Result<Self, UnknownDoor> {
        Self::ALL.into_iter().find(|door| door.as_str() == text).ok_or_else(|| UnknownDoor(text.to_owned()))
    }
}

/// Who asked for something, and through which door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The door.
    pub door: Door,
    /// The name of a person's account, or what a client says it is.
    pub by: String,
}
