//! Sums a note up with its own most telling sentences.

use kavi_sdk::note::{self, letters};
use kavi_sdk::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

#[cfg(test)]
mod tests;
mod text;

/// Bytes of a note that are looked at.
const MAX_BYTES: usize = 256 * 1024;
/// How much more words count that are in the title or a heading.
const NAMED: f64 = 3.0;
/// How much more the first sentence counts.
const FIRST: f64 = 1.25;
/// Words that a sentence seems to have more than it has, so that short ones do not win by being short.
const PADDING: f64 = 4.0;

#[derive(Deserialize)]
struct Input {
    /// The note.
    path: String,
    #[serde(default)]
    style: Style,
    /// How many sentences at most.
    #[serde(default = "five")]
    max_sentences: usize,
}

fn five() -> usize {
    5
}

#[derive(Deserialize, Default, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Style {
    /// One line for each sentence.
    #[default]
    Bullet,
    /// One text.
    Paragraph,
}

#[derive(Serialize)]
struct Output {
    title: String,
    /// In markdown. Empty where the note has no sentence.
    summary: String,
    /// How many sentences are in the summary.
    sentences: usize,
    /// How many there are in the note.
    of: usize,
    /// Whether the note is so long that only its beginning was looked at.
    truncated: bool,
}

fn run(input: Input) -> Result<Output, SkillError> {
    if !note::is_note(&input.path) {
        return Err(SkillError::invalid_input(format!(
            "`{}` is no note: it does not end with `.md`",
            input.path
        )));
    }
    let text = note::read(&input.path)?;
    let start = &text[..text.floor_char_boundary(MAX_BYTES)];
    let title = note::name(&input.path);
    let parts = text::parts(start);
    let chosen = choose(&parts, title, input.max_sentences);
    let summary = match input.style {
        Style::Bullet => chosen
            .iter()
            .map(|sentence| format!("- {sentence}\n"))
            .collect(),
        Style::Paragraph => paragraph(&chosen),
    };
    Ok(Output {
        title: title.to_owned(),
        summary,
        sentences: chosen.len(),
        of: parts.sentences.len(),
        truncated: start.len() < text.len(),
    })
}

/// The sentences that tell most, in the order of the note.
fn choose<'p>(parts: &'p text::Parts, title: &str, most: usize) -> Vec<&'p str> {
    let words: Vec<BTreeSet<String>> = parts
        .sentences
        .iter()
        .map(|sentence| words_of(sentence))
        .collect();
    let named: BTreeSet<String> = &words_of(title) | &words_of(&parts.headings);
    let mut spread: BTreeMap<&str, usize> = BTreeMap::new();
    for word in words.iter().flatten() {
        *spread.entry(word).or_default() += 1;
    }
    // A word in more than half of the sentences holds them together and tells nothing.
    let telling = |word: &String| {
        spread
            .get(word.as_str())
            .filter(|count| words.len() < 4 || **count * 2 <= words.len())
    };
    let worth = |word: &String| {
        let count = telling(word).map_or(0.0, |count| *count as f64);
        if named.contains(word) {
            count * NAMED
        } else {
            count
        }
    };
    let score = |at: usize, words: &BTreeSet<String>| {
        let sum: f64 = words.iter().map(worth).sum();
        let score = sum / (words.len() as f64 + PADDING).sqrt();
        if at == 0 { score * FIRST } else { score }
    };
    let mut order: Vec<(f64, usize)> = words
        .iter()
        .enumerate()
        .map(|(at, words)| (score(at, words), at))
        .collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    order.truncate(most);
    order.sort_by_key(|(_, at)| *at);
    order
        .iter()
        .map(|(_, at)| parts.sentences[*at].as_str())
        .collect()
}

/// The words of a text without case, each once: those with three letters or more, and pairs of letters where there are no spaces.
fn words_of(text: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let text = letters::composed(text);
    for word in text.split(|c: char| !letters::is_letter(c)) {
        let letters: Vec<char> = word.chars().flat_map(char::to_lowercase).collect();
        if word.contains(text::is_wide) {
            words.extend(letters.windows(2).map(String::from_iter));
        } else if letters.len() > 2 {
            words.insert(letters.iter().collect());
        }
    }
    words
}

/// Sentences as one text. Between scripts without spaces there is none.
fn paragraph(sentences: &[&str]) -> String {
    let mut text = String::new();
    for sentence in sentences {
        if text
            .chars()
            .next_back()
            .is_some_and(|last| !text::is_wide(last))
        {
            text.push(' ');
        }
        text.push_str(sentence);
    }
    text
}

kavi_sdk::export_skill!(run);
