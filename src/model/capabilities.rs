//! What one skill may touch, as one value.
//!
//! Guarantees: the value is made from the spec in one place, [`SkillCapabilities::of`]; what is not in it, a run does not
//! get. The runtime compares components with it and links from it; `policy::capabilities` checks that the side-effect
//! class, which is only a label, says the same.
//!
//! Deliberately never: looks at the class to decide what a skill gets.

use super::{spec::SkillSpec, vault_path::VaultPath};

/// What a skill may touch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkillCapabilities {
    /// What its guest can read.
    pub reads: ReadScope,
    /// The vault folders below which its files are committed. With at least one, the guest has an empty `/out`.
    pub writes: Vec<VaultPath>,
    /// Whether it may ask for the record's time. Rust's standard library imports the clocks of WASI in any case, so this is
    /// checked in the source; the clock that the guest then sees is the record's as well.
    pub clock: bool,
}

/// What a guest can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadScope {
    /// The whole vault, as a read-only `/vault`.
    Vault,
    /// No file at all.
    Nothing,
}

impl SkillCapabilities {
    /// What a skill with this spec may touch.
    pub fn of(spec: &SkillSpec) -> Self {
        Self { reads: ReadScope::Vault, writes: spec.paths.clone(), clock: spec.reads_clock }
    }

    /// Whether the guest has `/vault`.
    pub fn reads_vault(&self) -> bool {
        self.reads == ReadScope::Vault
    }

    /// Whether the guest has `/out`.
    pub fn writes_files(&self) -> bool {
        !self.writes.is_empty()
    }
}
