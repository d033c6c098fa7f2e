//! This program: its version, and what it was built from, as the build embedded it.
//!
//! Deliberately never: reads its own file. `artifacts::ProgramFile` does, for its digest.

use super::digest::Digest;

/// The version of the package.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit that it was built from. A source archive has none, and a development build does not embed it.
pub const COMMIT: Option<&str> = option_env!("KAVI_COMMIT");
/// The version with what it was built from, for people.
pub const LONG_VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\ncommit: ",
    env!("KAVI_COMMIT_OR_WHY_NOT"),
    "\nsources: sha256:",
    env!("KAVI_SOURCES_SHA256"),
);
/// The digest of the sources that it was built from.
pub const SOURCES_SHA256: &str = env!("KAVI_SOURCES_SHA256");

/// The program that did something, for a record of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramIdentity {
    /// The digest of its executable.
    pub sha256: Digest,
    /// Its version.
    pub version: String,
    /// The commit that it was built from, if it says so.
    pub commit: Option<String>,
    /// The digest of the sources that it was built from.
    pub sources_sha256: String,
    /// The digest of the contract between skills and runtime that it has.
    pub contract_sha256: Digest,
}

impl ProgramIdentity {
    /// The id of a builder or verifier in statements.
    pub fn uri(&self) -> String {
        format!("urn:kavi:program:sha256:{}", self.sha256)
    }
}
