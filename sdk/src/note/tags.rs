//! Tags as Obsidian has them.
//!
//! In the text: `#` at the start of a line or after white space, then letters, marks and digits of any script, `_`, `-`,
//! `/` and emoji, not digits alone. In the front matter: `tags:` or `tag:` with a list, or a text with commas or spaces.

use std::ops::Range;

use serde_json::Value;

use super::front::FrontMatter;
use super::letters::{folded, is_emoji, is_letter, is_selector};

/// A longer one is no tag.
pub const MAX_BYTES: usize = 200;

/// One tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Its name, without `#`.
    pub name: String,
    /// Where it is in the text, with `#`. `None` for a tag of the front matter.
    pub range: Option<Range<usize>>,
}

/// A tag without the signs around it; `None` when it is none.
pub fn parse(text: &str) -> Option<&str> {
    query(text).filter(|tag| tag.chars().any(|c| !c.is_ascii_digit()))
}

/// What is asked for: a tag, or digits alone, which have tags below them.
pub fn query(text: &str) -> Option<&str> {
    let tag = text.strip_prefix('#').unwrap_or(text).trim_matches('/');
    (!tag.is_empty() && tag.len() <= MAX_BYTES && tag.chars().all(is_tag)).then_some(tag)
}

/// Whether a tag is the one that is asked for, or is below it.
pub fn is_within(tag: &str, asked: &str) -> bool {
    let (tag, asked) = (folded(tag), folded(asked));
    tag.strip_prefix(&asked).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a character may be in a tag.
pub fn is_tag(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/');
    }
    // U+E0020 to U+E007F spell the flags of regions.
    is_letter(c) || is_emoji(c) || is_selector(c) || matches!(u32::from(c), 0x200C | 0x200D | 0xE0020..=0xE007F)
}

/// The tags of the front matter.
pub(super) fn in_front(front: &FrontMatter, tags: &mut Vec<Tag>) {
    for property in &front.properties {
        if ["tags", "tag"].contains(&property.key.to_lowercase().as_str()) {
            in_value(&property.value, tags);
        }
    }
}

fn in_value(value: &Value, tags: &mut Vec<Tag>) {
    let text = match value {
        Value::Array(items) => return items.iter().for_each(|item| in_value(item, tags)),
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        Value::Null | Value::Object(_) => return,
    };
    let words = text.split(|c: char| c.is_whitespace() || c == ',').filter_map(parse);
    tags.extend(words.map(|name| Tag { name: name.to_owned(), range: None }));
}

/// The tags of a piece of text that lies between `range`. `is_start` says whether a line starts with it.
pub(super) fn in_text(text: &str, range: Range<usize>, is_start: bool, tags: &mut Vec<Tag>) {
    let mut at = range.start;
    while let Some(found) = text[at..range.end].find('#') {
        let start = at + found;
        let before = text[..start].chars().next_back();
        // A line may start with marks of a quote or a list, but not with what takes the `#` its meaning.
        let is_first = start == range.start && is_start && before != Some('\\');
        let is_free = is_first || before.is_none_or(char::is_whitespace);
        let rest = &text[start + 1..range.end];
        let length = rest.find(|c| !is_tag(c)).unwrap_or(rest.len());
        at = start + 1 + length;
        if let Some(name) = parse(&rest[..length]).filter(|_| is_free) {
            tags.push(Tag { name: name.to_owned(), range: Some(start..at) });
        }
    }
}
