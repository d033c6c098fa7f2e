//! YAML, read event by event: as far as it is valid, and with the place of every property.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, StructureStyle};
use serde_json::{Map, Number, Value};

/// Values of one front matter: an alias counts as all that it stands for.
const MAX_VALUES: usize = 20_000;
/// Levels of lists and mappings.
const MAX_DEPTH: usize = 32;

/// One property: its key, its value, and both together in bytes of the text.
pub(super) type Pair = (String, Value, Range<usize>);

/// The properties of a text. `None` if it is not valid YAML, or no mapping.
pub(super) fn properties(text: &str) -> Option<Vec<Pair>> {
    let mut reader = Reader { parser: Parser::new_from_str(text), anchors: BTreeMap::new(), values: 0 };
    loop {
        match reader.next()?.0 {
            Event::StreamEnd => return Some(Vec::new()),
            Event::MappingStart(..) => return reader.top(),
            Event::Scalar(value, ScalarStyle::Plain, ..) if value.is_empty() => {}
            Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
            Event::Scalar(..) | Event::SequenceStart(..) => return None,
            _ => {}
        }
    }
}

struct Reader<'t> {
    parser: Parser<'t, granit_parser::StrInput<'t>>,
    /// What aliases stand for, and how many values that is.
    anchors: BTreeMap<usize, (Value, usize)>,
    values: usize,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Option<(Event<'t>, Range<usize>)> {
        let (event, span) = self.parser.next()?.ok()?;
        Some((event, span.byte_range()?))
    }

    /// The mapping at the top, after its start.
    fn top(&mut self) -> Option<Vec<Pair>> {
        let mut pairs = Vec::new();
        loop {
            let (event, start) = self.next()?;
            if event == Event::MappingEnd {
                break;
            }
            let Some((key, _)) = self.value(event, start.clone(), 0)? else { continue };
            let (value, end) = self.after(1)?;
            pairs.push((key_text(&key), value, start.start..end.max(start.end)));
        }
        // What follows must be valid as well.
        for event in self.parser.by_ref() {
            event.ok()?;
        }
        Some(pairs)
    }

    /// The next value, and where it ends.
    fn after(&mut self, depth: usize) -> Option<(Value, usize)> {
        loop {
            let (event, range) = self.next()?;
            if let Some(value) = self.value(event, range, depth)? {
                return Some(value);
            }
        }
    }

    /// The value that starts with an event. `Some(None)` for an event that is no value.
    fn value(&mut self, event: Event<'t>, range: Range<usize>, depth: usize) -> Option<Option<(Value, usize)>> {
        self.values += 1;
        if depth > MAX_DEPTH || self.values > MAX_VALUES {
            return None;
        }
        let before = self.values;
        let (value, end, anchor) = match event {
            Event::Scalar(text, style, anchor, _) => (scalar(text, style), range.end, anchor),
            Event::Alias(id) => {
                let (value, count) = self.anchors.get(&id)?.clone();
                self.values += count;
                (value, range.end, 0)
            }
            Event::SequenceStart(style, anchor, _) => {
                let (items, end) = self.items(style, depth)?;
                (Value::Array(items), end, anchor)
            }
            Event::MappingStart(style, anchor, _) => {
                let (map, end) = self.map(style, depth)?;
                (Value::Object(map), end, anchor)
            }
            _ => return Some(None),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, (value.clone(), self.values - before + 1));
        }
        (self.values <= MAX_VALUES).then_some(Some((value, end)))
    }

    fn items(&mut self, style: StructureStyle, depth: usize) -> Option<(Vec<Value>, usize)> {
        let (mut items, mut last) = (Vec::new(), 0);
        loop {
            let (event, range) = self.next()?;
            if event == Event::SequenceEnd {
                return Some((items, end_of(style, last, range.end)));
            }
            if let Some((value, end)) = self.value(event, range, depth + 1)? {
                items.push(value);
                last = end;
            }
        }
    }

    fn map(&mut self, style: StructureStyle, depth: usize) -> Option<(Map<String, Value>, usize)> {
        let (mut map, mut last) = (Map::new(), 0);
        loop {
            let (event, range) = self.next()?;
            if event == Event::MappingEnd {
                return Some((map, end_of(style, last, range.end)));
            }
            let Some((key, _)) = self.value(event, range, depth + 1)? else { continue };
            let (value, end) = self.after(depth + 1)?;
            map.insert(key_text(&key), value);
            last = end;
        }
    }
}

/// Where a list or mapping ends: with its bracket, or with its last value. The parser says of the latter only where the
/// next token starts.
fn end_of(style: StructureStyle, last: usize, end: usize) -> usize {
    if style == StructureStyle::Block { last } else { end }
}

fn key_text(key: &Value) -> String {
    key.as_str().map_or_else(|| key.to_string(), str::to_owned)
}

/// A scalar of the core schema. Numbers that JSON writes in another way stay text.
fn scalar(text: Cow<'_, str>, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::String(text.into_owned());
    }
    match text.as_ref() {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        plain => number(plain).map_or_else(|| Value::String(plain.to_owned()), Value::Number),
    }
}

fn number(text: &str) -> Option<Number> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_plain = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_digit() || c == '.')
        && !(digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0."));
    let number: Number = serde_json::from_str(text).ok().filter(|_| is_plain)?;
    (number.to_string() == text || number.is_f64()).then_some(number)
}
