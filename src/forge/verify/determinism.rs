//! The clocks and seeds of the runs of a verification.
//!
//! Guarantees: they are fixed numbers, so that the same sources give the same verdict. The clock also carries the switch of an
//! instrumented program (`source_analysis::switch`).

use super::source_analysis::switch::SWITCH_ZERO_MS;
use crate::model::{execution::Determinism, spec::SkillSpec, time::Timestamp};

/// 2027-02-05: any other time.
const OTHER_CLOCK_MS: i64 = 1_801_785_600_000;
/// 2001-01-01, the first day that a skill can see.
const FIRST_DAY_MS: i64 = 978_307_200_000;
/// A hundred years, in seconds.
const CENTURY_S: u64 = 3_155_760_000;

/// The clock and seed of most runs, with the switch of the program on `number`. 0 is off.
pub(super) fn with_switch(number: u32) -> Determinism {
    Determinism { clock: at(SWITCH_ZERO_MS + i64::from(number) * 1_000), seed: [7; 32] }
}

/// A second clock and seed, which the outcome must not depend on. A skill that may read the clock sees the same time again.
pub(super) fn second(spec: &SkillSpec) -> Determinism {
    let clock = if spec.reads_clock { at(SWITCH_ZERO_MS) } else { at(OTHER_CLOCK_MS) };
    Determinism { clock, seed: [211; 32] }
}

/// A time between 2001 and 2101, for a skill that may read the clock. Its outcome may differ, and must still keep the rules.
pub(super) fn other_day(number: u64) -> Determinism {
    // Multiplying by 2^64 divided by the golden ratio spreads consecutive numbers over the whole range.
    let seconds = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    let millis = i64::try_from(seconds % CENTURY_S).unwrap_or(0) * 1_000;
    Determinism { clock: at(FIRST_DAY_MS + millis), seed: [7; 32] }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis).unwrap_or_else(|_| unreachable!("a time of this century"))
}
