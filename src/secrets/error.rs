//! What can go wrong with a secret. No message contains any part of a value.

use serde::{Deserialize, Serialize};

use crate::cage::CageError;
use crate::model::secret::SecretName;

/// Why a secret could not be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// kavi.toml has no store for it.
    #[error("kavi.toml has no [secrets.{0}]")]
    Unknown(SecretName),
    /// Its store gave no value.
    #[error("the secret {name} cannot be read: {refusal}")]
    Refused {
        /// The secret.
        name: SecretName,
        /// Why.
        refusal: ReadRefusal,
    },
    /// The process that reads it could not be run.
    #[error("the process that reads the secret {name} could not be run: {source}")]
    Reader {
        /// The secret.
        name: SecretName,
        /// Why.
        source: Box<CageError>,
    },
    /// The process that reads it ended without saying how.
    #[error("the process that reads the secret {0} ended unexpectedly")]
    Lost(SecretName),
    /// A system call of Kavi itself failed.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// What the operating system said.
        source: std::io::Error,
    },
}

/// Why a store gave no value, as the reader reports it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReadRefusal {
    /// The variable is not set.
    #[error("the environment variable {0} is not set")]
    NotSet(String),
    /// The environment of Kavi cannot be read.
    #[error("the environment of Kavi cannot be read: {0}")]
    Environment(String),
    /// The file is not there, or cannot be read.
    #[error("{path}: {why}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the operating system said.
        why: String,
    },
    /// Somebody else could have read or written the file, or can replace it.
    #[error("{path}: {why}")]
    Unsafe {
        /// The file, folder or program.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// The command failed. What it printed is not repeated.
    #[error("the command {program} {why}")]
    Command {
        /// The program.
        program: String,
        /// How it ended.
        why: String,
    },
    /// The keyring has no such key, or does not give it out.
    #[error("the key `{key}` of the kernel's keyring: {why}")]
    Keyring {
        /// The description of the key.
        key: String,
        /// Why.
        why: String,
    },
    /// The value is not accepted.
    #[error("its value {0}")]
    Value(#[from] InvalidValue),
    /// Whoever was to receive the value does not take it.
    #[error("the value could not be handed over: {0}")]
    Undelivered(String),
}

/// Why a value is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InvalidValue {
    /// Nothing.
    #[error("is empty")]
    Empty,
    /// Too long.
    #[error("has more than 8192 bytes")]
    TooLong,
    /// A NUL.
    #[error("contains a NUL byte")]
    Nul,
    /// A line break.
    #[error("contains a line break")]
    LineBreak,
}

impl SecretError {
    /// What the person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Unknown(_) => "add the table; the kavi.toml that `kavi init` writes shows every store",
            Self::Reader { source, .. } => return source.hint().map(str::to_owned),
            Self::Refused { refusal, .. } => match refusal {
                ReadRefusal::Value(InvalidValue::LineBreak) => {
                    "where it is one line break at the end, set `cut_newline = true` for its store"
                }
                ReadRefusal::Unsafe { .. } => {
                    "use a plain file of your own with mode 0600, in a folder that only you can write"
                }
                ReadRefusal::Command { .. } => {
                    "run the command by hand; it gets no terminal and only the named `variables`, so unlock its store first"
                }
                ReadRefusal::Keyring { .. } => {
                    "add it with `keyctl add user KEY VALUE @u`; keys are gone after a restart"
                }
                ReadRefusal::NotSet(_) => "set it in the environment that kavi is started with",
                _ => return None,
            },
            Self::Lost(_) | Self::Io { .. } => return None,
        };
        Some(text.to_owned())
    }
}
