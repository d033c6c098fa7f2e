//! The runtime: compiles components and runs them behind a wall.
//!
//! A run is a fresh store with exactly the interfaces that its grants list, a virtual clock, seeded random
//! numbers, captured output, a read-only `/vault` and an empty `/out`, and a limit on everything that can be
//! counted. However a guest behaves, a run ends within its deadline (a file call that hangs in the kernel
//! excepted) in a typed way that names the limit it met, and the next run starts from nothing.
//!
//! Deliberately never: reads the clock, the environment or a file outside the two folders for a guest; keeps
//! anything from one run for the next; decides what a skill may do (that is `policy::grants`).
//!
//! Each run has a thread of its own, which makes the guest's native stack and goes away with the run.

mod bindings;
mod engine;
mod error;
pub mod inspect;
mod kavi;
mod linker;
mod outcome;
mod run;
pub mod second_wall;
pub mod staged;
mod state;
mod thread;
mod ticker;
mod wall;

pub use engine::{Compiled, Runtime, Tier};
pub use error::{RunError, RunFailure, RuntimeError};
pub use outcome::{GuestError, LogLevel, LogLine, Observed, Outcome, Request, TestExit, TestOutcome, Usage};

#[cfg(test)]
mod tests;
