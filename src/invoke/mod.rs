//! Invoke: run a trusted skill as a transaction.
//!
//! The way of a run: [`run`] (ledger → bytes → hash → code), `invocation` (input → policy → guest → output → record) and then
//! [`effects`] (the staged files, through a journal, into the vault). [`resident`] is the same for a process of many runs, which
//! keeps what is loaded; [`batch`] has it run one skill over many inputs. [`chain`] runs one skill after the other. What a run would
//! change and a person is to decide about is [`held`]; [`undo`] puts back what it replaced; [`replay`] repeats a recorded run; [`prune`]
//! throws old records away.
//!
//! Deliberately never: runs bytes that did not come as a [`TrustedSkill`](crate::registry::TrustedSkill), or lets a file
//! reach the vault before its record is on disk.

pub mod batch;
pub mod chain;
pub mod diff;
pub mod effects;
mod error;
pub mod held;
mod invocation;
mod loaded_skill;
pub mod prune;
pub mod replay;
mod request;
pub mod resident;
pub mod run;
pub mod undo;

pub use request::{Desk, RunRequest};
