//! The runtime: compiles components and runs them behind a wall.
//!
//! A run is a fresh store with exactly the interfaces that its grants list, a virtual clock, seeded random
//! numbers, captured output, a read-only `/vault` and an empty `/out`, and a limit on everything that can be
//! counted. However a guest behaves, a run ends within its deadline (a file call that hangs in the kernel
//! excepted) in a typed way that names the limit it met, and the next run starts from nothing.
//!
//! A skill's machine code comes out of a cache that is checked before it is believed, or from a child that compiles and
//! may be killed; Kavi's own process compiles test programs only.
//!
//! Deliberately never: reads the clock, the environment or a file outside the two folders for a guest; keeps
//! anything from one run for the next; decides what a skill may do (that is `policy::grants`).
//!
//! A run has a thread of its own, which makes the guest's native stack and goes away with the run, or it is one of many
//! on a [`Lane`]: a thread that is kept for runs that reach the same.

mod bindings;
mod cache;
mod code;
mod compile_child;
mod engine;
mod error;
pub mod inspect;
mod kavi;
mod lane;
mod linker;
mod loader;
mod outcome;
mod pool;
mod run;
pub mod second_wall;
pub mod staged;
mod state;
mod thread;
mod ticker;
mod wall;

pub use cache::{CacheError, CacheStatus, Cleared, CodeCache};
pub use code::MachineCode;
pub use compile_child::{Bounds, CodeError, CodePurpose, child_entry, compile};
pub use engine::{Compiled, EngineId, Runtime, WASMTIME_VERSION};
pub use error::{RunError, RunFailure, RuntimeError};
pub use lane::{Lane, Reaches};
pub use loader::{LoadError, Loader, Origin, Skill};
pub use outcome::{GuestError, LogLevel, LogLine, Observed, Outcome, Request, TestExit, TestOutcome, Usage};

#[cfg(test)]
mod tests;
