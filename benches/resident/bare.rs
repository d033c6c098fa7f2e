//! The same component in a bare loop of wasmtime: the engine is configured as Kavi's is, each call has a fresh store with
//! a limiter and an epoch deadline, and nothing is checked, watched or recorded.

use std::thread;
use std::time::Duration;

use kavi::model::limits::Limits;
use wasmtime::component::{Component, ComponentExportIndex, ComponentType, InstancePre, Lift, Linker};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, Store, StoreLimits,
    StoreLimitsBuilder, UpdateDeadline,
};

/// `kavi:skill/types.error`.
#[derive(Debug, ComponentType, Lift)]
#[component(variant)]
#[expect(dead_code, reason = "the skill fails at nothing; the type is part of what it exports")]
enum SkillError {
    #[component(name = "invalid-input")]
    InvalidInput(String),
    #[component(name = "not-found")]
    NotFound(String),
    #[component(name = "denied")]
    Denied(String),
    #[component(name = "failed")]
    Failed(String),
}

/// A component, linked and ready.
pub struct Bare {
    pre: InstancePre<StoreLimits>,
    run: ComponentExportIndex,
    limits: Limits,
}

fn config(limits: &Limits, runs: u32) -> Config {
    let number = |limit: u64| u32::try_from(limit).unwrap();
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(runs)
        .total_core_instances(number(limits.instances) * runs)
        .total_memories(number(limits.memories) * runs)
        .total_tables(number(limits.tables) * runs)
        .max_tables_per_module(number(limits.tables))
        .max_memories_per_module(number(limits.memories))
        .table_elements(usize::try_from(limits.table_elements).unwrap())
        .max_unused_warm_slots(32)
        .pagemap_scan(Enabled::Auto)
        .linear_memory_keep_resident(if PoolingAllocationConfig::is_pagemap_scan_available() {
            4 << 20
        } else {
            128 << 10
        })
        .table_keep_resident(64 << 10);
    let mut config = Config::new();
    config.cranelift_opt_level(OptLevel::Speed).cranelift_nan_canonicalization(true).epoch_interruption(true);
    config.max_wasm_stack(usize::try_from(limits.stack_bytes).unwrap());
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

impl Bare {
    pub fn new(component: &[u8], limits: &Limits, runs: u32) -> Self {
        let engine = Engine::new(&config(limits, runs)).unwrap();
        let component = Component::new(&engine, component).unwrap();
        let mut linker = Linker::new(&engine);
        // The skill calls none of them.
        linker.define_unknown_imports_as_traps(&component).unwrap();
        let pre = linker.instantiate_pre(&component).unwrap();
        let run = component.get_export_index(None, "run").unwrap();
        let beating = engine.weak();
        thread::spawn(move || {
            while let Some(engine) = beating.upgrade() {
                engine.increment_epoch();
                drop(engine);
                thread::sleep(Duration::from_millis(2));
            }
        });
        Self { pre, run, limits: limits.clone() }
    }

    pub fn call(&self, input: &str) -> String {
        let limits = StoreLimitsBuilder::new()
            .memory_size(usize::try_from(self.limits.memory_bytes).unwrap())
            .instances(usize::try_from(self.limits.instances).unwrap())
            .memories(usize::try_from(self.limits.memories).unwrap())
            .tables(usize::try_from(self.limits.tables).unwrap())
            .build();
        let mut store = Store::new(self.pre.engine(), limits);
        store.limiter(|limits| limits);
        store.set_hostcall_fuel(usize::try_from(self.limits.hostcall_bytes).unwrap());
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Continue(1)));
        let instance = self.pre.instantiate(&mut store).unwrap();
        let run = instance.get_typed_func::<(&str,), (Result<String, SkillError>,)>(&mut store, self.run).unwrap();
        run.call(&mut store, (input,)).unwrap().0.unwrap()
    }
}
