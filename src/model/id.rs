//! Identifiers: UUIDs in the ledger, one type per table so that they cannot be mixed up.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The text is not an id: ids are UUIDs in lower-case hyphenated form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an id (a UUID or a unique prefix of one)")]
pub struct InvalidId(pub String);

/// Where new identifiers come from. Injected, so that tests and snapshots are repeatable.
pub trait IdSource: fmt::Debug + Send + Sync {
    /// The next identifier; never one that was handed out before.
    fn next(&self) -> Uuid;
}

/// Random (version 4) UUIDs from the operating system: every prefix is as unique as any other.
#[derive(Debug, Default, Clone, Copy)]
pub struct RandomIds;

impl IdSource for RandomIds {
    fn next(&self) -> Uuid {
        Uuid::new_v4()
    }
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new identifier from `ids`.
            pub fn new(ids: &dyn IdSource) -> Self {
                Self(ids.next())
            }

            /// Parses the whole identifier.
            ///
            /// # Errors
            /// [`InvalidId`] when `text` is not a UUID.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                Uuid::try_parse(text).map(Self).map_err(|_| InvalidId(text.to_owned()))
            }

            /// The first eight hexadecimal digits, for people.
            pub fn short(&self) -> String {
                self.0.simple().to_string()[..8].to_owned()
            }

            /// The 16 bytes of the identifier.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
    };
}

id_type!(
    /// One proposal: a name, a spec, and what became of it.
    ProposalId
);
id_type!(
    /// One attempt to build a proposal.
    BuildId
);
id_type!(
    /// One verification of one build's snapshot.
    VerificationId
);
id_type!(
    /// One look into why an attempt failed.
    ResearchId
);
id_type!(
    /// One decision of a person: promote, rollback, revoke.
    PromotionId
);
id_type!(
    /// One artifact: a file with its digest in the ledger.
    ArtifactId
);
id_type!(
    /// One run of a skill.
    ExecutionId
);
id_type!(
    /// One commit: files that appear in the vault together.
    CommitId
);

impl From<ExecutionId> for CommitId {
    /// The commit of a run, or of the chain that begins with it.
    fn from(run: ExecutionId) -> Self {
        Self(run.0)
    }
}

impl CommitId {
    /// The run that this may be the commit of.
    pub fn first_run(self) -> ExecutionId {
        ExecutionId(self.0)
    }
}

/// A prefix of an id as a person types it: hexadecimal digits and hyphens, four at least.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdPrefix(String);

impl IdPrefix {
    /// Parses what a person typed.
    ///
    /// # Errors
    /// [`InvalidId`] when it cannot be the beginning of an id.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        // Ids are compared as text in the ledger, where they are lower case.
        let lower = text.to_ascii_lowercase();
        // Four at least: shorter prefixes fit too many ids to be meant.
        let fits = (4..=36).contains(&lower.len())
            && lower.chars().enumerate().all(|(at, c)| match at {
                8 | 13 | 18 | 23 => c == '-',
                _ => c.is_ascii_hexdigit(),
            });
        if fits { Ok(Self(lower)) } else { Err(InvalidId(text.to_owned())) }
    }

    /// The prefix in the ledger's spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_follows_the_shape_of_a_uuid() {
        for good in ["67e5", "67E5504", "67e55044-10b1", "67e55044-10b1-426f-9247-bb680e5fe0c8"] {
            assert!(IdPrefix::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "67e", "67e5_", "67e550441", "%", "zzzz", "67e55044-10b1-426f-9247-bb680e5fe0c8a"] {
            assert!(IdPrefix::parse(bad).is_err(), "{bad}");
        }
    }
}
