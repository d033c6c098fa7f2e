//! Kavi: a governed forge and WebAssembly runtime for skills.
//!
//! A skill goes this way, and the code reads in the same order:
//!
//! 1. [`forge::propose`]: a spec, in the [`ledger`].
//! 2. [`forge::build`]: a frozen packet, a builder, the intake of its workspace, a snapshot of its sources.
//! 3. [`forge::verify`]: every gate over that snapshot and the component it compiles to, in the [`cage`] and in wasm.
//!    An attempt that failed is classified and explained by [`forge::diagnosis`], and tried again.
//! 4. [`forge::promote`]: a person trusts the exact bytes, in one transaction.
//! 5. [`invoke`]: the [`registry`] checks the bytes, and the [`runtime`] runs them with the capabilities of their
//!    spec ([`model::capabilities`]). Their files reach the vault together with their record, or not at all.
//!
//! [`model`] holds the values all of them talk about; [`app`] wires them; [`cli`] is the front for people, [`mcp`] the one for agents.
//! `docs/ARCHITECTURE.md` maps the rest, `tests/house/tidy.rs` holds the modules to who may use whom.

pub mod app;
pub mod artifacts;
pub mod cage;
pub mod cli;
pub mod context;
pub mod dir;
pub mod egress;
pub mod error;
pub mod forge;
pub mod history;
pub mod http;
pub mod improve;
pub mod invoke;
pub mod ledger;
pub mod llm;
pub mod log_targets;
pub mod mcp;
pub mod model;
pub mod policy;
pub mod registry;
pub mod runtime;
pub mod secrets;
pub mod sync;
pub mod trust;
pub mod workspace;
