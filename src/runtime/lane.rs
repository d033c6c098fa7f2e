//! A lane: a thread that is kept for many runs, one after the other, that may access the same folders.
//!
//! Guarantees: the second wall restricts the thread before it gets any work. A run that needs other access is never let on
//! it, and a run that writes files never is. The keeper is the thread that made the lane. It asks meanwhile whether the run
//! on it may still go on, as for a run with a thread of its own.
//!
//! Deliberately never: takes a restriction back, or keeps anything of one run for the next. Each run has a store of its own;
//! only the thread and its restriction are kept.

use std::{
    marker::PhantomData,
    path::PathBuf,
    sync::{Arc, Mutex, mpsc},
    thread,
};

use crate::dir::FolderHandle;
use crate::model::{execution::SecondWall, switch::Watch};
use crate::sync::lock;

use super::{
    error::RunError,
    interrupt::Interrupt,
    linked_folders::LinkedFolder,
    second_wall::{self, LandlockScope, ScopeId},
    thread::{LOOK, STACK},
};

/// What the runs of one lane may access. Runs with equal keys can share a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LaneKey {
    /// No file at all.
    Nothing,
    /// The vault and its linked folders, read-only.
    Vault(PathBuf, Vec<LinkedFolder>),
}

impl LaneKey {
    /// The folder that the runs may read, opened.
    fn open(&self) -> Result<Option<FolderHandle>, RunError> {
        let Self::Vault(path, _) = self else { return Ok(None) };
        let failed = |source| RunError::Folder { guest: "/vault", path: path.clone(), source };
        FolderHandle::open(path).map(Some).map_err(failed)
    }

    fn linked(&self) -> &[LinkedFolder] {
        match self {
            Self::Nothing => &[],
            Self::Vault(_, linked) => linked,
        }
    }
}

/// The run that is on the lane now.
#[derive(Debug)]
struct CurrentRun {
    number: u64,
    watch: Arc<dyn Watch + Send>,
    interrupt: Interrupt,
}

/// What the thread of the lane and its keeper share.
#[derive(Debug, Default)]
struct LaneState {
    started: u64,
    current: Option<CurrentRun>,
}

/// A lane, as the work on its thread sees it. It cannot be sent to another thread.
#[derive(Debug)]
pub struct Lane<'a> {
    scope: ScopeId,
    second_wall: SecondWall,
    state: &'a Mutex<LaneState>,
    // A raw pointer is neither `Send` nor `Sync`: the restriction belongs to this thread.
    here: PhantomData<*const ()>,
}

impl Lane<'_> {
    /// Makes a thread, restricts it, lets it do the work, and returns when the work is done.
    ///
    /// # Errors
    /// When there is no thread, when it cannot be restricted, or when the work panicked.
    pub fn keep<T: Send>(key: &LaneKey, work: impl FnOnce(&Lane<'_>) -> T + Send) -> Result<T, RunError> {
        let state = Mutex::new(LaneState::default());
        let vault = key.open()?;
        let reach = vault.as_ref().map(|vault| LandlockScope::reading(vault, key.linked())).unwrap_or_default();
        let scope = reach.id()?;
        let (alive, ended) = mpsc::channel::<()>();
        thread::scope(|threads| {
            let lane = thread::Builder::new().name("kavi-lane".into()).stack_size(STACK).spawn_scoped(threads, || {
                // Dropped when the work ends, also by a panic. That wakes the keeper.
                let _alive = alive;
                // Before `work` gets the lane: code that ran earlier on this thread could have
                // opened anything.
                let second_wall = second_wall::put_up(reach)?;
                Ok(work(&Lane { scope, second_wall, state: &state, here: PhantomData }))
            });
            let lane = lane.map_err(|error| RunError::Host(format!("no thread for runs: {error}")))?;
            let mut seen = 0;
            // The keeper cannot be the lane's own thread: that one is inside the guest and cannot
            // look.
            while let Err(mpsc::RecvTimeoutError::Timeout) = ended.recv_timeout(LOOK) {
                seen = look(&state, seen);
            }
            lane.join().unwrap_or_else(|_| Err(RunError::Host("the thread of the runs ended early".to_owned())))
        })
    }

    /// The second wall of this thread.
    pub(super) fn second_wall(&self) -> SecondWall {
        self.second_wall
    }

    /// Begins a run with this access.
    pub(super) fn begin(
        &self,
        scope: LandlockScope<'_>,
        watch: &Arc<dyn Watch + Send>,
    ) -> Result<LaneGuard<'_>, RunError> {
        // Landlock would only make a wider run fail. A narrower one would run with access that it
        // was not granted.
        if scope.id()? != self.scope {
            return Err(RunError::SecondWall("this thread is kept for runs with other access".to_owned()));
        }
        // A new one for each run: a halt of the last run must not end the next.
        let interrupt = Interrupt::default();
        let mut state = lock(self.state);
        state.started += 1;
        state.current =
            Some(CurrentRun { number: state.started, watch: Arc::clone(watch), interrupt: interrupt.clone() });
        Ok(LaneGuard { state: self.state, interrupt })
    }
}

/// The run on the lane. It ends when this is dropped.
pub(super) struct LaneGuard<'a> {
    state: &'a Mutex<LaneState>,
    interrupt: Interrupt,
}

impl LaneGuard<'_> {
    pub(super) fn interrupt(&self) -> Interrupt {
        self.interrupt.clone()
    }
}

impl Drop for LaneGuard<'_> {
    fn drop(&mut self) {
        lock(self.state).current = None;
    }
}

/// Asks whether the run that was there the last time may still go on. Returns the number of the run that is there now.
fn look(state: &Mutex<LaneState>, seen: u64) -> u64 {
    // Cloned out of the lock: a look opens the ledger, and a run must not wait for that to begin or
    // end.
    let (number, watch, interrupt) = match &lock(state).current {
        Some(run) => (run.number, Arc::clone(&run.watch), run.interrupt.clone()),
        None => return seen,
    };
    // A run that came since the last look is not asked about, so that short runs pay nothing.
    if number == seen
        && let Err(halt) = watch.look()
    {
        interrupt.set(halt);
    }
    number
}
