//! Which files a guest can read.

use serde::{Deserialize, Serialize};

/// What a guest can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReadScope {
    /// The whole vault, as a read-only `/vault`.
    Vault,
    /// No file at all.
    Nothing,
}
