//! How the ends of recorded runs change from one revision to another.
//!
//! Deliberately never: says what a run had or gave.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::lifecycle::stored_words;

stored_words!(
    /// Whether one of two revisions fails where the other succeeds.
    RunFlip {
        /// The candidate succeeds where the trusted revision fails.
        Gain = "GAIN",
        /// The candidate fails where the trusted revision succeeds.
        Loss = "LOSS",
        /// Both succeed, or both fail.
        Same = "SAME",
    }
);

impl RunFlip {
    /// The flip of a run, by which of the two succeeded.
    pub fn of(trusted_succeeded: bool, candidate_succeeded: bool) -> Self {
        match (trusted_succeeded, candidate_succeeded) {
            (false, true) => Self::Gain,
            (true, false) => Self::Loss,
            _ => Self::Same,
        }
    }
}

/// Recorded runs, each repeated with the trusted revision and with a candidate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct RunFlips {
    /// Runs that fail with the trusted revision, and succeed with the candidate.
    pub gains: u32,
    /// Runs that succeed with the trusted revision, and fail with the candidate.
    pub losses: u32,
    /// Runs with the same end.
    pub same: u32,
}

impl RunFlips {
    /// Counts one more.
    pub fn add(&mut self, flip: RunFlip) {
        let count = match flip {
            RunFlip::Gain => &mut self.gains,
            RunFlip::Loss => &mut self.losses,
            RunFlip::Same => &mut self.same,
        };
        *count = count.saturating_add(1);
    }
}

impl FromIterator<RunFlip> for RunFlips {
    fn from_iter<I: IntoIterator<Item = RunFlip>>(flips: I) -> Self {
        let mut counted = Self::default();
        flips.into_iter().for_each(|flip| counted.add(flip));
        counted
    }
}

/// The text is not about flips.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the text does not say how runs ended")]
pub struct NoFlips;

impl fmt::Display for RunFlips {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { gains, losses, same } = self;
        write!(f, "{gains} recorded runs succeed now, {losses} fail now, {same} end as before")
    }
}

impl FromStr for RunFlips {
    type Err = NoFlips;

    fn from_str(text: &str) -> Result<Self, NoFlips> {
        let numbers: Vec<u32> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let [gains, losses, same] = numbers[..] else { return Err(NoFlips) };
        let flips = Self { gains, losses, same };
        if flips.to_string() == text { Ok(flips) } else { Err(NoFlips) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(gains: u32, losses: u32, same: u32, other in ".*") {
            let flips = RunFlips { gains, losses, same };
            prop_assert_eq!(flips.to_string().parse(), Ok(flips));
            prop_assert!(other.parse::<RunFlips>().is_err());
        }
    }
}
