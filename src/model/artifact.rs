//! Kinds of artifact.

use super::lifecycle::UnknownState;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The path of an artifact, relative to the workspace: a file below `artifacts_out/`, and nowhere else.
///
/// The ledger has it as text. Parsed into this type it cannot lead out of that folder, whoever wrote the row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ArtifactPath(String);

/// A text that is not the path of an artifact.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not the path of a file below {ARTIFACTS}/", .0.escape_debug())]
pub struct InvalidArtifactPath(String);

/// The folder of artifacts, in the workspace.
pub const ARTIFACTS: &str = "artifacts_out";

impl ArtifactPath {
    /// Parses the path.
    ///
    /// # Errors
    /// [`InvalidArtifactPath`]
    pub fn parse(text: &str) -> Result<Self, InvalidArtifactPath> {
        let plain = |name: &str| !matches!(name, "" | "." | "..") && !name.chars().any(char::is_control);
        let mut names = text.split('/');
        let is_below = names.next() == Some(ARTIFACTS) && names.clone().next().is_some() && names.all(plain);
        if is_below { Ok(Self(text.to_owned())) } else { Err(InvalidArtifactPath(text.to_owned())) }
    }

    /// The path, relative to the workspace.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ArtifactPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ArtifactPath {
    type Error = InvalidArtifactPath;
    fn try_from(text: String) -> Result<Self, InvalidArtifactPath> {
        Self::parse(&text)
    }
}

impl From<ArtifactPath> for String {
    fn from(path: ArtifactPath) -> Self {
        path.0
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_artifact_lies_outside_of_its_folder() {
        for good in ["artifacts_out/a", "artifacts_out/note/1/SKILL_SPEC.json"] {
            assert!(ArtifactPath::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "artifacts_out",
            "artifacts_out/",
            "artifacts_out/..",
            "artifacts_out/../kavi.toml",
            "artifacts_out//etc",
            "artifacts_out/./a",
            "/etc/passwd",
            "../artifacts_out/a",
            "kavi.toml",
            ".kavi/ledger.db",
            "artifacts_out/a\0b",
        ] {
            assert!(ArtifactPath::parse(bad).is_err(), "{bad:?}");
        }
    }
}
