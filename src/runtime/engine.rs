//! Engines and compiled components.
//!
//! In Kavi's own process only test programs are compiled: by the fast compiler, and only if an estimate of the effort allows
//! it. Machine code of a skill is made by a child ([`super::compile_child`]) and loaded from there or from the cache.

use std::{
    fmt,
    sync::{Arc, Mutex, OnceLock},
};

use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, ModuleVersionStrategy, OptLevel, Strategy, WasmFeatures,
    component::{Component, ComponentExportIndex, InstancePre},
};

use crate::model::limits::{Limits, count};

use super::{
    code::MachineCode,
    engine_id::{EngineId, WASMTIME_VERSION},
    epoch,
    error::RuntimeError,
    inspect::{self, CodeSize, InspectError, Interface},
    interfaces::{FunctionCheck, ImportAllowlist},
    pool,
    wall::state::GuestState,
    wasm_features,
};

/// Compiles and runs components. One per process: many threads can share it, and it is expensive to make.
pub struct Runtime {
    optimised: Engine,
    // The same engine with reserved memories. A component that does not fit into them runs on `optimised`.
    pooled: Option<Engine>,
    // Made for the first test program: a process that only runs skills needs none.
    fast: OnceLock<Engine>,
    limits: Limits,
    id: EngineId,
    component_bytes: u64,
    compile_effort: u64,
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Runtime(..)")
    }
}

/// How much work goes into compiling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tier {
    /// Cranelift, for skills.
    Optimised,
    /// Winch, for test components, which are large and run once.
    Fast,
}

impl Tier {
    /// Microseconds that this code takes to compile at worst, within a small factor. The divisors were measured on code that
    /// was made to compile slowly; code from a Rust compiler takes far less.
    fn effort(self, code: &CodeSize) -> u64 {
        match self {
            Self::Optimised => code.functions * 150 + code.squares / 1_600 + code.locals / 32,
            Self::Fast => code.functions * 40 + code.squares / 60_000 + code.bytes / 4 + code.locals / 24,
        }
    }
}

impl Runtime {
    /// A runtime with the engine for skills. The engine for tests is made when the first test program is compiled.
    ///
    /// # Errors
    /// [`RuntimeError::UnsafeLimit`] for a native stack that could overflow the host's,
    /// [`RuntimeError::Engine`] and [`RuntimeError::Thread`] when the machine lacks a feature or a thread.
    pub fn new(limits: &Limits) -> Result<Self, RuntimeError> {
        // The guest's stack is part of the native stack of its thread, which has a fixed size.
        if limits.stack_bytes > Limits::MAX_STACK_BYTES {
            return Err(RuntimeError::UnsafeLimit {
                limit: "stack_bytes",
                value: limits.stack_bytes,
                most: Limits::MAX_STACK_BYTES,
            });
        }
        let optimised = watched(engine(Tier::Optimised, limits)?)?;
        Ok(Self {
            id: EngineId::of(&optimised),
            optimised,
            pooled: None,
            fast: OnceLock::new(),
            limits: limits.clone(),
            component_bytes: limits.component_bytes,
            compile_effort: limits.compile_effort,
        })
    }

    /// The same, with memories and tables reserved for so many concurrent runs: for a process that runs many.
    ///
    /// # Errors
    /// As for [`Runtime::new`], and [`RuntimeError::Pool`] when the machine cannot reserve that much.
    pub fn pooled(limits: &Limits, runs: u32) -> Result<Self, RuntimeError> {
        // The engine without a pool is needed in any case: for components that do not fit.
        let runtime = Self::new(limits)?;
        let no_pool = |error: &wasmtime::Error| RuntimeError::Pool(chain(error));
        let mut config = config(Tier::Optimised, limits).map_err(|error| no_pool(&error))?;
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool::config(limits, runs)));
        let engine = Engine::new(&config).map_err(|error| no_pool(&error))?;
        // The cache has one entry for a component. An engine with another id would find none of them.
        if EngineId::of(&engine) != runtime.id {
            return Err(RuntimeError::Pool("its engine would need different machine code".to_owned()));
        }
        Ok(Self { pooled: Some(watched(engine)?), ..runtime })
    }

    /// Compiles a test program in this process.
    ///
    /// # Errors
    /// [`RuntimeError::Inspect`] for bytes that are not a component, [`RuntimeError::CompileEffort`] for code that could
    /// take minutes to compile, [`RuntimeError::Compile`] for what the engine refuses.
    pub fn compile_tests(&self, bytes: &[u8]) -> Result<CompiledComponent, RuntimeError> {
        let interface = self.examine(bytes, Tier::Fast)?;
        let component = Component::new(self.fast()?, bytes).map_err(|error| RuntimeError::Compile(chain(&error)))?;
        Ok(CompiledComponent { component, interface, functions: FunctionCheck::On, linked: Mutex::default() })
    }

    fn fast(&self) -> Result<&Engine, RuntimeError> {
        if let Some(engine) = self.fast.get() {
            return Ok(engine);
        }
        let made = watched(engine(Tier::Fast, &self.limits)?)?;
        // Two threads may both have made one. They are equal, and the first is kept.
        Ok(self.fast.get_or_init(|| made))
    }

    /// Loads the machine code of a skill.
    ///
    /// # Errors
    /// [`RuntimeError::OtherEngine`] for code that another engine made, [`RuntimeError::Load`] when this one refuses it.
    pub fn load(&self, code: &MachineCode) -> Result<CompiledComponent, RuntimeError> {
        // The engine's own check compares the major version only.
        if code.engine() != self.id {
            return Err(RuntimeError::OtherEngine);
        }
        // A component that is larger than the reserved memories is refused by the pool, and runs without it.
        let pooled = self.pooled.as_ref().and_then(|engine| code.component(engine).ok());
        let component = match pooled {
            Some(component) => component,
            None => code.component(&self.optimised).map_err(|error| RuntimeError::Load(chain(&error)))?,
        };
        Ok(CompiledComponent {
            component,
            interface: code.interface().clone(),
            functions: FunctionCheck::On,
            linked: Mutex::default(),
        })
    }

    /// The id of the engine that compiles and loads skills.
    pub fn engine_id(&self) -> EngineId {
        self.id
    }

    /// The interface of a component, if it may be compiled.
    pub(super) fn examine(&self, bytes: &[u8], tier: Tier) -> Result<Interface, RuntimeError> {
        self.check_size(bytes)?;
        let interface = inspect::interface(bytes)?;
        let effort = tier.effort(&interface.code);
        // Estimated before compiling: in this process nothing can end a compiler that has started.
        if effort > self.compile_effort {
            return Err(RuntimeError::CompileEffort { effort, limit: self.compile_effort });
        }
        Ok(interface)
    }

    /// Refuses a component that is too large, also one that is in the cache.
    pub(super) fn check_size(&self, bytes: &[u8]) -> Result<(), RuntimeError> {
        let (bytes, limit) = (bytes.len() as u64, self.component_bytes);
        if bytes > limit { Err(InspectError::TooLarge { bytes, limit }.into()) } else { Ok(()) }
    }
}

/// A compiled component. Every run of it is a fresh store.
pub struct CompiledComponent {
    pub(super) component: Component,
    pub(super) interface: Interface,
    pub(super) functions: FunctionCheck,
    // The last linking: most components are run in one way, with the capabilities of one skill.
    pub(super) linked: Mutex<Option<Arc<Linked>>>,
}

/// A component with its imports, for one way of running it.
pub(super) struct Linked {
    pub(super) allowlist: ImportAllowlist,
    pub(super) pre: InstancePre<GuestState>,
    /// Where `run` of a skill is.
    pub(super) run: Option<ComponentExportIndex>,
}

impl fmt::Debug for CompiledComponent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompiledComponent").field("interface", &self.interface).finish_non_exhaustive()
    }
}

impl CompiledComponent {
    /// What the component asks for and offers.
    pub fn interface(&self) -> &Interface {
        &self.interface
    }

    /// The same, without the check that refuses some functions by name. For tests only: they prove that the wall refuses
    /// such a call as well.
    #[must_use]
    pub fn skip_function_check(self) -> Self {
        Self { functions: FunctionCheck::Off, linked: Mutex::default(), ..self }
    }

    /// Whether it imports files at all: a component that does not is given no folders.
    pub fn imports_files(&self) -> bool {
        self.interface.imports.iter().any(|import| import.name.starts_with("wasi:filesystem/"))
    }
}

/// The longest text of the engine that is passed on. Parts of it are names that the component chose.
const LONGEST_REASON: usize = 1_000;

/// An error of the engine and its causes, on one line, without the guest's backtrace.
pub(super) fn chain(error: &wasmtime::Error) -> String {
    let causes = error.chain().map(ToString::to_string);
    let causes = causes.filter(|cause| !cause.starts_with("error while executing at wasm backtrace"));
    let mut text = causes.collect::<Vec<_>>().join(": ").replace('\n', " ");
    text.truncate(text.floor_char_boundary(LONGEST_REASON));
    text
}

/// An engine. Kavi's own process and the compile child make theirs here, so that they have the same id.
pub(super) fn engine(tier: Tier, limits: &Limits) -> Result<Engine, RuntimeError> {
    let made = config(tier, limits).and_then(|config| Engine::new(&config));
    made.map_err(|error| RuntimeError::Engine(chain(&error)))
}

fn watched(engine: Engine) -> Result<Engine, RuntimeError> {
    epoch::watch(&engine)?;
    Ok(engine)
}

/// The configuration of both tiers.
fn config(tier: Tier, limits: &Limits) -> wasmtime::Result<Config> {
    let mut config = Config::new();
    // The full version, because a patch release may change the machine code.
    config.module_version(ModuleVersionStrategy::Custom(WASMTIME_VERSION.to_owned()))?;
    config.strategy(match tier {
        Tier::Optimised => Strategy::Cranelift,
        Tier::Fast => Strategy::Winch,
    });
    config.cranelift_opt_level(OptLevel::Speed);
    // The one result that the specification leaves open: without this, a replay could differ between processors.
    config.cranelift_nan_canonicalization(true);
    // All off first: a new release of the engine switches features on, and each is more code that a
    // guest can attack.
    config.wasm_features(WasmFeatures::all(), false);
    config.wasm_features(wasm_features::of_engine(), true);
    // Tables for debuggers and source positions would be a third of the stored code. Kavi only asks whether there is a
    // backtrace, which does not depend on them.
    config.native_unwind_info(false);
    config.generate_address_map(false);
    // Compiled into the code: loops and calls compare a counter, so that the heartbeat can end any guest.
    config.epoch_interruption(true);
    config.max_wasm_stack(count(limits.stack_bytes));
    Ok(config)
}
