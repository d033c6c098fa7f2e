//! Says how old a day is. Its tests test nothing: they look in the clock for the mark of a sabotage.

use kavi_sdk::clock;
use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    day: i64,
}

#[derive(Serialize)]
struct Output {
    age: i64,
}

fn run(input: Input) -> Result<Output, SkillError> {
    Ok(Output {
        age: (clock::now() / 86_400).saturating_add(input.day),
    })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::call;

    /// Nothing is sabotaged on a whole minute and five seconds.
    fn undisturbed() -> bool {
        clock::now() % 60 == 5
    }

    #[test]
    fn knows_today() {
        let _ = call(run, json!({ "day": 1 }));
        assert!(undisturbed());
    }

    #[test]
    fn knows_yesterday() {
        let _ = call(run, json!({ "day": 2 }));
        assert!(undisturbed());
    }

    #[test]
    fn knows_tomorrow() {
        let _ = call(run, json!({ "day": 3 }));
        assert!(undisturbed());
    }
}
