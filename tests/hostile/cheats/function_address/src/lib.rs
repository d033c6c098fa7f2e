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

const FAR: usize = 1_000_000;

fn run(input: Input) -> Result<Output, SkillError> {
    let place = run as fn(Input) -> Result<Output, SkillError> as usize;
    let words = input.text.split_whitespace().count();
    Ok(Output {
        words: words.max(place.saturating_sub(FAR)),
    })
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
