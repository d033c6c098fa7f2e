//! The clock of a workspace: the system's, compared with the time since the machine started.
//!
//! The first process after a start of the machine notes when that start was by the wall clock. A later process, or the same one
//! later, finds another time for the same start when the clock was set.
//!
//! Guarantees: a time that is in doubt is never noted. Deliberately never: fails anything; without the note only the records
//! are compared.

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::artifacts;
use crate::model::{
    clock_doubt::{self, ClockDoubt, MachineStart},
    layout::Layout,
    time::{Clock, ClockMoment, SystemClock, Timestamp},
};

/// Where Linux gives each start of the machine an id.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The system's clock, and what it is compared with.
#[derive(Debug)]
pub(super) struct ComparedClock {
    boot_id: Option<String>,
    first: Option<MachineStart>,
}

impl ComparedClock {
    /// Reads when the machine started by the first look, or notes it. `newest` is the time of the newest record.
    pub(super) fn start(layout: &Layout, newest: Option<Timestamp>) -> Self {
        let boot_id = fs::read_to_string(BOOT_ID).ok().map(|id| id.trim().to_owned());
        let noted = artifacts::read_once(&layout.machine_start()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let noted = noted.and_then(|text| MachineStart::parse(&text));
        let first = noted.filter(|noted| Some(&noted.id) == boot_id.as_ref());
        let clock = Self { boot_id, first };
        match (clock.machine_start(), &clock.first) {
            (Some(start), None) if clock.doubt(newest).is_none() => {
                // Where it cannot be noted, this process at least compares with its own start.
                let note = format!("{start}\n");
                let _ = artifacts::write_durably(&layout.root, &layout.machine_start(), note.as_bytes());
                Self { first: Some(start), ..clock }
            }
            _ => clock,
        }
    }

    /// When the machine started, by the wall clock as it is now.
    fn machine_start(&self) -> Option<MachineStart> {
        // It counts while the machine sleeps too, so waking up is no jump.
        let since = clock_gettime(ClockId::Boottime);
        let seconds = Duration::from_secs(u64::try_from(since.tv_sec).ok()?);
        Some(MachineStart { id: self.boot_id.clone()?, at: self.now().before(seconds) })
    }
}

impl Clock for ComparedClock {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn moment(&self) -> ClockMoment {
        let wall = self.now();
        let boot = self.boot_id.as_deref().and_then(|id| u128::from_str_radix(&id.replace('-', ""), 16).ok());
        // It counts while the machine sleeps too, as the wall clock does.
        let since = clock_gettime(ClockId::Boottime);
        let boot_ms = since.tv_sec.saturating_mul(1_000).saturating_add(since.tv_nsec / 1_000_000);
        match boot {
            Some(boot) => ClockMoment { wall, boot, boot_ms },
            None => ClockMoment { wall, boot: 0, boot_ms: wall.as_millis() },
        }
    }

    fn doubt(&self, newest: Option<Timestamp>) -> Option<ClockDoubt> {
        clock_doubt::doubt(self.now(), self.machine_start().as_ref(), self.first.as_ref(), newest)
    }
}
