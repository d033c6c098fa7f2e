//! The fast path: whether a value certainly matches a schema, without the validator.
//!
//! Nearly every value matches, and nearly every schema has only types, names and lengths. Making the validator takes longer
//! than everything else that a process does with one input.
//!
//! Guarantees: a value that is [`FastPath::certain`] also matches by the validator; a property test compares the two. A rule
//! that this module does not know makes its whole node uncertain.
//!
//! Deliberately never: refuses a value. What is not certain goes to the validator, which also says why.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// One schema in normal form, as far as this module understands it.
pub(super) enum FastPath {
    /// Ask the validator.
    Uncertain,
    /// One of these types.
    Types(Types),
    /// One of these texts.
    Texts(Vec<String>),
    /// One of these schemas.
    AnyOf(Vec<FastPath>),
}

/// What values of each type have to be; none where the type is not allowed.
#[derive(Default)]
pub(super) struct Types {
    null: bool,
    boolean: bool,
    integer: bool,
    number: bool,
    string: Option<Count>,
    array: Option<(Count, Box<FastPath>)>,
    object: Option<Box<Object>>,
}

struct Object {
    count: Count,
    required: Vec<String>,
    properties: BTreeMap<String, FastPath>,
    /// What has another name.
    extra: Option<FastPath>,
}

/// How many characters, items or properties.
#[derive(Clone, Copy)]
struct Count {
    least: u64,
    most: u64,
}

impl Count {
    fn of(schema: &Map<String, Value>, least: &str, most: &str) -> Option<Self> {
        let read = |key: &str, none: u64| schema.get(key).map_or(Some(none), Value::as_u64);
        Some(Self { least: read(least, 0)?, most: read(most, u64::MAX)? })
    }

    fn has(self, count: usize) -> bool {
        (self.least..=self.most).contains(&(count as u64))
    }
}

/// Rules about what has a type. Those of `pattern`, `uniqueItems` and numbers are left to the validator.
const RULES: [&str; 11] = [
    "type",
    "properties",
    "required",
    "additionalProperties",
    "minProperties",
    "maxProperties",
    "items",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
];
/// What tells people something.
const NOTES: [&str; 6] = ["title", "description", "default", "examples", "format", "deprecated"];

impl FastPath {
    pub(super) fn new(schema: &Value) -> Self {
        schema.as_object().and_then(Self::known).unwrap_or(Self::Uncertain)
    }

    fn known(schema: &Map<String, Value>) -> Option<Self> {
        let only = |rules: &[&str]| schema.keys().all(|key| rules.contains(&&**key) || NOTES.contains(&&**key));
        if let Some(values) = schema.get("enum").filter(|_| only(&["enum"])) {
            let texts = values.as_array()?.iter().map(|value| value.as_str().map(str::to_owned));
            return texts.collect::<Option<Vec<_>>>().map(Self::Texts);
        }
        if let Some(branches) = schema.get("anyOf").filter(|_| only(&["anyOf"])) {
            return Some(Self::AnyOf(branches.as_array()?.iter().map(Self::new).collect()));
        }
        // Any rule that is not on the list makes the whole schema uncertain. A rule of a later
        // version is then left to the validator, not ignored.
        only(&RULES).then_some(())?;
        let mut types = Types::default();
        match schema.get("type")? {
            Value::Array(names) => names.iter().try_for_each(|name| types.add(name.as_str()?, schema))?,
            name => types.add(name.as_str()?, schema)?,
        }
        Some(Self::Types(types))
    }

    /// Whether a value fits for certain.
    pub(super) fn certain(&self, value: &Value) -> bool {
        let types = match self {
            Self::Uncertain => return false,
            Self::Texts(texts) => return value.as_str().is_some_and(|text| texts.iter().any(|one| one == text)),
            Self::AnyOf(branches) => return branches.iter().any(|branch| branch.certain(value)),
            Self::Types(types) => types,
        };
        match value {
            Value::Null => types.null,
            Value::Bool(_) => types.boolean,
            // A number with a fraction of zero is an integer too; that is for the validator.
            Value::Number(number) => types.number || (types.integer && !number.is_f64()),
            Value::String(text) => types.string.is_some_and(|count| count.holds(text)),
            Value::Array(items) => types
                .array
                .as_ref()
                .is_some_and(|(count, each)| count.has(items.len()) && items.iter().all(|item| each.certain(item))),
            Value::Object(map) => types.object.as_ref().is_some_and(|object| object.certain(map)),
        }
    }
}

impl Count {
    /// Whether a text has so many characters. Most texts may have any number.
    fn holds(self, text: &str) -> bool {
        // A text has at most as many characters as bytes, so most texts need no count.
        (self.least == 0 && self.most >= text.len() as u64) || self.has(text.chars().count())
    }
}

impl Types {
    fn add(&mut self, name: &str, schema: &Map<String, Value>) -> Option<()> {
        match name {
            "null" => self.null = true,
            "boolean" => self.boolean = true,
            "integer" => self.integer = true,
            "number" => self.number = true,
            "string" => self.string = Some(Count::of(schema, "minLength", "maxLength")?),
            "array" => {
                let items = FastPath::new(schema.get("items")?);
                self.array = Some((Count::of(schema, "minItems", "maxItems")?, Box::new(items)));
            }
            "object" => self.object = Some(Box::new(Object::new(schema)?)),
            _ => return None,
        }
        Some(())
    }
}

impl Object {
    fn new(schema: &Map<String, Value>) -> Option<Self> {
        let none = Vec::new();
        let required = schema.get("required").map_or(Some(&none), Value::as_array)?;
        let properties = schema.get("properties")?.as_object()?;
        let extra = match schema.get("additionalProperties")? {
            // None means that no other name is allowed, and `known` finds nothing for one.
            Value::Bool(false) => None,
            node => Some(FastPath::new(node)),
        };
        Some(Self {
            count: Count::of(schema, "minProperties", "maxProperties")?,
            required: required.iter().map(|name| name.as_str().map(str::to_owned)).collect::<Option<_>>()?,
            properties: properties.iter().map(|(name, node)| (name.clone(), FastPath::new(node))).collect(),
            extra,
        })
    }

    fn certain(&self, map: &Map<String, Value>) -> bool {
        let known = |name: &String| self.properties.get(name).or(self.extra.as_ref());
        self.count.has(map.len())
            && self.required.iter().all(|name| map.contains_key(name))
            && map.iter().all(|(name, value)| known(name).is_some_and(|node| node.certain(value)))
    }
}
