//! The one table that says which capabilities a side-effect class admits.
//!
//! A class is a label: people and channels judge a skill by it. What the skill gets is its [`SkillCapabilities`]. Here the
//! two are compared, so that a label never promises less than the skill can do.
//!
//! Deliberately never: grants anything, or says what a component may import (that is `runtime::interfaces`).

use crate::model::{capabilities::SkillCapabilities, effect::EffectClass};

/// Which capabilities a class admits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdmittedCapabilities {
    /// Reading the vault.
    pub reads: bool,
    /// Files in the vault.
    pub writes: bool,
    /// Asking for the time.
    pub clock: bool,
}

/// A spec whose label and capabilities contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClassError {
    /// The skill could do more than its class says.
    #[error("class {class} does not admit `{capability}`, which the spec asks for")]
    NotAdmitted {
        /// The class.
        class: EffectClass,
        /// The capability.
        capability: &'static str,
    },
    /// The class is about files, and there is no folder to write to.
    #[error("class {class} is for skills that write files, but the spec names no folder")]
    NoFolder {
        /// The class.
        class: EffectClass,
    },
}

/// The table.
pub fn admitted(class: EffectClass) -> AdmittedCapabilities {
    match class {
        EffectClass::FileWrite => AdmittedCapabilities { reads: true, writes: true, clock: true },
        EffectClass::ReadOnly
        | EffectClass::Network
        | EffectClass::SecretRead
        | EffectClass::Messaging
        | EffectClass::Money => AdmittedCapabilities { reads: true, writes: false, clock: true },
    }
}

/// Checks that the label says what the skill may touch.
///
/// # Errors
/// [`ClassError`] for the first capability that the class does not admit, or that it needs and does not have.
pub fn check(class: EffectClass, capabilities: &SkillCapabilities) -> Result<(), ClassError> {
    let admitted = admitted(class);
    let asked = [
        ("reads", capabilities.reads_vault(), admitted.reads),
        ("writes", capabilities.writes_files(), admitted.writes),
        ("clock", capabilities.clock, admitted.clock),
    ];
    if let Some((capability, ..)) = asked.into_iter().find(|(_, asked, admitted)| *asked && !admitted) {
        return Err(ClassError::NotAdmitted { class, capability });
    }
    // The other classes admit no writes, so this is FILE_WRITE: without a folder its label would promise what it lacks.
    if admitted.writes && !capabilities.writes_files() {
        return Err(ClassError::NoFolder { class });
    }
    Ok(())
}

/// Whether skills of a class can be run by this version. The others' own capability is not built yet, and a skill
/// without it would only pretend to work.
pub fn is_runnable(class: EffectClass) -> bool {
    matches!(class, EffectClass::ReadOnly | EffectClass::FileWrite)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{capabilities::ReadScope, vault_path::VaultPath};

    #[test]
    fn only_file_write_admits_writes_and_needs_a_folder() -> Result<(), Box<dyn std::error::Error>> {
        let reader = SkillCapabilities { reads: ReadScope::Vault, writes: Vec::new(), clock: true };
        let writer = SkillCapabilities { writes: vec![VaultPath::parse("Inbox")?], ..reader.clone() };
        for class in EffectClass::ALL {
            let writes = class == EffectClass::FileWrite;
            assert_eq!(admitted(class).writes, writes, "{class}");
            assert_eq!(check(class, &writer).is_ok(), writes, "{class}");
            assert_eq!(check(class, &reader).is_ok(), !writes, "{class}");
        }
        Ok(())
    }
}
