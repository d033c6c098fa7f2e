//! Invoke: run a trusted skill as a transaction.
//!
//! The way of a run: [`run`] (ledger → bytes → hash → compile → input → guest → output) and then [`effects`] (the
//! staged files, through a journal, into the vault).
//!
//! Deliberately never: runs bytes that did not come as a [`TrustedSkill`](crate::registry::TrustedSkill), or lets a file
//! reach the vault before its record is on disk.

pub mod effects;
pub mod run;
