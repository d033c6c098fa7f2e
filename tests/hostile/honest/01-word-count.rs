//! Counts words. Words such as unsafe, extern crate, std::fs::read and include_str!("x") in comments are only words.

use std::collections::BTreeMap;

use kavi_sdk::prelude::*;

/// Words that are not counted; `#[cfg(test)]` and `#[allow(dead_code)]` here are text.
const STOP: &[&str] = &["unsafe", "extern \"C\"", "std::process::Command", "#[path = \"x\"]", "env!(\"HOME\")"];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
struct Input {
    text: String,
    #[serde(default = "default_limit")]
    limit: usize,
}

fn default_limit() -> usize {
    10
}

#[derive(Debug, Serialize)]
struct Output {
    words: Vec<Count>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Count {
    word: String,
    times: usize,
}

fn run(input: Input) -> Result<Output, SkillError> {
    if input.limit == 0 {
        return Err(SkillError::invalid_input("`limit` must be at least 1"));
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for word in input.text.split_whitespace().map(str::to_lowercase) {
        if !STOP.contains(&word.as_str()) {
            *counts.entry(word).or_default() += 1;
        }
    }
    let mut words: Vec<Count> = counts.into_iter().map(|(word, times)| Count { word, times }).collect();
    words.sort_by(|a, b| b.times.cmp(&a.times).then_with(|| a.word.cmp(&b.word)));
    words.truncate(input.limit);
    Ok(Output { words })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_sorts() {
        let output = run(Input { text: "b a b".to_owned(), limit: 10 }).unwrap();
        assert_eq!(output.words[0], Count { word: "b".to_owned(), times: 2 }, "{output:?}");
        assert_eq!(output.words.len(), 2);
    }

    #[test]
    fn refuses_a_limit_of_nothing() {
        assert!(matches!(run(Input { text: String::new(), limit: 0 }), Err(SkillError::InvalidInput(_))));
    }
}
