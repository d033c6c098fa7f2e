//! A compiled schema and the bounds on what checking a value against it may cost.

use std::sync::OnceLock;

use serde_json::{Map, Value};

use super::bounds::MAX_PATTERN_WORK;
use super::{fast_path::FastPath, mismatch::SchemaMismatch, pattern, validator::compile};

/// Most schemas inside alternatives times the size of a value for which a mismatch is explained. For every
/// alternative that fails the validator keeps a copy of the value, about 400 bytes for each unit of this.
const MAX_EXPLAINED: u64 = 1 << 17;

/// A schema in normal form, or a part of one, ready to check values.
pub(super) struct Checker {
    fast_path: FastPath,
    /// What the validator is made from, when the first value needs it.
    schema: Value,
    engine: OnceLock<Result<Engine, String>>,
}

struct Engine {
    validator: jsonschema::Validator,
    /// Steps that matching the patterns costs for each byte of text.
    pattern_steps: u64,
    /// Schemas inside `anyOf` and `oneOf`.
    alternatives: u64,
}

impl Engine {
    fn new(schema: &Value) -> Result<Self, String> {
        let mut cost = Cost::default();
        cost.add(schema, Nesting::Outside);
        let Cost { pattern_steps, alternatives } = cost;
        Ok(Self { validator: compile(schema)?, pattern_steps, alternatives })
    }
}

impl Checker {
    /// Compiles a schema.
    pub(super) fn new(schema: &Value) -> Result<Self, String> {
        let checker = Self::later(schema);
        checker.engine().map(|_| ()).map_err(String::from)?;
        Ok(checker)
    }

    /// The same for a schema that was compiled before it was stored: the validator is made when a value needs it.
    pub(super) fn later(schema: &Value) -> Self {
        Self { fast_path: FastPath::new(schema), schema: schema.clone(), engine: OnceLock::new() }
    }

    fn engine(&self) -> Result<&Engine, &str> {
        self.engine.get_or_init(|| Engine::new(&self.schema)).as_ref().map_err(String::as_str)
    }

    /// Checks a value.
    pub(super) fn check(&self, value: &Value) -> Result<(), SchemaMismatch> {
        // What the fast path decides needs no validator, and no pattern that could be expensive.
        if self.fast_path.certain(value) {
            return Ok(());
        }
        let unusable =
            |why: &str| SchemaMismatch::whole(format!("cannot be checked, because the schema does not compile: {why}"));
        let Engine { validator, pattern_steps, alternatives } = self.engine().map_err(unusable)?;
        let size = Size::of(value);
        // Each pattern is linear. But a long text times many patterns would still hold up the run,
        // which has no deadline here.
        if size.text.saturating_mul(*pattern_steps) > MAX_PATTERN_WORK {
            let rule = format!("has {} bytes of text, too many for the patterns of the schema", size.text);
            return Err(SchemaMismatch::whole(rule));
        }
        // Far cheaper than collecting errors, and nearly every value matches.
        if validator.is_valid(value) {
            return Ok(());
        }
        let explained = (size.values + size.text / 32).saturating_mul(*alternatives) <= MAX_EXPLAINED;
        if explained {
            Err(SchemaMismatch::collect(validator.iter_errors(value)))
        } else {
            Err(SchemaMismatch::whole(
                "does not match, and is too large to say where: the schema has alternatives".to_owned(),
            ))
        }
    }
}

#[derive(Clone, Copy)]
enum Nesting {
    Outside,
    InsideAlternatives,
}

#[derive(Default)]
struct Cost {
    pattern_steps: u64,
    alternatives: u64,
}

impl Cost {
    fn add(&mut self, schema: &Value, place: Nesting) {
        if let Nesting::InsideAlternatives = place {
            self.alternatives += 1;
        }
        if let Some(pattern) = schema.get("pattern").and_then(Value::as_str) {
            self.pattern_steps = self.pattern_steps.saturating_add(pattern::steps(pattern));
        }
        let properties = schema.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::values);
        let single = ["items", "additionalProperties", "propertyNames"].into_iter().filter_map(|key| schema.get(key));
        properties.chain(single).for_each(|below| self.add(below, place));
        let branches = ["anyOf", "oneOf"].into_iter().filter_map(|key| schema.get(key)?.as_array());
        branches.flatten().for_each(|branch| self.add(branch, Nesting::InsideAlternatives));
    }
}

/// How large a value is.
#[derive(Default)]
struct Size {
    /// Values, itself included.
    values: u64,
    /// Bytes of all strings; keys are not matched against patterns.
    text: u64,
}

impl Size {
    fn of(value: &Value) -> Self {
        let mut size = Self::default();
        size.add(value);
        size
    }

    fn add(&mut self, value: &Value) {
        self.values += 1;
        match value {
            Value::String(text) => self.text += text.len() as u64,
            Value::Array(items) => items.iter().for_each(|item| self.add(item)),
            Value::Object(map) => map.values().for_each(|item| self.add(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::validator::compile_as;
    use super::*;

    #[test]
    fn every_keyword_of_the_normal_form_means_the_same_in_both_drafts() -> Result<(), String> {
        let values = [
            json!(null),
            json!(true),
            json!(0),
            json!(1),
            json!(1.0),
            json!(1.5),
            json!(-2),
            json!(6),
            json!(100),
            json!(""),
            json!("a"),
            json!("ab"),
            json!("abc"),
            json!("äöü"),
            json!([]),
            json!([1]),
            json!([1, 1]),
            json!([1, 1.0]),
            json!([1, "a"]),
            json!([[1], [1]]),
            json!({}),
            json!({ "a": 1 }),
            json!({ "a": "x" }),
            json!({ "a": 1, "b": 2 }),
            json!({ "b": null }),
            json!({ "a": 1, "b": 2, "c": 3 }),
        ];
        let schemas = [
            json!({ "type": "integer" }),
            json!({ "type": ["number", "null"] }),
            json!({ "type": "string" }),
            json!({ "type": "boolean" }),
            json!({ "enum": [1, "a", null, [1]] }),
            json!({ "const": 1 }),
            json!({ "type": "number", "minimum": 0, "maximum": 6 }),
            json!({ "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 6 }),
            json!({ "type": "number", "multipleOf": 0.5 }),
            json!({ "type": "string", "minLength": 1, "maxLength": 2 }),
            json!({ "type": "string", "pattern": "^a" }),
            json!({ "type": "array", "items": { "type": "integer" } }),
            json!({ "type": "array", "items": {}, "minItems": 1, "maxItems": 1 }),
            json!({ "type": "array", "items": {}, "uniqueItems": true }),
            json!({ "type": "object", "properties": { "a": { "type": "integer" } }, "additionalProperties": false }),
            json!({ "type": "object", "properties": {}, "additionalProperties": { "type": "integer" } }),
            json!({ "type": "object", "required": ["a"], "minProperties": 1, "maxProperties": 2 }),
            json!({ "anyOf": [{ "type": "integer" }, { "minLength": 2 }] }),
            json!({ "oneOf": [{ "type": "integer" }, { "type": "number" }], "title": "t", "description": "d" }),
            json!({ "type": "string", "default": "a", "examples": ["b"] }),
        ];
        for schema in &schemas {
            let (ours, newest) = (compile(schema)?, compile_as(schema, jsonschema::Draft::Draft202012)?);
            for value in &values {
                assert_eq!(ours.is_valid(value), newest.is_valid(value), "{schema} and {value}");
            }
        }
        for refused in [
            json!({ "multipleOf": 0 }),
            json!({ "minLength": -1 }),
            json!({ "required": ["a", "a"] }),
            json!({ "type": "text" }),
            json!({ "uniqueItems": 1 }),
            json!({ "anyOf": [] }),
            json!({ "pattern": "(" }),
            json!({ "maximum": "1" }),
            json!({ "properties": [] }),
            json!({ "title": 1 }),
            json!({ "examples": 1 }),
        ] {
            assert!(compile(&refused).is_err(), "{refused}");
            assert!(compile_as(&refused, jsonschema::Draft::Draft202012).is_err(), "{refused}");
        }
        Ok(())
    }
}
