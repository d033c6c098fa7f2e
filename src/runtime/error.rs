//! What can go wrong before, during and after a run.

use std::{io, path::PathBuf};

use crate::model::switch::{AgentsDisabled, Cancelled, Halt, Revoked, Stopped};

use super::inspect_error::{InspectError, InterfaceMismatch};

/// The engine cannot be made, or the bytes cannot be compiled.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// A limit that the engine cannot keep.
    #[error("limit `{limit}` is {value}, the most that is safe is {most} (change [limits] in kavi.toml)")]
    UnsafeLimit {
        /// The limit.
        limit: &'static str,
        /// Its value.
        value: u64,
        /// The largest value that is accepted.
        most: u64,
    },
    /// The engine refuses its configuration.
    #[error("cannot create the wasm engine: {0}")]
    Engine(String),
    /// No memory can be reserved for runs.
    #[error("cannot reserve memory for runs: {0}")]
    Pool(String),
    /// No thread for the heartbeat.
    #[error("cannot start the thread that enforces deadlines")]
    Thread(#[from] io::Error),
    /// The bytes are not a component that this runtime accepts.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// The component is valid, but its code could take too long to compile.
    #[error("limit `compile_effort` of {limit} reached: the component's code may take {effort} µs to compile")]
    CompileEffort {
        /// The estimate.
        effort: u64,
        /// The limit.
        limit: u64,
    },
    /// The component is valid, the engine cannot compile it.
    #[error("the component cannot be compiled: {0}")]
    Compile(String),
    /// The machine code is for another engine.
    #[error("the machine code was made by a different engine")]
    OtherEngine,
    /// The engine refuses machine code.
    #[error("the machine code cannot be loaded: {0}")]
    Load(String),
}

/// Why a run has no result.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A limit was reached. The run was ended there.
    #[error("limit `{limit}` of {value} reached")]
    LimitExceeded {
        /// Its name in `[limits]`.
        limit: &'static str,
        /// Its value.
        value: u64,
    },
    /// The run took too long.
    #[error("the skill exceeded the `{limit}` limit of {value} ms")]
    Timeout {
        /// `wall_ms` or `cpu_ms`.
        limit: &'static str,
        /// Its value.
        value: u64,
    },
    /// The guest did something that WebAssembly forbids. A panic ends in the same way.
    #[error("the skill trapped: {reason}")]
    Trap {
        /// The engine's reason.
        reason: String,
    },
    /// A skill ended its process instead of returning.
    #[error("the skill exited with code {code} instead of returning")]
    GuestExit {
        /// The exit code.
        code: u8,
    },
    /// The component imports more than its capabilities give, or lacks an export.
    #[error("the component is refused: {}", list(.0))]
    Refused(Vec<InterfaceMismatch>),
    /// The component cannot be instantiated with the interfaces it is given.
    #[error("the component cannot be instantiated: {reason}")]
    Instantiate {
        /// The engine's reason.
        reason: String,
    },
    /// A folder of the request cannot be opened.
    #[error("folder `{}` cannot be opened as {guest}", path.display())]
    Folder {
        /// Its name in the guest.
        guest: &'static str,
        /// Where it is.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The kernel has Landlock, and the thread could not be restricted with it.
    #[error("the second wall around the run could not be set up: {0}")]
    SecondWall(String),
    /// The staging folder is not empty, so the files of the run could not be told from those that were there.
    #[error("staging folder `{}` is not empty", path.display())]
    StagingNotEmpty {
        /// Where it is.
        path: PathBuf,
    },
    /// The interfaces cannot be linked.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The kill switch ended it.
    #[error("the run was ended: {0}")]
    Stopped(Stopped),
    /// The skill was revoked while it ran.
    #[error("the run was ended: {0}")]
    Revoked(Revoked),
    /// The caller cancelled it.
    #[error("{0}")]
    Cancelled(Cancelled),
    /// A person stopped the agents of the workspace while it ran.
    #[error("the run was ended: {0}")]
    Disabled(AgentsDisabled),
    /// The host's disk is full. The guest is not told: its own libraries would call it an input/output error.
    #[error("no space is left on the disk for the files of the run")]
    DiskFull,
    /// The record that answers the run's requests has no such request. It is named, without its query.
    #[error("the record has no request like `{0}`: no network is asked during a replay")]
    NotRecorded(String),
    /// What makes the run's requests broke.
    #[error("the requests of the run cannot be made: {0}")]
    Egress(String),
    /// The host's own code panicked. The run is over, the runtime is not.
    #[error("internal error in the runtime: {0}")]
    Host(String),
}

/// The first few, because a component can have any number of them.
pub(super) fn list(mismatches: &[InterfaceMismatch]) -> String {
    const SHOWN: usize = 8;
    let shown = mismatches.iter().take(SHOWN).map(ToString::to_string).collect::<Vec<_>>().join("; ");
    match mismatches.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown}; and {more} more"),
    }
}

/// Ends a run from inside a host function.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Stop {
    #[error("limit `{name}` of {value} reached")]
    Limit { name: &'static str, value: u64 },
    #[error("exceeded the `{name}` limit of {value} ms")]
    Timeout { name: &'static str, value: u64 },
    #[error("exit with code {0}")]
    Exit(u8),
    #[error(transparent)]
    Halt(Box<Halt>),
    #[error("no space is left on the disk")]
    DiskFull,
    #[error("the record has no request like `{0}`")]
    NotRecorded(String),
    #[error("requests cannot be made: {0}")]
    Egress(String),
}

impl From<Halt> for RunError {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Stopped(stopped) => Self::Stopped(stopped),
            Halt::Revoked(revoked) => Self::Revoked(revoked),
            Halt::Cancelled(cancelled) => Self::Cancelled(cancelled),
            Halt::Disabled(disabled) => Self::Disabled(disabled),
        }
    }
}

impl From<Stop> for RunError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Limit { name, value } => Self::LimitExceeded { limit: name, value },
            Stop::Timeout { name, value } => Self::Timeout { limit: name, value },
            Stop::Exit(code) => Self::GuestExit { code },
            Stop::Halt(halt) => (*halt).into(),
            Stop::DiskFull => Self::DiskFull,
            Stop::NotRecorded(call) => Self::NotRecorded(call),
            Stop::Egress(why) => Self::Egress(why),
        }
    }
}
