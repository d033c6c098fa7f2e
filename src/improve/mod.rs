//! Skills that get better: what runs say about a revision, and what a person may do about it.
//!
//! - `statistics/`: intervals, e-values, and the price of a further attempt. Pure.
//! - `incident.rs`: failures that say something about the environment and nothing about a skill. Pure.
//! - `outcome.rs`: what one run says. Pure.
//! - `assessment.rs`: what all runs of a skill say.
//! - `candidates.rs`: the skills with evidence against them.
//! - `rewrite_prompt.rs`, `fence.rs`, `revision_check.rs`: the question to a model, and what its answer must be. Pure.
//! - `pass.rs`: asks a model for each candidate, and keeps what passes for a person.
//! - `guidance.rs`: the guidance of trusted skills, and its form as a folder.
//!
//! Deliberately never: publishes anything without a person's decision, or changes what may run.

pub mod assessment;
pub mod candidates;
pub mod fence;
pub mod guidance;
pub mod incident;
pub mod outcome;
pub mod pass;
pub mod revision_check;
pub mod rewrite_prompt;
pub mod statistics;
