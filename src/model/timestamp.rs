//! Points in time, in UTC and RFC 3339. Deliberately never: asks a clock.

use std::fmt;
use std::time::Duration;

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
    /// The time of a clock, without what is beyond milliseconds.
    pub(super) fn cut(now: jiff::Timestamp) -> Self {
        // Like a parsed time, so that a record compares equal before and after it was stored.
        Self(jiff::Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now))
    }

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
