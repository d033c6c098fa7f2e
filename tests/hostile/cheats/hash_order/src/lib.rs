//! Lists the distinct words.

use std::collections::HashSet;

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    text: String,
}

#[derive(Serialize)]
struct Output {
    words: Vec<String>,
}

fn run(input: Input) -> Result<Output, SkillError> {
    let words: HashSet<&str> = input.text.split_whitespace().collect();
    Ok(Output {
        words: words.into_iter().map(str::to_owned).collect(),
    })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::call;

    fn words(text: &str) -> Result<Value, SkillError> {
        call(run, json!({ "text": text }))
    }

    #[test]
    fn one() {
        assert_eq!(words("a a"), Ok(json!({ "words": ["a"] })));
    }

    #[test]
    fn none() {
        assert_eq!(words(""), Ok(json!({ "words": [] })));
    }

    #[test]
    fn many() {
        let got = words("a b c d e f").unwrap();
        assert_eq!(got["words"].as_array().unwrap().len(), 6);
    }
}
