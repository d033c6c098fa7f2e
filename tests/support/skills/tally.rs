//! Counts what is in a text, and touches nothing else.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    text: String,
}

#[derive(Serialize)]
struct Output {
    words: usize,
    longest: usize,
}

fn run(input: Input) -> Result<Output, SkillError> {
    if input.text == "spin" {
        spin(input.text.len());
    }
    let lengths = input.text.split_whitespace().map(str::len);
    Ok(Output {
        words: lengths.clone().count(),
        longest: lengths.max().unwrap_or_default(),
    })
}

/// Turns a number for ever.
fn spin(mut number: usize) {
    while number != 1 {
        number = number.rotate_left(3) | 2;
    }
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::call;

    #[test]
    fn words_are_counted() {
        let output = call(run, json!({ "text": "one three\n\ntwo" }));
        assert_eq!(output, Ok(json!({ "words": 3, "longest": 5 })));
    }

    #[test]
    fn an_empty_text_has_none() {
        let output = call(run, json!({ "text": " " }));
        assert_eq!(output, Ok(json!({ "words": 0, "longest": 0 })));
    }

    #[test]
    fn something_that_is_no_text_is_refused() {
        let output = call(run, json!({ "text": 5 }));
        assert!(matches!(output, Err(SkillError::InvalidInput(_))));
    }
}
