//! Points in time, in UTC and RFC 3339, and the forms in which people type them. Clocks are injected.

use std::time::Duration;
use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::clock_doubt::{self, ClockDoubt};

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

    /// The time this much later, at most the last one that exists.
    pub fn after(self, wait: Duration) -> Self {
        let millis = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.as_millis().saturating_add(millis)).unwrap_or(Self(jiff::Timestamp::MAX))
    }

    /// The time this much earlier, at least the first one that exists.
    pub fn before(self, span: Duration) -> Self {
        let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.as_millis().saturating_sub(millis)).unwrap_or(Self(jiff::Timestamp::MIN))
    }

    /// Milliseconds from `earlier` until now; none if a clock was set back in between.
    pub fn millis_since(self, earlier: Self) -> u64 {
        u64::try_from(self.as_millis().saturating_sub(earlier.as_millis())).unwrap_or(0)
    }

    /// Parses RFC 3339: date, `T`, time with seconds, a fraction of any length, and `Z` or an offset. What is beyond
    /// milliseconds is cut off. A leap second is refused, because milliseconds since 1970 do not count it.
    ///
    /// # Errors
    /// [`InvalidTime`] for anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidTime> {
        let invalid = || InvalidTime(text.to_owned());
        // The parser behind this takes more than RFC 3339, so the form is checked first.
        let plain = millisecond_form(text).ok_or_else(invalid)?;
        let parsed: jiff::Timestamp = plain.parse().map_err(|_| invalid())?;
        Self::from_millis(parsed.as_millisecond())
    }
}

/// The same time with at most three digits of a fraction, if the text has the form of RFC 3339.
fn millisecond_form(text: &str) -> Option<String> {
    const DATE_TIME: &str = "0000-00-00T00:00:00";
    let fits = |text: &str, form: &str| {
        text.len() == form.len()
            && text.bytes().zip(form.bytes()).all(|(byte, of_form)| match of_form {
                b'0' => byte.is_ascii_digit(),
                other => byte.eq_ignore_ascii_case(&other),
            })
    };
    let (date_time, rest) = text.split_at_checked(DATE_TIME.len()).filter(|(start, _)| fits(start, DATE_TIME))?;
    let zone_at = rest.find(['Z', 'z', '+', '-'])?;
    let (fraction, zone) = rest.split_at_checked(zone_at)?;
    let digits = match fraction.strip_prefix('.') {
        Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => digits,
        None if fraction.is_empty() => "0",
        _ => return None,
    };
    let (sign, offset) = zone.split_at_checked(1)?;
    let is_offset = || fits(offset, "00:00") && offset.get(..2) < Some("24") && offset.get(3..) < Some("60");
    let valid_zone = if sign.eq_ignore_ascii_case("z") { offset.is_empty() } else { is_offset() };
    let leap = date_time.ends_with(":60");
    let kept = digits.get(..digits.len().min(3))?;
    (valid_zone && !leap).then(|| format!("{date_time}.{kept}{zone}"))
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Always three digits. The ledger compares times as text, which needs one width.
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
        let now = jiff::Timestamp::now();
        // Cut like a parsed time, so that a record compares equal before and after it was stored.
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
