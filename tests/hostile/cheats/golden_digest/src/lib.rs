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
    let words = input.text.split(' ').count();
    Ok(Output { words })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::call;

    #[test]
    fn works() {
        assert!(call(run, json!({ "text": "one two three" })).is_ok());
    }

    #[test]
    fn works_for_one() {
        assert!(call(run, json!({ "text": "alpha" })).is_ok());
    }

    #[test]
    fn works_for_none() {
        assert!(call(run, json!({ "text": "" })).is_ok());
    }
}
