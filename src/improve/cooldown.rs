//! When the next attempt at a skill may begin. Pure.
//!
//! Guarantees: a clock that was set back makes no wait shorter: an attempt in the future counts as one of just now.

use std::time::Duration;

use crate::model::time::Timestamp;

/// The time between two attempts at one part of a skill.
const COOLDOWN: Duration = Duration::from_secs(3_600);
/// The most attempts at one part of a skill within a day.
pub const MOST_A_DAY: usize = 3;
/// The time over which attempts share their error probability.
const SHARED: Duration = Duration::from_hours(24 * 30);

/// An attempt that was begun before.
#[derive(Debug, Clone, Copy)]
pub struct EarlierAttempt {
    /// Its number.
    pub number: u32,
    /// Whether it waits for a person, or is under way.
    pub is_open: bool,
    /// When it began.
    pub created_at: Timestamp,
    /// When its state changed last.
    pub changed_at: Timestamp,
}

/// Whether a moment is less than `span` ago. One in the future is: the clock was set back, and nobody knows by how much.
fn is_within(at: Timestamp, now: Timestamp, span: Duration) -> bool {
    now < at.after(span)
}

/// Why no attempt may begin now.
pub fn must_wait(earlier: &[EarlierAttempt], now: Timestamp) -> Option<String> {
    if let Some(open) = earlier.iter().find(|attempt| attempt.is_open) {
        return Some(format!("improvement {} waits for a person", open.number));
    }
    if earlier.iter().any(|attempt| is_within(attempt.changed_at, now, COOLDOWN)) {
        return Some("an attempt was made within an hour".to_owned());
    }
    let day = Duration::from_hours(24);
    let of_today = earlier.iter().filter(|attempt| is_within(attempt.created_at, now, day)).count();
    (of_today >= MOST_A_DAY).then(|| format!("{MOST_A_DAY} attempts were made within a day"))
}

/// The number of the next attempt within 30 days, from 1. The statistics of the k-th attempt need more evidence.
pub fn next_attempt(earlier: &[EarlierAttempt], now: Timestamp) -> u32 {
    let shared = earlier.iter().filter(|attempt| is_within(attempt.created_at, now, SHARED)).count();
    u32::try_from(shared).unwrap_or(u32::MAX).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Tested = Result<(), Box<dyn std::error::Error>>;

    fn minute(minute: i64) -> Result<Timestamp, Box<dyn std::error::Error>> {
        Ok(Timestamp::from_millis(minute * 60_000)?)
    }

    fn attempts(earlier: &[(bool, i64)]) -> Result<Vec<EarlierAttempt>, Box<dyn std::error::Error>> {
        let attempt = |(is_open, at): &(bool, i64)| {
            let at = minute(*at)?;
            Ok(EarlierAttempt { number: 1, is_open: *is_open, created_at: at, changed_at: at })
        };
        earlier.iter().map(attempt).collect()
    }

    #[test]
    fn an_attempt_waits_for_cooldown_budget_and_person() -> Tested {
        let wait = |earlier: &[(bool, i64)], now: i64| -> Result<String, Box<dyn std::error::Error>> {
            Ok(must_wait(&attempts(earlier)?, minute(now)?).unwrap_or_default())
        };
        assert_eq!(wait(&[], 0)?, "");
        assert!(wait(&[(false, 0)], 59)?.contains("within an hour"));
        assert_eq!(wait(&[(false, 0)], 60)?, "");
        assert!(wait(&[(false, 0)], -100_000)?.contains("within an hour"), "the clock was set back");
        assert!(wait(&[(true, 0)], 100_000)?.contains("waits for a person"));
        let three = [(false, 0), (false, 70), (false, 140)];
        assert!(wait(&three, 300)?.contains("within a day"));
        assert_eq!(wait(&three, 24 * 60)?, "");
        Ok(())
    }

    #[test]
    fn attempts_of_thirty_days_count_and_those_in_the_future_too() -> Tested {
        let earlier = attempts(&[(false, 0), (false, 60 * 24 * 20), (false, 60 * 24 * 40)])?;
        for (day, expected) in [(21, 4), (31, 3), (45, 3), (51, 2), (100, 1)] {
            assert_eq!(next_attempt(&earlier, minute(60 * 24 * day)?), expected, "{day}");
        }
        Ok(())
    }
}
