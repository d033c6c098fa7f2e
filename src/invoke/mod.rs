//! Invoke: run a trusted skill as a transaction.
//!
//! The way of a run: [`run`] (ledger → bytes → hash → compile → input → guest → output) and then [`effects`] (the
//! staged files, through a journal, into the vault). [`resident`] is the same for a process of many runs, which keeps what
//! is loaded; [`batch`] has it run one skill over many inputs.
//!
//! Deliberately never: runs bytes that did not come as a [`TrustedSkill`](crate::registry::TrustedSkill), or lets a file
//! reach the vault before its record is on disk.

pub mod batch;
pub mod effects;
mod ready;
pub mod resident;
pub mod run;
