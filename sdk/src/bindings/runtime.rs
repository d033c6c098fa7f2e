//! The two functions that generated bindings ask of a runtime, as in `wit-bindgen` 0.61 (`rt`), for `wasm32-wasip2`
//! only. Ours, because the crate brings a build script and macros that a skill's build has no use for.

/// Nothing to do: on this target wasi-libc defines and exports `cabi_realloc`.
pub fn maybe_link_cabi_realloc() {}

/// Runs static constructors, once in the life of an instance.
pub fn run_ctors_once() {
    use std::sync::atomic::{AtomicBool, Ordering};

    static DONE: AtomicBool = AtomicBool::new(false);

    unsafe extern "C" {
        /// Made by `wasm-ld`. A module that names it takes over the calling of it.
        fn __wasm_call_ctors();
    }

    if !DONE.swap(true, Ordering::Relaxed) {
        // SAFETY: the linker defines it, it takes and returns nothing, and this is the only call of it.
        unsafe { __wasm_call_ctors() }
    }
}
