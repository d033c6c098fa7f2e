//! Clocks, which are injected, and the forms in which people type times.

use std::time::Duration;
use std::{fmt, str::FromStr};

use super::clock_doubt::{self, ClockDoubt};

pub use super::timestamp::{InvalidTime, Timestamp};

/// A day, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day(Timestamp);

/// The text is not a day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a day such as 2026-11-20")]
pub struct InvalidDay(String);

impl Day {
    /// Its first moment.
    pub fn start(self) -> Timestamp {
        self.0
    }

    /// The first moment of the next one.
    pub fn end(self) -> Timestamp {
        self.0.after(Duration::from_hours(24))
    }
}

impl FromStr for Day {
    type Err = InvalidDay;

    fn from_str(text: &str) -> Result<Self, InvalidDay> {
        let invalid = || InvalidDay(text.to_owned());
        // Exactly the date: what follows it would be taken for a part of the time.
        let date = Some(text).filter(|text| text.len() == "2026-11-20".len()).ok_or_else(invalid)?;
        Timestamp::parse(&format!("{date}T00:00:00Z")).map(Self).map_err(|_| invalid())
    }
}

/// A time as a person types it: in RFC 3339, as a day (its first moment), or as how long ago (`90m`, `2h`, `3d`, `1w`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Exactly this time.
    At(Timestamp),
    /// This long before now.
    Ago(Duration),
}

/// The text is not a time in one of these forms.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time: give 2026-11-20T08:30:00Z, 2026-11-20, or how long ago, such as 90m, 2h or 3d")]
pub struct InvalidMoment(String);

impl Moment {
    /// The time that is meant now.
    pub fn seen_from(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(time) => time,
            Self::Ago(span) => now.before(span),
        }
    }
}

impl FromStr for Moment {
    type Err = InvalidMoment;

    fn from_str(text: &str) -> Result<Self, InvalidMoment> {
        // The exact form first. A day is no time in RFC 3339, so the order hides nothing.
        if let Ok(time) = Timestamp::parse(text) {
            return Ok(Self::At(time));
        }
        if let Ok(day) = text.parse::<Day>() {
            return Ok(Self::At(day.start()));
        }
        let span = text.parse::<jiff::Span>().ok();
        // Months and years have no length of their own.
        let span = span.and_then(|span| span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).ok());
        // A negative span would lie in the future, and is refused here.
        let span = span.and_then(|span| Duration::try_from(span).ok());
        span.map(Self::Ago).ok_or_else(|| InvalidMoment(text.to_owned()))
    }
}

/// Where "now" comes from. Injected, so that tests, snapshots and replays are repeatable.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The current time.
    fn now(&self) -> Timestamp;

    /// Now, by the wall clock and by a clock that nobody sets.
    fn moment(&self) -> ClockMoment {
        let wall = self.now();
        ClockMoment { wall, boot: 0, boot_ms: wall.as_millis() }
    }

    /// Why that time is not to be believed, if it is not. `newest` is the time of the newest record.
    fn doubt(&self, newest: Option<Timestamp>) -> Option<ClockDoubt> {
        clock_doubt::doubt(self.now(), None, None, newest)
    }
}

/// One moment by two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockMoment {
    /// The wall clock, which a person can set.
    pub wall: Timestamp,
    /// The start of the machine that the next clock counts from; zero where that is unknown.
    pub boot: u128,
    /// Milliseconds since that start.
    pub boot_ms: i64,
}

impl ClockMoment {
    /// The start of the machine as text.
    pub fn boot_id(&self) -> String {
        format!("{:032x}", self.boot)
    }
}

/// The operating system's wall clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::cut(jiff::Timestamp::now())
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

    #[test]
    fn only_what_rfc_3339_says_is_a_time() {
        for (text, meant) in [
            ("2020-01-01T00:00:00Z", "2020-01-01T00:00:00.000Z"),
            ("2020-01-01t00:00:00z", "2020-01-01T00:00:00.000Z"),
            ("2020-01-01T00:00:00.5Z", "2020-01-01T00:00:00.500Z"),
            ("2020-01-01T00:00:00.1239999999999999Z", "2020-01-01T00:00:00.123Z"),
            ("2020-01-01T00:00:00+23:59", "2019-12-31T00:01:00.000Z"),
            ("2020-01-01T00:00:00-00:00", "2020-01-01T00:00:00.000Z"),
            ("2020-02-29T23:59:59.999-01:00", "2020-03-01T00:59:59.999Z"),
        ] {
            assert_eq!(Timestamp::parse(text).map(|time| time.to_string()), Ok(meant.to_owned()), "{text}");
        }
        for bad in [
            "2020-01-01T00Z",
            "2020-01-01T00:00Z",
            "2020-01-01T00:00:00",
            "2020-01-01 00:00:00Z",
            "2020-01-01T00:00:00+25:59",
            "2020-01-01T00:00:00+24:00",
            "2020-01-01T00:00:00+01:60",
            "2020-01-01T00:00:00+01",
            "2020-01-01T00:00:00+0100",
            "2020-01-01T00:00:00+01:00:00",
            "2020-01-01T00:00:00,5Z",
            "2020-01-01T00:00:00.Z",
            "2020-01-01T00:00:00.+1Z",
            "2020-01-01T00:00:00Z[u-ca=hebrew]",
            "2020-01-01T00:00:00Z[UTC]",
            "2020-01-01T00:00:00+01:00[Europe/Vienna]",
            "20200101T000000Z",
            "+002020-01-01T00:00:00Z",
            "-000001-01-01T00:00:00Z",
            "2020-01-01T23:59:60Z",
            "2020-01-01T24:00:00Z",
            "2020-02-30T00:00:00Z",
            " 2020-01-01T00:00:00Z",
            "2020-01-01T00:00:00Z ",
            "2020-01-01T00:00:00\u{ff3a}",
            "",
        ] {
            assert!(Timestamp::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn people_type_a_time_a_day_or_how_long_ago() -> Result<(), InvalidTime> {
        let now = Timestamp::parse("2026-11-20T08:30:00Z")?;
        for (text, meant) in [
            ("2026-11-20T10:30:00+02:00", "2026-11-20T08:30:00.000Z"),
            ("2026-11-19", "2026-11-19T00:00:00.000Z"),
            ("90m", "2026-11-20T07:00:00.000Z"),
            ("2h", "2026-11-20T06:30:00.000Z"),
            ("1d 12h", "2026-11-18T20:30:00.000Z"),
            ("1w", "2026-11-13T08:30:00.000Z"),
            ("0s", "2026-11-20T08:30:00.000Z"),
        ] {
            assert_eq!(text.parse::<Moment>().map(|moment| moment.seen_from(now).to_string()), Ok(meant.to_owned()));
        }
        for bad in ["", "yesterday", "2", "-2h", "2h ago", "1mo", "1y", "2026-11-20T10:30:00", "2026-13-01", "20261120"]
        {
            assert!(bad.parse::<Moment>().is_err(), "{bad}");
        }
        let long = "9999w".parse::<Moment>().map(|moment| moment.seen_from(now));
        assert!(long.is_ok_and(|time| time < now));
        Ok(())
    }

    #[test]
    fn a_day_ends_where_the_next_begins() {
        let day = "2026-12-31".parse::<Day>();
        let ends = day.map(|day| (day.start().to_string(), day.end().to_string()));
        assert_eq!(ends, Ok(("2026-12-31T00:00:00.000Z".to_owned(), "2027-01-01T00:00:00.000Z".to_owned())));
        for bad in ["2026-2-30", "2026-02-30", "2026-11-20T", "today"] {
            assert!(bad.parse::<Day>().is_err(), "{bad}");
        }
    }
}
