//! The statistics of outcomes: the Wilson interval that people see, and the e-values that decide.
//!
//! Guarantees: an e-value is valid at every look. A revision that is as good as promised reaches [`EVIDENCE`] with a probability
//! of at most 1/20, however often somebody looks. Further attempts at one skill do not add to that probability.
//!
//! Deliberately never: reads a clock, a record or a random number.

mod e_value;
mod interval;

pub use e_value::{EVIDENCE, MAX_PAIRS, PairCounts, PairVerdict, attempt_threshold};
pub use interval::{UseCounts, WilsonInterval, Z_90, Z_95};
