//! Tells how much of a text is upper case.

use kavi_sdk::prelude::*;

const WHOLE: usize = 100;

#[derive(Deserialize)]
struct Input {
    text: String,
}

#[derive(Serialize)]
struct Output {
    percent: u8,
}

fn run(input: Input) -> Result<Output, SkillError> {
    let letters = input.text.chars().filter(|c| c.is_alphabetic()).count();
    let upper = input.text.chars().filter(|c| c.is_uppercase()).count();
    let percent = upper
        .saturating_mul(WHOLE)
        .checked_div(letters)
        .unwrap_or_default();
    Ok(Output {
        percent: u8::try_from(percent).unwrap_or(100),
    })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::call;

    fn percent(text: &str) -> Result<Value, SkillError> {
        call(run, json!({ "text": text }))
    }

    #[test]
    fn counts_upper_case() {
        assert_eq!(percent("Ab c"), Ok(json!({ "percent": 33 })));
        assert_eq!(percent("ÄÖ1!"), Ok(json!({ "percent": 100 })));
    }

    #[test]
    fn no_letters_are_nothing() {
        assert_eq!(percent("12 !"), Ok(json!({ "percent": 0 })));
        assert_eq!(percent(""), Ok(json!({ "percent": 0 })));
    }

    #[test]
    fn lower_case_is_nothing() {
        assert_eq!(percent("abc"), Ok(json!({ "percent": 0 })));
    }
}
