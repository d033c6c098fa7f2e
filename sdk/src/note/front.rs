//! Front matter: the properties at the start of a note, between two lines `---`, as YAML or JSON.

use std::ops::Range;

use serde_json::{Map, Value};

use super::yaml;

/// The properties of a note.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FrontMatter {
    /// What is between the two lines; `None` where a note has no front matter.
    pub range: Option<Range<usize>>,
    /// Where the text behind it starts.
    pub end: usize,
    /// The properties in their order.
    pub properties: Vec<Property>,
    /// Whether it is written as JSON.
    pub json: bool,
    /// Whether it is neither valid YAML nor valid JSON. Then the properties are what could be read.
    pub broken: bool,
}

/// One property.
#[derive(Debug, Clone, PartialEq)]
pub struct Property {
    /// Its name, as it is written.
    pub key: String,
    /// Its value.
    pub value: Value,
    /// Its lines in the text, with their ends. Empty for JSON.
    pub lines: Range<usize>,
    /// Where its value ends. What follows on the line can be a comment.
    pub end: usize,
}

impl FrontMatter {
    /// The value of a property. Case makes no difference; the last one of a name counts.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.property(key).map(|property| &property.value)
    }

    /// A property by its name.
    pub fn property(&self, key: &str) -> Option<&Property> {
        let key = key.to_lowercase();
        self.properties.iter().rev().find(|property| property.key.to_lowercase() == key)
    }

    /// The texts of a property that is a list or a text: `aliases` of both forms.
    pub fn texts(&self, key: &str) -> Vec<String> {
        match self.get(key) {
            Some(Value::Array(items)) => items.iter().filter_map(text_of).collect(),
            Some(value) => text_of(value).into_iter().collect(),
            None => Vec::new(),
        }
    }
}

/// A value as text: `None` for null, lists and mappings.
pub fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Reads the front matter of a note.
pub(super) fn read(text: &str) -> FrontMatter {
    let start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let Some((range, end)) = enclosed(text, start) else {
        return FrontMatter { end: start, ..FrontMatter::default() };
    };
    let content = &text[range.clone()];
    let mut front = FrontMatter { range: Some(range.clone()), end, ..FrontMatter::default() };
    if content.trim_start().starts_with('{')
        && let Ok(map) = serde_json::from_str::<Map<String, Value>>(content)
    {
        front.json = true;
        let lines = range.start..range.start;
        let end = lines.end;
        front.properties =
            map.into_iter().map(|(key, value)| Property { key, value, lines: lines.clone(), end }).collect();
    } else if let Some(pairs) = yaml::properties(content) {
        let property = |(key, value, place): yaml::Pair| Property {
            key,
            value,
            lines: whole_lines(text, range.start + place.start..range.start + place.end),
            end: range.start + place.end,
        };
        front.properties = pairs.into_iter().map(property).collect();
    } else {
        front.broken = true;
        front.properties = one_by_one(text, range);
    }
    front
}

/// What is between the two lines, and where the text behind them starts.
fn enclosed(text: &str, start: usize) -> Option<(Range<usize>, usize)> {
    let mut lines = text[start..].split_inclusive('\n');
    let first = lines.next().filter(|line| line.trim_end() == "---")?;
    let content = start + first.len();
    let mut at = content;
    for line in lines {
        if matches!(line.trim_end(), "---" | "...") {
            return Some((content..at, at + line.len()));
        }
        at += line.len();
    }
    // Never closed: it is text.
    None
}

fn whole_lines(text: &str, place: Range<usize>) -> Range<usize> {
    let start = text[..place.start].rfind('\n').map_or(0, |end| end + 1);
    let held = text[start..place.end.max(start)].trim_end();
    let last = start + held.len();
    let end = text[last..].find('\n').map_or(text.len(), |end| last + end + 1);
    start..end
}

/// The properties of what is not valid as a whole: each that starts a line by itself.
fn one_by_one(text: &str, range: Range<usize>) -> Vec<Property> {
    let mut starts = Vec::new();
    let mut at = range.start;
    for line in text[range.clone()].split_inclusive('\n') {
        if !line.starts_with([' ', '\t', '-', ']', '}', '#', '\r', '\n']) && line.contains(':') {
            starts.push(at);
        }
        at += line.len();
    }
    let ends = starts.iter().skip(1).copied().chain([range.end]);
    starts.iter().zip(ends).filter_map(|(start, end)| piece(text, *start..end)).collect()
}

fn piece(text: &str, lines: Range<usize>) -> Option<Property> {
    let piece = &text[lines.clone()];
    if let Some((key, value, _)) = yaml::properties(piece).and_then(|pairs| pairs.into_iter().next()) {
        let end = lines.end;
        return Some(Property { key, value, lines, end });
    }
    let (key, rest) = piece.split_once(':')?;
    // A `#` by itself starts a comment.
    let words = rest.lines().flat_map(|line| {
        let words = line.split(|c: char| c.is_whitespace() || "[]{},'\"".contains(c));
        words.take_while(|word| *word != "#").filter(|word| !word.is_empty() && *word != "-")
    });
    let value = Value::Array(words.map(|word| Value::String(word.to_owned())).collect());
    let end = lines.end;
    Some(Property { key: key.trim().trim_matches(['"', '\'']).to_owned(), value, lines, end })
}
