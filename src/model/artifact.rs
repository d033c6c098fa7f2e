//! Kinds of artifact.

use super::lifecycle::UnknownState;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What an artifact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ArtifactKind {
    /// The spec of a proposal.
    SkillSpec,
    /// What a builder was given.
    BuildPacket,
    /// What a builder said and did.
    BuildLog,
    /// The sources a build left, and how they differ from the last.
    PatchSummary,
    /// What the gates found.
    VerificationReport,
    /// Why a build failed and what to try next.
    ResearchNote,
    /// A note in the vault.
    Note,
}

impl ArtifactKind {
    const ALL: [Self; 7] = [
        Self::SkillSpec,
        Self::BuildPacket,
        Self::BuildLog,
        Self::PatchSummary,
        Self::VerificationReport,
        Self::ResearchNote,
        Self::Note,
    ];

    /// The spelling in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SkillSpec => "SKILL_SPEC",
            Self::BuildPacket => "BUILD_PACKET",
            Self::BuildLog => "BUILD_LOG",
            Self::PatchSummary => "PATCH_SUMMARY",
            Self::VerificationReport => "VERIFICATION_REPORT",
            Self::ResearchNote => "RESEARCH_NOTE",
            Self::Note => "NOTE",
        }
    }
}

impl fmt::Display for ArtifactKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ArtifactKind {
    type Err = UnknownState;
    fn from_str(text: &str) -> Result<Self, UnknownState> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| UnknownState(text.to_owned()))
    }
}
