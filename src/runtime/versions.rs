//! The versions of the interfaces that the runtime has.

/// The WASI release whose interfaces the runtime has. Components built for an earlier 0.2 work as well.
pub const WASI_VERSION: &str = "0.2.12";
/// The newest version of `kavi:skill`, which the SDK builds for.
pub const SKILL_VERSION: &str = "0.3.0";
/// Every version of `kavi:skill` that the runtime speaks, oldest first. A component gets the imports of its own version.
pub const SKILL_VERSIONS: [&str; 3] = ["0.1.0", "0.2.0", SKILL_VERSION];
