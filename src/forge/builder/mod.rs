//! Who writes the sources of a skill.
//!
//! Guarantees: a builder only ever writes into the workspace it is given, and its success is a licence for
//! the gate to look, nothing more.
//! Never: decides whether a source is good.

pub mod claude;
pub mod command;
pub mod judge;
pub mod stream;
