//! Skills that get better: what runs say about a revision, and what a person may do about it.
//!
//! - `statistics/`: intervals, e-values, and the price of a further attempt. Pure.
//! - `incident.rs`: failures that say something about the environment and nothing about a skill. Pure.
//! - `outcome.rs`: what one run says. Pure.
//! - `assessment.rs`: what all runs of a skill say.
//! - `candidates.rs`: the skills with evidence against them.
//! - `evidence.rs`: the text of one run, which leaves only after a person released it.
//! - `cooldown.rs`: when the next attempt may begin. Pure.
//! - `code_attempt.rs`: proposes, builds and verifies better code, for a person who promotes it.
//! - `rewrite_prompt.rs`, `fence.rs`, `revision_check.rs`: the question to a model, and what its answer must be. Pure.
//! - `episodes.rs`: compares a rewritten guidance with the published one, in pairs, with a blind judge.
//! - `skill_forge.rs`: what a pass needs of the forge.
//! - `pass_context.rs`: what a pass works with.
//! - `pass.rs`: asks a model for each candidate, and keeps what passes for a person.
//! - `shadow.rs`: a candidate repeats calls by a person's decision.
//! - `step_back.rs`: publishes an earlier guidance again, under a person's standing order alone.
//! - `guidance.rs`: the guidance of trusted skills, and its form as a folder.
//!
//! Deliberately never: publishes anything without a person's decision or standing order, or changes what may run.

pub mod assessment;
pub mod candidates;
pub mod code_attempt;
pub mod cooldown;
pub mod episodes;
pub mod evidence;
pub mod fence;
pub mod guidance;
pub mod incident;
pub mod outcome;
pub mod pass;
pub mod pass_context;
pub mod revision_check;
pub mod rewrite_prompt;
pub mod shadow;
pub mod skill_forge;
pub mod statistics;
pub mod step_back;
