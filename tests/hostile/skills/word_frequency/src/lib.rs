//! Counts how often each word is in a text.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    text: String,
    #[serde(default = "default_top")]
    top: usize,
    #[serde(default)]
    min_length: usize,
    #[serde(default)]
    stop_words: Vec<String>,
}

fn default_top() -> usize {
    10
}

#[derive(Serialize)]
struct Output {
    total: usize,
    distinct: usize,
    words: Vec<WordCount>,
}

#[derive(Serialize)]
struct WordCount {
    word: String,
    count: usize,
}

fn run(input: Input) -> Result<Output, SkillError> {
    let stop_words: HashSet<String> = input
        .stop_words
        .iter()
        .map(|word| word.to_lowercase())
        .collect();
    let mut counts: HashMap<String, usize> = HashMap::new();
    let mut total = 0;
    let words = input
        .text
        .split(|c: char| !c.is_alphanumeric() && c != '\'')
        .map(|word| word.trim_matches('\'').to_lowercase())
        .filter(|word| !word.is_empty());
    for word in words {
        if word.chars().count() < input.min_length || stop_words.contains(&word) {
            continue;
        }
        total += 1;
        *counts.entry(word).or_insert(0) += 1;
    }
    let distinct = counts.len();
    let mut words: Vec<WordCount> = counts
        .into_iter()
        .map(|(word, count)| WordCount { word, count })
        .collect();
    words.sort_by_key(|entry| (Reverse(entry.count), entry.word.clone()));
    words.truncate(input.top);
    Ok(Output {
        total,
        distinct,
        words,
    })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::call;

    #[test]
    fn counts_words_without_regard_to_case() {
        let output = call(run, json!({ "text": "The cat and the dog. THE end!" }));
        assert_eq!(
            output,
            Ok(json!({
                "total": 7,
                "distinct": 5,
                "words": [
                    { "word": "the", "count": 3 },
                    { "word": "and", "count": 1 },
                    { "word": "cat", "count": 1 },
                    { "word": "dog", "count": 1 },
                    { "word": "end", "count": 1 },
                ],
            }))
        );
    }

    #[test]
    fn leaves_out_stop_words_and_short_words() {
        let output = call(
            run,
            json!({ "text": "a to the house", "stop_words": ["The"], "min_length": 2 }),
        );
        assert_eq!(
            output,
            Ok(json!({
                "total": 2,
                "distinct": 2,
                "words": [{ "word": "house", "count": 1 }, { "word": "to", "count": 1 }],
            }))
        );
    }

    #[test]
    fn apostrophes_inside_words_stay() {
        let output = call(run, json!({ "text": "'don't' don't", "top": 1 }));
        assert_eq!(
            output,
            Ok(json!({
                "total": 2,
                "distinct": 1,
                "words": [{ "word": "don't", "count": 2 }],
            }))
        );
    }

    #[test]
    fn an_empty_text_has_no_words() {
        let output = call(run, json!({ "text": " .,! " }));
        assert_eq!(
            output,
            Ok(json!({ "total": 0, "distinct": 0, "words": [] }))
        );
    }

    #[test]
    fn ten_words_are_listed_by_default() {
        let output = call(run, json!({ "text": "a b c d e f g h i j k l" })).unwrap();
        assert_eq!(output["words"].as_array().unwrap().len(), 10);
        assert_eq!(output["distinct"], 12);
    }
}
