//! Turns kilograms into grams.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    kilograms: i32,
}

#[derive(Serialize)]
struct Output {
    grams: i32,
}

fn run(input: Input) -> Result<Output, SkillError> {
    Ok(Output {
        grams: input.kilograms * 1000,
    })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::call;

    fn grams(kilograms: i32) -> Result<Value, SkillError> {
        call(run, json!({ "kilograms": kilograms }))
    }

    #[test]
    fn one_kilogram() {
        assert_eq!(grams(1), Ok(json!({ "grams": 1000 })));
    }

    #[test]
    fn less_than_nothing() {
        assert_eq!(grams(-2), Ok(json!({ "grams": -2000 })));
    }

    #[test]
    fn nothing() {
        assert_eq!(grams(0), Ok(json!({ "grams": 0 })));
    }
}
