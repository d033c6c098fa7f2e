//! Invoke: run a trusted skill as a transaction.
//!
//! The way of a run: [`run`] (ledger → bytes → hash → code), `draft` (input → policy → guest → output → record) and then
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
mod draft;
pub mod effects;
mod error;
pub mod held;
pub mod prune;
mod ready;
pub mod replay;
pub mod resident;
pub mod run;
pub mod undo;
mod wish;

pub use wish::{Desk, Wish};
