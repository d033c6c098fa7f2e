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
    /// Reaching hosts.
    pub hosts: bool,
    /// Secrets that the broker puts into requests.
    pub secrets: bool,
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
    /// The class is about hosts, and there is none to reach.
    #[error("class {class} is for skills that reach hosts, but the spec names none")]
    NoHost {
        /// The class.
        class: EffectClass,
    },
}

/// The table.
pub fn admitted(class: EffectClass) -> AdmittedCapabilities {
    let reader = AdmittedCapabilities { reads: true, writes: false, clock: true, hosts: false, secrets: false };
    match class {
        EffectClass::ReadOnly | EffectClass::Messaging | EffectClass::Money => reader,
        EffectClass::FileWrite => AdmittedCapabilities { writes: true, ..reader },
        EffectClass::Network => AdmittedCapabilities { writes: true, hosts: true, ..reader },
        EffectClass::SecretRead => AdmittedCapabilities { writes: true, hosts: true, secrets: true, ..reader },
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
        ("hosts", capabilities.reaches_hosts(), admitted.hosts),
        ("secrets", !capabilities.secrets.is_empty(), admitted.secrets),
    ];
    if let Some((capability, ..)) = asked.into_iter().find(|(_, asked, admitted)| *asked && !admitted) {
        return Err(ClassError::NotAdmitted { class, capability });
    }
    // Without what it is about, a label would promise what the skill lacks.
    match class {
        EffectClass::FileWrite if !capabilities.writes_files() => Err(ClassError::NoFolder { class }),
        EffectClass::Network if !capabilities.reaches_hosts() => Err(ClassError::NoHost { class }),
        _ => Ok(()),
    }
}

/// Whether all that a skill of this class does can wait for a person as files that are not committed yet. A request
/// cannot: it has left the machine.
pub fn leaves_only_files(class: EffectClass) -> bool {
    class == EffectClass::FileWrite
}

/// Whether skills of a class can be run by this version. The others' own capability is not built yet, and a skill
/// without it would only pretend to work.
pub fn is_runnable(class: EffectClass) -> bool {
    matches!(class, EffectClass::ReadOnly | EffectClass::FileWrite | EffectClass::Network | EffectClass::SecretRead)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{capabilities::ReadScope, host_grants::HostGrants, vault_path::VaultPath};

    #[test]
    fn each_class_admits_exactly_its_capabilities() -> Result<(), Box<dyn std::error::Error>> {
        let reader = SkillCapabilities {
            reads: ReadScope::Vault,
            writes: Vec::new(),
            clock: true,
            hosts: HostGrants::NONE,
            secrets: Vec::new(),
        };
        let rules = vec!["GET https://api.example.com/**".parse()?];
        let caller = SkillCapabilities { hosts: HostGrants { rules, private: Vec::new() }, ..reader.clone() };
        let secrets = vec!["API_TOKEN https://api.example.com bearer".parse()?];
        let bound = SkillCapabilities { secrets, ..caller.clone() };
        let writes = vec![VaultPath::parse("Inbox")?];
        let writer = SkillCapabilities { writes: writes.clone(), ..reader.clone() };
        let both = SkillCapabilities { writes, ..caller.clone() };
        // What passes for each class: the reader, the writer, the caller, both of these, the caller with a secret.
        for (class, expected) in [
            (EffectClass::ReadOnly, [true, false, false, false, false]),
            (EffectClass::FileWrite, [false, true, false, false, false]),
            (EffectClass::Network, [false, false, true, true, false]),
            (EffectClass::SecretRead, [true, true, true, true, true]),
            (EffectClass::Messaging, [true, false, false, false, false]),
            (EffectClass::Money, [true, false, false, false, false]),
        ] {
            let passes = [&reader, &writer, &caller, &both, &bound].map(|asked| check(class, asked).is_ok());
            assert_eq!(passes, expected, "{class}");
        }
        Ok(())
    }
}
