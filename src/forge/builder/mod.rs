//! The builders: who writes the sources of a skill.
//!
//! Guarantees: a builder writes only into the workspace that it is given. Its success only permits the intake to read that
//! workspace.
//! Deliberately never: decides whether a source is good.

pub mod claude;
pub mod command;
pub mod log;
pub mod stream;
pub mod verdict;
