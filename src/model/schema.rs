//! Input and output schemas: what a skill is given and what it gives back.
//!
//! A schema is written as JSON Schema 2020-12 or in the shorthand (see [`shorthand`]), each side as it likes:
//! `{"input": {"title": "str"}, "output": {"path": "str"}}`. Either way it is kept in one normal form, which is
//! what is stored, shown, digested and checked.
//!
//! Supported of any value are `type`, `enum`, `const`, `nullable`, `anyOf`, `oneOf`, `allOf` with one
//! schema, and `$ref` to `#/$defs/…` or
//! `#/definitions/…` of the same side. Of objects: `properties`, `required`, `additionalProperties`, `minProperties`,
//! `maxProperties`, `propertyNames`. Of lists: `items`, `minItems`, `maxItems`, `uniqueItems` (of scalars). Of texts:
//! `minLength`, `maxLength`, `pattern`. Of numbers: `minimum`, `maximum`, `exclusiveMinimum`, `exclusiveMaximum`,
//! `multipleOf`. For people: `title`, `description`, `default`, `examples`, `format`, `deprecated`, `$comment`. `$schema`
//! may name 2020-12, 2019-09, draft 7 or draft 6, in which all of these mean the same.
//!
//! Guarantees of an [`IoSchema`]:
//! - it holds no keyword that is not checked: anything else is refused with its JSON pointer;
//! - both sides are objects, and every object in them is closed: nothing is accepted that is not described;
//! - neither side accepts everything or nothing; for each a fitting value is known;
//! - it refers to nothing outside itself, and no reference is left in it, so it is as large as it looks;
//! - checking a value takes time that is bounded by the sizes of schema and value. Patterns are linear, and
//!   their total work is capped ([`MAX_PATTERN_WORK`]). A mismatch is explained only where that is cheap.
//!
//! A `default` of null where null does not fit is left out: it only says that the property is optional.
//!
//! It never fetches anything and never fills in a `default`. It changes a value only where [`Schema::coerce`] is asked to. As in
//! JSON Schema, `1.0` is an `integer`, and lengths count characters (Unicode scalar values).
//!
//! Values that are checked come from [`super::json::parse`], which bounds their depth and size.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Map, Value, json};

use super::json::{self, JsonLimits};

mod assertions;
mod bounds;
mod checker;
mod coerce;
mod decimal;
mod ecma;
mod ecma_pattern;
mod error;
mod fast_path;
pub mod fields;
pub mod generate;
mod keywords;
mod mismatch;
mod normal;
mod normalise;
mod pattern;
mod sample;
mod seeded_rng;
pub mod shorthand;
mod validator;

use checker::Checker;

pub use bounds::{MAX_PATTERN_WORK, MAX_TEXT_BYTES};
pub use coerce::Coercion;
pub use error::{SchemaError, SchemaSide};
pub use mismatch::{MAX_PROBLEMS, Problem, SchemaMismatch};

/// The schemas of a skill's input and output.
#[derive(Clone, PartialEq, Eq)]
pub struct IoSchema {
    input: Schema,
    output: Schema,
}

/// One schema in normal form, compiled. Cloning shares it.
#[derive(Clone)]
pub struct Schema(Arc<CompiledSchema>);

struct CompiledSchema {
    value: Value,
    checker: Checker,
    example: OnceLock<Value>,
}

/// Where a schema comes from, which decides how much of the work is done at once.
#[derive(Clone, Copy)]
enum SchemaOrigin {
    /// A person or a model wrote it: everything is checked at once.
    Hand,
    /// Kavi stored it after checking it. The validator is made when the first value needs it: a process that runs one skill
    /// once should not pay for more.
    Store,
}

impl IoSchema {
    /// Parses the text of an i/o schema, each side in JSON Schema or in the shorthand.
    ///
    /// # Errors
    /// [`SchemaError`] names the rule that is broken and the JSON pointer.
    pub fn parse(text: &str) -> Result<Self, SchemaError> {
        let limits = JsonLimits { max_bytes: MAX_TEXT_BYTES, ..JsonLimits::default() };
        Self::from_value(&json::parse(text.as_bytes(), limits)?)
    }

    /// The i/o schema in `value`, written as for [`IoSchema::parse`].
    ///
    /// # Errors
    /// [`SchemaError`] as for [`IoSchema::parse`].
    pub fn from_value(value: &Value) -> Result<Self, SchemaError> {
        Self::read(value, SchemaOrigin::Hand)
    }

    fn read(value: &Value, source: SchemaOrigin) -> Result<Self, SchemaError> {
        let not_io = |why: String| SchemaError::NotIo(why);
        let map = value.as_object().ok_or_else(|| not_io("it is not an object".to_owned()))?;
        if let Some(key) = map.keys().find(|key| !matches!(key.as_str(), "input" | "output")) {
            return Err(not_io(format!("it has `{}`", json::shown(key))));
        }
        let side = |side: SchemaSide| match map.get(side.as_str()) {
            Some(node) => Schema::new(side, node, source),
            None => Err(not_io(format!("it lacks `{}`", side.as_str()))),
        };
        let schema = Self { input: side(SchemaSide::Input)?, output: side(SchemaSide::Output)? };
        // What is stored has to be readable again, so the normal form obeys the same limit.
        if schema.canonical_text().len() > MAX_TEXT_BYTES {
            let what = "bytes in normal form";
            return Err(SchemaError::TooLarge { what, limit: MAX_TEXT_BYTES });
        }
        Ok(schema)
    }

    /// The schema of the input.
    pub fn input(&self) -> &Schema {
        &self.input
    }

    /// The schema of the output.
    pub fn output(&self) -> &Schema {
        &self.output
    }

    /// The JSON Schema of the input, in normal form.
    pub fn input_schema(&self) -> &Value {
        self.input.as_value()
    }

    /// The JSON Schema of the output, in normal form.
    pub fn output_schema(&self) -> &Value {
        self.output.as_value()
    }

    /// Both, as they are stored.
    pub fn to_value(&self) -> Value {
        json!({"input": self.input_schema(), "output": self.output_schema()})
    }

    /// The one text of this schema, for digests.
    pub fn canonical_text(&self) -> String {
        json::canonical(&self.to_value())
    }

    /// Checks an input.
    ///
    /// # Errors
    /// [`SchemaMismatch`] says where it does not fit and why.
    pub fn check_input(&self, value: &Value) -> Result<(), SchemaMismatch> {
        self.input.check(value)
    }

    /// Checks an output.
    ///
    /// # Errors
    /// [`SchemaMismatch`] says where it does not fit and why.
    pub fn check_output(&self, value: &Value) -> Result<(), SchemaMismatch> {
        self.output.check(value)
    }

    /// A small input that fits, to show how the skill is called.
    pub fn example_input(&self) -> Value {
        self.input.example().clone()
    }
}

impl Schema {
    fn new(side: SchemaSide, node: &Value, source: SchemaOrigin) -> Result<Self, SchemaError> {
        let value = normal::side(side, node)?;
        let checker = match source {
            SchemaOrigin::Hand => Checker::new(&value).map_err(|why| SchemaError::NotCompiled { side, why })?,
            SchemaOrigin::Store => Checker::later(&value),
        };
        let schema = Self(Arc::new(CompiledSchema { value, checker, example: OnceLock::new() }));
        if let SchemaOrigin::Hand = source {
            let example = schema.find_example().ok_or(SchemaError::Unsatisfiable { side })?;
            schema.0.example.get_or_init(|| example);
        }
        Ok(schema)
    }

    fn find_example(&self) -> Option<Value> {
        sample::example(&self.0.value, |candidate| self.accepts(candidate))
    }

    /// The JSON Schema, in normal form.
    pub fn as_value(&self) -> &Value {
        &self.0.value
    }

    /// A small value that fits.
    pub fn example(&self) -> &Value {
        // A stored schema had an example when it was written, so one can be found again.
        self.0.example.get_or_init(|| self.find_example().unwrap_or_default())
    }

    /// A small value that fits a part of a schema in normal form; none when there is none to be found.
    pub(super) fn example_of(part: &Value) -> Option<Value> {
        let checker = Checker::new(part).ok()?;
        sample::example(part, |candidate| checker.check(candidate).is_ok())
    }

    /// Checks a value.
    ///
    /// # Errors
    /// [`SchemaMismatch`] says where it does not fit and why.
    pub fn check(&self, value: &Value) -> Result<(), SchemaMismatch> {
        self.0.checker.check(value)
    }

    /// Whether a value fits.
    pub fn accepts(&self, value: &Value) -> bool {
        self.check(value).is_ok()
    }
}

impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        self.0.value == other.0.value
    }
}

impl Eq for Schema {}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schema({})", self.0.value)
    }
}

impl fmt::Debug for IoSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IoSchema").field("input", &self.input).field("output", &self.output).finish()
    }
}

impl Serialize for IoSchema {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let sides = [("input", self.input_schema()), ("output", self.output_schema())];
        serializer.collect_map(sides)
    }
}

/// Reads what [`Serialize`] wrote, with every rule of [`IoSchema::parse`] about what a schema may say; that it compiles and has a
/// fitting value was found out when it was written. The shorthand is refused here, since
/// what is stored is in normal form. Keys that stand twice are found only by [`json::parse`], so read with that.
impl<'de> Deserialize<'de> for IoSchema {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::Object(Map::deserialize(deserializer)?);
        let schema = Self::read(&value, SchemaOrigin::Store).map_err(D::Error::custom)?;
        if schema.to_value() == value {
            Ok(schema)
        } else {
            Err(D::Error::custom("the I/O schema is not in normal form: propose it again"))
        }
    }
}

#[cfg(test)]
mod tests;
