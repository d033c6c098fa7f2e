//! The `[notify]` table of kavi.toml.

use serde::Deserialize;

/// The `[notify]` table.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NotifySettings {
    /// The program that tells a person, with its arguments. Empty: none.
    pub command: Vec<String>,
}
