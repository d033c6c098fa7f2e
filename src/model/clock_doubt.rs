//! Whether the wall clock can be believed: compared with the time since the machine started, and with the newest record.
//!
//! Guarantees: a clock that is off by more than an hour is told, in both directions. A clock that is in doubt is never taken
//! as the measure of a later one. Deliberately never: says what the right time is.

use std::fmt;
use std::time::Duration;

use super::timestamp::Timestamp;

/// How far clocks may differ. They are set, and machines differ a little.
pub const CLOCK_TOLERANCE: Duration = Duration::from_hours(1);

/// One start of a machine, and when it was by the wall clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineStart {
    /// The kernel's id of this start.
    pub id: String,
    /// When the machine started.
    pub at: Timestamp,
}

impl MachineStart {
    /// Reads what [`fmt::Display`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, at) = text.trim().split_once(' ')?;
        Some(Self { id: id.to_owned(), at: Timestamp::parse(at).ok()? })
    }
}

impl fmt::Display for MachineStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.at)
    }
}

/// Why the clock is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClockDoubt {
    /// The clock was set since it was first read after the start of the machine.
    #[error("the clock says {now}, and by the time since the machine started it is {expected}")]
    Jumped {
        /// The time by the clock.
        now: Timestamp,
        /// The time by the start of the machine.
        expected: Timestamp,
    },
    /// A record is from the future.
    #[error("the clock says {now}, and the newest record is from {newest}")]
    Behind {
        /// The time by the clock.
        now: Timestamp,
        /// When the newest record was written.
        newest: Timestamp,
    },
}

/// Compares the clock with what is known. `start` is by the clock as it is now, `first` by the first look after that start.
pub fn doubt(
    now: Timestamp,
    start: Option<&MachineStart>,
    first: Option<&MachineStart>,
    newest: Option<Timestamp>,
) -> Option<ClockDoubt> {
    let same = start.zip(first).filter(|(start, first)| start.id == first.id);
    let jumped = same.and_then(|(start, first)| {
        let (late, early) = (start.at.millis_since(first.at), first.at.millis_since(start.at));
        let far = u128::from(late.max(early)) > CLOCK_TOLERANCE.as_millis();
        let expected = now.before(Duration::from_millis(late)).after(Duration::from_millis(early));
        far.then_some(ClockDoubt::Jumped { now, expected })
    });
    let behind = || {
        let newest = newest.filter(|newest| newest.before(CLOCK_TOLERANCE) > now)?;
        Some(ClockDoubt::Behind { now, newest })
    };
    jumped.or_else(behind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_of_more_than_an_hour_is_told_in_both_directions() -> Result<(), Box<dyn std::error::Error>> {
        let minutes = |minutes: i64| Timestamp::from_millis(minutes * 60_000);
        let start =
            |id: &str, at| Ok::<_, Box<dyn std::error::Error>>(MachineStart { id: id.to_owned(), at: minutes(at)? });
        let now = minutes(1_000)?;
        let first = start("a", 500)?;
        for (at, told) in [(500, false), (559, false), (561, true), (441, false), (439, true), (3_380, true)] {
            let found = doubt(now, Some(&start("a", at)?), Some(&first), None);
            let expected = told.then_some(ClockDoubt::Jumped { now, expected: minutes(1_000 - (at - 500))? });
            assert_eq!(found, expected, "{at}");
        }
        // Another start of the machine says nothing, and neither does a kernel that does not tell.
        assert_eq!(doubt(now, Some(&start("b", 3_380)?), Some(&first), None), None);
        assert_eq!(doubt(now, None, Some(&first), None), None);
        for (newest, told) in [(0, false), (1_059, false), (1_061, true)] {
            let found = doubt(now, None, None, Some(minutes(newest)?));
            assert_eq!(found.is_some(), told, "{newest}");
        }
        assert_eq!(MachineStart::parse(&first.to_string()), Some(first));
        for bad in ["", "a", "a b", "a 2020-01-01"] {
            assert_eq!(MachineStart::parse(bad), None, "{bad}");
        }
        Ok(())
    }
}
