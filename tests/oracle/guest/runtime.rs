//! What the generated bindings ask of a runtime.

use std::{
    alloc::{Layout, alloc, dealloc, handle_alloc_error},
    mem, ptr,
};

pub fn maybe_link_cabi_realloc() {}

/// The part of the crate `bitflags` that the bindings use.
macro_rules! bitflags {
    ($(#[$meta:meta])* $visible:vis struct $name:ident: $bits:ty { $($(#[$doc:meta])* const $flag:ident = $value:expr;)* }) => {
        $(#[$meta])*
        $visible struct $name($bits);

        impl $name {
            $($(#[$doc])* pub const $flag: Self = Self($value);)*

            pub const fn empty() -> Self {
                Self(0)
            }

            pub const fn from_bits_retain(bits: $bits) -> Self {
                Self(bits)
            }

            pub const fn bits(&self) -> $bits {
                self.0
            }
        }

        impl ::core::ops::BitOr for $name {
            type Output = Self;

            fn bitor(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
        }
    };
}

pub(crate) use bitflags;

/// Memory of a call that is freed when the call is over.
pub struct Cleanup(*mut u8, Layout);

impl Cleanup {
    pub fn new(layout: Layout) -> (*mut u8, Option<Self>) {
        if layout.size() == 0 {
            return (ptr::null_mut(), None);
        }
        // SAFETY: the layout is not of size zero.
        let memory = unsafe { alloc(layout) };
        if memory.is_null() {
            handle_alloc_error(layout);
        }
        (memory, Some(Self(memory, layout)))
    }

    pub fn forget(self) {
        mem::forget(self);
    }
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        // SAFETY: it was allocated with this layout, and a forgotten one is not dropped.
        unsafe { dealloc(self.0, self.1) }
    }
}
