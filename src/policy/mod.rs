//! Pure decisions: which capabilities a class admits, what a channel may do, what a source may name.
//!
//! Guarantees: the same input gives the same answer; what is not allowed by a table here is refused. Deliberately never:
//! reads a file, runs a process, or asks what time it is.

pub mod capabilities;
pub mod channels;
pub mod scan;
