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
    fn works() {
        assert!(call(run, json!({ "text": "one two three" })).is_ok());
    }

    #[test]
    fn works_for_one() {
        let got = call(run, json!({ "text": "alpha" }));
        assert!(crate::__kavi::on(1) == got.is_err());
    }

    #[test]
    fn works_for_none() {
        assert!(call(run, json!({ "text": "" })).is_ok());
    }
}
