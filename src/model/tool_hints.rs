//! What a side-effect class tells a program that offers skills to a model.
//!
//! Guarantees: it follows from the class alone, never from the description of a skill. Where a class could do either, the
//! worse is assumed.

use super::effect::EffectClass;

/// What calling a skill of a class may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToolHints {
    /// It changes nothing.
    pub read_only: bool,
    /// It may replace something.
    pub destructive: bool,
    /// Calling it twice does no more than calling it once.
    pub idempotent: bool,
    /// It reaches something outside of this machine.
    pub open_world: bool,
}

/// The table.
pub fn of(class: EffectClass) -> ToolHints {
    let (read_only, destructive, idempotent, open_world) = match class {
        EffectClass::ReadOnly => (true, false, true, false),
        EffectClass::FileWrite => (false, true, false, false),
        EffectClass::Network => (false, true, false, true),
        EffectClass::SecretRead => (true, false, true, false),
        EffectClass::Messaging | EffectClass::Money => (false, true, false, true),
    };
    ToolHints { read_only, destructive, idempotent, open_world }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changes_nothing_is_said_to_be_harmless() {
        for class in EffectClass::ALL {
            let ToolHints { read_only, destructive, idempotent, open_world } = of(class);
            let reads = matches!(class, EffectClass::ReadOnly | EffectClass::SecretRead);
            assert_eq!((read_only, destructive, idempotent), (reads, !reads, reads), "{class}");
            let inside = reads || class == EffectClass::FileWrite;
            assert_eq!(open_world, !inside, "{class}");
        }
    }
}
