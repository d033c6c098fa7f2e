//! What belongs to one run: the data of its store.
//!
//! Everything a guest can count up is counted here. A limit that is reached ends the run with an error that
//! names it; there is no partial answer to work around.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use wasmtime::{
    ResourceLimiter,
    component::{Resource, ResourceTable},
};

use crate::model::limits::Limits;

use super::{
    error::{RunError, Stop},
    outcome::{LogLevel, LogLine, Observed, Request, Usage},
    thread::Interrupt,
    wall::{
        ambient::{Clock, Random},
        staging::Files,
    },
};

/// The data of one store.
pub(super) struct State {
    table: ResourceTable,
    pub(super) limits: Limits,
    pub(super) deadline: Deadline,
    pub(super) memory: Memory,
    pub(super) clock: Clock,
    pub(super) random: Random,
    pub(super) files: Files,
    pub(super) arguments: Vec<String>,
    pub(super) stdout: Capture,
    pub(super) stderr: Capture,
    logs: Logs,
}

impl State {
    pub(super) fn new(request: &Request<'_>, arguments: Vec<String>, interrupt: Interrupt) -> Result<Self, RunError> {
        let limits = request.limits.clone();
        let mut table = ResourceTable::new();
        table.set_max_capacity(count(limits.resource_handles));
        Ok(Self {
            table,
            deadline: Deadline::start(&limits, interrupt),
            memory: Memory::new(&limits),
            clock: Clock::starting_at(request.determinism.clock),
            random: Random::seeded(request.determinism.seed),
            files: Files::open(request)?,
            arguments,
            stdout: Capture::new("stdout_bytes", limits.stdout_bytes),
            stderr: Capture::new("stderr_bytes", limits.stderr_bytes),
            logs: Logs::default(),
            limits,
        })
    }

    /// Gives the guest a handle to `value`.
    pub(super) fn push<T: Send + 'static>(&mut self, value: T) -> Result<Resource<T>, wasmtime::Error> {
        self.deadline.check()?;
        let full = Stop::Limit { name: "resource_handles", value: self.limits.resource_handles };
        self.table.push(value).map_err(|_| full.into())
    }

    /// What a handle stands for.
    pub(super) fn get<T: 'static>(&self, handle: &Resource<T>) -> Result<&T, wasmtime::Error> {
        self.deadline.check()?;
        Ok(self.table.get(handle)?)
    }

    /// What a handle stands for, to be changed.
    pub(super) fn get_mut<T: 'static>(&mut self, handle: &Resource<T>) -> Result<&mut T, wasmtime::Error> {
        self.deadline.check()?;
        Ok(self.table.get_mut(handle)?)
    }

    /// Takes a handle back.
    pub(super) fn delete<T: 'static>(&mut self, handle: Resource<T>) -> Result<T, wasmtime::Error> {
        Ok(self.table.delete(handle)?)
    }

    /// Adds a line to the log, or counts it as dropped.
    pub(super) fn log(&mut self, level: LogLevel, message: String) -> Result<(), Stop> {
        self.deadline.check()?;
        self.logs.add(LogLine { level, message }, &self.limits);
        Ok(())
    }

    /// What is left when the guest is gone, which took this much processor time.
    pub(super) fn observed(self, cpu: Duration) -> Observed {
        let (staged_bytes, staged_files) = self.files.staged();
        let usage = Usage {
            wall_us: micros(self.deadline.wall()),
            cpu_us: micros(cpu),
            memory_bytes: self.memory.peak_bytes,
            staged_bytes,
            staged_files,
            dropped_log_lines: self.logs.dropped,
        };
        Observed {
            logs: self.logs.lines,
            stdout: self.stdout.bytes,
            stderr: self.stderr.bytes,
            usage,
            second_wall: None,
        }
    }
}

/// A limit as a count of things in memory.
pub(super) fn count(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// When a run must be over. Made on the thread that runs the guest, and checked only there.
pub(super) struct Deadline {
    started: Instant,
    cpu_at_start: Duration,
    wall_ms: u64,
    cpu_ms: u64,
    interrupt: Interrupt,
}

impl Deadline {
    fn start(limits: &Limits, interrupt: Interrupt) -> Self {
        let (wall_ms, cpu_ms) = (limits.wall_ms, limits.cpu_ms);
        Self { started: Instant::now(), cpu_at_start: thread_cpu(), wall_ms, cpu_ms, interrupt }
    }

    fn wall(&self) -> Duration {
        self.started.elapsed()
    }

    /// Processor time until now. Asking for it is a call into the kernel.
    pub(super) fn cpu(&self) -> Duration {
        thread_cpu().saturating_sub(self.cpu_at_start)
    }

    /// The cheap check of every host call: real time, and whether somebody ended the run.
    pub(super) fn check(&self) -> Result<(), Stop> {
        if let Some(halt) = self.interrupt.get() {
            return Err(Stop::Halt(Box::new(halt.clone())));
        }
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
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

/// Memories and tables, each kind counted as one sum.
pub(super) struct Memory {
    bytes: u64,
    peak_bytes: u64,
    elements: u64,
    // What the last permitted growth added, in case the engine then cannot do it.
    last_bytes: u64,
    last_elements: u64,
    limits: Limits,
}

impl Memory {
    fn new(limits: &Limits) -> Self {
        Self { bytes: 0, peak_bytes: 0, elements: 0, last_bytes: 0, last_elements: 0, limits: limits.clone() }
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let growth = desired.saturating_sub(current) as u64;
        let bytes = self.bytes.saturating_add(growth);
        if bytes > self.limits.memory_bytes {
            return Err(Stop::Limit { name: "memory_bytes", value: self.limits.memory_bytes }.into());
        }
        self.bytes = bytes;
        self.last_bytes = growth;
        self.peak_bytes = self.peak_bytes.max(bytes);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.bytes -= std::mem::take(&mut self.last_bytes);
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let growth = desired.saturating_sub(current) as u64;
        let elements = self.elements.saturating_add(growth);
        if elements > self.limits.table_elements {
            return Err(Stop::Limit { name: "table_elements", value: self.limits.table_elements }.into());
        }
        self.elements = elements;
        self.last_elements = growth;
        Ok(true)
    }

    fn table_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.elements -= std::mem::take(&mut self.last_elements);
        Ok(())
    }

    fn instances(&self) -> usize {
        count(self.limits.instances)
    }

    fn tables(&self) -> usize {
        count(self.limits.tables)
    }

    fn memories(&self) -> usize {
        count(self.limits.memories)
    }
}

/// A standard stream, kept in memory.
pub(super) struct Capture {
    bytes: Vec<u8>,
    name: &'static str,
    limit: u64,
}

impl Capture {
    fn new(name: &'static str, limit: u64) -> Self {
        Self { bytes: Vec::new(), name, limit }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        if (self.bytes.len() + bytes.len()) as u64 > self.limit {
            return Err(Stop::Limit { name: self.name, value: self.limit });
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

#[derive(Default)]
struct Logs {
    lines: Vec<LogLine>,
    bytes: u64,
    dropped: u64,
}

impl Logs {
    fn add(&mut self, line: LogLine, limits: &Limits) {
        let bytes = self.bytes.saturating_add(line.message.len() as u64);
        if self.lines.len() as u64 >= limits.log_lines || bytes > limits.log_bytes {
            self.dropped += 1;
        } else {
            self.bytes = bytes;
            self.lines.push(line);
        }
    }
}
