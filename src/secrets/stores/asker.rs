//! Who asks a store for a value.

use std::path::Path;

/// Who asks, as far as a store needs to know it.
#[derive(Debug, Clone, Copy)]
pub(in crate::secrets) struct Asker<'a> {
    /// Kavi's executable, which starts the command.
    pub(in crate::secrets) exe: &'a Path,
    /// The process whose environment has the variables.
    pub(in crate::secrets) process: i32,
}
