//! Counts words.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    text: String,
}

#[derive(Serialize)]
struct Output {
    words: usize,
}

fn run(input: Input) -> Result<Output, SkillError> {
    Ok(Output {
        words: input.text.split_whitespace().count(),
    })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::call;

    #[test]
    fn counts_three() -> Result<(), SkillError> {
        call(run, json!({ "text": "one two three" }))?;
        Ok(())
    }

    #[test]
    fn counts_one() -> Result<(), SkillError> {
        call(run, json!({ "text": "alpha" })).map(|_| ())
    }

    #[test]
    fn counts_none() -> Result<(), String> {
        let _ = call(run, json!({ "text": "" }));
        Ok(())
    }
}
