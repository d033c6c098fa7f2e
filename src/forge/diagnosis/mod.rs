//! Diagnosis: why the newest attempt failed, and whether a person must look before the next one.
//!
//! | part | answers |
//! |---|---|
//! | [`history`] | what has been tried for this proposal |
//! | [`classify`] | which kind of failure the newest one is |
//! | [`escalate`] | whether a person must look first |
//! | [`retry`] | what the next step is, and whether it may start |
//! | [`advice`] | what a model suggests |
//! | [`mod@diagnose`] | all of it, recorded with a note |
//!
//! Guarantees: kind, facts and escalations come from the ledger and the stored sources by pure functions. A model's advice is
//! optional, is checked against a closed format, and reaches the next packet only as quoted data. Every next attempt
//! reads the history again, whether a diagnosis was made or not.
//!
//! Deliberately never: starts an attempt, changes a proposal, or lets a model decide anything.

pub mod advice;
pub mod classify;
pub mod diagnose;
pub mod error;
pub mod escalate;
pub mod history;
mod note;
pub mod retry;
#[cfg(test)]
mod tests;

pub use diagnose::{DiagnosisRequest, diagnose};
pub use error::DiagnosisError;
pub use history::{AttemptHistory, attempt_history};
pub use retry::{AcknowledgementError, NextStep};
