//! The limits of time: the wall clock (`wall_ms`) and the processor time (`cpu_ms`) of one run.
//!
//! Guarantees: a guest is ended at the first host call or heartbeat ([`super::epoch`]) after one of the two is over, or
//! after somebody interrupted the run.
//!
//! What it cannot do: end a file call that hangs in the kernel.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::model::limits::Limits;

use super::{error::Stop, interrupt::Interrupt};

/// When a run must be over. Made on the thread that runs the guest and checked only there: the processor time is that
/// thread's.
pub(super) struct Deadline {
    started: Instant,
    cpu_at_start: Duration,
    wall_ms: u64,
    cpu_ms: u64,
    interrupt: Interrupt,
}

impl Deadline {
    pub(super) fn start(limits: &Limits, interrupt: Interrupt) -> Self {
        let (wall_ms, cpu_ms) = (limits.wall_ms, limits.cpu_ms);
        Self { started: Instant::now(), cpu_at_start: thread_cpu(), wall_ms, cpu_ms, interrupt }
    }

    /// Real time until now.
    pub(super) fn wall(&self) -> Duration {
        self.started.elapsed()
    }

    /// Real time until the run must be over.
    pub(super) fn left(&self) -> Duration {
        Duration::from_millis(self.wall_ms).saturating_sub(self.wall())
    }

    /// Processor time until now. Asking for it is a call into the kernel.
    pub(super) fn cpu(&self) -> Duration {
        thread_cpu().saturating_sub(self.cpu_at_start)
    }

    /// The cheap check of every host call: real time, and whether somebody ended the run.
    pub(super) fn check(&self) -> Result<(), Stop> {
        // A stop comes before a timeout, because a person caused it and looks for it in the record.
        if let Some(halt) = self.interrupt.get() {
            return Err(Stop::Halt(Box::new(halt.clone())));
        }
        // On Linux this clock is read without a call into the kernel, so every host call can afford it.
        if self.wall() > Duration::from_millis(self.wall_ms) {
            return Err(Stop::Timeout { name: "wall_ms", value: self.wall_ms });
        }
        Ok(())
    }

    /// The check of every heartbeat: processor time as well.
    pub(super) fn check_all(&self) -> Result<(), Stop> {
        self.check_at(self.cpu())
    }

    /// The same, with the processor time that was just asked for.
    pub(super) fn check_at(&self, cpu: Duration) -> Result<(), Stop> {
        self.check()?;
        if cpu > Duration::from_millis(self.cpu_ms) {
            return Err(Stop::Timeout { name: "cpu_ms", value: self.cpu_ms });
        }
        Ok(())
    }
}

fn thread_cpu() -> Duration {
    // Of the thread and not of the process: other runs at the same time must not count.
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}
