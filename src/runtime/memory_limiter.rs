//! The limits of memories and tables, kept while a guest grows them.

use wasmtime::ResourceLimiter;

use crate::model::limits::{Limits, count};

use super::error::Stop;

/// Memories and tables, each kind counted as one sum.
pub(super) struct MemoryLimiter {
    bytes: u64,
    pub(super) peak_bytes: u64,
    elements: u64,
    // What the last permitted growth added, in case the engine then cannot do it.
    last_bytes: u64,
    last_elements: u64,
    limits: Limits,
}

impl MemoryLimiter {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { bytes: 0, peak_bytes: 0, elements: 0, last_bytes: 0, last_elements: 0, limits: limits.clone() }
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        // The guest's own maximum: refused as the specification says, by -1, and not as a limit of
        // Kavi.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let growth = desired.saturating_sub(current) as u64;
        let bytes = self.bytes.saturating_add(growth);
        if bytes > self.limits.memory_bytes {
            // An error ends the run. With `Ok(false)` a guest would see -1 and could act
            // differently on a smaller machine.
            return Err(Stop::Limit { name: "memory_bytes", value: self.limits.memory_bytes }.into());
        }
        self.bytes = bytes;
        self.last_bytes = growth;
        self.peak_bytes = self.peak_bytes.max(bytes);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        // The engine reports a failure directly after the growth that it asked about. Only memories
        // with pages of one byte can fail unasked, and that feature is switched off. `take` keeps a
        // second report from counting twice.
        self.bytes -= std::mem::take(&mut self.last_bytes);
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let growth = desired.saturating_sub(current) as u64;
        let elements = self.elements.saturating_add(growth);
        if elements > self.limits.table_elements {
            return Err(Stop::Limit { name: "table_elements", value: self.limits.table_elements }.into());
        }
        self.elements = elements;
        self.last_elements = growth;
        Ok(true)
    }

    fn table_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.elements -= std::mem::take(&mut self.last_elements);
        Ok(())
    }

    fn instances(&self) -> usize {
        count(self.limits.instances)
    }

    fn tables(&self) -> usize {
        count(self.limits.tables)
    }

    fn memories(&self) -> usize {
        count(self.limits.memories)
    }
}
