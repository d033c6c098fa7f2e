//! What generated bindings ask of a runtime, as in `wit-bindgen` 0.61 (`rt`), for `wasm32-wasip2`
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

/// Memory for a list that is passed to the host, freed when this is dropped.
#[derive(Debug)]
pub struct Cleanup {
    memory: std::ptr::NonNull<u8>,
    layout: std::alloc::Layout,
}

impl Cleanup {
    /// Allocates. The pointer is null, and there is nothing to free, where the layout has no size.
    pub fn new(layout: std::alloc::Layout) -> (*mut u8, Option<Self>) {
        if layout.size() == 0 {
            return (std::ptr::null_mut(), None);
        }
        // SAFETY: the layout has a size.
        let memory = unsafe { std::alloc::alloc(layout) };
        match std::ptr::NonNull::new(memory) {
            Some(memory) => (memory.as_ptr(), Some(Self { memory, layout })),
            None => std::alloc::handle_alloc_error(layout),
        }
    }
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        // SAFETY: it was allocated with this layout, and is freed here alone.
        unsafe { std::alloc::dealloc(self.memory.as_ptr(), self.layout) }
    }
}
