//! Changes of a note: each gives new bytes, in which everything else is as it was.

use std::ops::Range;

use serde_json::{Map, Value};

use super::Note;
use super::front::{Property, text_of};

/// What replaces a piece of a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The piece, in bytes of the file.
    pub range: Range<usize>,
    /// What comes in its place.
    pub text: String,
}

impl Change {
    /// The bytes of a file with the change.
    pub fn apply(&self, bytes: &[u8]) -> Vec<u8> {
        let mut new = bytes.get(..self.range.start).unwrap_or_default().to_vec();
        new.extend_from_slice(self.text.as_bytes());
        new.extend_from_slice(bytes.get(self.range.end..).unwrap_or_default());
        new
    }
}

/// The line end that a text uses: that of its first line.
pub fn line_end_of(text: &str) -> &'static str {
    let end = text.find('\n').filter(|end| text[..*end].ends_with('\r'));
    if end.is_some() { "\r\n" } else { "\n" }
}

/// A text with the line ends of a note.
pub fn with_line_ends(text: &str, end: &str) -> String {
    text.replace("\r\n", "\n").replace('\n', end)
}

/// Lines put at a place: whole lines, apart from what is around them.
pub fn insert_lines(text: &str, at: usize, lines: &str) -> Change {
    let end = line_end_of(text);
    let mut new = with_line_ends(lines, end);
    if !new.is_empty() && !new.ends_with('\n') {
        new.push_str(end);
    }
    if at > 0 && !text[..at].ends_with('\n') && !text[..at].ends_with('\u{feff}') {
        new.insert_str(0, end);
    }
    Change { range: at..at, text: new }
}

/// How a property changes.
#[derive(Debug, Clone, PartialEq)]
pub enum PropertyChange {
    /// It has this value afterwards.
    Set(Value),
    /// These values are in its list afterwards.
    Add(Vec<Value>),
    /// These values are not in its list afterwards.
    Without(Vec<Value>),
    /// It is gone afterwards.
    Remove,
}

/// Changes one property of the front matter. `None` where nothing changes.
///
/// # Errors
/// Says why front matter that is not valid, or a list in a text, cannot be changed.
pub fn property(text: &str, note: &Note, key: &str, change: PropertyChange) -> Result<Option<Change>, &'static str> {
    if note.front.broken {
        return Err("the front matter is not valid YAML");
    }
    let old = note.front.get(key);
    let value = match change {
        PropertyChange::Set(value) => Some(value),
        PropertyChange::Remove => None,
        PropertyChange::Add(values) => {
            let mut items = items(old)?;
            let new: Vec<Value> = values.into_iter().filter(|value| !items.contains(value)).collect();
            items.extend(new);
            Some(Value::Array(items))
        }
        PropertyChange::Without(values) => {
            let mut items = items(old)?;
            items.retain(|item| !values.contains(item));
            Some(Value::Array(items)).filter(|_| old.is_some())
        }
    };
    if value.as_ref() == old {
        return Ok(None);
    }
    let key = note.front.property(key).map_or(key, |property| property.key.as_str());
    if note.front.json {
        return Ok(json_change(text, note, key, value));
    }
    Ok(Some(yaml_change(text, note, key, value)))
}

fn items(old: Option<&Value>) -> Result<Vec<Value>, &'static str> {
    match old {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => Ok(items.clone()),
        Some(Value::Object(_)) => Err("the property is a mapping, not a list"),
        Some(Value::String(text)) => {
            let words = text.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
            Ok(words.map(|word| Value::String(word.to_owned())).collect())
        }
        Some(value) => Ok(vec![value.clone()]),
    }
}

fn json_change(text: &str, note: &Note, key: &str, value: Option<Value>) -> Option<Change> {
    let range = note.front.range.clone()?;
    let mut map: Map<String, Value> = note.front.properties.iter().map(|p| (p.key.clone(), p.value.clone())).collect();
    match value {
        Some(value) => map.insert(key.to_owned(), value),
        None => map.remove(key),
    };
    let pretty = serde_json::to_string_pretty(&Value::Object(map)).ok()?;
    Some(Change { range, text: with_line_ends(&format!("{pretty}\n"), line_end_of(text)) })
}

fn yaml_change(text: &str, note: &Note, key: &str, value: Option<Value>) -> Change {
    let end = line_end_of(text);
    let lines = value.map(|value| with_line_ends(&yaml_lines(key, &value), end));
    let Some(front) = note.front.range.clone() else {
        let lines = lines.unwrap_or_default();
        return Change { range: note.body..note.body, text: format!("---{end}{lines}---{end}") };
    };
    let Some(property) = note.front.property(key) else {
        return Change { range: front.end..front.end, text: lines.unwrap_or_default() };
    };
    let lines = lines.map(|lines| with_comment(text, property, lines));
    Change { range: property.lines.clone(), text: lines.unwrap_or_default() }
}

/// The new line of a property with the comment that its old one ends with. Where either has more lines, there is no place for it.
fn with_comment(text: &str, property: &Property, new: String) -> String {
    let is_one_line = |text: &str| text.trim_end().lines().count() == 1;
    let behind = text.get(property.end..property.lines.end).unwrap_or_default();
    if !behind.trim_start().starts_with('#') || !is_one_line(&text[property.lines.clone()]) || !is_one_line(&new) {
        return new;
    }
    let (line, end) = new.split_at(new.trim_end().len());
    format!("{line}{}{end}", behind.trim_end())
}

fn yaml_lines(key: &str, value: &Value) -> String {
    let key = scalar(&Value::String(key.to_owned()));
    match value {
        Value::Array(items) if items.is_empty() => format!("{key}: []\n"),
        Value::Array(items) => {
            let lines: String = items.iter().map(|item| format!("  - {}\n", flow(item))).collect();
            format!("{key}:\n{lines}")
        }
        value => format!("{key}: {}\n", flow(value)),
    }
}

/// A value on one line: JSON is YAML, and a plain text needs no quotes.
fn flow(value: &Value) -> String {
    match value {
        Value::Array(_) | Value::Object(_) => value.to_string(),
        value => scalar(value),
    }
}

fn scalar(value: &Value) -> String {
    let Value::String(text) = value else { return value.to_string() };
    let is_plain = |c: char| c.is_alphanumeric() || " _-/.".contains(c);
    let plain = !text.is_empty() && text.trim() == text && text.chars().all(is_plain) && !text.starts_with(['-', '.']);
    // What YAML would read as something else is quoted.
    let stays = plain
        && super::yaml::properties(&format!("a: {text}")).is_some_and(|pairs| {
            pairs.first().is_some_and(|(_, read, _)| text_of(read).as_ref() == Some(text) && read.is_string())
        });
    if stays { text.clone() } else { Value::String(text.clone()).to_string() }
}
