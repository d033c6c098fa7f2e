//! The thread of one run: made for it, watched from the thread that asked for it, and gone after it.
//!
//! Guarantees: a guest and every host call that it makes stay on this thread, so that what is said to the kernel about
//! the thread holds for all of the run; nothing that was said about it outlives the run. While the guest is at work, the
//! caller looks again and again whether it still may be, and has it ended when it may not.

use std::{
    sync::{Arc, OnceLock, mpsc},
    thread,
    time::Duration,
};

use crate::model::switch::{Halt, Watch};

use super::error::RunError;

/// How long a guest is left alone at first: short runs pay nothing.
const FIRST_LOOK: Duration = Duration::from_millis(50);
/// How long it is left alone between two looks. With the heartbeat and the look itself this is what a stop takes.
pub(super) const LOOK: Duration = Duration::from_millis(25);
/// Room for the largest native stack of a guest and for the host's own frames.
pub(super) const STACK: usize = 2 << 20;

/// Where a guest learns that it must end.
#[derive(Debug, Clone, Default)]
pub(super) struct Interrupt(Arc<OnceLock<Halt>>);

impl Interrupt {
    /// Why it must end, if it must.
    pub(super) fn get(&self) -> Option<&Halt> {
        self.0.get()
    }

    pub(super) fn set(&self, halt: Halt) {
        // The first reason is the one that ended it.
        let _ = self.0.set(halt);
    }
}

/// Does the work of one run.
pub(super) fn run<T: Send>(
    watch: &dyn Watch,
    work: impl FnOnce(Interrupt) -> Result<T, RunError> + Send,
) -> Result<T, RunError> {
    let interrupt = Interrupt::default();
    let (alive, ended) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let theirs = interrupt.clone();
        let guest = thread::Builder::new().name("kavi-guest".into()).stack_size(STACK).spawn_scoped(scope, move || {
            // Dropped when the work is done, however it ends.
            let _alive = alive;
            work(theirs)
        });
        let guest = guest.map_err(|error| RunError::Host(format!("no thread for the run: {error}")))?;
        let mut pause = FIRST_LOOK;
        while let Err(mpsc::RecvTimeoutError::Timeout) = ended.recv_timeout(pause) {
            if let Err(halt) = watch.look() {
                interrupt.set(halt);
                break;
            }
            pause = LOOK;
        }
        guest.join().unwrap_or_else(|_| Err(RunError::Host("the thread of the run ended early".to_owned())))
    })
}
