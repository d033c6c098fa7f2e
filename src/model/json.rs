//! The one strict JSON parser.
//!
//! Everything that comes from outside as JSON (inputs, outputs, schemas, records) is read here, so that no two
//! parts of Kavi can read the same bytes differently.
//!
//! Guarantees, each one a refusal with a position:
//! - at most [`JsonLimits::max_bytes`] bytes, UTF-8, without a byte order mark;
//! - nesting of at most [`JsonLimits::max_depth`] (never more than [`MAX_DEPTH`]), found by a scan that does
//!   not recurse, so neither reading, comparing, writing nor dropping the value can exhaust the stack;
//! - at most [`JsonLimits::max_values`] keys and values, because a byte of text can cost a hundred of memory;
//! - no key twice in one object: readers differ on which one counts;
//! - exactly one value, and no characters after it;
//! - no lone surrogates, which no UTF-8 string can hold;
//! - no U+0000 in strings or keys: it ends the text early for C libraries, terminals and some databases, so
//!   two readers would see two different texts;
//! - every integer is held exactly (`i64` or `u64`), and a larger one is refused rather than rounded. A
//!   number with a fraction or an exponent is the nearest `f64`. It is refused when the shortest text of
//!   that `f64` is another decimal value: `0.1` passes, `9007199254740993.0` does not.
//!
//! It never repairs: no comments, no trailing commas, no `NaN`.

use std::{cell::RefCell, fmt};

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

mod decimal;
mod rules;
mod scan;

pub use rules::{JsonError, JsonLimits, MAX_DEPTH, TextPosition, shown};

/// Reads one JSON value out of `bytes`.
///
/// # Errors
/// [`JsonError`] names the rule that is broken and where.
pub fn parse(bytes: &[u8], limits: JsonLimits) -> Result<Value, JsonError> {
    // First: the later steps cost time that grows with the text.
    if bytes.len() > limits.max_bytes {
        return Err(JsonError::TooLarge { bytes: bytes.len(), limit: limits.max_bytes });
    }
    if bytes.starts_with(b"\xEF\xBB\xBF") {
        return Err(JsonError::ByteOrderMark);
    }
    let text =
        std::str::from_utf8(bytes).map_err(|error| JsonError::NotUtf8(scan::position(bytes, error.valid_up_to())))?;
    // The scan does not recurse, so it must come before the parser, which does.
    scan::scan(text, limits)?;
    build(text)
}

/// Reads a value that Kavi stored itself. It was within the limits when it was given. The stored text may be longer, and
/// this process may have other limits, so only the rules about content apply.
///
/// # Errors
/// [`JsonError`], which means that the stored bytes were changed.
pub fn parse_kept(bytes: &[u8]) -> Result<Value, JsonError> {
    // A lowered limit must not make an old record unreadable, so the length that it has is the
    // limit.
    parse(bytes, JsonLimits { max_bytes: bytes.len(), ..JsonLimits::default() })
}

/// The most bytes that [`canonical`] writes for one byte that the value was read from. Only numbers grow: one with a
/// fraction or an exponent has at least three bytes, and at most twenty-four when it is written.
pub const MAX_GROWTH: usize = 8;

/// The text of `value` that digests are taken of: keys in order of their bytes, no spaces, `-0.0` as `0.0`.
///
/// Values that are equal have the same text, and [`parse`] gives the value back. It is not RFC 8785: that
/// orders keys by UTF-16 and writes every number as a double.
pub fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write_canonical(value, &mut text);
    text
}

/// Whether two values are the same JSON value. A number counts by its value: `2` and `2.0` are the
/// same.
pub fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left == right || same_number(left, right),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, value)| right.get(key).is_some_and(|other| same(value, other)))
        }
        (left, right) => left == right,
    }
}

/// Compares an integer with a fraction, exactly: above 2⁵³ the nearest `f64` of an integer may be
/// another number.
fn same_number(left: &Number, right: &Number) -> bool {
    const BEYOND_INTEGERS: f64 = 18_446_744_073_709_551_616.0;
    let whole = |number: &Number| match number.as_i128() {
        Some(whole) => Some(whole),
        None => number.as_f64().filter(|it| it.fract() == 0.0 && it.abs() <= BEYOND_INTEGERS).map(|it| it as i128),
    };
    matches!((whole(left), whole(right)), (Some(left), Some(right)) if left == right)
}

fn write_canonical(value: &Value, text: &mut String) {
    match value {
        // 0.0 and -0.0 are equal, and equal values must have one digest.
        Value::Number(number) if number.is_f64() && number.as_f64() == Some(0.0) => text.push_str("0.0"),
        Value::Null | Value::Bool(_) | Value::Number(_) => text.push_str(&value.to_string()),
        Value::String(string) => write_string(string, text),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_canonical(item, text);
            }
            text.push(']');
        }
        Value::Object(map) => {
            // Sorted here although the map is sorted already: any dependency can turn on serde_json's
            // `preserve_order` for the whole program, and digests must not change with it.
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| key.as_bytes());
            text.push('{');
            for (index, (key, item)) in entries.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_string(key, text);
                text.push(':');
                write_canonical(item, text);
            }
            text.push('}');
        }
    }
}

fn write_string(string: &str, text: &mut String) {
    // Only these three need an escape in JSON, and serde_json knows their forms.
    if string.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        text.push_str(&Value::from(string).to_string());
        return;
    }
    // Most strings need no escape.
    text.reserve(string.len() + 2);
    text.push('"');
    text.push_str(string);
    text.push('"');
}

/// Builds the value of a text that has passed the scan.
fn build(text: &str) -> Result<Value, JsonError> {
    let duplicate = RefCell::new(None);
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = StrictValue(&duplicate).deserialize(&mut reader).map_err(|error| {
        let at = position_of(&error);
        match duplicate.take() {
            Some(key) => JsonError::DuplicateKey { key, at },
            None => syntax(&error),
        }
    })?;
    // Without this the parser stops after the first value and accepts whatever follows.
    reader.end().map_err(|error| JsonError::TrailingData(position_of(&error)))?;
    Ok(value)
}

fn position_of(error: &serde_json::Error) -> TextPosition {
    TextPosition { line: error.line(), column: error.column() }
}

fn syntax(error: &serde_json::Error) -> JsonError {
    let at = position_of(error);
    let text = error.to_string();
    // serde_json puts the position into its text, where the message would then have it twice.
    let suffix = format!(" at {at}");
    JsonError::Syntax { why: text.strip_suffix(&suffix).unwrap_or(&text).to_owned(), at }
}

/// Builds a [`Value`] and refuses duplicate keys. The key is left in the cell, because errors of serde are only texts.
#[derive(Clone, Copy)]
struct StrictValue<'a>(&'a RefCell<Option<String>>);

impl<'de> DeserializeSeed<'de> for StrictValue<'_> {
    type Value = Value;
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for StrictValue<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }
    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }
    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            // Before the value is read: a huge value under a repeated key is not built only to be
            // refused.
            if map.contains_key(&key) {
                self.0.replace(Some(key));
                return Err(A::Error::custom("duplicate key"));
            }
            let value = access.next_value_seed(self)?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests;
