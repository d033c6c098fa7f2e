//! The component-model side, generated from `wit/` and checked in, so that no skill's build runs a generator.
//!
//! Made by `wit-bindgen` 0.61.1, in the root of the repository:
//!
//! ```text
//! cargo install wit-bindgen-cli --version 0.61.1 --locked --no-default-features --features rust
//! wit-bindgen rust wit --world skill --out-dir sdk/src/bindings --runtime-path crate::bindings::runtime \
//!     --pub-export-macro --export-macro-name __export_skill --default-bindings-module kavi_sdk::bindings::skill
//! wit-bindgen rust wit --world skill-test --out-dir sdk/src/bindings --runtime-path crate::bindings::runtime \
//!     --with kavi:skill/log@0.1.0=crate::bindings::skill::kavi::skill::log
//! sha256sum wit/skill.wit sdk/src/bindings/skill.rs sdk/src/bindings/skill_test.rs > sdk/src/bindings/SHA256SUMS
//! ```
//!
//! `SHA256SUMS` ties the contract to what was generated from it; a test of the SDK fails when either changes alone.

pub mod runtime;
#[rustfmt::skip]
pub mod skill;
#[rustfmt::skip]
pub mod skill_test;
