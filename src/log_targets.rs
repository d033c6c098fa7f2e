//! Targets of log events that a front end also shows while a verb works.
//!
//! A library module reports with `tracing`: a stage or a note of long work under these targets, and what went wrong without
//! stopping the work as a warning. `cli` alone decides where events go.
//!
//! Guarantees, which hold for every event and span of Kavi: no field is an input or an output of a skill, and none is a
//! secret.

/// A stage of long work begins.
pub const STAGE: &str = "kavi::stage";

/// One line about long work that stays on the screen.
pub const NOTE: &str = "kavi::note";
