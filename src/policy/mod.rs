//! Pure decisions: which capabilities a class admits, what a channel may do, what a source may name.
//!
//! `charter`, `registry` and `matrix` check what a person stored about agents; `access` decides from all of them.
//!
//! Guarantees: the same input gives the same answer; what is not allowed by a table here is refused. Deliberately never:
//! reads a file, runs a process, or asks what time it is.

pub mod access;
pub mod actor_capability;
pub mod capabilities;
pub mod channels;
pub mod charter;
pub mod matrix;
pub mod registry;
pub mod scan;
