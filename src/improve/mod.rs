//! Skills that get better: what runs say about a revision, and what a person may do about it.
//!
//! - `statistics/`: intervals, e-values, and the price of a further attempt. Pure.
//! - `incident.rs`: failures that say something about the environment and nothing about a skill. Pure.
//!
//! Deliberately never: publishes anything, or changes what may run. A person does both.

pub mod incident;
pub mod statistics;
