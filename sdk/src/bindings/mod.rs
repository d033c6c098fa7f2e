//! The component-model side, generated from `wit/` and checked in, so that no skill's build runs a generator.
//!
//! Made by the crate `wit-bindgen-rust` 0.61.1. The test `sdk_bindings` of `tests/oracle` has the options, makes them
//! again from `wit/` and fails when a committed file differs. It then says where the new files are, to be copied here:
//!
//! ```text
//! cargo test --package kavi-oracle sdk_bindings
//! ```

pub mod runtime;
#[rustfmt::skip]
pub mod skill;
#[rustfmt::skip]
pub mod skill_test;
