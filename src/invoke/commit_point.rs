//! The points that a commit passes, for an observer.
//!
//! Tests stop a process, or change the vault, at each of them. Deliberately never: changes what a commit does.

use std::fmt::Debug;

/// The points of a commit, in their order. The machine may stop between any two of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitPoint {
    /// The staged files are on the disk.
    Durable,
    /// Every place in the vault was checked, and the content that a change replaces is in the store.
    Kept,
    /// The files are in the folder of prepared files.
    Ready,
    /// The record and the PENDING commit are on the disk.
    Recorded,
    /// The change with this number, from 0, was applied.
    Moved(usize),
    /// All changes are on the disk.
    Synced,
    /// The commit is APPLIED.
    Settled,
}

/// Is told how far a commit is.
pub trait CommitObserver: Debug + Sync {
    /// The commit has passed a point.
    fn reached(&self, point: CommitPoint);
}

/// Ignores every point.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl CommitObserver for NoObserver {
    fn reached(&self, _: CommitPoint) {}
}
