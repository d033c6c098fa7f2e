//! What a guest takes for granted: time, chance, arguments, standard streams.
//!
//! All of it comes from the execution record. Two runs with the same record see the same.

use std::fmt;

use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng},
};
use wasmtime::component::Resource;

use crate::model::time::Timestamp;

use super::{
    super::error::Stop,
    bindings::{
        cli::{environment, exit, stderr, stdin, stdout},
        cli::{terminal_input, terminal_output, terminal_stderr, terminal_stdin, terminal_stdout},
        clocks::{monotonic_clock, wall_clock},
        random::{insecure_seed, random},
    },
    io::{InputStream, OutputStream, Pollable},
    state::GuestState,
};

/// How far a look at the clock moves it, so that time passes for a guest that waits for it.
const TICK_NS: u64 = 1_000;
/// Where the monotonic clock starts: late enough that a guest may subtract an hour from "now".
const MONOTONIC_START_NS: u64 = 3_600_000_000_000;
const NS_PER_SECOND: u64 = 1_000_000_000;

/// A clock that only the guest moves: by looking at it, and by waiting.
pub(in super::super) struct VirtualClock {
    start_ms: u64,
    elapsed_ns: u64,
}

impl VirtualClock {
    /// A clock whose wall time is `start`. Times before 1970 do not exist in WASI and become 1970.
    pub(in super::super) fn starting_at(start: Timestamp) -> Self {
        // Not an error: a replay with such a record would fail for a reason that is none of the
        // guest's.
        Self { start_ms: u64::try_from(start.as_millis()).unwrap_or(0), elapsed_ns: 0 }
    }

    fn tick(&mut self) {
        self.elapsed_ns = self.elapsed_ns.saturating_add(TICK_NS);
    }

    fn monotonic_ns(&self) -> u64 {
        self.elapsed_ns.saturating_add(MONOTONIC_START_NS)
    }

    fn wall(&self) -> wall_clock::Datetime {
        // Both parts are below a second, and their sum may not be. So the seconds get what is over.
        let ns = (self.start_ms % 1_000) * 1_000_000 + self.elapsed_ns % NS_PER_SECOND;
        wall_clock::Datetime {
            seconds: self.start_ms / 1_000 + self.elapsed_ns / NS_PER_SECOND + ns / NS_PER_SECOND,
            nanoseconds: u32::try_from(ns % NS_PER_SECOND).unwrap_or(0),
        }
    }

    /// Whether `when` has come.
    pub(super) fn is_past(&self, when: u64) -> bool {
        self.monotonic_ns() >= when
    }

    /// Waits until `when`, which takes no time at all.
    pub(super) fn advance_to(&mut self, when: u64) {
        // Never backwards: a guest may wait for a moment that is over.
        self.elapsed_ns = self.elapsed_ns.max(when.saturating_sub(MONOTONIC_START_NS));
    }
}

/// Random numbers from a seed: one stream for each interface that hands them out.
pub(in super::super) struct RandomStreams {
    secure: ChaCha20Rng,
    seeds: ChaCha20Rng,
}

impl RandomStreams {
    /// The numbers that `seed` stands for.
    pub(in super::super) fn seeded(seed: [u8; 32]) -> Self {
        let stream = |number| {
            let mut rng = ChaCha20Rng::from_seed(seed);
            rng.set_stream(number);
            rng
        };
        // Stream 1 belonged to an interface that no component is given; the numbers of the others must not change.
        Self { secure: stream(0), seeds: stream(2) }
    }
}

impl fmt::Debug for RandomStreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RandomStreams(..)")
    }
}

fn random_bytes(rng: &mut ChaCha20Rng, length: u64, limit: u64) -> wasmtime::Result<Vec<u8>> {
    // Before the buffer is made: the length is the guest's own number.
    let too_many = Stop::Limit { name: "random_bytes", value: limit };
    let length = usize::try_from(length).ok().filter(|_| length <= limit).ok_or(too_many)?;
    let mut bytes = vec![0; length];
    rng.fill_bytes(&mut bytes);
    Ok(bytes)
}

impl wall_clock::Host for GuestState {
    fn now(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        self.clock.tick();
        Ok(self.clock.wall())
    }

    fn resolution(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        Ok(wall_clock::Datetime { seconds: 0, nanoseconds: 1_000 })
    }
}

impl monotonic_clock::Host for GuestState {
    fn now(&mut self) -> wasmtime::Result<u64> {
        self.clock.tick();
        Ok(self.clock.monotonic_ns())
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(TICK_NS)
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<Pollable>> {
        self.push(Pollable::At(when))
    }

    fn subscribe_duration(&mut self, duration: u64) -> wasmtime::Result<Resource<Pollable>> {
        let when = self.clock.monotonic_ns().saturating_add(duration);
        self.push(Pollable::At(when))
    }
}

impl random::Host for GuestState {
    fn get_random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        random_bytes(&mut self.random.secure, length, self.limits.random_bytes)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.random.secure.next_u64())
    }
}

impl insecure_seed::Host for GuestState {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        Ok((self.random.seeds.next_u64(), self.random.seeds.next_u64()))
    }
}

impl environment::Host for GuestState {
    fn get_environment(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(self.command_line.environment.clone())
    }

    fn get_arguments(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.command_line.arguments.clone())
    }

    fn initial_cwd(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(None)
    }
}

impl exit::Host for GuestState {
    fn exit(&mut self, status: Result<(), ()>) -> wasmtime::Result<()> {
        Err(Stop::Exit(u8::from(status.is_err())).into())
    }

    fn exit_with_code(&mut self, code: u8) -> wasmtime::Result<()> {
        Err(Stop::Exit(code).into())
    }
}

impl stdin::Host for GuestState {
    fn get_stdin(&mut self) -> wasmtime::Result<Resource<InputStream>> {
        // Input is an argument of the call, and is in its record. What came from here would not be.
        self.push(InputStream::Closed)
    }
}

impl stdout::Host for GuestState {
    fn get_stdout(&mut self) -> wasmtime::Result<Resource<OutputStream>> {
        self.push(OutputStream::Stdout)
    }
}

impl stderr::Host for GuestState {
    fn get_stderr(&mut self) -> wasmtime::Result<Resource<OutputStream>> {
        self.push(OutputStream::Stderr)
    }
}

impl terminal_input::Host for GuestState {}

impl terminal_input::HostTerminalInput for GuestState {
    fn drop(&mut self, handle: Resource<terminal_input::TerminalInput>) -> wasmtime::Result<()> {
        self.delete(handle).map(drop)
    }
}

impl terminal_output::Host for GuestState {}

impl terminal_output::HostTerminalOutput for GuestState {
    fn drop(&mut self, handle: Resource<terminal_output::TerminalOutput>) -> wasmtime::Result<()> {
        self.delete(handle).map(drop)
    }
}

impl terminal_stdin::Host for GuestState {
    fn get_terminal_stdin(&mut self) -> wasmtime::Result<Option<Resource<terminal_input::TerminalInput>>> {
        Ok(None)
    }
}

impl terminal_stdout::Host for GuestState {
    fn get_terminal_stdout(&mut self) -> wasmtime::Result<Option<Resource<terminal_output::TerminalOutput>>> {
        Ok(None)
    }
}

impl terminal_stderr::Host for GuestState {
    fn get_terminal_stderr(&mut self) -> wasmtime::Result<Option<Resource<terminal_output::TerminalOutput>>> {
        Ok(None)
    }
}
