//! The thread that puts commits on the disk that did not wait for it.
//!
//! One sync costs the same for one commit as for a thousand. So the first commit starts a short wait, and all that come within it
//! share one sync. Nobody waits for that thread, and it holds no lock of the ledger.
//!
//! Guarantees: a commit that was announced is on the disk after [`DELAY`] and the time of one sync, and before [`LogSync`] is
//! dropped. After a sync that failed nothing is announced any more. Deliberately never: writes into the ledger.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::durability::{UnsyncedMark, WriteAheadLog};
use crate::sync::lock;

/// From the first commit that waits to its sync. With the sync itself it stays below the 20 ms that are promised.
const DELAY: Duration = Duration::from_millis(8);

#[derive(Debug, Default)]
struct Pending {
    /// Whether a commit waits, and whether the thread is to end.
    state: Mutex<State>,
    changed: Condvar,
    failed: AtomicBool,
}

#[derive(Debug, Default, Clone, Copy)]
struct State {
    dirty: bool,
    ended: bool,
}

/// Syncs the log of one ledger.
#[derive(Debug)]
pub(super) struct LogSync {
    pending: Arc<Pending>,
    thread: Option<JoinHandle<()>>,
    mark: Option<UnsyncedMark>,
}

impl LogSync {
    /// Marks the ledger, and starts the thread.
    ///
    /// # Errors
    /// When the mark cannot be made durable, or no thread can start. Then no commit may go ahead of the disk.
    pub(super) fn start(log: WriteAheadLog) -> io::Result<Self> {
        let mark = UnsyncedMark::make(&log)?;
        let pending = Arc::new(Pending::default());
        let shared = Arc::clone(&pending);
        let thread = thread::Builder::new().name("kavi-sync".into()).spawn(move || shared.run(&log))?;
        Ok(Self { pending, thread: Some(thread), mark: Some(mark) })
    }

    /// Says that a commit is in the log, and not on the disk.
    pub(super) fn announce(&self) {
        lock(&self.pending.state).dirty = true;
        self.pending.changed.notify_one();
    }

    /// Whether the disk refused a sync. From then on every commit must wait for the disk, which tells its caller.
    pub(super) fn has_failed(&self) -> bool {
        self.pending.failed.load(Ordering::Relaxed)
    }
}

impl Pending {
    fn run(&self, log: &WriteAheadLog) {
        loop {
            let waiting = self.changed.wait_while(lock(&self.state), |state| !state.dirty && !state.ended);
            let state = waiting.unwrap_or_else(std::sync::PoisonError::into_inner);
            if !state.dirty {
                return;
            }
            // Others may commit meanwhile. At the end nobody does.
            let gathered = self.changed.wait_timeout_while(state, DELAY, |state| !state.ended);
            let mut state = gathered.unwrap_or_else(std::sync::PoisonError::into_inner).0;
            // Before the sync: what is committed during it may not be covered, and needs the next one.
            state.dirty = false;
            drop(state);
            if let Err(error) = log.sync() {
                self.failed.store(true, Ordering::Relaxed);
                tracing::warn!("{error}");
            }
        }
    }
}

impl Drop for LogSync {
    fn drop(&mut self) {
        lock(&self.pending.state).ended = true;
        self.pending.changed.notify_one();
        let ended = self.thread.take().is_none_or(|thread| thread.join().is_ok());
        // A mark that stays makes the next process sync, or say that something may be lost.
        if let Some(mark) = self.mark.take().filter(|_| ended && !self.has_failed()) {
            mark.remove();
        }
    }
}
