//! The kill switch of a workspace: what it says, and what it tells those that are at work.
//!
//! Guarantees: whatever is not readably RUNNING is stopped; there is no third state that something could run in.
//! Deliberately never: reads where the switch lies (that is `ledger`), or ends anything.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use super::{lifecycle::ProposalStatus, time::Timestamp};

/// One turn of the switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SwitchEvent {
    /// Its number, from 1.
    pub number: u64,
    /// Where it was turned to.
    pub position: SwitchState,
    /// Who turned it.
    pub by: String,
    /// Why. A stop always has a reason.
    pub why: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// Where the switch stands.
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
    /// By this turn, things may run.
    Running(SwitchEvent),
    /// Nothing may run.
    Stopped(Stopped),
}

/// Nothing may run in this workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stopped {
    /// A person said so.
    By(SwitchEvent),
    /// What the switch says cannot be read.
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

/// The trust in a revision ended while it ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the revision that ran is no longer trusted: it is {status} now")]
pub struct Revoked {
    /// What it is instead.
    pub status: ProposalStatus,
}

/// Why something that is at work must end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    /// The switch.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The trust in what runs.
    #[error(transparent)]
    Revoked(#[from] Revoked),
    /// Whoever asked for it.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// Whoever asked for a run does not want it any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the run was cancelled by whoever asked for it")]
pub struct Cancelled;

/// Lets whoever asked for a run take that back, from any thread. Copies are one.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Takes it back, for good.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether it is still wanted.
    ///
    /// # Errors
    /// [`Cancelled`] when it is not.
    pub fn check(&self) -> Result<(), Cancelled> {
        if self.0.load(Ordering::SeqCst) { Err(Cancelled) } else { Ok(()) }
    }
}

/// A watch that also notices when the run is not wanted any more.
#[derive(Debug)]
pub struct Cancellable<W> {
    /// What else may end it.
    pub watch: W,
    /// Whether it is wanted.
    pub cancel: Cancel,
}

impl<W: std::ops::Deref<Target: Watch> + fmt::Debug + Sync> Watch for Cancellable<W> {
    fn look(&self) -> Result<(), Halt> {
        self.cancel.check()?;
        self.watch.look()
    }
}

/// Looks, on behalf of something that is at work, whether it must end.
pub trait Watch: fmt::Debug + Sync {
    /// Whether the work may go on. Once it may not, it never may again.
    ///
    /// # Errors
    /// [`Halt`] when it must end.
    fn look(&self) -> Result<(), Halt>;
}

/// For work that belongs to no workspace: nobody can stop it but by its limits.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn look(&self) -> Result<(), Halt> {
        Ok(())
    }
}
