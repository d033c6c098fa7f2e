//! Merges intervals.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    intervals: Vec<Interval>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
struct Interval {
    start: i64,
    end: i64,
}

#[derive(Serialize)]
struct Output {
    merged: Vec<Interval>,
    total: i64,
}

fn merge(mut intervals: Vec<Interval>) -> Vec<Interval> {
    intervals.sort_unstable();
    let mut merged: Vec<Interval> = Vec::new();
    for next in intervals {
        match merged.last_mut() {
            Some(last) if next.start <= last.end => last.end = last.end.max(next.end),
            _ => merged.push(next),
        }
    }
    merged
}

fn run(input: Input) -> Result<Output, SkillError> {
    if let Some(wrong) = input
        .intervals
        .iter()
        .find(|interval| interval.end < interval.start)
    {
        return Err(SkillError::invalid_input(format!(
            "{} lies before {}",
            wrong.end, wrong.start
        )));
    }
    let merged = merge(input.intervals);
    let mut total: i64 = 0;
    for interval in &merged {
        total = interval
            .end
            .checked_sub(interval.start)
            .and_then(|length| total.checked_add(length))
            .ok_or_else(|| SkillError::invalid_input("the intervals are too long"))?;
    }
    Ok(Output { merged, total })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::call;

    fn merged(pairs: &[(i64, i64)]) -> Result<Value, SkillError> {
        let intervals: Vec<Value> = pairs
            .iter()
            .map(|(start, end)| json!({ "start": start, "end": end }))
            .collect();
        call(run, json!({ "intervals": intervals }))
    }

    #[test]
    fn merges_what_overlaps_or_touches() {
        assert_eq!(
            merged(&[(5, 8), (1, 3), (3, 4), (6, 7), (10, 12)]),
            Ok(json!({
                "merged": [
                    { "start": 1, "end": 4 },
                    { "start": 5, "end": 8 },
                    { "start": 10, "end": 12 },
                ],
                "total": 8,
            }))
        );
    }

    #[test]
    fn nothing_merges_to_nothing() {
        assert_eq!(merged(&[]), Ok(json!({ "merged": [], "total": 0 })));
    }

    #[test]
    fn refuses_intervals_that_end_too_early_or_are_too_long() {
        assert!(matches!(
            merged(&[(2, 1)]),
            Err(SkillError::InvalidInput(_))
        ));
        assert!(matches!(
            merged(&[(i64::MIN, i64::MAX)]),
            Err(SkillError::InvalidInput(_))
        ));
    }
}
