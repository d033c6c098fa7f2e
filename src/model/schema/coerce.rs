//! Arguments as models send them: `"5"` for 5, `null` for left out, a single value for a list of one.
//!
//! Guarantees: a value that the schema accepts is not touched, and neither is one that could mean two things. What was
//! changed is named with its place. Deliberately never: fills in a default, rounds, or looks into texts for JSON.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Schema, error::join};

/// Largest value that is repeated in a record, in bytes of JSON.
const MAX_SHOWN_BYTES: usize = 1_024;

/// One value that was taken as another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coercion {
    /// Where, as a JSON pointer into the input.
    pub at: String,
    /// As what it was taken; null for a property that was taken as left out, and for a value that is too large to repeat.
    pub taken: Value,
}

impl Schema {
    /// The value as it is meant, and what that changed. `None` where the value fits, or where the schema leaves a doubt.
    pub fn coerce(&self, value: &Value) -> Option<(Value, Vec<Coercion>)> {
        if self.accepts(value) {
            return None;
        }
        let mut taken = value.clone();
        let mut changes = Vec::new();
        node(self.as_value(), &mut taken, "", &mut changes);
        (!changes.is_empty()).then_some((taken, changes))
    }
}

fn node(schema: &Value, value: &mut Value, at: &str, changes: &mut Vec<Coercion>) {
    let schema = without_null(schema, value);
    let types = types(schema);
    let meant = match value {
        Value::String(text) => from_text(&types, text),
        _ => None,
    };
    if let Some(meant) = meant {
        set(value, meant, at, changes);
    // One value where a list is wanted: the most common slip of a model. Only where nothing but a
    // list is allowed, so that there is one meaning.
    } else if types == ["array"] && !value.is_array() && !value.is_null() && !is_json_text(value) {
        let one = value.take();
        set(value, Value::Array(vec![one]), at, changes);
    }
    match value {
        Value::Object(map) => object(schema, map, at, changes),
        Value::Array(items) => {
            let Some(each) = schema.get("items") else { return };
            for (index, item) in items.iter_mut().enumerate() {
                node(each, item, &join(at, &index.to_string()), changes);
            }
        }
        _ => {}
    }
}

fn object(schema: &Value, map: &mut Map<String, Value>, at: &str, changes: &mut Vec<Coercion>) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    let required = |name: &str| {
        let names = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        names.into_iter().any(|required| required == name)
    };
    // Some clients send null for everything that they do not set. It means the same as a property
    // that is missing, unless null is a value here.
    let left_out = |name: &str, value: &Value| {
        value.is_null() && !required(name) && properties.get(name).is_some_and(|schema| !takes_null(schema))
    };
    let names: Vec<String> =
        map.iter().filter(|(name, value)| left_out(name, value)).map(|(name, _)| name.clone()).collect();
    for name in names {
        map.remove(&name);
        changes.push(Coercion { at: join(at, &name), taken: Value::Null });
    }
    for (name, value) in map.iter_mut() {
        if let Some(schema) = properties.get(name) {
            node(schema, value, &join(at, name), changes);
        }
    }
}

fn set(value: &mut Value, meant: Value, at: &str, changes: &mut Vec<Coercion>) {
    let taken = if meant.to_string().len() <= MAX_SHOWN_BYTES { meant.clone() } else { Value::Null };
    changes.push(Coercion { at: at.to_owned(), taken });
    *value = meant;
}

/// The one alternative besides null, where there is just one.
fn without_null<'s>(schema: &'s Value, value: &Value) -> &'s Value {
    let branches = ["anyOf", "oneOf"].into_iter().find_map(|key| schema.get(key)?.as_array());
    let Some(branches) = branches.filter(|_| !value.is_null()) else { return schema };
    let mut others = branches.iter().filter(|branch| types(branch) != ["null"]);
    match (others.next(), others.next()) {
        // With two, a text could be meant for either of them.
        (Some(one), None) => one,
        _ => schema,
    }
}

/// The types that a schema allows, without null. None where it is a choice.
fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(name)) => vec![name.as_str()],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect(),
        _ => Vec::new(),
    }
}

fn takes_null(schema: &Value) -> bool {
    let listed = |key: &str| schema.get(key).and_then(Value::as_array).into_iter().flatten();
    let named = schema.get("type").is_some_and(|name| name == "null") || listed("type").any(|name| name == "null");
    let chosen = listed("enum").any(Value::is_null) || schema.get("const").is_some_and(Value::is_null);
    named || chosen || listed("anyOf").chain(listed("oneOf")).any(takes_null)
}

/// What a text means where no text is allowed.
fn from_text(types: &[&str], text: &str) -> Option<Value> {
    let meant: Value = match types {
        ["integer" | "number"] => serde_json::from_str(text).ok().filter(Value::is_number)?,
        ["boolean"] => serde_json::from_str(text).ok().filter(Value::is_boolean)?,
        _ => return None,
    };
    // `1e3`, ` 5` and the like are numbers of JSON, and not how anybody writes one into a text.
    let written = meant.to_string();
    (written == text).then_some(meant)
}

/// A text that could be the JSON of a list: whether it is one, or the item of one, is a doubt.
fn is_json_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.trim_start().starts_with(['[', '{']))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{IoSchema, SchemaError};
    use super::*;

    fn schema() -> Result<IoSchema, SchemaError> {
        IoSchema::from_value(&json!({
            "input": {"type": "object", "required": ["must"], "properties": {
                "must": {"type": "string"},
                "count": {"type": "integer", "minimum": 1},
                "ratio": {"type": ["number", "null"]},
                "on": {"type": "boolean"},
                "tags": {"type": "array", "items": {"type": "string"}},
                "sizes": {"type": "array", "items": {"type": "integer"}},
                "maybe": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
                "either": {"type": ["integer", "boolean"]},
                "nested": {"type": "object", "properties": {"deep": {"type": "integer"}}},
            }},
            "output": {"a": "str"},
        }))
    }

    #[test]
    fn arguments_are_taken_as_models_send_them() -> Result<(), SchemaError> {
        let io = schema()?;
        for (given, taken) in [
            (json!({"count": "5"}), json!({"count": 5})),
            (json!({"ratio": "-0.5"}), json!({"ratio": -0.5})),
            (json!({"on": "true"}), json!({"on": true})),
            (json!({"tags": "one"}), json!({"tags": ["one"]})),
            (json!({"sizes": "7"}), json!({"sizes": [7]})),
            (json!({"sizes": ["1", 2]}), json!({"sizes": [1, 2]})),
            (json!({"maybe": "3"}), json!({"maybe": 3})),
            (json!({"count": null}), json!({})),
            (json!({"nested": {"deep": "1"}}), json!({"nested": {"deep": 1}})),
        ] {
            let (mut given, mut taken) = (given, taken);
            given["must"] = json!("x");
            taken["must"] = json!("x");
            let (value, changes) = io.input().coerce(&given).unwrap_or_default();
            assert_eq!(value, taken, "{given}");
            assert!(!changes.is_empty() && io.check_input(&value).is_ok(), "{given}");
        }
        let given = json!({"must": "x", "count": "5", "tags": null});
        let changes = io.input().coerce(&given).map(|(_, changes)| changes).unwrap_or_default();
        let expected = [("/tags", Value::Null), ("/count", json!(5))];
        assert_eq!(changes, expected.map(|(at, taken)| Coercion { at: at.to_owned(), taken }));
        Ok(())
    }

    #[test]
    fn what_fits_or_is_in_doubt_stays() -> Result<(), SchemaError> {
        let io = schema()?;
        for given in [
            json!({"must": "5", "count": 1, "ratio": null, "maybe": null}),
            json!({"must": null}),
            json!({"must": 5}),
            json!({"must": "x", "count": "five"}),
            json!({"must": "x", "count": " 5"}),
            json!({"must": "x", "count": "1e3"}),
            json!({"must": "x", "on": "yes"}),
            json!({"must": "x", "on": 1}),
            json!({"must": "x", "either": "5"}),
            json!({"must": "x", "tags": "[\"a\"]"}),
            json!({"must": "x", "unknown": "5"}),
        ] {
            assert_eq!(io.input().coerce(&given), None, "{given}");
        }
        Ok(())
    }
}
