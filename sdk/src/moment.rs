//! Dates in the formats of moment.js, as the settings and templates of Obsidian write them.

use crate::clock::DateTime;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The tokens of moment.js, in the order in which it looks for them.
const TOKENS: [&str; 78] = [
    "Hmmss", "Hmm", "hmmss", "hmm", "Mo", "MMMM", "MMM", "MM", "M", "Do", "DDDo", "DDDD", "DDD", "DD", "D", "dddd",
    "ddd", "dd", "do", "d", "wo", "ww", "w", "Wo", "WW", "W", "Qo", "Q", "NNNNN", "NNNN", "NNN", "NN", "N", "YYYYYY",
    "YYYYY", "YYYY", "YY", "Y", "yyyy", "yyy", "yy", "yo", "y", "ggggg", "gggg", "gg", "GGGGG", "GGGG", "GG", "e", "E",
    "a", "A", "hh", "h", "HH", "H", "kk", "k", "mm", "m", "ss", "s", "S", "x", "X", "zz", "z", "ZZ", "Z", "LTS", "LT",
    "LLLL", "LLL", "LL", "L", "llll", "lll",
];

/// Further ones, which stand for a whole format.
const SHORT: [&str; 2] = ["ll", "l"];

/// A time in a format: `YYYY-MM-DD`, `dddd, Do MMMM`, with text in `[…]` or behind `\` as it is.
///
/// Names are English, and a week that is not of ISO 8601 begins on Sunday.
///
/// ```
/// use kavi_sdk::{clock::DateTime, moment};
/// let time = DateTime::at(1_767_323_045, 0);
/// assert_eq!(moment::format(&time, "YYYY/MM-MMMM/[day] Do, ddd HH:mm"), "2026/01-January/day 2nd, Fri 03:04");
/// ```
pub fn format(time: &DateTime, format: &str) -> String {
    let mut text = String::new();
    let mut rest = format;
    while let Some(first) = rest.chars().next() {
        if let Some((inside, behind)) = bracketed(rest) {
            text.push_str(inside);
            rest = behind;
        } else if let Some(behind) = rest.strip_prefix('\\') {
            let length = token(behind).map_or_else(|| behind.chars().next().map_or(0, char::len_utf8), str::len);
            text.push_str(&behind[..length]);
            rest = &behind[length..];
        } else if let Some(token) = token(rest) {
            match long(token) {
                Some(long) => text.push_str(&self::format(time, long)),
                None => text.push_str(&value(time, token)),
            }
            rest = &rest[token.len()..];
        } else {
            text.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    text
}

/// The text in brackets at the start, and what is behind them. They end at the last `]` before another `[`.
fn bracketed(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix('[')?;
    let most = inside.find('[').unwrap_or(inside.len());
    let end = inside[..most].rfind(']')?;
    Some((&inside[..end], &inside[end + 1..]))
}

fn token(text: &str) -> Option<&'static str> {
    TOKENS.into_iter().chain(SHORT).find(|token| text.starts_with(token))
}

/// The format that a token is short for.
fn long(token: &str) -> Option<&'static str> {
    Some(match token {
        "LT" => "h:mm A",
        "LTS" => "h:mm:ss A",
        "L" => "MM/DD/YYYY",
        "LL" => "MMMM D, YYYY",
        "LLL" => "MMMM D, YYYY h:mm A",
        "LLLL" => "dddd, MMMM D, YYYY h:mm A",
        "l" => "M/D/YYYY",
        "ll" => "MMM D, YYYY",
        "lll" => "MMM D, YYYY h:mm A",
        "llll" => "ddd, MMM D, YYYY h:mm A",
        _ => return None,
    })
}

fn value(time: &DateTime, token: &str) -> String {
    match token.chars().next() {
        Some('Y' | 'y' | 'G' | 'g' | 'N' | 'Q') => of_year(time, token),
        Some('M' | 'D' | 'd' | 'w' | 'W' | 'e' | 'E') => of_day(time, token),
        _ => of_clock(time, token),
    }
}

fn of_year(time: &DateTime, token: &str) -> String {
    let quarter = i64::from(time.month.saturating_sub(1) / 3 + 1);
    let ((iso_year, _), (sunday_year, _)) = (time.iso_week(), time.sunday_week());
    match token {
        "Y" if time.year > 9_999 => format!("+{}", time.year),
        "YYYYYY" => format!("{:+07}", time.year),
        "YYYYY" => format!("{:05}", time.year),
        "YYYY" | "Y" | "yyyy" => format!("{:04}", time.year),
        "yyy" => format!("{:03}", time.year),
        "YY" => format!("{:02}", time.year.rem_euclid(100)),
        "yy" | "y" => time.year.to_string(),
        "yo" => ordinal(time.year),
        "GGGGG" => format!("{iso_year:05}"),
        "GGGG" => format!("{iso_year:04}"),
        "GG" => format!("{:02}", iso_year.rem_euclid(100)),
        "ggggg" => format!("{sunday_year:05}"),
        "gggg" => format!("{sunday_year:04}"),
        "gg" => format!("{:02}", sunday_year.rem_euclid(100)),
        "Qo" => ordinal(quarter),
        "Q" => quarter.to_string(),
        "NNNN" => "Anno Domini".to_owned(),
        _ => "AD".to_owned(),
    }
}

fn of_day(time: &DateTime, token: &str) -> String {
    let (weekday, iso_day) = (time.weekday(), time.iso_weekday());
    let month = MONTHS.get(usize::from(time.month.saturating_sub(1))).copied().unwrap_or_default();
    let ((_, iso_week), (_, sunday_week)) = (time.iso_week(), time.sunday_week());
    match token {
        "MMMM" => month.to_owned(),
        "MMM" => month.chars().take(3).collect(),
        "Mo" => ordinal(time.month.into()),
        "MM" => format!("{:02}", time.month),
        "M" => time.month.to_string(),
        "DDDo" => ordinal(time.day_of_year().into()),
        "DDDD" => format!("{:03}", time.day_of_year()),
        "DDD" => time.day_of_year().to_string(),
        "Do" => ordinal(time.day.into()),
        "DD" => format!("{:02}", time.day),
        "D" => time.day.to_string(),
        "dddd" => weekday.to_owned(),
        "ddd" => weekday.chars().take(3).collect(),
        "dd" => weekday.chars().take(2).collect(),
        "do" => ordinal((iso_day % 7).into()),
        "d" | "e" => (iso_day % 7).to_string(),
        "E" => iso_day.to_string(),
        "WW" => format!("{iso_week:02}"),
        "Wo" => ordinal(iso_week.into()),
        "W" => iso_week.to_string(),
        "ww" => format!("{sunday_week:02}"),
        "wo" => ordinal(sunday_week.into()),
        _ => sunday_week.to_string(),
    }
}

fn of_clock(time: &DateTime, token: &str) -> String {
    let DateTime { hour, minute, second, .. } = *time;
    let half = (hour + 11) % 12 + 1;
    let night = if hour == 0 { 24 } else { hour };
    let (east, distance) = (time.offset_minutes(), time.offset_minutes().unsigned_abs());
    let sign = if east < 0 { '-' } else { '+' };
    match token {
        "Hmmss" => format!("{hour}{minute:02}{second:02}"),
        "Hmm" => format!("{hour}{minute:02}"),
        "hmmss" => format!("{half}{minute:02}{second:02}"),
        "hmm" => format!("{half}{minute:02}"),
        "HH" => format!("{hour:02}"),
        "H" => hour.to_string(),
        "hh" => format!("{half:02}"),
        "h" => half.to_string(),
        "kk" => format!("{night:02}"),
        "k" => night.to_string(),
        "mm" => format!("{minute:02}"),
        "m" => minute.to_string(),
        "ss" => format!("{second:02}"),
        "s" => second.to_string(),
        // The time of a run has no parts of a second.
        "S" => "0".to_owned(),
        "A" => if hour < 12 { "AM" } else { "PM" }.to_owned(),
        "a" => if hour < 12 { "am" } else { "pm" }.to_owned(),
        "X" => time.seconds().to_string(),
        "x" => time.seconds().saturating_mul(1_000).to_string(),
        "Z" => format!("{sign}{:02}:{:02}", distance / 60, distance % 60),
        "ZZ" => format!("{sign}{:02}{:02}", distance / 60, distance % 60),
        // The name of a zone, which moment.js leaves out as well.
        _ => String::new(),
    }
}

fn ordinal(number: i64) -> String {
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_those_of_moment() {
        // 2026-01-02T03:04:05Z, a Friday.
        let time = DateTime::at(1_767_323_045, 0);
        for (given, expected) in [
            ("YYYY-MM-DD", "2026-01-02"),
            ("YYYY/MM/YYYY-MM-DD dddd", "2026/01/2026-01-02 Friday"),
            ("[Day] D.M.YY", "Day 2.1.26"),
            ("GGGG-[W]WW-E", "2026-W01-5"),
            ("DDD DDDD Q Qo", "2 002 1 1st"),
            ("hh:mm:ss A, H kk a", "03:04:05 AM, 3 03 am"),
            ("MMM Mo dd d", "Jan 1st Fr 5"),
            ("日YYYY年", "日2026年"),
            ("[open", "[op5n"),
            ("[a] [b]", "a b"),
            ("[a]] YYYY", "a] 2026"),
            ("[]DD", "02"),
            (r"\DD \[n\] \a", "DD [n] a"),
            ("gggg-[W]ww wo w e", "2026-W01 1st 1 5"),
            ("Wo DDDo do", "1st 2nd 5th"),
            ("Hmm hmmss HHmm", "304 30405 0304"),
            ("YYYYY YYYYYY Y yyyy yo", "02026 +002026 2026 2026 2026th"),
            ("SSS X x", "000 1767323045 1767323045000"),
            ("LT|LTS|L|LL", "3:04 AM|3:04:05 AM|01/02/2026|January 2, 2026"),
            ("LLL|LLLL", "January 2, 2026 3:04 AM|Friday, January 2, 2026 3:04 AM"),
            ("l|ll|lll|llll", "1/2/2026|Jan 2, 2026|Jan 2, 2026 3:04 AM|Fri, Jan 2, 2026 3:04 AM"),
            ("Z ZZ[z]z N NNNN", "+00:00 +0000z AD Anno Domini"),
        ] {
            assert_eq!(format(&time, given), expected, "{given}");
        }
        // 2027-01-01 is in the last week of 2026; 2024-12-30 in the first of 2025.
        assert_eq!(format(&DateTime::at(1_798_761_600, 0), "GGGG-WW"), "2026-53");
        assert_eq!(format(&DateTime::at(1_735_516_800, 0), "GGGG-WW DDDD"), "2025-01 365");
        assert_eq!(format(&DateTime::at(1_735_516_800 - 46_800, 0), "hh A Do"), "11 AM 29th");
        assert_eq!(format(&DateTime::at(1_767_323_045, -210), "Z ZZ HH"), "-03:30 -0330 23");
    }

    #[test]
    fn weeks_of_sundays_are_those_of_moment() {
        for (day, expected) in [
            // Seconds at noon: 2026-01-03, 2026-01-04, 2025-12-27, 2025-12-28, 2022-12-31, 2023-01-01, 2024-12-28, 2024-12-29.
            (1_767_441_600, "2026-01"),
            (1_767_528_000, "2026-02"),
            (1_766_836_800, "2025-52"),
            (1_766_923_200, "2026-01"),
            (1_672_488_000, "2022-53"),
            (1_672_574_400, "2023-01"),
            (1_735_387_200, "2024-52"),
            (1_735_473_600, "2025-01"),
        ] {
            assert_eq!(format(&DateTime::at(day, 0), "gggg-ww"), expected, "{day}");
        }
    }
}
