//! Memories and tables that are reserved for runs, so that a fresh store takes its memory from a pool and not from the kernel.
//!
//! Guarantees: there is room for so many concurrent runs, each up to all of its limits. The engine restores the initial
//! image of a memory before another run gets it. The pool decides nothing about what a run may use: the limits of the store
//! do, as without a pool.
//!
//! Deliberately never: changes the machine code. A component that is larger than what is reserved runs without the pool.

use wasmtime::{Enabled, PoolingAllocationConfig};

use crate::model::limits::{Limits, count};

/// How much of a used memory is cleared in place instead of returned to the kernel. Common skills fit. Returning memory
/// takes a lock of the whole process, so a run that returns nothing waits for no other thread. Where the kernel reports
/// which pages were written, only those are cleared; elsewhere all of this is.
const KEEP_MEMORY: usize = 4 << 20;
const KEEP_UNSEEN: usize = 128 << 10;
/// The same for tables.
const KEEP_TABLE: usize = 64 << 10;
/// Used memories that stay assigned to their skill. An idle process keeps this many times [`KEEP_MEMORY`] at most.
const WARM: u32 = 32;
/// The size of the engine's own data for an instance: only an upper bound, far above what a compiled skill needs.
const INSTANCE: usize = 1 << 24;

/// Room for so many runs at one time.
pub(super) fn config(limits: &Limits, runs: u32) -> PoolingAllocationConfig {
    // Saturating: a pool that is too large is refused when it is made, one that wrapped would be
    // too small.
    let all = |each: u64| u32::try_from(each).unwrap_or(u32::MAX).saturating_mul(runs);
    let each = |each: u64| u32::try_from(each).unwrap_or(u32::MAX);
    let seen = PoolingAllocationConfig::is_pagemap_scan_available();
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(runs)
        .total_core_instances(all(limits.instances))
        .total_memories(all(limits.memories))
        .total_tables(all(limits.tables))
        .max_memories_per_module(each(limits.memories))
        .max_tables_per_module(each(limits.tables))
        .table_elements(count(limits.table_elements))
        .max_core_instance_size(INSTANCE)
        .max_component_instance_size(INSTANCE)
        .max_unused_warm_slots(WARM)
        .pagemap_scan(Enabled::Auto)
        .linear_memory_keep_resident(if seen { KEEP_MEMORY } else { KEEP_UNSEEN })
        .table_keep_resident(KEEP_TABLE);
    pool
}
