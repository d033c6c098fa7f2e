//! The runtime: compiles components and runs them behind a wall.
//!
//! A run is a fresh store. It has exactly the interfaces that its skill's capabilities give, a virtual clock, seeded random
//! numbers and captured output. Its folders are a read-only `/vault`, with the linked folders that kavi.toml names, and an
//! empty `/out`. Everything that can be counted has a limit.
//!
//! Guarantees: a run ends within its deadline, except for a file call that hangs in the kernel. It ends with a typed reason
//! that names the limit. The next run starts from nothing.
//!
//! Where to look:
//! - before a run: `inspect/` reads a component, `interfaces.rs` says what it may import, `loader.rs` gets machine code
//!   from `cache/` or `compile_child.rs`;
//! - a run: `run.rs`, on a thread of its own (`thread.rs`) or on one that is kept for runs with equal access (`lane.rs`);
//! - its walls: `wall/` around WASI, `second_wall.rs` for the kernel's view of the thread;
//! - its end: `deadline.rs`, `epoch.rs`, `interrupt.rs`, `memory_limiter.rs`, and `outcome.rs` for what comes back.
//!
//! Deliberately never: reads the clock, the environment or a file outside the two folders for a guest, or keeps anything
//! from one run for the next. What a skill may touch is decided in `model::capabilities`. Kavi's own process compiles test
//! programs only.

mod cache;
mod code;
pub mod collect_output;
mod compile_child;
mod deadline;
mod engine;
mod engine_id;
mod epoch;
mod error;
mod http_import;
pub mod inspect;
mod inspect_error;
mod interfaces;
mod interrupt;
mod kavi;
mod lane;
mod linked_folders;
mod loader;
mod memory_limiter;
mod outcome;
mod pool;
mod request;
mod run;
pub mod second_wall;
mod sign_import;
mod skill_error;
mod test_calls;
mod testing_import;
mod thread;
mod versions;
mod wall;
mod wasm_features;

pub use cache::{CacheError, CacheStatus, Cleared, CodeCache, SealKey};
pub use code::MachineCode;
pub use compile_child::{CodeError, CompileLimits, ComponentTrust, child_entry, compile};
pub use engine::{CompiledComponent, Runtime};
pub use engine_id::{EngineId, WASMTIME_VERSION};
pub use error::{RunError, RuntimeError};
pub use interfaces::import_table_version;
pub use lane::{Lane, LaneKey};
pub use linked_folders::{BrokenLink, LinkedFolder, LinkedFolders};
pub use loader::{CodeOrigin, LoadError, Loader, SkillComponent};
pub use outcome::{
    GuestError, GuestTelemetry, LogLevel, LogLine, RunFailure, RunUsage, SkillOutcome, TestExit, TestOutcome,
};
pub use request::{GuestCommand, GuestRequest};
pub use test_calls::{TestAnswer, TestCall, TestCallAnswer, TestCallEnd, TestCalls};

#[cfg(test)]
mod tests;
