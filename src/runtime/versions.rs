//! The versions of the interfaces that the runtime has.

/// The WASI release whose interfaces the runtime has. Components built for an earlier 0.2 work as well.
pub const WASI_VERSION: &str = "0.2.12";
/// The version of `kavi:skill` that the runtime speaks.
pub const SKILL_VERSION: &str = "0.1.0";
