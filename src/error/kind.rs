//! What kind of failure an error is: a word and an exit code.

/// What went wrong, in a word that scripts can rely on. Each has one exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Something failed that is none of the others.
    Failed,
    /// Something was typed that cannot be.
    Usage,
    /// Policy, trust or a person said no.
    Refused,
    /// A gate failed.
    Verification,
    /// The skill failed or hit a limit.
    Skill,
    /// A tool or service is missing.
    Tool,
    /// Our bug, or a broken ledger.
    Internal,
}

impl Kind {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Refused => "refused",
            Self::Verification => "verification-failed",
            Self::Skill => "skill-failed",
            Self::Tool => "tool-missing",
            Self::Internal => "internal",
        }
    }

    /// The exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::Verification => 4,
            Self::Skill => 5,
            Self::Tool => 6,
            Self::Internal => 70,
        }
    }
}
