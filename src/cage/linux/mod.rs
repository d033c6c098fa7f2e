//! Kavi's own cage on Linux, in two stages.
//!
//! The *outer* stage makes the namespaces and builds the file tree. It starts the *inner* stage as the first process of the
//! new process namespace and waits for it. The inner stage enters the tree, gives up every privilege, applies Landlock and
//! the system call filter, checks all of it from the inside, and only then starts the job.
//!
//! An ordinary user first makes a user namespace, which gives the rights to build the tree. For root, root itself builds the
//! tree, so that it can bind files out of a closed home. The inner stage then becomes [`CAGE_ID`] for good, because root
//! without capabilities would still own `/proc/sys`. In both cases the job ends up in one more user namespace that owns
//! nothing.

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
mod service;

pub(super) use service::{close_service, confine_service};

use std::io;

use super::error::{SetupStep, StageError};
use crate::sync::uninterrupted;

/// The user and group inside every cage: `nobody`, which owns nothing.
pub(super) const CAGE_ID: u32 = 65534;

/// Adds the step and the object to an error.
pub(super) fn at<E: std::fmt::Display>(step: SetupStep, what: impl std::fmt::Display) -> impl FnOnce(E) -> StageError {
    move |error| StageError::new(step, format!("{what}: {error}"))
}

/// Makes one call of the set-up, again where a signal interrupted it. `mkdir` and `mount` can be interrupted on a file system in
/// another process, and a cage that fails for that would fail by chance.
pub(super) fn call<T, E: Into<io::Error>>(
    step: SetupStep,
    what: impl std::fmt::Display,
    mut call: impl FnMut() -> Result<T, E>,
) -> Result<T, StageError> {
    uninterrupted(|| call().map_err(Into::into)).map_err(at(step, what))
}
