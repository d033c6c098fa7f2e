//! Machine code of a component, and the one place that trusts it.
//!
//! Guarantees: a [`MachineCode`] holds bytes from the compile child of this very executable, or bytes from the cache whose
//! seal only Kavi can make. The seal is checked over the same buffer. Nothing can change the bytes afterwards.
//!
//! Deliberately never: reads a file, maps one into memory, or loads code from any other source.

use std::fmt;
use std::ops::Range;

use wasmtime::{Engine, component::Component};

use super::{engine_id::EngineId, inspect::Interface};

/// Machine code of one component, with the interface of the component and the engine it was compiled for.
pub struct MachineCode {
    buffer: Vec<u8>,
    code: Range<usize>,
    interface: Interface,
    engine: EngineId,
}

impl fmt::Debug for MachineCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MachineCode").field("bytes", &self.code.len()).field("engine", &self.engine).finish()
    }
}

impl MachineCode {
    /// Code from a trusted source: see the module for who may call this. The code is the end of the buffer, from `start`.
    pub(super) fn trusted(buffer: Vec<u8>, start: usize, interface: Interface, engine: EngineId) -> Self {
        let code = start.min(buffer.len())..buffer.len();
        Self { buffer, code, interface, engine }
    }

    /// What the component imports and exports.
    pub fn interface(&self) -> &Interface {
        &self.interface
    }

    pub(super) fn engine(&self) -> EngineId {
        self.engine
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.get(self.code.clone()).unwrap_or_default()
    }

    /// The only `unsafe` of Kavi's own code.
    #[allow(unsafe_code)]
    pub(super) fn component(&self, engine: &Engine) -> wasmtime::Result<Component> {
        // SAFETY: `deserialize` asks for bytes that `precompile_component` or `serialize` gave, and that nobody changed
        // since. It copies them, so they need to stay as they are only until it returns.
        // - Only the callers of `trusted` make a `MachineCode`, and there are two. The compile child's output is what
        //   `precompile_component` gave, over a pipe that only that child of our own executable held. An entry of the
        //   cache is such an output, under a keyed MAC that was checked over this very buffer before it came here. Its key
        //   never leaves the machine's user, and no grant reaches it.
        // - The buffer is private memory, owned by `self`, which has no way to change it. No file is mapped.
        // - Safety does not depend on the code being for this engine. The engine compares version, settings and processor
        //   features with its own and refuses what differs. `Runtime::load` has compared the engine's id before.
        unsafe { Component::deserialize(engine, self.bytes()) }
    }
}
