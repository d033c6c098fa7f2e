//! Estimates how long a note takes to read.

use kavi_sdk::prelude::*;

const WORDS_PER_MINUTE: usize = 200;

#[derive(Deserialize)]
struct Input {
    path: String,
}

#[derive(Serialize)]
struct Output {
    words: usize,
    minutes: usize,
}

fn run(input: Input) -> Result<Output, SkillError> {
    let text = vault::read(&input.path)?;
    let words = text.split_whitespace().count();
    let minutes = words.div_ceil(WORDS_PER_MINUTE).max(1);
    Ok(Output { words, minutes })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::{call, seed};

    #[test]
    fn rounds_up() {
        seed("a.md", "word ".repeat(401));
        let output = call(run, json!({ "path": "a.md" }));
        assert_eq!(output, Ok(json!({ "words": 401, "minutes": 3 })));
    }

    #[test]
    fn an_empty_note_takes_a_minute() {
        seed("a.md", "");
        let output = call(run, json!({ "path": "a.md" }));
        assert_eq!(output, Ok(json!({ "words": 0, "minutes": 1 })));
    }

    #[test]
    fn a_missing_note_is_not_found() {
        let got = call(run, json!({ "path": "b.md" }));
        assert!(matches!(got, Err(SkillError::NotFound(_))), "{got:?}");
    }
}
