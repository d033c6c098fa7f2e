//! Invoke: run a trusted skill as a transaction.
//!
//! In the order of a run: a [`RunRequest`] says what is asked, and a [`RunContext`] what the run works with. [`run`] finds the
//! trusted bytes and their code. `invocation` checks the input, runs the guest, checks its output, and writes the `record`. Then
//! [`effects`] commits the files to the vault.
//!
//! [`resident`] does the same for a process of many runs, which keeps loaded skills. [`batch`] gives it one skill and many
//! inputs. [`chain`] runs one skill after the other, [`replay`] repeats a recorded run. Files that policy holds wait in
//! [`pending_approval`], [`undo`] puts back what a commit replaced, [`prune`] deletes old records.
//!
//! Deliberately never: runs bytes that did not come as a [`TrustedSkill`](crate::registry::TrustedSkill), or lets a file
//! reach the vault before its record is on disk.

pub mod batch;
pub mod chain;
mod commit_point;
mod context;
pub mod diff;
mod disposition;
pub mod effects;
mod error;
mod invocation;
mod leak_check;
mod loaded_skill;
mod network;
pub mod pending_approval;
pub mod prune;
mod record;
pub mod replay;
mod request;
pub mod resident;
mod result;
pub mod run;
mod sequence;
pub mod undo;

pub use commit_point::{CommitObserver, CommitPoint, NoObserver};
pub use context::{RunContext, SharedContext};
pub use error::InvokeError;
pub use request::{Consent, Disposition, RunRequest};
pub use result::{DeferredFiles, RunFiles, RunResult};
pub use sequence::Sequence;
