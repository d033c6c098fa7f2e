//! Input and output schemas. (being written)
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Placeholder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IoSchema {}
/// Placeholder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("mismatch")]
pub struct Mismatch;
impl IoSchema {
    /// Placeholder.
    pub fn check_input(&self, _: &Value) -> Result<(), Mismatch> {
        Ok(())
    }
    /// Placeholder.
    pub fn check_output(&self, _: &Value) -> Result<(), Mismatch> {
        Ok(())
    }
}
