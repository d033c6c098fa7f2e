//! From a note to its sentences.
//!
//! Front matter, code blocks, comments, tables and rules are left out; headings are kept apart. The lines of a paragraph
//! are one text, every item of a list is one of its own.

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
    let mut fence = None;
    for line in without_front_matter(text).lines() {
        let mark = fence_of(line);
        if fence.is_some() {
            if mark == fence {
                fence = None;
            }
            continue;
        }
        let line = line.trim();
        let (is_item, content) = item(line);
        let heading = heading(content);
        let ends = mark.is_some() || heading.is_some() || is_item || is_left_out(content);
        if ends {
            end(&mut paragraph, &mut parts.sentences);
        }
        if mark.is_some() {
            fence = mark;
        } else if let Some(words) = heading {
            parts.headings.push_str(words);
            parts.headings.push('\n');
        } else if !is_left_out(content) {
            join(&mut paragraph, content);
        }
    }
    end(&mut paragraph, &mut parts.sentences);
    parts
}

/// What follows the front matter.
fn without_front_matter(text: &str) -> &str {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut rest = text;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let mark = line.trim_end();
        if number == 0 && mark != "---" {
            return text;
        }
        rest = &rest[line.len()..];
        if number > 0 && matches!(mark, "---" | "...") {
            return rest;
        }
    }
    text
}

/// The character of the code fence that a line opens or closes.
fn fence_of(line: &str) -> Option<char> {
    let line = line.trim_start();
    ['`', '~']
        .into_iter()
        .find(|mark| line.chars().take_while(|c| c == mark).count() >= 3)
}

/// Whether a line begins an item of a list, and what stands in it behind the marks of lists, tasks and quotes.
fn item(line: &str) -> (bool, &str) {
    let mut is_item = false;
    let mut line = line;
    loop {
        let digits = line.trim_start_matches(|c: char| c.is_ascii_digit());
        let behind = ["- ", "* ", "+ ", "[ ] ", "[x] "]
            .iter()
            .find_map(|mark| line.strip_prefix(mark));
        let numbered = [". ", ") "]
            .iter()
            .find_map(|mark| digits.strip_prefix(mark));
        let numbered = numbered.filter(|_| digits.len() < line.len());
        if let Some(rest) = behind.or(numbered) {
            is_item = true;
            line = rest.trim_start();
        } else if let Some(rest) = line.strip_prefix('>') {
            line = rest.trim_start();
        } else {
            return (is_item, line);
        }
    }
}

fn heading(line: &str) -> Option<&str> {
    let words = line.trim_start_matches('#');
    let marks = line.len() - words.len();
    let is_heading = (1..=6).contains(&marks) && words.starts_with([' ', '\t']);
    is_heading.then(|| words.trim().trim_end_matches('#').trim_end())
}

/// Lines without a sentence: empty ones, rules, tables, comments.
fn is_left_out(line: &str) -> bool {
    !line.chars().any(char::is_alphanumeric)
        || line.starts_with(['|', '%'])
        || line.starts_with("<!--")
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
