//! The forge: how a proposal becomes a skill that a person can promote.

pub mod builder;
