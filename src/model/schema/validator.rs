//! Compiles a schema in normal form for the validator.

use serde_json::Value;

use super::{decimal, ecma, ecma_pattern};
use crate::model::json;

/// Compiles a schema with a linear engine for patterns and without any way to fetch another schema.
///
/// As draft 7: the keywords of the normal form mean the same there as in 2020-12. The first schema of a process is checked
/// against the schema of its draft, which is one document for draft 7 and eight for 2020-12. That saves a millisecond of
/// every run.
pub(super) fn compile(schema: &Value) -> Result<jsonschema::Validator, String> {
    let mut schema = schema.clone();
    set_patterns_apart(&mut schema);
    compile_untranslated(&schema)
}

/// The same with the validator's own reading of patterns.
pub(super) fn compile_untranslated(schema: &Value) -> Result<jsonschema::Validator, String> {
    compile_as(schema, jsonschema::Draft::Draft7)
}

/// Moves the patterns of a schema in normal form to the keyword that reads them as ECMA-262. One that cannot be translated is
/// from a skill that was promoted before it had to be: it keeps its meaning.
fn set_patterns_apart(schema: &mut Value) {
    let Some(map) = schema.as_object_mut() else { return };
    let translatable = map.get("pattern").and_then(Value::as_str).is_some_and(|text| ecma::to_engine(text).is_ok());
    if let Some(pattern) = translatable.then(|| map.remove("pattern")).flatten() {
        map.insert(ecma_pattern::KEYWORD.to_owned(), pattern);
    }
    for (keyword, value) in map {
        match (keyword.as_str(), value) {
            ("properties", Value::Object(properties)) => properties.values_mut().for_each(set_patterns_apart),
            ("items" | "additionalProperties", below) => set_patterns_apart(below),
            ("anyOf" | "oneOf", Value::Array(branches)) => branches.iter_mut().for_each(set_patterns_apart),
            _ => {}
        }
    }
}

pub(super) fn compile_as(schema: &Value, draft: jsonschema::Draft) -> Result<jsonschema::Validator, String> {
    jsonschema::options()
        .with_draft(draft)
        .with_pattern_options(ecma_pattern::engine())
        // A format informs people. No reader checks all of them, and none checks them alike.
        .should_validate_formats(false)
        .with_keyword("multipleOf", decimal::multiple_of)
        .with_keyword(ecma_pattern::KEYWORD, ecma_pattern::keyword)
        // A `$ref` to a URL must not make Kavi open a connection. The normal form has none, and
        // this holds also where it is wrong.
        .offline()
        .build(schema)
        .map_err(|error| json::shown(&error.to_string()))
}
