//! The closed set of supported keywords.

use serde_json::{Map, Value};

use super::error::{SchemaError, join};

/// What a keyword applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// It informs people.
    Annotation,
    /// It holds for values of any type.
    Any,
    /// No other rule is allowed beside it.
    Alone,
    /// It adds `null` to whatever the schema is.
    Beside,
    /// It is allowed only at the root of a side.
    Root,
    /// It applies to values of this type.
    Of(Type),
}

/// The types that keywords are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Object,
    Array,
    String,
    Number,
}

impl Type {
    /// Whether a JSON Schema type of this name is meant.
    pub(super) fn covers(self, name: &str) -> bool {
        match self {
            Self::Object => name == "object",
            Self::Array => name == "array",
            Self::String => name == "string",
            Self::Number => name == "number" || name == "integer",
        }
    }
}

/// The types of JSON Schema.
pub(super) const TYPES: [&str; 7] = ["object", "array", "string", "integer", "number", "boolean", "null"];

/// What `keyword` is about; `None` when it is not supported.
pub(super) fn scope(keyword: &str) -> Option<Scope> {
    Some(match keyword {
        "title" | "description" | "default" | "examples" | "format" | "deprecated" | "$comment" => Scope::Annotation,
        "type" | "enum" | "const" => Scope::Any,
        "$ref" | "anyOf" | "oneOf" => Scope::Alone,
        "nullable" => Scope::Beside,
        "$schema" | "$defs" | "definitions" => Scope::Root,
        "properties" | "required" | "additionalProperties" | "minProperties" | "maxProperties" | "propertyNames" => {
            Scope::Of(Type::Object)
        }
        "items" | "minItems" | "maxItems" | "uniqueItems" => Scope::Of(Type::Array),
        "minLength" | "maxLength" | "pattern" => Scope::Of(Type::String),
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf" => Scope::Of(Type::Number),
        _ => return None,
    })
}

/// Whether an object is read as JSON Schema rather than as shorthand.
pub(super) fn is_json_schema(map: &Map<String, Value>) -> bool {
    // A property of the shorthand may be called `type`. Only a value that JSON Schema has makes it
    // a keyword.
    let names_a_type = match map.get("type") {
        Some(Value::String(name)) => TYPES.contains(&name.as_str()),
        Some(Value::Array(_)) => true,
        _ => false,
    };
    names_a_type
        || map.keys().any(|key| key.starts_with('$') || matches!(key.as_str(), "enum" | "const" | "anyOf" | "oneOf"))
        || map.get("properties").is_some_and(Value::is_object)
}

/// Refuses keywords outside the set, and those of the root elsewhere.
pub(super) fn known(map: &Map<String, Value>, at: &str, is_root: bool) -> Result<(), SchemaError> {
    // A keyword that is ignored is worse than one that is missing: its author relies on a rule that
    // nobody checks.
    let refused = map.keys().find(|key| match scope(key) {
        None => key.as_str() != "allOf" || single(map).is_none(),
        Some(Scope::Root) => !is_root,
        Some(_) => false,
    });
    match refused {
        Some(keyword) => {
            Err(SchemaError::UnknownKeyword { at: join(at, keyword), keyword: keyword.clone(), hint: hint(keyword) })
        }
        None => Ok(()),
    }
}

/// The one schema of an `allOf`, which pydantic writes around a reference that has a description or a default beside it.
pub(super) fn single(map: &Map<String, Value>) -> Option<&Value> {
    match map.get("allOf").and_then(Value::as_array).map(Vec::as_slice) {
        Some([one]) => Some(one),
        _ => None,
    }
}

/// Refuses other rules beside a keyword that must be alone.
pub(super) fn stands_alone(map: &Map<String, Value>, alone: &str, at: &str) -> Result<(), SchemaError> {
    let rule = |key: &&String| {
        key.as_str() != alone && !matches!(scope(key), Some(Scope::Annotation | Scope::Root | Scope::Beside) | None)
    };
    match map.keys().find(rule) {
        Some(keyword) => Err(SchemaError::Inapplicable {
            at: join(at, keyword),
            keyword: keyword.clone(),
            why: "beside $ref, allOf, anyOf or oneOf only nullable and what informs people is allowed: title, description, \
                  default, examples, format, deprecated, $comment",
        }),
        None => Ok(()),
    }
}

fn hint(keyword: &str) -> &'static str {
    match keyword {
        "allOf" | "not" | "if" | "then" | "else" | "dependentSchemas" | "dependentRequired" => {
            "write the combined schema out, or list the alternatives with `anyOf`"
        }
        "patternProperties" | "unevaluatedProperties" => {
            "name the `properties`, or give `additionalProperties` a schema"
        }
        "prefixItems" | "contains" | "minContains" | "maxContains" | "unevaluatedItems" | "additionalItems" => {
            "use an object with named properties, or `items`"
        }
        "$id" | "$anchor" | "$dynamicRef" | "$dynamicAnchor" | "$recursiveRef" => {
            "only `#/$defs/NAME` with `$defs` at the root of the same schema can be referred to"
        }
        "$schema" | "$defs" | "definitions" => "it is allowed only at the root of a schema",
        _ => "see the list of supported keywords in the documentation of schemas",
    }
}
