//! What one skill may touch, as one value.
//!
//! Guarantees: the value is made from the spec in one place, [`SkillCapabilities::of`]; what is not in it, a run does not
//! get. The runtime compares components with it and links from it; `policy::capabilities` checks that the side-effect
//! class, which is only a label, says the same.
//!
//! Deliberately never: looks at the class to decide what a skill gets.

use super::{host_grants::HostGrants, secret_binding::SecretBinding, spec::SkillSpec, vault_path::VaultPath};

pub use super::read_scope::ReadScope;

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
    /// What it may reach. Empty: it has no `kavi:skill/http`.
    pub hosts: HostGrants,
    /// Where the values of its secrets go. The guest never has one.
    pub secrets: Vec<SecretBinding>,
}

impl SkillCapabilities {
    /// What a skill with this spec may touch.
    pub fn of(spec: &SkillSpec) -> Self {
        // What reads notes and reaches a host can carry the notes out. So a host takes the vault away, unless the spec
        // names both.
        let by_default = if spec.hosts.is_empty() { ReadScope::Vault } else { ReadScope::Nothing };
        Self {
            reads: spec.reads.unwrap_or(by_default),
            writes: spec.paths.clone(),
            clock: spec.reads_clock,
            hosts: HostGrants { rules: spec.hosts.clone(), private: spec.allow_private.clone() },
            secrets: spec.secrets.clone(),
        }
    }

    /// Whether the guest has `/vault`.
    pub fn reads_vault(&self) -> bool {
        self.reads == ReadScope::Vault
    }

    /// Whether the guest has `kavi:skill/http`.
    pub fn reaches_hosts(&self) -> bool {
        !self.hosts.is_empty()
    }

    /// Whether the guest has `kavi:skill/sign`.
    pub fn signs(&self) -> bool {
        self.secrets.iter().any(|binding| binding.place.signs().is_some())
    }

    /// Whether what it reads in the vault could leave the machine by a request.
    pub fn can_carry_out(&self) -> bool {
        self.reads_vault() && self.reaches_hosts()
    }

    /// Whether the guest has `/out`.
    pub fn writes_files(&self) -> bool {
        !self.writes.is_empty()
    }
}
