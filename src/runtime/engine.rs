//! Engines and components.

use std::{fmt, sync::Mutex};

use wasmtime::{
    Config, Engine, OptLevel, Strategy, WasmFeatures,
    component::{Component, InstancePre},
};

use crate::model::{grants::Grants, limits::Limits};

use super::{
    error::RuntimeError,
    inspect::{self, Code, InspectError, Interface},
    run::World,
    state::State,
    ticker,
};

/// Compiles and runs components. One for a process: cheap to use from many threads, dear to make.
pub struct Runtime {
    optimised: Engine,
    fast: Engine,
    component_bytes: u64,
    compile_effort: u64,
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Runtime")
    }
}

/// How much work goes into compiling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// Cranelift, for skills.
    Optimised,
    /// Winch, for test components, which are large and run once.
    Fast,
}

impl Tier {
    /// Microseconds that this code takes to compile at worst, within a small factor. The divisors were measured
    /// on code made to be slow; what a Rust compiler makes takes far less.
    fn effort(self, code: &Code) -> u64 {
        match self {
            Self::Optimised => code.squares / 1_600 + code.locals / 32,
            Self::Fast => code.squares / 60_000 + code.bytes / 4 + code.locals / 24,
        }
    }
}

impl Runtime {
    /// An engine for each tier, alike but for the compiler.
    ///
    /// # Errors
    /// [`RuntimeError::UnsafeLimit`] for a native stack that could overflow the host's,
    /// [`RuntimeError::Engine`] and [`RuntimeError::Thread`] when the machine does not have what it takes.
    pub fn new(limits: &Limits) -> Result<Self, RuntimeError> {
        if limits.stack_bytes > Limits::MAX_STACK_BYTES {
            return Err(RuntimeError::UnsafeLimit {
                limit: "stack_bytes",
                value: limits.stack_bytes,
                most: Limits::MAX_STACK_BYTES,
            });
        }
        let engine = |tier| -> Result<Engine, RuntimeError> {
            let engine = Engine::new(&config(tier, limits)).map_err(|error| RuntimeError::Engine(chain(&error)))?;
            ticker::watch(&engine)?;
            Ok(engine)
        };
        Ok(Self {
            optimised: engine(Tier::Optimised)?,
            fast: engine(Tier::Fast)?,
            component_bytes: limits.component_bytes,
            compile_effort: limits.compile_effort,
        })
    }

    /// Validates and compiles exactly these bytes.
    ///
    /// # Errors
    /// [`RuntimeError::Inspect`] for what is no component, [`RuntimeError::CompileEffort`] for what could take
    /// minutes to compile, [`RuntimeError::Compile`] for what the engine refuses.
    pub fn compile(&self, bytes: &[u8], tier: Tier) -> Result<Compiled, RuntimeError> {
        if bytes.len() as u64 > self.component_bytes {
            let too_large = InspectError::TooLarge { bytes: bytes.len() as u64, limit: self.component_bytes };
            return Err(too_large.into());
        }
        let interface = inspect::interface(bytes)?;
        let effort = tier.effort(&interface.code);
        if effort > self.compile_effort {
            return Err(RuntimeError::CompileEffort { effort, limit: self.compile_effort });
        }
        let engine = match tier {
            Tier::Optimised => &self.optimised,
            Tier::Fast => &self.fast,
        };
        let component = Component::new(engine, bytes).map_err(|error| RuntimeError::Compile(chain(&error)))?;
        Ok(Compiled { component, interface, linked: Mutex::default() })
    }
}

/// A compiled component. Every run of it is a fresh store.
pub struct Compiled {
    pub(super) component: Component,
    pub(super) interface: Interface,
    // The last linking: most components are run in one way, with one set of grants.
    pub(super) linked: Mutex<Option<Linked>>,
}

/// A component with its imports, for one way of running it.
pub(super) struct Linked {
    pub(super) world: World,
    pub(super) grants: Grants,
    pub(super) pre: InstancePre<State>,
}

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compiled").field("interface", &self.interface).finish_non_exhaustive()
    }
}

impl Compiled {
    /// What the component asks for and offers.
    pub fn interface(&self) -> &Interface {
        &self.interface
    }
}

/// The longest text of the engine's that is passed on: parts of it are names that the component chose.
const LONGEST_REASON: usize = 1_000;

/// An error of the engine and its causes, on one line, without the guest's backtrace.
pub(super) fn chain(error: &wasmtime::Error) -> String {
    let causes = error.chain().map(ToString::to_string);
    let causes = causes.filter(|cause| !cause.starts_with("error while executing at wasm backtrace"));
    let mut text = causes.collect::<Vec<_>>().join(": ").replace('\n', " ");
    text.truncate(text.floor_char_boundary(LONGEST_REASON));
    text
}

/// The configuration of both tiers.
fn config(tier: Tier, limits: &Limits) -> Config {
    let mut config = Config::new();
    config.strategy(match tier {
        Tier::Optimised => Strategy::Cranelift,
        Tier::Fast => Strategy::Winch,
    });
    config.cranelift_opt_level(OptLevel::Speed);
    // The one thing in these features that the specification leaves open.
    config.cranelift_nan_canonicalization(true);
    config.wasm_features(WasmFeatures::all(), false);
    config.wasm_features(features(), true);
    config.epoch_interruption(true);
    config.max_wasm_stack(super::state::count(limits.stack_bytes));
    config
}

/// The features of Rust's `wasm32-wasip2` target, as in [`inspect`].
fn features() -> WasmFeatures {
    WasmFeatures::MUTABLE_GLOBAL
        | WasmFeatures::SATURATING_FLOAT_TO_INT
        | WasmFeatures::SIGN_EXTENSION
        | WasmFeatures::REFERENCE_TYPES
        | WasmFeatures::CALL_INDIRECT_OVERLONG
        | WasmFeatures::MULTI_VALUE
        | WasmFeatures::BULK_MEMORY
        | WasmFeatures::BULK_MEMORY_OPT
        | WasmFeatures::FLOATS
        | WasmFeatures::COMPONENT_MODEL
}
