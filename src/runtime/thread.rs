//! The thread of one run: made for it, watched from the thread that asked for it, and gone after it.
//!
//! Guarantees: a guest and all its host calls stay on this thread, so the thread's restriction holds for all of the run. The
//! restriction ends with the thread and so with the run. While the guest runs, the caller asks regularly whether it may go
//! on, and interrupts it when it may not.

use std::{sync::mpsc, thread, time::Duration};

use crate::model::switch::Watch;

use super::{error::RunError, interrupt::Interrupt};

/// The time until the first check. Most runs end sooner and pay nothing.
const FIRST_LOOK: Duration = Duration::from_millis(50);
/// The time between two checks. A stop takes this long, and the time of a check and a heartbeat.
pub(super) const LOOK: Duration = Duration::from_millis(25);
/// Room for the largest native stack of a guest and for the host's own frames.
pub(super) const STACK: usize = 2 << 20;

/// Does the work of one run on a new thread.
pub(super) fn run<T: Send>(
    watch: &dyn Watch,
    work: impl FnOnce(Interrupt) -> Result<T, RunError> + Send,
) -> Result<T, RunError> {
    let interrupt = Interrupt::default();
    let (alive, ended) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let theirs = interrupt.clone();
        let guest = thread::Builder::new().name("kavi-guest".into()).stack_size(STACK).spawn_scoped(scope, move || {
            // Dropped when the work ends, also by a panic. That wakes the caller.
            let _alive = alive;
            work(theirs)
        });
        let guest = guest.map_err(|error| RunError::Host(format!("no thread for the run: {error}")))?;
        let mut pause = FIRST_LOOK;
        while let Err(mpsc::RecvTimeoutError::Timeout) = ended.recv_timeout(pause) {
            if let Err(halt) = watch.look() {
                interrupt.set(halt);
                // The thread ends at its next heartbeat. `join` below waits for it, so nothing is
                // left behind.
                break;
            }
            pause = LOOK;
        }
        guest.join().unwrap_or_else(|_| Err(RunError::Host("the thread of the run ended early".to_owned())))
    })
}
