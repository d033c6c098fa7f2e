//! Pure decisions: what a class is granted, what a door may do, what a source may name.
//!
//! Guarantees: the same input gives the same answer; what is not allowed by a table here is refused. Deliberately never:
//! reads a file, runs a process, or asks what time it is.

pub mod channels;
pub mod grants;
pub mod scan;
