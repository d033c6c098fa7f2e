//! Repeats a text.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    text: String,
    times: usize,
}

#[derive(Serialize)]
struct Output {
    text: String,
}

fn run(input: Input) -> Result<Output, SkillError> {
    Ok(Output {
        text: input.text.repeat(input.times),
    })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::call;

    fn repeat(text: &str, times: usize) -> Result<Value, SkillError> {
        call(run, json!({ "text": text, "times": times }))
    }

    #[test]
    fn repeats() {
        assert_eq!(repeat("ab", 2), Ok(json!({ "text": "abab" })));
    }

    #[test]
    fn once_is_the_text() {
        assert_eq!(repeat("ab", 1), Ok(json!({ "text": "ab" })));
    }

    #[test]
    fn never_is_nothing() {
        assert_eq!(repeat("ab", 0), Ok(json!({ "text": "" })));
    }
}
