//! What time it is, for a skill whose specification says that it asks.
//!
//! The time is that of the record of the run: it stands still while the skill runs, and a run that is repeated sees it
//! again. A place is a distance from UTC; [`zone`](crate::zone) knows that of every time zone.
//!
//! A test names its time with [`testing::set_clock`](crate::testing::set_clock). Without that it runs at any time: each
//! verification draws another one.
//!
//! ```
//! use kavi_sdk::clock::{self, DateTime};
//! kavi_sdk::testing::set_clock(1_767_323_045);
//! let now = DateTime::at(clock::now(), 120);
//! assert_eq!((now.date().as_str(), now.time().as_str(), now.weekday()), ("2026-01-02", "05:04:05", "Friday"));
//! ```

use std::cell::Cell;
use std::time::{SystemTime, UNIX_EPOCH};

const DAY: i64 = 86_400;

thread_local! {
    static SET: Cell<Option<i64>> = const { Cell::new(None) };
}

/// The time of the run, in seconds since 1970-01-01T00:00:00Z.
pub fn now() -> i64 {
    SET.get().unwrap_or_else(recorded)
}

/// The time that a test has set.
#[cfg(target_family = "wasm")]
pub(crate) fn set_time() -> Option<i64> {
    SET.get()
}

/// Sets the time for the rest of a test.
pub(crate) fn set(seconds: i64) {
    SET.set(Some(seconds));
}

fn recorded() -> i64 {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

fn is_leap(year: i64) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

/// A day and a time of day, as a calendar and a clock on the wall show them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DateTime {
    /// The year.
    pub year: i64,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
    weekday: u8,
    seconds: i64,
    offset_minutes: i32,
}

impl DateTime {
    /// What a calendar shows at a time, so many minutes east of UTC.
    pub fn at(seconds: i64, offset_minutes: i32) -> Self {
        let local = seconds.saturating_add(i64::from(offset_minutes) * 60);
        let (days, rest) = (local.div_euclid(DAY), local.rem_euclid(DAY));
        // Years that begin in March, in spans of 400 that are all alike: the leap day is the last one of its year.
        let shifted = days + 719_468;
        let (span, of_span) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_span = (of_span - of_span / 1_460 + of_span / 36_524 - of_span / 146_096) / 365;
        let of_year = of_span - (365 * year_of_span + year_of_span / 4 - year_of_span / 100);
        let march_month = (5 * of_year + 2) / 153;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        let small = |number: i64| u8::try_from(number).unwrap_or_default();
        Self {
            year: span * 400 + year_of_span + i64::from(month <= 2),
            month: small(month),
            day: small(of_year - (153 * march_month + 2) / 5 + 1),
            hour: small(rest / 3_600),
            minute: small(rest / 60 % 60),
            second: small(rest % 60),
            weekday: small((days + 3).rem_euclid(7)),
            seconds,
            offset_minutes,
        }
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    pub fn seconds(&self) -> i64 {
        self.seconds
    }

    /// Minutes east of UTC.
    pub fn offset_minutes(&self) -> i32 {
        self.offset_minutes
    }

    /// The day, like `2026-01-02`.
    pub fn date(&self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }

    /// The time of day, like `03:04:05`.
    pub fn time(&self) -> String {
        format!("{:02}:{:02}:{:02}", self.hour, self.minute, self.second)
    }

    /// 1 for Monday to 7 for Sunday.
    pub fn iso_weekday(&self) -> u8 {
        self.weekday + 1
    }

    /// 1 to 366.
    pub fn day_of_year(&self) -> u16 {
        const BEFORE: [u16; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
        let before = BEFORE.get(usize::from(self.month.saturating_sub(1))).copied().unwrap_or_default();
        before + u16::from(self.day) + u16::from(self.month > 2 && is_leap(self.year))
    }

    /// The week of ISO 8601, and the year that it belongs to.
    pub fn iso_week(&self) -> (i64, u16) {
        let week = (self.day_of_year() + 10 - u16::from(self.iso_weekday())) / 7;
        let weeks_of = |year: i64| {
            // A year has 53 weeks when it begins or ends on a Thursday.
            let last =
                |year: i64| (year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400)).rem_euclid(7);
            if last(year) == 4 || last(year - 1) == 3 { 53 } else { 52 }
        };
        match week {
            0 => (self.year - 1, weeks_of(self.year - 1)),
            week if week > weeks_of(self.year) => (self.year + 1, 1),
            week => (self.year, week),
        }
    }

    /// The week that begins on Sunday, of which the first one has January 1, and the year that it belongs to.
    pub fn sunday_week(&self) -> (i64, u16) {
        let from_sunday = u16::from((self.weekday + 1) % 7);
        let first = (from_sunday + 7 - (self.day_of_year() - 1) % 7) % 7;
        let week = (self.day_of_year() - 1 + first) / 7 + 1;
        // The last days of December are in the first week of the next year, unless that begins on a Sunday.
        let days = if is_leap(self.year) { 366 } else { 365 };
        let next_first = (first + days) % 7;
        if week > (days + first - next_first) / 7 { (self.year + 1, 1) } else { (self.year, week) }
    }

    /// The day of the week, in English.
    pub fn weekday(&self) -> &'static str {
        const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
        DAYS.get(usize::from(self.weekday)).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::set_clock;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (seconds, date, weekday) in [
            (0, "1970-01-01", "Thursday"),
            (-1, "1969-12-31", "Wednesday"),
            (951_782_400, "2000-02-29", "Tuesday"),
            (951_868_800, "2000-03-01", "Wednesday"),
            (1_709_164_800, "2024-02-29", "Thursday"),
            (4_107_456_000, "2100-02-28", "Sunday"),
            (4_107_542_400, "2100-03-01", "Monday"),
            (253_402_300_799, "9999-12-31", "Friday"),
        ] {
            let day = DateTime::at(seconds, 0);
            assert_eq!((day.date().as_str(), day.weekday()), (date, weekday), "{seconds}");
        }
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let mut before = DateTime::at(-DAY, 0);
        for number in 0..200_000 {
            let day = DateTime::at(number * DAY, 0);
            let next_day = day.month == before.month && day.day == before.day + 1;
            let first = day.day == 1 && before.day >= 28 && (day.month == before.month + 1 || day.month == 1);
            assert!(next_day || first, "{} after {}", day.date(), before.date());
            before = day;
        }
        assert_eq!(before.date(), "2517-07-31");
    }

    #[test]
    fn an_offset_moves_the_day() {
        let late = 1_767_311_999;
        assert_eq!(DateTime::at(late, 0).date(), "2026-01-01");
        assert_eq!(DateTime::at(late, 1).date(), "2026-01-02");
        assert_eq!(DateTime::at(late, -24 * 60).time(), "23:59:59");
        assert_eq!(DateTime::at(i64::MAX, i32::MAX).time(), "15:30:07");
        assert_eq!(DateTime::at(i64::MIN, i32::MIN).time(), "08:29:52");
    }

    #[test]
    fn a_test_has_a_time_that_it_can_set() {
        assert!(DateTime::at(now(), 0).year >= 2026);
        set_clock(5);
        assert_eq!(now(), 5);
    }
}
