//! What is set aside for runs, so that a fresh store takes its memories from a shelf instead of from the kernel.
//!
//! Guarantees: there is room for so many runs at one time, each up to all of its limits; what a run left in a memory is
//! gone before another one gets it (the engine puts the initial image back). Nothing here decides what a run may use: the
//! store's own limits do, as without a pool.
//!
//! Deliberately never: changes the machine code. A component that is larger than what is set aside is run without the pool.

use wasmtime::{Enabled, PoolingAllocationConfig};

use crate::model::limits::Limits;

use super::state::count;

/// What of a used memory is cleared in place instead of given back to the kernel. Common skills fit, and a run that
/// gives nothing back waits for no other thread of the process. Where the kernel says which pages were written to, only
/// those are cleared; where it does not, all of this would be.
const KEEP_MEMORY: usize = 4 << 20;
const KEEP_UNSEEN: usize = 128 << 10;
/// The same for tables.
const KEEP_TABLE: usize = 64 << 10;
/// Used memories that stay as they are until their skill comes again. With what is kept of each this is what an idle
/// process holds on to.
const WARM: u32 = 32;
/// Sizes of what the engine keeps for an instance: far more than any compiled skill needs, and only a bound.
const INSTANCE: usize = 1 << 24;

/// Room for so many runs at one time.
pub(super) fn config(limits: &Limits, runs: u32) -> PoolingAllocationConfig {
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
