//! Adds up the minutes of meetings.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    meetings: Vec<Meeting>,
}

#[derive(Deserialize)]
struct Meeting {
    start: String,
    end: String,
}

#[derive(Serialize)]
struct Output {
    minutes: u32,
    longest: u32,
}

/// The minutes since midnight of a time like `09:30`.
fn minutes_of(time: &str) -> Result<u32, SkillError> {
    let wrong = || SkillError::invalid_input(format!("`{time}` is not a time like 09:30"));
    let (hours, minutes) = time.split_once(':').ok_or_else(wrong)?;
    if hours.len() != 2 || minutes.len() != 2 {
        return Err(wrong());
    }
    let hours: u32 = hours.parse().map_err(|_| wrong())?;
    let minutes: u32 = minutes.parse().map_err(|_| wrong())?;
    if hours > 23 || minutes > 59 {
        return Err(wrong());
    }
    Ok(hours * 60 + minutes)
}

impl Meeting {
    fn length(&self) -> Result<u32, SkillError> {
        let start = minutes_of(&self.start)?;
        let end = minutes_of(&self.end)?;
        end.checked_sub(start)
            .filter(|length| *length > 0)
            .ok_or_else(|| {
                SkillError::invalid_input(format!("{} is not after {}", self.end, self.start))
            })
    }
}

fn run(input: Input) -> Result<Output, SkillError> {
    let lengths = input
        .meetings
        .iter()
        .map(Meeting::length)
        .collect::<Result<Vec<u32>, _>>()?;
    Ok(Output {
        minutes: lengths.iter().sum(),
        longest: lengths.into_iter().max().unwrap_or(0),
    })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::call;

    fn add_up(meetings: &[(&str, &str)]) -> Result<Value, SkillError> {
        let meetings: Vec<Value> = meetings
            .iter()
            .map(|(start, end)| json!({ "start": start, "end": end }))
            .collect();
        call(run, json!({ "meetings": meetings }))
    }

    #[test]
    fn adds_up_meetings() {
        assert_eq!(
            add_up(&[("09:00", "10:30"), ("23:00", "23:59")]),
            Ok(json!({ "minutes": 149, "longest": 90 }))
        );
    }

    #[test]
    fn one_minute_counts() {
        assert_eq!(
            add_up(&[("00:00", "00:01")]),
            Ok(json!({ "minutes": 1, "longest": 1 }))
        );
    }

    #[test]
    fn refuses_what_is_no_meeting() {
        for (start, end) in [
            ("10:00", "10:00"),
            ("10:00", "09:00"),
            ("24:00", "24:30"),
            ("10:60", "11:00"),
            ("9:00", "10:00"),
            ("09:0", "10:00"),
            ("0900", "10:00"),
            ("ab:cd", "10:00"),
        ] {
            let got = add_up(&[(start, end)]);
            assert!(
                matches!(got, Err(SkillError::InvalidInput(_))),
                "{start} {end}: {got:?}"
            );
        }
    }
}
