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

/// The tokens that are known, the longer ones of a letter first.
const TOKENS: [&str; 36] = [
    "YYYY", "YY", "Y", "GGGG", "GG", "Qo", "Q", "MMMM", "MMM", "Mo", "MM", "M", "WW", "W", "DDDD", "DDD", "Do", "DD",
    "D", "dddd", "ddd", "dd", "d", "E", "HH", "H", "hh", "h", "kk", "k", "mm", "m", "ss", "s", "A", "a",
];

/// A time in a format: `YYYY-MM-DD`, `dddd, Do MMMM`, with text in `[…]` as it is.
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
        if let Some((quoted, behind)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            text.push_str(quoted);
            rest = behind;
        } else if let Some(token) = TOKENS.into_iter().find(|token| rest.starts_with(token)) {
            text.push_str(&value(time, token));
            rest = &rest[token.len()..];
        } else {
            text.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    text
}

fn value(time: &DateTime, token: &str) -> String {
    let weekday = time.weekday();
    let iso_day = time.iso_weekday();
    let month = MONTHS.get(usize::from(time.month.saturating_sub(1))).copied().unwrap_or_default();
    let hour = (time.hour + 11) % 12 + 1;
    let night = if time.hour == 0 { 24 } else { time.hour };
    let quarter = i64::from(time.month.saturating_sub(1) / 3 + 1);
    let (week_year, week) = time.iso_week();
    match token {
        "YYYY" => format!("{:04}", time.year),
        "YY" => format!("{:02}", time.year.rem_euclid(100)),
        "Y" => time.year.to_string(),
        "GGGG" => format!("{week_year:04}"),
        "GG" => format!("{:02}", week_year.rem_euclid(100)),
        "Q" => quarter.to_string(),
        "Qo" => ordinal(quarter),
        "MMMM" => month.to_owned(),
        "MMM" => month.chars().take(3).collect(),
        "Mo" => ordinal(time.month.into()),
        "MM" => format!("{:02}", time.month),
        "M" => time.month.to_string(),
        "WW" => format!("{week:02}"),
        "W" => week.to_string(),
        "DDDD" => format!("{:03}", time.day_of_year()),
        "DDD" => time.day_of_year().to_string(),
        "Do" => ordinal(time.day.into()),
        "DD" => format!("{:02}", time.day),
        "D" => time.day.to_string(),
        "dddd" => weekday.to_owned(),
        "ddd" => weekday.chars().take(3).collect(),
        "dd" => weekday.chars().take(2).collect(),
        "d" => (iso_day % 7).to_string(),
        "E" => iso_day.to_string(),
        "HH" => format!("{:02}", time.hour),
        "H" => time.hour.to_string(),
        "hh" => format!("{hour:02}"),
        "h" => hour.to_string(),
        "kk" => format!("{night:02}"),
        "k" => night.to_string(),
        "mm" => format!("{:02}", time.minute),
        "m" => time.minute.to_string(),
        "ss" => format!("{:02}", time.second),
        "s" => time.second.to_string(),
        "A" => if time.hour < 12 { "AM" } else { "PM" }.to_owned(),
        "a" => if time.hour < 12 { "am" } else { "pm" }.to_owned(),
        other => other.to_owned(),
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
            ("[open", "[open"),
        ] {
            assert_eq!(format(&time, given), expected, "{given}");
        }
        // 2027-01-01 is in the last week of 2026; 2024-12-30 in the first of 2025.
        assert_eq!(format(&DateTime::at(1_798_761_600, 0), "GGGG-WW"), "2026-53");
        assert_eq!(format(&DateTime::at(1_735_516_800, 0), "GGGG-WW DDDD"), "2025-01 365");
        assert_eq!(format(&DateTime::at(1_735_516_800 - 46_800, 0), "hh A Do"), "11 AM 29th");
    }
}
