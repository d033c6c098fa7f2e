//! What a job gives back: how it ended, its output, and which confinement was in force.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One of the job's output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// Its first process ended with this code.
    Code(i32),
    /// Its first process was ended by this signal; also how the kernel's limits show (24 = processor time,
    /// 25 = file size).
    Signal(i32),
    /// It was killed at its wall clock.
    WallClock,
    /// It was killed because it printed nothing for too long.
    Idle,
    /// It was killed because it printed too much.
    OutputLimit,
}

impl Exit {
    /// Whether the job ended by itself with code 0.
    #[must_use]
    pub fn success(self) -> bool {
        self == Self::Code(0)
    }
}

/// A job that ran. Every process of it is dead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// How it ended.
    pub exit: Exit,
    /// Standard output, up to the job's capture.
    pub stdout: Vec<u8>,
    /// Standard error, up to the job's capture.
    pub stderr: Vec<u8>,
    /// Bytes of output that were not kept.
    pub dropped_bytes: u64,
    /// From the start of the program to its death.
    pub duration: Duration,
    /// What was in force, for the record.
    pub confinement: AppliedConfinement,
}

/// The confinement of a job, as the stage inside found it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum AppliedConfinement {
    /// Our own cage or bubblewrap's, checked from the inside before the job was started.
    Caged {
        /// Who made the namespaces.
        by: NamespaceMaker,
        /// The Landlock version in force; none on a kernel without it.
        landlock_abi: Option<u32>,
        /// Whether the job is in a user namespace of its own. Only a cage made by root may lack one.
        user_namespace: bool,
    },
    /// Not confined. It had an empty environment, own session, limits, clocks, death of the whole tree.
    Unconfined,
}

impl fmt::Display for AppliedConfinement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unconfined => f.write_str("UNCONFINED: it ran without a cage"),
            Self::Caged { by, landlock_abi, user_namespace } => {
                let by = match by {
                    NamespaceMaker::Own => "own cage",
                    NamespaceMaker::OwnAsRoot => "own cage, made as root",
                    NamespaceMaker::Bubblewrap => "bubblewrap",
                };
                let landlock = landlock_abi.map_or_else(|| "no Landlock".to_owned(), |abi| format!("Landlock {abi}"));
                let user = if *user_namespace { "user namespace" } else { "no user namespace" };
                write!(f, "{by} ({landlock}, {user})")
            }
        }
    }
}

/// Who made a cage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NamespaceMaker {
    /// Kavi, as an ordinary user.
    Own,
    /// Kavi, started by root, which gives its identity up before the job.
    OwnAsRoot,
    /// The `bwrap` program.
    Bubblewrap,
}

/// What this machine supports, for `kavi doctor`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum CageReport {
    /// Our own cage works.
    Own {
        /// The Landlock version; none on a kernel without it.
        landlock_abi: Option<u32>,
        /// Whether it is made as root.
        as_root: bool,
    },
    /// Our own does not, bubblewrap does.
    Bubblewrap {
        /// The Landlock version; none on a kernel without it.
        landlock_abi: Option<u32>,
        /// Why our own does not.
        why_not_own: String,
    },
    /// There is no cage.
    None {
        /// What was tried and how it failed.
        why: String,
    },
}

impl fmt::Display for CageReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let landlock =
            |abi: &Option<u32>| abi.map_or_else(|| "no Landlock".to_owned(), |abi| format!("Landlock {abi}"));
        match self {
            Self::Own { landlock_abi, as_root: true } => write!(f, "own, made as root, {}", landlock(landlock_abi)),
            Self::Own { landlock_abi, as_root: false } => write!(f, "own, {}", landlock(landlock_abi)),
            Self::Bubblewrap { landlock_abi, why_not_own } => {
                write!(f, "bubblewrap, {} (our own does not work: {why_not_own})", landlock(landlock_abi))
            }
            Self::None { why } => write!(f, "none: {why}"),
        }
    }
}
