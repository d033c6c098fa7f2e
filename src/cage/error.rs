//! What can go wrong before, around and instead of a job. A job that ran and failed is not an error: see `Exit`.

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::switch::Halt;

/// Why a job could not be run.
#[derive(Debug, thiserror::Error)]
pub enum CageError {
    /// Confinement is required and this machine does not support it.
    #[error("this machine cannot confine jobs: {why}")]
    NoCage {
        /// What was tried and how it failed.
        why: String,
    },
    /// A path of the job is under none of its mounts, so the job could not see it.
    #[error("path {} of the job is under none of its mounts", path.display())]
    Unmounted {
        /// The host path.
        path: PathBuf,
    },
    /// A path that cannot be handed to a job: relative, climbing, or not UTF-8.
    #[error("path {} cannot be given to a job: {why}", path.display())]
    BadPath {
        /// The path as given.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A mount that the cage refuses to make.
    #[error("mount of {} at {} is refused: {why}", host.display(), inside.display())]
    BadMount {
        /// Where it comes from.
        host: PathBuf,
        /// Where it was to appear.
        inside: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// An argument or environment entry that no process can receive.
    #[error("{what} of the job cannot be passed: {why}")]
    BadText {
        /// Which text.
        what: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A job with a loopback forward, but no cage with a loopback of its own.
    #[error("a loopback forward needs a cage: without one the port would be open to the whole machine")]
    ForwardOutside,
    /// A stage of the cage failed before the job was started. Nothing of the job has run.
    #[error("the cage could not be set up at step {step}: {why}")]
    Setup {
        /// The step that failed.
        step: SetupStep,
        /// The system's error.
        why: String,
    },
    /// The program itself could not be started.
    #[error("program {} could not be started: {why}", program.display())]
    Start {
        /// The program, as a host path.
        program: PathBuf,
        /// The system's error.
        why: String,
    },
    /// The job may have run, but its end is unknown: its stage was killed from outside, or could not clean up.
    #[error("it is unknown how {} ended: {why}", program.display())]
    Lost {
        /// The program, as a host path.
        program: PathBuf,
        /// What is known.
        why: String,
    },
    /// The job was killed because its run may not go on.
    #[error(transparent)]
    Halted(Halt),
    /// A system call of Kavi itself failed.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The system's error.
        source: io::Error,
    },
}

impl CageError {
    /// What the person can do about it, where something can be done.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoCage { .. } => Some(
                "allow unprivileged user namespaces or install bubblewrap, then run `kavi doctor`; \
                 to run without a cage, set that in kavi.toml",
            ),
            Self::Setup { .. } => Some("run `kavi doctor` to see what this machine supports"),
            Self::Halted(_) => Some("run `kavi resume` to let skills run again; `kavi status` shows the switch"),
            Self::Unmounted { .. } => Some("mount the folder that holds it"),
            _ => None,
        }
    }

    pub(super) fn io(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }
}

/// The step at which a stage failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SetupStep {
    /// Reading what to do from the control socket.
    Orders,
    /// Making the namespaces.
    Namespaces,
    /// Building the file tree.
    Mounts,
    /// Giving a writable folder to the cage's user.
    Ownership,
    /// Entering the new tree.
    Pivot,
    /// Raising the loopback interface.
    Loopback,
    /// Giving up identity and capabilities.
    Privileges,
    /// Landlock.
    Landlock,
    /// Resource limits.
    Limits,
    /// The system call filter.
    Seccomp,
    /// Checking from the inside that the confinement is in force.
    SelfCheck,
    /// Opening the forward.
    Forward,
    /// Starting the program.
    Start,
    /// Watching the program.
    Watch,
}

impl std::fmt::Display for SetupStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Orders => "orders",
            Self::Namespaces => "namespaces",
            Self::Mounts => "mounts",
            Self::Ownership => "ownership",
            Self::Pivot => "pivot",
            Self::Loopback => "loopback",
            Self::Privileges => "privileges",
            Self::Landlock => "landlock",
            Self::Limits => "limits",
            Self::Seccomp => "seccomp",
            Self::SelfCheck => "self-check",
            Self::Forward => "forward",
            Self::Start => "start",
            Self::Watch => "watch",
        })
    }
}

/// Why a stage gave up: the step and the system's answer.
#[derive(Debug)]
pub(super) struct StageError {
    /// The step that failed.
    pub(super) step: SetupStep,
    /// The object and the system's answer.
    pub(super) why: String,
}

impl StageError {
    pub(super) fn new(step: SetupStep, why: impl Into<String>) -> Self {
        Self { step, why: why.into() }
    }
}
