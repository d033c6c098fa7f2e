//! The kill switch of a workspace, and how running work learns that it must end.
//!
//! Guarantees: a switch that cannot be read as RUNNING counts as stopped; there is no third state.
//! Deliberately never: reads the switch (that is `ledger`), or ends anything.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use super::{lifecycle::ProposalStatus, time::Timestamp};

/// One change of the switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SwitchEvent {
    /// Its number, from 1.
    pub number: u64,
    /// The state it was set to.
    pub position: SwitchState,
    /// Who set it.
    pub by: String,
    /// Why. A stop always has a reason.
    pub why: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// The state of the switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum SwitchState {
    /// Guests and agents may start.
    Running,
    /// Nothing starts, and what runs is ended.
    Stopped,
}

impl SwitchState {
    /// The spelling in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Stopped => "STOPPED",
        }
    }
}

/// What the switch says now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Switch {
    /// Skills may run, by this event.
    Running(SwitchEvent),
    /// Nothing may run.
    Stopped(Stopped),
}

/// Nothing may run in this workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stopped {
    /// A person stopped it.
    By(SwitchEvent),
    /// The switch cannot be read.
    Unreadable(String),
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::By(event) => {
                let why = event.why.as_deref().unwrap_or("no reason given");
                write!(f, "this workspace was stopped by {} at {}: {why}", event.by, event.at)
            }
            Self::Unreadable(what) => write!(f, "this workspace counts as stopped: its switch is unreadable ({what})"),
        }
    }
}

impl std::error::Error for Stopped {}

/// A revision lost its trust while it ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the revision that ran is no longer trusted: it is {status} now")]
pub struct Revoked {
    /// Its status now.
    pub status: ProposalStatus,
}

/// Why running work must end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    /// The switch.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The revision is no longer trusted.
    #[error(transparent)]
    Revoked(#[from] Revoked),
    /// The caller cancelled it.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// A person stopped the agents of the workspace.
    #[error(transparent)]
    Disabled(#[from] AgentsDisabled),
}

/// A person stopped the agents of the workspace, and the run was an agent's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a person stopped the agents of this workspace (`disabled` is true)")]
pub struct AgentsDisabled;

/// The caller cancelled the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the run was cancelled by its caller")]
pub struct Cancelled;

/// Lets the caller cancel a run, from any thread. Clones are one.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Cancels the run, for good.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Fails once the run was cancelled.
    ///
    /// # Errors
    /// [`Cancelled`] after [`Cancel::cancel`].
    pub fn check(&self) -> Result<(), Cancelled> {
        if self.0.load(Ordering::SeqCst) { Err(Cancelled) } else { Ok(()) }
    }
}

/// A watch that also notices a cancelled run.
#[derive(Debug)]
pub struct Cancellable<W> {
    /// What else may end it.
    pub watch: W,
    /// Whether the caller cancelled it.
    pub cancel: Cancel,
}

impl<W: std::ops::Deref<Target: Watch> + fmt::Debug + Sync> Watch for Cancellable<W> {
    fn look(&self) -> Result<(), Halt> {
        // First, because it costs a load from memory and the other look opens the ledger.
        self.cancel.check()?;
        self.watch.look()
    }
}

/// Says whether running work must end.
pub trait Watch: fmt::Debug + Sync {
    /// Whether the work may go on. Once it may not, it never may again.
    ///
    /// # Errors
    /// [`Halt`] when it must end.
    fn look(&self) -> Result<(), Halt>;
}

/// Gives each piece of work a watch of its own, which holds the switch to what it said when that work began.
pub trait WatchSource: fmt::Debug + Send + Sync {
    /// The watch of some work that begins now.
    ///
    /// # Errors
    /// [`Halt`] when it may not begin.
    fn begin(&self) -> Result<Arc<dyn Watch + Send>, Halt>;
}

/// For work that belongs to no workspace: only its limits end it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn look(&self) -> Result<(), Halt> {
        Ok(())
    }
}
