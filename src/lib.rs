//! Kavi: a governed forge and WebAssembly runtime for skills.

pub mod artifacts;
pub mod cage;
pub mod forge;
pub mod invoke;
pub mod ledger;
pub mod model;
pub mod policy;
pub mod registry;
pub mod runtime;
