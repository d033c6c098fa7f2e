//! Why a value does not match a schema, in words.

use std::fmt;

use jsonschema::{
    ErrorIterator, JsonType, ValidationError,
    error::{TypeKind, ValidationErrorKind as Kind},
};
use serde_json::Value;

use super::super::json::shown;

/// Most problems that are listed.
pub const MAX_PROBLEMS: usize = 5;

/// A value that does not match a schema: where and why, at most [`MAX_PROBLEMS`] times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaMismatch {
    problems: Vec<Problem>,
    more: usize,
}

/// One place that does not match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// JSON pointer into the value, empty for the whole.
    pub pointer: String,
    /// The rule that is broken, with values cut at 80 characters and control characters escaped.
    pub rule: String,
    /// JSON pointer to the broken rule in the schema, empty for the whole. Nothing of the value is in it.
    pub schema_path: String,
}

impl SchemaMismatch {
    /// The first few problems.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    pub(super) fn whole(rule: String) -> Self {
        Self { problems: vec![Problem { pointer: String::new(), rule, schema_path: String::new() }], more: 0 }
    }

    pub(super) fn collect(mut errors: ErrorIterator<'_>) -> Self {
        let problems: Vec<Problem> = errors.by_ref().take(MAX_PROBLEMS).map(|error| problem(&error)).collect();
        if problems.is_empty() {
            return Self::whole("does not match".to_owned());
        }
        // Only counted. Each problem that is listed copies a part of the value.
        Self { problems, more: errors.count() }
    }
}

impl std::error::Error for SchemaMismatch {}

impl fmt::Display for SchemaMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Problem { pointer, rule, .. }) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            if pointer.is_empty() {
                write!(f, "the whole value {rule}")?;
            } else {
                write!(f, "`{}` {rule}", shown(pointer))?;
            }
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

fn problem(error: &ValidationError<'_>) -> Problem {
    let (pointer, schema_path) = (error.instance_path().as_str().to_owned(), error.schema_path().as_str().to_owned());
    Problem { pointer, rule: rule(error), schema_path }
}

fn rule(error: &ValidationError<'_>) -> String {
    let is = || shown(&error.instance().to_string());
    match error.kind() {
        Kind::Type { kind } => format!("is {}, must be {}", what(error.instance()), types(kind)),
        Kind::Required { property } => format!("lacks `{}`", shown(property.as_str().unwrap_or_default())),
        Kind::AdditionalProperties { unexpected } => {
            format!("has properties that are not in the schema: {}", names(unexpected))
        }
        Kind::Enum { options } => format!("is {}, must be one of {}", is(), shown(&options.to_string())),
        Kind::Constant { expected_value } => format!("is {}, must be {}", is(), shown(&expected_value.to_string())),
        Kind::Minimum { limit } => format!("is {}, must be at least {limit}", is()),
        Kind::Maximum { limit } => format!("is {}, must be at most {limit}", is()),
        Kind::ExclusiveMinimum { limit } => format!("is {}, must be more than {limit}", is()),
        Kind::ExclusiveMaximum { limit } => format!("is {}, must be less than {limit}", is()),
        // `multipleOf` and `pattern` are Kavi's own keywords: see `decimal` and `pattern`.
        Kind::Custom { message, .. } => format!("is {}, {message}", is()),
        Kind::MinLength { limit } => format!("is {}, must have at least {limit} characters", is()),
        Kind::MaxLength { limit } => format!("is {}, must have at most {limit} characters", is()),
        Kind::Pattern { pattern } => format!("is {}, must match `{}`", is(), shown(pattern)),
        Kind::MinItems { limit } => format!("has {} items, must have at least {limit}", count(error.instance())),
        Kind::MaxItems { limit } => format!("has {} items, must have at most {limit}", count(error.instance())),
        Kind::UniqueItems => "has an item twice".to_owned(),
        Kind::MinProperties { limit } => {
            format!("has {} properties, must have at least {limit}", count(error.instance()))
        }
        Kind::MaxProperties { limit } => {
            format!("has {} properties, must have at most {limit}", count(error.instance()))
        }
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            format!("is {}, matches none of the {} alternatives{}", is(), context.len(), nearest(context))
        }
        Kind::OneOfMultipleValid { .. } => format!("is {}, matches more than one alternative", is()),
        other => format!("breaks `{}`", other.keyword()),
    }
}

/// The first problem of an alternative whose type matches: most likely the one that was meant.
fn nearest(context: &[Vec<ValidationError<'_>>]) -> String {
    let of_its_type = |errors: &&Vec<ValidationError<'_>>| {
        errors.first().is_some_and(|error| !matches!(error.kind(), Kind::Type { .. }))
    };
    match context.iter().find(of_its_type).and_then(|errors| errors.first()) {
        // Cut, because the rule of an alternative may hold that of the nearest one inside of it.
        Some(error) => {
            let Problem { pointer, rule, .. } = problem(error);
            format!("; in the nearest, `{}` {}", shown(&pointer), shown(&rule))
        }
        None => String::new(),
    }
}

/// A value where only its type is wrong.
fn what(value: &Value) -> String {
    match value {
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => shown(&value.to_string()),
    }
}

fn types(kind: &TypeKind) -> String {
    let name = |one: JsonType| match one {
        JsonType::Null => "null",
        JsonType::Boolean => "a boolean",
        JsonType::Integer => "an integer",
        JsonType::Number => "a number",
        JsonType::String => "a string",
        JsonType::Array => "an array",
        JsonType::Object => "an object",
    };
    match kind {
        TypeKind::Single(one) => name(*one).to_owned(),
        TypeKind::Multiple(set) => set.iter().map(name).collect::<Vec<_>>().join(" or "),
    }
}

fn count(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.len(),
        Value::Object(map) => map.len(),
        _ => 0,
    }
}

fn names(unexpected: &[String]) -> String {
    let listed: Vec<String> = unexpected.iter().take(3).map(|name| format!("`{}`", shown(name))).collect();
    let more = if unexpected.len() > listed.len() { ", …" } else { "" };
    format!("{}{more}", listed.join(", "))
}
