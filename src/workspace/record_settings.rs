//! The `[records]` table of kavi.toml.

use serde::Deserialize;

use crate::model::record_sync::RecordSync;

/// The `[records]` table.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecordSettings {
    /// When the record of a run that changed nothing is on the disk.
    pub sync: RecordSync,
}
