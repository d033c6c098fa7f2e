//! When a file was last changed, as the file system says it.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;

/// Longer than it takes from the last write of a run to the comparison with the vault, in seconds.
const LONG_SECONDS: i64 = 60;

/// When a file was last changed, renamed or given other permissions, by the clock of the file system. That clock moves in
/// ticks of some milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ChangeTime {
    seconds: i64,
    nanoseconds: i64,
}

impl ChangeTime {
    pub(super) fn of(meta: &Metadata) -> Self {
        Self { seconds: meta.ctime(), nanoseconds: meta.ctime_nsec() }
    }

    /// Whether it is so much later that no edit between the two explains it. A clock that was ahead does.
    pub(super) fn is_long_after(self, other: Self) -> bool {
        self.seconds.saturating_sub(other.seconds) > LONG_SECONDS
    }

    #[cfg(test)]
    pub(super) fn later_by(self, seconds: i64) -> Self {
        Self { seconds: self.seconds + seconds, ..self }
    }
}
