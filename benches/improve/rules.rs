//! The rules that other systems publish, as they describe them. Kavi has none of them.

use kavi::improve::statistics::{UseCounts, Z_95};

/// Construct: a rate below 0.40, from 10 outcomes on.
pub fn raw_rate(uses: UseCounts) -> bool {
    uses.total() >= 10 && uses.rate().is_some_and(|rate| rate < 0.40)
}

/// The upper bound of the Wilson interval below 0.40, from 10 outcomes on.
pub fn wilson_upper(uses: UseCounts) -> bool {
    uses.total() >= 10 && uses.wilson(Z_95).high < 0.40
}

/// Construct: a drop of 0.15 from the rate of the revision before, from 10 outcomes on.
pub fn raw_drop(previous: UseCounts, uses: UseCounts) -> bool {
    uses.total() >= 10 && previous.rate().unwrap_or(0.0) - uses.rate().unwrap_or(0.0) >= 0.15
}

/// The interval of Newcombe for a difference excludes 0, from 10 outcomes on.
pub fn newcombe(previous: UseCounts, uses: UseCounts) -> bool {
    let (was, is) = (previous.rate().unwrap_or(0.0), uses.rate().unwrap_or(0.0));
    let (low, high) = (previous.wilson(Z_95).low, uses.wilson(Z_95).high);
    uses.total() >= 10 && (was - is) - ((was - low).powi(2) + (high - is).powi(2)).sqrt() > 0.0
}

/// MicroClaw: a trial ends with trust at 3 outcomes, 80 %, and a lower bound of 0.40.
pub fn trial(uses: UseCounts) -> bool {
    uses.total() >= 3 && uses.rate().is_some_and(|rate| rate >= 0.80) && uses.wilson(Z_95).low >= 0.40
}
