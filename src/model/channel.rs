//! The channel that a request comes through, and its caller.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Where a request comes from. `policy::channels` decides what each channel may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// A person at the command line, one skill.
    Cli,
    /// A chain of skills.
    Chain,
    /// An agent, over the Model Context Protocol.
    Mcp,
    /// Nobody is there: a timer, a hook.
    Background,
}

/// The text names no channel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a channel (one of cli, chain, mcp, background)")]
pub struct UnknownChannel(pub String);

impl Channel {
    /// Every channel.
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

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Channel {
    type Err = UnknownChannel;

    fn from_str(text: &str) -> Result<Self, UnknownChannel> {
        Self::ALL.into_iter().find(|channel| channel.as_str() == text).ok_or_else(|| UnknownChannel(text.to_owned()))
    }
}

/// Who makes a request, and through which channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The channel.
    pub channel: Channel,
    /// The name of a person's account, or what a client says it is.
    pub name: String,
}
