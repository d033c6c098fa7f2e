//! Engines and components.
//!
//! In Kavi's own process only test programs are compiled, by the fast compiler and within an estimate of what that
//! takes. A skill's machine code is made by a child ([`super::compile_child`]) and loaded from there or from the cache.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::{Arc, Mutex, OnceLock},
};

use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, ModuleVersionStrategy, OptLevel, Strategy, WasmFeatures,
    component::{Component, ComponentExportIndex, InstancePre},
};

use crate::model::{grants::Grants, limits::Limits};

use super::{
    code::MachineCode,
    error::RuntimeError,
    inspect::{self, Code, InspectError, Interface},
    pool,
    run::World,
    state::State,
    ticker,
};

/// Compiles and runs components. One for a process: cheap to use from many threads, dear to make.
pub struct Runtime {
    optimised: Engine,
    // The same engine, but for where its memories come from. What does not fit into them goes to the other.
    pooled: Option<Engine>,
    // Made when the first test program is: a run has none.
    fast: OnceLock<Engine>,
    limits: Limits,
    id: EngineId,
    component_bytes: u64,
    compile_effort: u64,
}

/// The wasmtime that is compiled in. The engine's own check of machine code looks at its major version only.
pub const WASMTIME_VERSION: &str = "48.0.8";

/// Everything that decides what machine code an engine makes and takes: its settings, its version, the processor's features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct EngineId([u8; 32]);

impl EngineId {
    /// Its length in bytes.
    pub(super) const BYTES: usize = 32;

    pub(super) fn of(engine: &Engine) -> Self {
        let mut hasher = IdHasher(blake3::Hasher::new_derive_key("kavi 2026-11-20 engine of skills"));
        WASMTIME_VERSION.hash(&mut hasher);
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Self(hasher.0.finalize().into())
    }

    pub(super) fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

/// Hands what is hashed on to a hash that nobody can steer.
struct IdHasher(blake3::Hasher);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.0.finalize();
        digest.as_bytes().iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Runtime")
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
    /// An engine for each tier, alike but for the compiler; the one for tests when there are any.
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

    /// The same, with memories and tables set aside for so many runs at one time: for a process that runs many.
    ///
    /// # Errors
    /// As for [`Runtime::new`], and [`RuntimeError::Pool`] when the machine does not have that much to set aside.
    pub fn pooled(limits: &Limits, runs: u32) -> Result<Self, RuntimeError> {
        let runtime = Self::new(limits)?;
        let no_pool = |error: &wasmtime::Error| RuntimeError::Pool(chain(error));
        let mut config = config(Tier::Optimised, limits).map_err(|error| no_pool(&error))?;
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool::config(limits, runs)));
        let engine = Engine::new(&config).map_err(|error| no_pool(&error))?;
        // Machine code is kept under one id: an engine that would make other code cannot share it.
        if EngineId::of(&engine) != runtime.id {
            return Err(RuntimeError::Pool("it would need machine code of its own".to_owned()));
        }
        Ok(Self { pooled: Some(watched(engine)?), ..runtime })
    }

    /// Compiles a test program, which runs in no other place than this.
    ///
    /// # Errors
    /// [`RuntimeError::Inspect`] for what is no component, [`RuntimeError::CompileEffort`] for what could take
    /// minutes to compile, [`RuntimeError::Compile`] for what the engine refuses.
    pub fn compile_tests(&self, bytes: &[u8]) -> Result<Compiled, RuntimeError> {
        let interface = self.examine(bytes, Tier::Fast)?;
        let component = Component::new(self.fast()?, bytes).map_err(|error| RuntimeError::Compile(chain(&error)))?;
        Ok(Compiled { component, interface, linked: Mutex::default() })
    }

    fn fast(&self) -> Result<&Engine, RuntimeError> {
        if let Some(engine) = self.fast.get() {
            return Ok(engine);
        }
        let made = watched(engine(Tier::Fast, &self.limits)?)?;
        // Of two that are made at one time, one is as good as the other.
        Ok(self.fast.get_or_init(|| made))
    }

    /// Loads the machine code of a skill.
    ///
    /// # Errors
    /// [`RuntimeError::OtherEngine`] for code that another engine made, [`RuntimeError::Load`] when this one refuses it.
    pub fn load(&self, code: &MachineCode) -> Result<Compiled, RuntimeError> {
        if code.engine() != self.id {
            return Err(RuntimeError::OtherEngine);
        }
        // A component that is larger than what was set aside is none the worse for it.
        let pooled = self.pooled.as_ref().and_then(|engine| code.component(engine).ok());
        let component = match pooled {
            Some(component) => component,
            None => code.component(&self.optimised).map_err(|error| RuntimeError::Load(chain(&error)))?,
        };
        Ok(Compiled { component, interface: code.interface().clone(), linked: Mutex::default() })
    }

    /// Which engine makes and takes the machine code of skills.
    pub fn engine_id(&self) -> EngineId {
        self.id
    }

    /// What a component asks for, if it is one that may be compiled.
    pub(super) fn examine(&self, bytes: &[u8], tier: Tier) -> Result<Interface, RuntimeError> {
        self.check_size(bytes)?;
        let interface = inspect::interface(bytes)?;
        let effort = tier.effort(&interface.code);
        if effort > self.compile_effort {
            return Err(RuntimeError::CompileEffort { effort, limit: self.compile_effort });
        }
        Ok(interface)
    }

    /// Whether a component is not too large, however it is come by.
    pub(super) fn check_size(&self, bytes: &[u8]) -> Result<(), RuntimeError> {
        let (bytes, limit) = (bytes.len() as u64, self.component_bytes);
        if bytes > limit { Err(InspectError::TooLarge { bytes, limit }.into()) } else { Ok(()) }
    }
}

/// A compiled component. Every run of it is a fresh store.
pub struct Compiled {
    pub(super) component: Component,
    pub(super) interface: Interface,
    // The last linking: most components are run in one way, with one set of grants.
    pub(super) linked: Mutex<Option<Arc<Linked>>>,
}

/// A component with its imports, for one way of running it.
pub(super) struct Linked {
    pub(super) world: World,
    pub(super) grants: Grants,
    pub(super) pre: InstancePre<State>,
    /// Where `run` of a skill is.
    pub(super) run: Option<ComponentExportIndex>,
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

    /// Whether it could open a file at all: what does not import them is given no folders.
    pub fn imports_files(&self) -> bool {
        self.interface.imports.iter().any(|import| import.name.starts_with("wasi:filesystem/"))
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

/// An engine, the same in Kavi's own process and in the child that compiles.
pub(super) fn engine(tier: Tier, limits: &Limits) -> Result<Engine, RuntimeError> {
    let made = config(tier, limits).and_then(|config| Engine::new(&config));
    made.map_err(|error| RuntimeError::Engine(chain(&error)))
}

fn watched(engine: Engine) -> Result<Engine, RuntimeError> {
    ticker::watch(&engine)?;
    Ok(engine)
}

/// The configuration of both tiers.
fn config(tier: Tier, limits: &Limits) -> wasmtime::Result<Config> {
    let mut config = Config::new();
    config.module_version(ModuleVersionStrategy::Custom(WASMTIME_VERSION.to_owned()))?;
    config.strategy(match tier {
        Tier::Optimised => Strategy::Cranelift,
        Tier::Fast => Strategy::Winch,
    });
    config.cranelift_opt_level(OptLevel::Speed);
    // The one thing in these features that the specification leaves open.
    config.cranelift_nan_canonicalization(true);
    config.wasm_features(WasmFeatures::all(), false);
    config.wasm_features(features(), true);
    // A third of what is stored, sealed and loaded would be tables for debuggers and for places in the source, which nobody
    // is shown; that there is a backtrace, which is all that is asked for, does not depend on them.
    config.native_unwind_info(false);
    config.generate_address_map(false);
    config.epoch_interruption(true);
    config.max_wasm_stack(super::state::count(limits.stack_bytes));
    Ok(config)
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
