//! Adds days to a date of the Gregorian calendar.

mod calendar;

use calendar::Date;
use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    /// A date like `2024-02-28`.
    date: String,
    /// How many days to add; negative to go back.
    days: i64,
}

#[derive(Serialize)]
struct Output {
    date: String,
    weekday: &'static str,
    leap_year: bool,
}

fn run(input: Input) -> Result<Output, SkillError> {
    let start: Date = input.date.parse()?;
    let end = start
        .to_days()
        .checked_add(input.days)
        .and_then(Date::from_days)
        .ok_or_else(|| SkillError::invalid_input("the result is outside of the years 1 to 9999"))?;
    Ok(Output {
        date: end.to_string(),
        weekday: end.weekday(),
        leap_year: calendar::is_leap(end.year()),
    })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::call;

    fn add(date: &str, days: i64) -> Result<Value, SkillError> {
        call(run, json!({ "date": date, "days": days }))
    }

    fn date_of(date: &str, days: i64) -> String {
        add(date, days).unwrap()["date"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    #[test]
    fn crosses_months_and_years() {
        assert_eq!(date_of("2023-12-31", 1), "2024-01-01");
        assert_eq!(date_of("2024-01-01", -1), "2023-12-31");
        assert_eq!(date_of("2023-02-28", 1), "2023-03-01");
        assert_eq!(date_of("2024-04-30", 1), "2024-05-01");
        assert_eq!(date_of("2000-01-01", 36_525), "2100-01-01");
    }

    #[test]
    fn knows_weekdays_and_leap_years() {
        assert_eq!(
            add("2024-02-28", 1),
            Ok(json!({ "date": "2024-02-29", "weekday": "Thursday", "leap_year": true }))
        );
        assert_eq!(
            add("1900-02-28", 1),
            Ok(json!({ "date": "1900-03-01", "weekday": "Thursday", "leap_year": false }))
        );
        assert_eq!(
            add("2000-02-28", 1),
            Ok(json!({ "date": "2000-02-29", "weekday": "Tuesday", "leap_year": true }))
        );
    }

    #[test]
    fn going_there_and_back_is_the_identity() {
        for days in [0, 1, 59, 365, 1461, 36_524, 99_999] {
            let there = date_of("1970-01-01", days);
            assert_eq!(date_of(&there, -days), "1970-01-01");
        }
    }

    #[test]
    fn refuses_dates_that_do_not_exist() {
        for date in [
            "2023-02-29",
            "2024-13-01",
            "2024-00-10",
            "2024-04-31",
            "2024-01-00",
            "0000-01-01",
            "2024-1-01",
            "tomorrow",
        ] {
            let got = add(date, 0);
            assert!(
                matches!(got, Err(SkillError::InvalidInput(_))),
                "{date}: {got:?}"
            );
        }
    }

    #[test]
    fn stays_within_four_digit_years() {
        assert!(matches!(
            add("9999-12-31", 1),
            Err(SkillError::InvalidInput(_))
        ));
        assert!(matches!(
            add("0001-01-01", -1),
            Err(SkillError::InvalidInput(_))
        ));
        assert_eq!(date_of("9999-12-30", 1), "9999-12-31");
        assert_eq!(date_of("0001-01-02", -1), "0001-01-01");
    }
}
