//! A thread that is kept for many runs, one after the other, that all reach the same.
//!
//! Guarantees: before it gets any work it is restricted, by the second wall, to what its runs reach, and no run that
//! reaches something else is ever let on it; a run that writes files never is. The thread that keeps it waits, and looks
//! meanwhile whether what runs on it still may, as it does for a run with a thread of its own.
//!
//! Deliberately never: takes a restriction back, or lets anything of one run stay for the next. Each run has a store of
//! its own; what is kept is the thread and what the kernel was told about it.

use std::{
    marker::PhantomData,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, mpsc},
    thread,
};

use crate::model::{execution::SecondWall, switch::Watch};
use crate::sync::lock;

use super::{
    error::RunError,
    second_wall::{self, Reach},
    thread::{Interrupt, LOOK, STACK},
};

/// What runs on one lane reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reaches {
    /// No file at all.
    Nothing,
    /// The vault, to read it.
    Vault(PathBuf),
}

impl Reaches {
    fn as_reach(&self) -> Reach<'_> {
        match self {
            Self::Nothing => Reach::default(),
            Self::Vault(path) => Reach::reading(path),
        }
    }

    /// Whether runs that are given this folder, or none, belong here.
    pub fn is(&self, vault: Option<&Path>) -> bool {
        match self {
            Self::Nothing => vault.is_none(),
            Self::Vault(path) => vault == Some(path),
        }
    }
}

/// The run that is under way.
#[derive(Debug)]
struct AtWork {
    number: u64,
    watch: Arc<dyn Watch + Send>,
    interrupt: Interrupt,
}

/// What both threads know of the lane.
#[derive(Debug, Default)]
struct Desk {
    started: u64,
    at_work: Option<AtWork>,
}

/// The thread it stands on is kept for runs that reach the same. It cannot be taken to another thread.
#[derive(Debug)]
pub struct Lane<'a> {
    reaches: &'a Reaches,
    second_wall: SecondWall,
    desk: &'a Mutex<Desk>,
    here: PhantomData<*const ()>,
}

impl Lane<'_> {
    /// Makes a thread, restricts it, has it do the work, and returns when that is done.
    ///
    /// # Errors
    /// When there is no thread, when it cannot be restricted, or when the work panicked.
    pub fn keep<T: Send>(reaches: &Reaches, work: impl FnOnce(&Lane<'_>) -> T + Send) -> Result<T, RunError> {
        let desk = Mutex::new(Desk::default());
        let (alive, ended) = mpsc::channel::<()>();
        thread::scope(|scope| {
            let lane = thread::Builder::new().name("kavi-lane".into()).stack_size(STACK).spawn_scoped(scope, || {
                // Dropped when the work is done, however it ends.
                let _alive = alive;
                let second_wall = second_wall::put_up(reaches.as_reach())?;
                Ok(work(&Lane { reaches, second_wall, desk: &desk, here: PhantomData }))
            });
            let lane = lane.map_err(|error| RunError::Host(format!("no thread for runs: {error}")))?;
            let mut seen = 0;
            while let Err(mpsc::RecvTimeoutError::Timeout) = ended.recv_timeout(LOOK) {
                seen = look(&desk, seen);
            }
            lane.join().unwrap_or_else(|_| Err(RunError::Host("the thread of the runs ended early".to_owned())))
        })
    }

    /// What stands behind the first wall here.
    pub(super) fn second_wall(&self) -> SecondWall {
        self.second_wall
    }

    /// Begins a run that reaches this.
    pub(super) fn occupy(&self, reach: Reach<'_>, watch: &Arc<dyn Watch + Send>) -> Result<Occupied<'_>, RunError> {
        if reach != self.reaches.as_reach() {
            return Err(RunError::SecondWall("this thread is kept for runs that reach something else".to_owned()));
        }
        let interrupt = Interrupt::default();
        let mut desk = lock(self.desk);
        desk.started += 1;
        desk.at_work = Some(AtWork { number: desk.started, watch: Arc::clone(watch), interrupt: interrupt.clone() });
        Ok(Occupied { desk: self.desk, interrupt })
    }
}

/// A run is on the lane while this lives.
pub(super) struct Occupied<'a> {
    desk: &'a Mutex<Desk>,
    interrupt: Interrupt,
}

impl Occupied<'_> {
    pub(super) fn interrupt(&self) -> Interrupt {
        self.interrupt.clone()
    }
}

impl Drop for Occupied<'_> {
    fn drop(&mut self) {
        lock(self.desk).at_work = None;
    }
}

/// Looks whether the run that was there the last time still may go on. One that has come since is left alone: short runs
/// pay nothing. Gives the number of the run that is there now.
fn look(desk: &Mutex<Desk>, seen: u64) -> u64 {
    let (number, watch, interrupt) = match &lock(desk).at_work {
        Some(run) => (run.number, Arc::clone(&run.watch), run.interrupt.clone()),
        None => return seen,
    };
    if number == seen
        && let Err(halt) = watch.look()
    {
        interrupt.set(halt);
    }
    number
}
