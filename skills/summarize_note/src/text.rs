//! From a note to its sentences.
//!
//! Headings are kept apart, tables are left out. The lines of a paragraph are one text, every item of a list is one of
//! its own.

use kavi_sdk::note::{BlockKind, Note};

/// Characters of a sentence; a longer one is cut.
const MAX_CHARS: usize = 400;

/// What a note says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// The words of its headings.
    pub headings: String,
    /// Its sentences, in their order.
    pub sentences: Vec<String>,
}

/// Takes a note apart.
pub fn parts(text: &str) -> Parts {
    let mut parts = Parts::default();
    let mut paragraph = String::new();
    for block in Note::parse(text).blocks {
        match block.kind {
            BlockKind::Heading => {
                parts.headings.push_str(&block.lines.join(" "));
                parts.headings.push('\n');
            }
            BlockKind::Cell => {}
            BlockKind::Paragraph | BlockKind::Item => {
                for line in block.lines.iter().filter(|line| !is_left_out(line)) {
                    join(&mut paragraph, line);
                }
                end(&mut paragraph, &mut parts.sentences);
            }
        }
    }
    parts
}

/// Lines without a sentence: signs alone, and rows of a table that is not complete.
fn is_left_out(line: &str) -> bool {
    !line.chars().any(char::is_alphanumeric) || line.starts_with('|')
}

/// Adds a line to a paragraph. Between scripts without spaces there is none.
fn join(paragraph: &mut String, line: &str) {
    let before = paragraph.chars().next_back();
    if before.is_some_and(|before| !is_wide(before) || !line.starts_with(is_wide)) {
        paragraph.push(' ');
    }
    paragraph.push_str(line);
}

/// A letter or sign of Chinese, Japanese or Korean.
pub fn is_wide(c: char) -> bool {
    matches!(u32::from(c), 0x1100..=0x11FF | 0x2E80..=0x9FFF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF | 0xFF00..=0xFFEF
        | 0x2_0000..=0x3_FFFF)
}

/// Ends a paragraph: its sentences go to the others.
fn end(paragraph: &mut String, sentences: &mut Vec<String>) {
    let mut rest = paragraph.trim();
    while !rest.is_empty() {
        let (sentence, behind) = rest.split_at(first_end(rest));
        sentences.push(cut(sentence.trim_end()));
        rest = behind.trim_start();
    }
    paragraph.clear();
}

fn cut(sentence: &str) -> String {
    match sentence.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", sentence[..end].trim_end()),
        None => sentence.to_owned(),
    }
}

/// Where the first sentence of a text ends.
fn first_end(text: &str) -> usize {
    for (at, sign) in text.char_indices() {
        let is_full = matches!(sign, '。' | '！' | '？' | '｡' | '।' | '۔');
        if !is_full && !matches!(sign, '.' | '!' | '?' | '…' | '؟') {
            continue;
        }
        let behind = &text[at + sign.len_utf8()..];
        // Further signs and what closes belong to the sentence.
        let rest = behind.trim_start_matches(|c| "。！？｡.!?…\"')]”’»」』）*_".contains(c));
        let goes_on = rest.trim_start().starts_with(char::is_lowercase);
        let is_spaced = rest.starts_with(char::is_whitespace) && !goes_on;
        if is_full || rest.is_empty() || (is_spaced && !(sign == '.' && is_initial(&text[..at]))) {
            return text.len() - rest.len();
        }
    }
    text.len()
}

/// Whether a text ends with a letter by itself, as in `J. Smith`.
fn is_initial(text: &str) -> bool {
    let word = text.rsplit(char::is_whitespace).next().unwrap_or(text);
    let mut letters = word.chars();
    letters.next().is_some_and(char::is_alphabetic) && letters.next().is_none()
}
