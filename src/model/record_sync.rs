//! When records that may wait for the disk are on it.

/// When the record of a run that changed nothing outside is on the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordSync {
    /// Within 20 ms of its answer, together with others. It survives the end of the process at once.
    #[default]
    Group,
    /// Before its answer.
    Always,
}
