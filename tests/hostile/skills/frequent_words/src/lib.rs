//! Counts words over the notes of a folder.

use std::collections::BTreeMap;

use kavi_sdk::note;
use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    folder: String,
    #[serde(default = "four")]
    min_length: usize,
    #[serde(default = "ten")]
    limit: usize,
}

fn four() -> usize {
    4
}

fn ten() -> usize {
    10
}

#[derive(Serialize, PartialEq, Debug)]
struct WordCount {
    word: String,
    count: usize,
}

#[derive(Serialize)]
struct Output {
    notes: usize,
    words: Vec<WordCount>,
}

#[derive(Default)]
struct Counter {
    counts: BTreeMap<String, usize>,
}

impl Counter {
    fn add(&mut self, text: &str, min_length: usize) {
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() >= min_length);
        for word in words {
            *self.counts.entry(word.to_lowercase()).or_default() += 1;
        }
    }

    /// The most frequent first.
    fn top(self, limit: usize) -> Vec<WordCount> {
        let mut all: Vec<WordCount> = self.counts.into_iter().map(|(word, count)| WordCount { word, count }).collect();
        all.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.word.cmp(&b.word)));
        all.truncate(limit);
        all
    }
}

fn run(input: Input) -> Result<Output, SkillError> {
    let walk = vault::walk(&input.folder)?;
    let mut counter = Counter::default();
    let mut notes = 0;
    for path in walk.files.iter().filter(|path| note::is_note(path)) {
        counter.add(&vault::read_lossy(path)?, input.min_length);
        notes += 1;
    }
    Ok(Output { notes, words: counter.top(input.limit) })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::{call, seed};

    #[test]
    fn counts_over_all_notes_of_the_folder() {
        seed("A/one.md", "Apple banana apple; fig!");
        seed("A/B/two.md", "BANANA apple");
        seed("other.md", "banana banana banana");
        let output = call(run, json!({ "folder": "A" })).unwrap();
        let words = json!([{ "word": "apple", "count": 3 }, { "word": "banana", "count": 2 }]);
        assert_eq!(output, json!({ "notes": 2, "words": words }));
    }

    #[test]
    fn the_whole_vault_and_short_words() {
        seed("a.md", "to be or not to be");
        seed("picture.png", "to to to to");
        let output = call(run, json!({ "folder": "", "min_length": 2, "limit": 2 })).unwrap();
        let words = json!([{ "word": "be", "count": 2 }, { "word": "to", "count": 2 }]);
        assert_eq!(output, json!({ "notes": 1, "words": words }));
    }

    #[test]
    fn lengths_are_characters() {
        seed("a.md", "čtyř tři");
        let output = call(run, json!({ "folder": "" })).unwrap();
        assert_eq!(output["words"], json!([{ "word": "čtyř", "count": 1 }]));
    }

    #[test]
    fn ten_words_unless_said_otherwise() {
        seed("a.md", "aaaa bbbb cccc dddd eeee ffff gggg hhhh iiii jjjj kkkk llll");
        let words = call(run, json!({ "folder": "" })).unwrap()["words"].clone();
        assert_eq!(words.as_array().unwrap().len(), 10);
        assert_eq!(words[9]["word"], "jjjj");
    }

    #[test]
    fn a_missing_folder_is_not_found() {
        let got = call(run, json!({ "folder": "Nowhere" }));
        assert!(matches!(got, Err(SkillError::NotFound(_))), "{got:?}");
    }
}
