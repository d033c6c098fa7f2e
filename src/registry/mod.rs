//! What is trusted: a view of the ledger, and the one way to a component that may run.
//!
//! - [`load()`] (`load.rs`) checks the digest of the bytes again and makes a [`TrustedSkill`].
//! - [`render()`] (`render.rs`) writes `registry.yaml`.
//!
//! Guarantees: a [`TrustedSkill`] exists only when the ledger calls its proposal TRUSTED and the bytes it holds have the
//! digest that was promoted. `registry.yaml` is written from the ledger and never read.
//!
//! Deliberately never: decides trust, compiles, or runs.

mod load;
mod render;

pub use load::{TrustError, TrustedSkill, load};
pub use render::{RenderError, render};
