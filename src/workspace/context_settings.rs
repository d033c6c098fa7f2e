//! The `[context]` table of kavi.toml: whether agents need a charter, and where it is read from.
//!
//! Guarantees: plain values with their defaults. Deliberately never: opens a store, or checks its address.

use serde::Deserialize;

/// The `[context]` table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ContextSettings {
    /// Whether agents may act only while a role charter is active.
    pub charter: CharterSetting,
    /// Where charter, policy and capabilities are read from: [`LEDGER_STORE`], or the address of a database.
    pub store: String,
    /// The id of the workspace in that database. Without it, that of the ledger.
    pub workspace_id: Option<String>,
}

/// The value of `store` for the ledger itself.
pub const LEDGER_STORE: &str = "sqlite";

impl Default for ContextSettings {
    fn default() -> Self {
        Self { charter: CharterSetting::default(), store: LEDGER_STORE.to_owned(), workspace_id: None }
    }
}

/// Whether agents need a role charter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CharterSetting {
    /// They may act without one.
    #[default]
    Optional,
    /// They may not.
    Required,
}
