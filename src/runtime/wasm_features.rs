//! The WebAssembly features of Rust's `wasm32-wasip2` target. Everything else is switched off, in the inspection and in
//! the engine.

/// One list for two types: the engine and the inspection use different versions of one crate.
macro_rules! features {
    ($flags:path) => {{
        // Left out on purpose: threads and relaxed SIMD, whose results can differ between two runs.
        type Flags = $flags;
        Flags::MUTABLE_GLOBAL
            | Flags::SATURATING_FLOAT_TO_INT
            | Flags::SIGN_EXTENSION
            | Flags::REFERENCE_TYPES
            | Flags::CALL_INDIRECT_OVERLONG
            | Flags::MULTI_VALUE
            | Flags::BULK_MEMORY
            | Flags::BULK_MEMORY_OPT
            | Flags::FLOATS
            | Flags::COMPONENT_MODEL
    }};
}

/// For the engine.
pub(super) fn of_engine() -> wasmtime::WasmFeatures {
    features!(wasmtime::WasmFeatures)
}

/// For the inspection.
pub(super) fn of_inspection() -> wasmparser::WasmFeatures {
    features!(wasmparser::WasmFeatures)
}
