//! What belongs to one run: the data of its store.
//!
//! Everything a guest can increase is counted here. A limit that is reached ends the run with an error that names it; there
//! is no partial answer that a guest could work around.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::{Resource, ResourceTable};

use crate::model::{
    exchange::HttpPort,
    limits::{Limits, count},
};

use super::{
    super::{
        deadline::Deadline,
        error::{RunError, Stop},
        interrupt::Interrupt,
        memory_limiter::MemoryLimiter,
        outcome::{GuestTelemetry, LogLevel, LogLine, RunUsage},
        request::{GuestCommand, GuestRequest},
    },
    clocks_random::{RandomStreams, VirtualClock},
    staging::GuestFiles,
};

/// The data of one store.
pub(in crate::runtime) struct GuestState {
    table: ResourceTable,
    pub(in crate::runtime) limits: Limits,
    pub(in crate::runtime) deadline: Deadline,
    pub(in crate::runtime) memory: MemoryLimiter,
    pub(in crate::runtime) clock: VirtualClock,
    pub(in crate::runtime) random: RandomStreams,
    pub(in crate::runtime) files: GuestFiles,
    pub(in crate::runtime) http: Option<Arc<dyn HttpPort>>,
    pub(in crate::runtime) command_line: GuestCommand,
    pub(in crate::runtime) stdout: Capture,
    pub(in crate::runtime) stderr: Capture,
    logs: Logs,
    /// A checksum over the calls for files, in order. It is compared only between two runs of the same process.
    calls: DefaultHasher,
}

impl GuestState {
    pub(in crate::runtime) fn new(
        request: &GuestRequest<'_>,
        command_line: GuestCommand,
        interrupt: Interrupt,
    ) -> Result<Self, RunError> {
        let limits = request.limits.clone();
        let mut table = ResourceTable::new();
        // The table lies in the host's memory, which no limit of the guest's memory counts.
        table.set_max_capacity(count(limits.resource_handles));
        Ok(Self {
            table,
            deadline: Deadline::start(&limits, interrupt),
            memory: MemoryLimiter::new(&limits),
            clock: VirtualClock::starting_at(request.determinism.clock),
            random: RandomStreams::seeded(request.determinism.seed),
            files: GuestFiles::open(request)?,
            http: request.granted_http(),
            command_line,
            stdout: Capture::new("stdout_bytes", limits.stdout_bytes),
            stderr: Capture::new("stderr_bytes", limits.stderr_bytes),
            logs: Logs::default(),
            calls: DefaultHasher::new(),
            limits,
        })
    }

    /// Gives the guest a handle to `value`.
    pub(in crate::runtime) fn push<T: Send + 'static>(&mut self, value: T) -> Result<Resource<T>, wasmtime::Error> {
        self.deadline.check()?;
        let full = Stop::Limit { name: "resource_handles", value: self.limits.resource_handles };
        self.table.push(value).map_err(|_| full.into())
    }

    /// The value of a handle.
    pub(in crate::runtime) fn get<T: 'static>(&self, handle: &Resource<T>) -> Result<&T, wasmtime::Error> {
        self.deadline.check()?;
        Ok(self.table.get(handle)?)
    }

    /// The value of a handle, mutable.
    pub(in crate::runtime) fn get_mut<T: 'static>(&mut self, handle: &Resource<T>) -> Result<&mut T, wasmtime::Error> {
        self.deadline.check()?;
        Ok(self.table.get_mut(handle)?)
    }

    /// Takes back a handle.
    pub(in crate::runtime) fn delete<T: 'static>(&mut self, handle: Resource<T>) -> Result<T, wasmtime::Error> {
        Ok(self.table.delete(handle)?)
    }

    /// Adds a line to the log, or counts it as dropped.
    pub(in crate::runtime) fn log(&mut self, level: LogLevel, message: String) -> Result<(), Stop> {
        self.deadline.check()?;
        self.logs.add(LogLine { level, message }, &self.limits);
        Ok(())
    }

    /// Adds a call for a file to the checksum of all calls.
    pub(in crate::runtime) fn note_call(&mut self, call: &str, path: &str) {
        // Kept as a checksum, because a guest chooses how many calls it makes.
        (call, path).hash(&mut self.calls);
    }

    /// The telemetry of the run after the guest is gone. `cpu` is the processor time it took.
    pub(in crate::runtime) fn observed(self, cpu: Duration) -> GuestTelemetry {
        let (staged_bytes, staged_files) = self.files.staged();
        let usage = RunUsage {
            wall_us: micros(self.deadline.wall()),
            cpu_us: micros(cpu),
            memory_bytes: self.memory.peak_bytes,
            staged_bytes,
            staged_files,
            dropped_log_lines: self.logs.dropped,
        };
        GuestTelemetry {
            logs: self.logs.lines,
            stdout: self.stdout.bytes,
            stderr: self.stderr.bytes,
            usage,
            second_wall: None,
            calls: self.calls.finish(),
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// A standard stream, captured in memory.
pub(in crate::runtime) struct Capture {
    bytes: Vec<u8>,
    name: &'static str,
    limit: u64,
}

impl Capture {
    fn new(name: &'static str, limit: u64) -> Self {
        Self { bytes: Vec::new(), name, limit }
    }

    pub(in crate::runtime) fn write(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        // Stops the run, where a log drops its lines: nobody can tell a cut output from a whole
        // one.
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
