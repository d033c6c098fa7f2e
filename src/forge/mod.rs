//! The forge: from a spec to a trusted component.
//!
//! Read in this order, which is the way of the data: [`propose`] → [`packet`] and [`build_workspace`] → [`builder`] or
//! [`import`] → [`intake`] → [`build`] → [`verify`] → [`diagnosis`] after a failure → [`promote`].
//! Every change of the ledger goes through [`record`], which also derives what [`rebuild`] can derive again.
//!
//! Guarantees: the files that a builder left are read once, by Kavi's own walk, into one snapshot. Every later stage reads
//! that snapshot. Trust comes only from a transaction in the ledger, after the bytes are on disk.
//!
//! Deliberately never: runs a tool inside a tree that a model wrote, runs a model's code outside wasm, or
//! believes what a builder says.

pub mod attempt;
pub mod build;
pub mod build_workspace;
pub mod builder;
pub mod bundled_skills;
pub mod compile;
pub mod context;
pub mod diagnosis;
pub mod format;
pub mod gateway;
pub mod import;
pub mod import_tests;
pub mod intake;
mod kit;
pub mod packet;
pub mod patch_summary;
pub mod promote;
mod promotion_report;
pub mod propose;
pub mod rebuild;
pub mod record;
pub mod scaffold;
pub mod sdk_sources;
pub mod snapshot_store;
pub mod source_review;
mod spec_differences;
mod statements;
pub mod toolchain;
pub mod verify;
