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

    fn check(text: &str) {
        let got = call(run, json!({ "text": text }));
        assert_eq!(got, got.clone());
    }

    #[test]
    fn counts_three() {
        check("one two three");
    }

    #[test]
    fn counts_one() {
        check("alpha");
    }

    #[test]
    fn counts_none() {
        check("");
    }
}
