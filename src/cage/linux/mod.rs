//! Our own cage on Linux, in two stages.
//!
//! The *outer* stage makes the namespaces and builds the file tree, starts the *inner* stage as the first process of
//! the new process namespace, and waits for it. The inner stage enters the tree, gives up every privilege, raises the
//! second wall, checks from the inside that all of it stands, and only then starts the job.
//!
//! As an ordinary user a user namespace comes first and lends the rights to build. As root the tree is built by root
//! (which can bind files out of a closed home), and the inner stage then becomes [`CAGE_ID`] for good: root without
//! capabilities would still own `/proc/sys`. Both ways the job ends up in a further user namespace that owns nothing.

pub(super) mod check;
pub(super) mod inner;
pub(super) mod landlock;
mod loopback;
pub(super) mod mounts;
mod namespaces;
pub(super) mod outer;
mod ownership;
mod privileges;
mod seccomp;

use super::error::Step;

/// The user and group inside every cage: `nobody`, who owns nothing.
pub(super) const CAGE_ID: u32 = 65534;

/// A step of a stage that failed.
pub(super) type Failed = (Step, String);

/// Names the step and the object of a failure.
pub(super) fn at<E: std::fmt::Display>(step: Step, what: impl std::fmt::Display) -> impl FnOnce(E) -> Failed {
    move |error| (step, format!("{what}: {error}"))
}
