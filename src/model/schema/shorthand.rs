//! The shorthand: `{"title": "str", "tags": ["str"], "meta": {"page": "int?"}}`.
//!
//! | written | means |
//! |---|---|
//! | `str`, `string` | text |
//! | `int`, `integer` | a whole number |
//! | `float`, `number` | a number |
//! | `bool`, `boolean` | true or false |
//! | `list[T]`, `[T]`, `["T"]` | a list of `T` |
//! | `dict[str,T]`, `dict[T]` | an object with any names and values of `T` |
//! | `list`, `dict` | the same of text, numbers, booleans and null |
//! | `{…}` | an object with these properties |
//! | JSON Schema | itself: an object whose `type` is a type of JSON Schema, or that has `enum`, `const`, `anyOf`, `oneOf`, a key with `$` or an object under `properties` |
//!
//! Every property is required unless its type or its name ends in `?`; an optional one may be left out, it may
//! not be null. There is no type that accepts everything.

use serde_json::{Map, Value, json};

use super::{
    error::{SchemaError, join},
    keywords,
    normalise::Normalise,
};

/// Whether a property has to be there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    Required,
    Optional,
}

/// An object of the shorthand, in normal form.
pub(super) fn object<'a>(
    normaliser: &mut dyn Normalise<'a>,
    map: &'a Map<String, Value>,
    at: &str,
    depth: usize,
) -> Result<Map<String, Value>, SchemaError> {
    normaliser.count_node(depth)?;
    if map.is_empty() {
        let why = "names no property; an input without any is \
                   {\"type\": \"object\", \"properties\": {}, \"additionalProperties\": false}";
        return Err(SchemaError::Vacuous { at: at.to_owned(), why });
    }
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (key, node) in map {
        let at = join(at, key);
        let name = key.strip_suffix('?').unwrap_or(key);
        normaliser.property(name, &at)?;
        // A question mark may be at the name or at the type. Models write both, and both mean the
        // same.
        let (schema, presence) = node_of(normaliser, node, &at, depth + 1)?;
        if presence == Presence::Required && name == key {
            required.push(name);
        }
        if properties.insert(name.to_owned(), schema).is_some() {
            return Err(SchemaError::Shorthand { at, why: "the property is named twice, with and without `?`" });
        }
    }
    required.sort_unstable();
    let mut out = Map::new();
    out.insert("type".to_owned(), Value::from("object"));
    if !required.is_empty() {
        out.insert("required".to_owned(), Value::from(required));
    }
    out.insert("properties".to_owned(), Value::Object(properties));
    out.insert("additionalProperties".to_owned(), Value::Bool(false));
    Ok(out)
}

fn node_of<'a>(
    normaliser: &mut dyn Normalise<'a>,
    node: &'a Value,
    at: &str,
    depth: usize,
) -> Result<(Value, Presence), SchemaError> {
    let wrong = |why| SchemaError::Shorthand { at: at.to_owned(), why };
    let schema = match node {
        Value::String(text) => match text.strip_suffix('?') {
            Some(name) => return Ok((named(normaliser, name, at, depth)?, Presence::Optional)),
            None => named(normaliser, text, at, depth)?,
        },
        Value::Array(items) => {
            let [item] = items.as_slice() else {
                return Err(wrong("a list must contain exactly one type, the type of its items"));
            };
            normaliser.count_node(depth)?;
            match node_of(normaliser, item, &join(at, "0"), depth + 1)? {
                (_, Presence::Optional) => return Err(wrong("the items of a list cannot be optional")),
                (item, Presence::Required) => json!({"type": "array", "items": item}),
            }
        }
        Value::Object(map) if keywords::is_json_schema(map) => normaliser.schema(node, at, depth)?,
        Value::Object(map) => Value::Object(object(normaliser, map, at, depth)?),
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            return Err(wrong("a type must be a name, a list with one type, or an object"));
        }
    };
    Ok((schema, Presence::Required))
}

/// The schema of a type that is written as text.
fn named(normaliser: &mut dyn Normalise<'_>, text: &str, at: &str, depth: usize) -> Result<Value, SchemaError> {
    normaliser.count_node(depth)?;
    let text = text.trim();
    let inside = |open: &str| text.strip_prefix(open).and_then(|rest| rest.strip_suffix(']'));
    if let Some(item) = inside("list[").or_else(|| inside("[")) {
        return Ok(json!({"type": "array", "items": named(normaliser, item, at, depth + 1)?}));
    }
    if let Some(inner) = inside("dict[") {
        let value = match inner.split_once(',') {
            // Names of properties are always texts, so a type for them says nothing. Any other one
            // is no type and fails below.
            Some((key, value)) if matches!(key.trim(), "str" | "string") => value,
            _ => inner,
        };
        return Ok(dict(named(normaliser, value, at, depth + 1)?));
    }
    Ok(match text {
        "str" | "string" => json!({"type": "string"}),
        "int" | "integer" => json!({"type": "integer"}),
        "float" | "number" => json!({"type": "number"}),
        "bool" | "boolean" => json!({"type": "boolean"}),
        "list" => json!({"type": "array", "items": scalar()}),
        "dict" => dict(scalar()),
        _ => return Err(SchemaError::UnknownType { at: at.to_owned(), name: text.to_owned() }),
    })
}

/// What the items of a list and the values of a dict are when nothing is said about them.
pub(super) fn scalar() -> Value {
    json!({"type": ["string", "number", "boolean", "null"]})
}

fn dict(values: Value) -> Value {
    json!({"type": "object", "properties": {}, "additionalProperties": values})
}
