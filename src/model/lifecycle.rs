//! The states of proposals, builds, verifications and commits.

/// The text is no state that this version of Kavi knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a known state")]
pub struct UnknownState(pub String);

/// Enums that the ledger and JSON hold as fixed words.
macro_rules! stored_words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant,)* }

        impl $name {
            /// Every one of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The spelling in the ledger.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::model::lifecycle::UnknownState;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    other => Err($crate::model::lifecycle::UnknownState(other.to_owned())),
                }
            }
        }
    };
}
pub(super) use stored_words;

stored_words!(
    /// The state of a proposal. Only `TRUSTED` runs.
    ProposalStatus {
        /// A spec, nothing accepted yet (also after a failed build).
        Proposed = "PROPOSED",
        /// A person turned it down.
        Rejected = "REJECTED",
        /// A build left sources that passed the workspace gate.
        Built = "BUILT",
        /// Every gate passed on those sources.
        Verified = "VERIFIED",
        /// A person promoted the exact bytes; the one active revision of its name.
        Trusted = "TRUSTED",
        /// Was trusted; another revision is active now. Rollback may bring it back.
        Superseded = "SUPERSEDED",
        /// Was trusted; a person took the trust back for good.
        Revoked = "REVOKED",
    }
);

stored_words!(
    /// The state of one build attempt.
    BuildStatus {
        /// The packet is frozen and the workspace is ready.
        Started = "STARTED",
        /// The builder or the workspace gate failed.
        Failed = "FAILED",
        /// The sources were accepted.
        Succeeded = "SUCCEEDED",
    }
);

stored_words!(
    /// The outcome of a gate or of a whole verification.
    Verdict {
        /// Nothing found.
        Passed = "PASSED",
        /// Something found.
        Failed = "FAILED",
        /// Not run, because an earlier step did not give what it needs.
        Skipped = "SKIPPED",
    }
);

stored_words!(
    /// A decision of a person.
    Decision {
        /// VERIFIED → TRUSTED.
        Promote = "PROMOTE",
        /// SUPERSEDED → TRUSTED.
        Rollback = "ROLLBACK",
        /// TRUSTED or SUPERSEDED → REVOKED.
        Revoke = "REVOKE",
    }
);

stored_words!(
    /// Who writes the sources of a build.
    BuilderKind {
        /// Claude Code.
        Claude = "claude",
        /// A person: sources from a folder.
        Import = "import",
    }
);

stored_words!(
    /// Why a build or a verification failed.
    FailureKind {
        /// Exports, imports, limits or reproducibility are not what the class and the spec promise.
        VerifyInvariant = "VERIFY_INVARIANT",
        /// The source uses what a skill may not.
        VerifyPolicy = "VERIFY_POLICY",
        /// It does not do what it should: a test, an example or a drawn input failed, or tests are missing.
        VerifyTest = "VERIFY_TEST",
        /// Format, lint or compile.
        VerifyLint = "VERIFY_LINT",
        /// The builder ran out of time or stalled.
        Timeout = "TIMEOUT",
        /// The workspace holds what it may not.
        GateViolation = "GATE_VIOLATION",
        /// The builder failed.
        BuildError = "BUILD_ERROR",
        /// None of these.
        Unknown = "UNKNOWN",
    }
);

stored_words!(
    /// Why a person must agree before the next attempt.
    Trigger {
        /// Three failed builds in a row, or more.
        RepeatedFailure = "REPEATED_FAILURE",
        /// The policy or the invariants failed.
        SecurityClass = "SECURITY_CLASS",
        /// A class, host, path or secret that the last packet did not have.
        PermissionWidening = "PERMISSION_WIDENING",
        /// The attempt rewrote more than half of what its packet came with.
        LargeDiff = "LARGE_DIFF",
        /// The kind is unknown, or advice was asked for and there is none.
        Ambiguous = "AMBIGUOUS",
    }
);

stored_words!(
    /// Which files a commit brings into the vault.
    CommitKind {
        /// A run's.
        Run = "RUN",
        /// All runs' of a chain.
        Chain = "CHAIN",
        /// What another commit replaced.
        Undo = "UNDO",
    }
);

stored_words!(
    /// Whether the files of a commit are in the vault.
    CommitState {
        /// Recorded, not all of them moved yet; recovery finishes it.
        Pending = "PENDING",
        /// All there.
        Applied = "APPLIED",
        /// None there: something lay in the way when they were moved.
        Reverted = "REVERTED",
        /// None there: a person is to decide.
        Held = "HELD",
        /// None there: a person said no.
        Rejected = "REJECTED",
        /// None there: nobody decided in time.
        Expired = "EXPIRED",
    }
);

stored_words!(
    /// What a run was for.
    Purpose {
        /// Its output, and its files.
        Run = "RUN",
        /// To see what it would change; nothing was kept.
        DryRun = "DRY_RUN",
        /// To compare it with an earlier one.
        Replay = "REPLAY",
    }
);

impl ProposalStatus {
    /// Whether a build may start.
    pub fn is_buildable(self) -> bool {
        matches!(self, Self::Proposed | Self::Built)
    }

    /// Whether a verification may start.
    pub fn is_verifiable(self) -> bool {
        matches!(self, Self::Built | Self::Verified)
    }
}
