//! Points in time: UTC, RFC 3339, and injected wherever they are needed.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A point in time, in UTC, written as RFC 3339 with milliseconds (`2026-11-20T08:30:00.000Z`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(jiff::Timestamp);

/// The text is not a time in RFC 3339.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time in RFC 3339")]
pub struct InvalidTime(String);

impl Timestamp {
    /// The time `millis` milliseconds after 1970-01-01T00:00:00Z.
    ///
    /// # Errors
    /// [`InvalidTime`] when it lies outside the years −9999 to 9999.
    pub fn from_millis(millis: i64) -> Result<Self, InvalidTime> {
        jiff::Timestamp::from_millisecond(millis).map(Self).map_err(|_| InvalidTime(millis.to_string()))
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub fn as_millis(self) -> i64 {
        self.0.as_millisecond()
    }

    /// The time so much later; the last one that there is, if that is too late.
    pub fn after(self, wait: std::time::Duration) -> Self {
        let millis = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.as_millis().saturating_add(millis)).unwrap_or(Self(jiff::Timestamp::MAX))
    }

    /// Parses RFC 3339.
    ///
    /// # Errors
    /// [`InvalidTime`] for anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidTime> {
        let parsed: jiff::Timestamp = text.parse().map_err(|_| InvalidTime(text.to_owned()))?;
        Self::from_millis(parsed.as_millisecond())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.0)
    }
}

impl TryFrom<String> for Timestamp {
    type Error = InvalidTime;
    fn try_from(text: String) -> Result<Self, InvalidTime> {
        Self::parse(&text)
    }
}

impl From<Timestamp> for String {
    fn from(time: Timestamp) -> Self {
        time.to_string()
    }
}

/// Where "now" comes from. Injected, so that tests, snapshots and replays are repeatable.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The current time.
    fn now(&self) -> Timestamp;
}

/// The operating system's wall clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let now = jiff::Timestamp::now();
        Timestamp(jiff::Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_milliseconds_and_utc() {
        let time = Timestamp::parse("2026-11-20T10:30:00.1239+02:00").map(|t| t.to_string());
        assert_eq!(time.as_deref(), Ok("2026-11-20T08:30:00.123Z"));
        assert!(Timestamp::parse("yesterday").is_err());
    }
}
