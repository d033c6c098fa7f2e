//! The hidden verbs with which Kavi starts the stages of a cage from its own executable.

#[cfg(target_os = "linux")]
use super::linux::inner::NamespaceMode;

// The underscores keep them apart from every verb that a person can type.
pub(super) const VERB_BARE: &str = "__cage-bare";
#[cfg(target_os = "linux")]
pub(super) const VERB_OUTER: &str = "__cage-outer";
#[cfg(target_os = "linux")]
pub(super) const VERB_INIT: &str = "__cage-init";

/// The verb and mode with which the stage inside is started.
#[cfg(target_os = "linux")]
pub(super) fn init_args(mode: NamespaceMode) -> [&'static str; 2] {
    [VERB_INIT, mode.word()]
}
