//! Converts a schema as written into the normal form that is stored, shown and checked.
//!
//! The normal form is JSON Schema 2020-12 within a closed subset: references are replaced by their targets, objects are
//! closed, `required` is sorted. Normalising a normal form gives it back.

use serde_json::{Map, Value};

use super::{
    bounds::MAX_TEXT_BYTES,
    error::{DIALECT, SchemaError, SchemaSide, join},
    keywords::{self, Scope},
    normalise::{Empty, Normalise},
    shorthand,
};
use crate::model::{
    characters::{hides, is_hidden},
    json,
};

/// Other dialects in which every supported keyword means the same. A trailing `#` makes no difference.
const SAME_DIALECTS: [&str; 5] = [
    "https://json-schema.org/draft/2019-09/schema",
    "http://json-schema.org/draft-07/schema",
    "https://json-schema.org/draft-07/schema",
    "http://json-schema.org/draft-06/schema",
    "https://json-schema.org/draft-06/schema",
];
/// Where schemas that are referred to are defined.
const DEFINITIONS: [&str; 2] = ["$defs", "definitions"];
/// Most schemas inside each other.
const MAX_DEPTH: usize = 24;
/// Most schemas inside one side, with references in place.
const MAX_NODES: usize = 1_024;
/// Most properties in one side, with references in place.
const MAX_PROPERTIES: usize = 512;
/// Most patterns in one side, with references in place.
const MAX_PATTERNS: usize = 32;
/// Most bytes of values and texts in one side, with references in place.
const MAX_LITERAL_BYTES: usize = MAX_TEXT_BYTES;
/// Longest name of a property, in bytes.
const MAX_NAME_BYTES: usize = 128;

/// Normalises one side of an i/o schema.
pub(super) fn side(side: SchemaSide, node: &Value) -> Result<Value, SchemaError> {
    let at = format!("/{}", side.as_str());
    let Value::Object(map) = node else {
        return Err(SchemaError::Vacuous { at, why: "must be an object that names its properties" });
    };
    let mut normaliser = Normaliser::new(map, &at)?;
    let out = if keywords::is_json_schema(map) {
        normaliser.root(map, side, &at)?
    } else {
        shorthand::object(&mut normaliser, map, &at, 0)?
    };
    Ok(Value::Object(out))
}

/// The state of normalising one side.
struct Normaliser<'a> {
    /// `$defs`, and `definitions` as draft 7 calls them.
    defs: [Option<&'a Map<String, Value>>; 2],
    root_at: String,
    /// The references that are being resolved, outermost first.
    open: Vec<(&'static str, &'a str)>,
    nodes: usize,
    properties: usize,
    patterns: usize,
    literal_bytes: usize,
}

impl<'a> Normaliser<'a> {
    fn new(root: &'a Map<String, Value>, at: &str) -> Result<Self, SchemaError> {
        let read = |key: &str| match root.get(key) {
            None => Ok(None),
            Some(Value::Object(defs)) => Ok(Some(defs)),
            Some(_) => Err(SchemaError::Malformed { at: join(at, key), why: "must be an object of schemas" }),
        };
        let defs = [read(DEFINITIONS[0])?, read(DEFINITIONS[1])?];
        Ok(Self {
            defs,
            root_at: at.to_owned(),
            open: Vec::new(),
            nodes: 0,
            properties: 0,
            patterns: 0,
            literal_bytes: 0,
        })
    }

    fn root(
        &mut self,
        map: &'a Map<String, Value>,
        side: SchemaSide,
        at: &str,
    ) -> Result<Map<String, Value>, SchemaError> {
        let is_known = |dialect: &Value| {
            let name = dialect.as_str().unwrap_or_default();
            let name = name.strip_suffix('#').unwrap_or(name);
            name == DIALECT || SAME_DIALECTS.contains(&name)
        };
        if map.get("$schema").is_some_and(|dialect| !is_known(dialect)) {
            return Err(SchemaError::Dialect { at: join(at, "$schema") });
        }
        if map.get("type").is_none_or(|kind| kind != "object") {
            let why = "must be an object: write \"type\": \"object\" and its \"properties\"";
            return Err(SchemaError::Vacuous { at: at.to_owned(), why });
        }
        let no_properties = map.get("properties").is_none_or(|p| p.as_object().is_none_or(Map::is_empty));
        // An output without properties tells a caller nothing. An input without any is a skill that
        // needs none.
        if side == SchemaSide::Output && no_properties {
            return Err(SchemaError::Vacuous { at: at.to_owned(), why: "an output has at least one property" });
        }
        let empty = if side == SchemaSide::Input { Empty::Closed } else { Empty::Free };
        self.schema_map(map, at, 0, empty)
    }

    fn schema_map(
        &mut self,
        map: &'a Map<String, Value>,
        at: &str,
        depth: usize,
        empty: Empty,
    ) -> Result<Map<String, Value>, SchemaError> {
        // Counted with references in place, because two definitions that each refer to the next
        // twice make a schema that doubles with every level.
        self.count_node(depth)?;
        keywords::known(map, at, depth == 0)?;
        let mut out = self.annotations(map, at)?;
        if let Some(reference) = map.get("$ref") {
            keywords::stands_alone(map, "$ref", at)?;
            self.reference(reference, &mut out, at, depth)?;
        } else if let Some(one) = keywords::single(map) {
            keywords::stands_alone(map, "allOf", at)?;
            let one = self.schema(one, &join(&join(at, "allOf"), "0"), depth + 1)?;
            beside(one, &mut out);
        } else if let Some(keyword) = ["anyOf", "oneOf"].into_iter().find(|keyword| map.contains_key(*keyword)) {
            keywords::stands_alone(map, keyword, at)?;
            let branches = self.alternatives(map.get(keyword), &join(at, keyword), depth)?;
            out.insert(keyword.to_owned(), branches);
        } else {
            super::assertions::add(self, map, at, depth, empty, &mut out)?;
        }
        nullable(map, at, &mut out)?;
        super::assertions::drop_null_default(&mut out);
        // After `nullable`: a default of null is right where it says so.
        super::assertions::values_fit(&out, at)?;
        Ok(out)
    }

    fn reference(
        &mut self,
        reference: &'a Value,
        out: &mut Map<String, Value>,
        at: &str,
        depth: usize,
    ) -> Result<(), SchemaError> {
        let at = join(at, "$ref");
        let Value::String(text) = reference else {
            return Err(SchemaError::Malformed { at, why: "must be a string" });
        };
        let found = DEFINITIONS.iter().zip(self.defs).find_map(|(key, defs)| {
            // In this order, as RFC 6901 has it: `~01` is the name `~1`, and not a slash.
            let name = text.strip_prefix(&format!("#/{key}/"))?.replace("~1", "/").replace("~0", "~");
            defs?.get_key_value(&name).map(|(name, node)| (*key, name, node))
        });
        let Some((key, name, node)) = found else {
            return Err(SchemaError::BadRef { at, reference: text.clone() });
        };
        if self.open.contains(&(key, name.as_str())) {
            return Err(SchemaError::CyclicRef { at, reference: text.clone() });
        }
        self.open.push((key, name));
        let target_at = join(&join(&self.root_at, key), name);
        let target = self.schema(node, &target_at, depth + 1)?;
        self.open.pop();
        // What stands beside the reference is about this place, and comes before what the definition says of all places.
        beside(target, out);
        Ok(())
    }

    fn alternatives(&mut self, branches: Option<&'a Value>, at: &str, depth: usize) -> Result<Value, SchemaError> {
        let Some(Value::Array(branches)) = branches else {
            return Err(SchemaError::Malformed { at: at.to_owned(), why: "must be a list of schemas" });
        };
        if !(2..=16).contains(&branches.len()) {
            return Err(SchemaError::Malformed { at: at.to_owned(), why: "must have 2 to 16 alternatives" });
        }
        let schemas =
            branches.iter().enumerate().map(|(i, branch)| self.schema(branch, &join(at, &i.to_string()), depth + 1));
        schemas.collect::<Result<Vec<_>, _>>().map(Value::Array)
    }

    /// Copies what informs people. A `$comment` is for the author of the schema alone and is left out.
    fn annotations(&mut self, map: &Map<String, Value>, at: &str) -> Result<Map<String, Value>, SchemaError> {
        let mut out = Map::new();
        for (key, value) in map.iter().filter(|(key, _)| keywords::scope(key) == Some(Scope::Annotation)) {
            let at = join(at, key);
            match (key.as_str(), value) {
                ("$comment", Value::String(_)) => continue,
                ("title" | "description" | "format", Value::String(_))
                | ("deprecated", Value::Bool(_))
                | ("examples", Value::Array(_))
                | ("default", _) => {}
                ("deprecated", _) => return Err(SchemaError::Malformed { at, why: "must be true or false" }),
                ("examples", _) => return Err(SchemaError::Malformed { at, why: "must be a list of values" }),
                _ => return Err(SchemaError::Malformed { at, why: "must be a string" }),
            }
            let value = self.literal(value, &at)?;
            out.insert(key.clone(), value);
        }
        Ok(out)
    }
}

impl<'a> Normalise<'a> for Normaliser<'a> {
    fn schema(&mut self, node: &'a Value, at: &str, depth: usize) -> Result<Value, SchemaError> {
        match node {
            Value::Object(map) => self.schema_map(map, at, depth, Empty::Free).map(Value::Object),
            Value::Bool(true) => Err(SchemaError::Vacuous { at: at.to_owned(), why: "accepts everything" }),
            Value::Bool(false) => Err(SchemaError::Vacuous { at: at.to_owned(), why: "accepts nothing" }),
            _ => Err(SchemaError::Malformed { at: at.to_owned(), why: "must be a schema, which is an object" }),
        }
    }

    fn literal(&mut self, value: &Value, at: &str) -> Result<Value, SchemaError> {
        if !is_plain(value) {
            return Err(SchemaError::HiddenText { at: at.to_owned() });
        }
        // Texts count too. A model reads the whole schema, so its length is what a caller pays for.
        self.literal_bytes += json::canonical(value).len();
        within("bytes of texts and values (references in place)", self.literal_bytes, MAX_LITERAL_BYTES)?;
        Ok(value.clone())
    }

    fn property(&mut self, name: &str, at: &str) -> Result<(), SchemaError> {
        if name.is_empty() || name.len() > MAX_NAME_BYTES {
            let why = "the name of a property has 1 to 128 bytes";
            return Err(SchemaError::Malformed { at: at.to_owned(), why });
        }
        if name.chars().any(|c| c.is_control() || is_hidden(c)) {
            return Err(SchemaError::HiddenText { at: at.to_owned() });
        }
        self.properties += 1;
        self.literal_bytes += name.len();
        within("properties (references in place)", self.properties, MAX_PROPERTIES)
    }

    fn count_pattern(&mut self) -> Result<(), SchemaError> {
        self.patterns += 1;
        within("patterns (references in place)", self.patterns, MAX_PATTERNS)
    }

    fn count_node(&mut self, depth: usize) -> Result<(), SchemaError> {
        self.nodes += 1;
        within("schemas inside each other", depth, MAX_DEPTH)?;
        within("schemas (references in place)", self.nodes, MAX_NODES)
    }
}

/// Adds the rules of a schema to what is said beside the place that it is put in.
fn beside(schema: Value, out: &mut Map<String, Value>) {
    if let Value::Object(schema) = schema {
        for (key, value) in schema {
            out.entry(key).or_insert(value);
        }
    }
}

/// Adds `null` where a schema says `nullable`, as OpenAPI writes it.
fn nullable(map: &Map<String, Value>, at: &str, out: &mut Map<String, Value>) -> Result<(), SchemaError> {
    match map.get("nullable") {
        None | Some(Value::Bool(false)) => return Ok(()),
        Some(Value::Bool(true)) => {}
        Some(_) => return Err(SchemaError::Malformed { at: join(at, "nullable"), why: "must be true or false" }),
    }
    for key in ["anyOf", "oneOf"] {
        // The alternatives each have a type of their own, so null is one more of them.
        if let Some(Value::Array(branches)) = out.get_mut(key) {
            let null = serde_json::json!({"type": "null"});
            if !branches.contains(&null) {
                branches.push(null);
            }
        }
    }
    if let Some(value) = out.remove("const") {
        let values = if value.is_null() { vec![value] } else { vec![value, Value::Null] };
        out.insert("enum".to_owned(), Value::Array(values));
    } else if let Some(Value::Array(values)) = out.get_mut("enum")
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
    match out.get_mut("type") {
        Some(Value::Array(names)) if !names.iter().any(|name| name == "null") => names.push("null".into()),
        Some(name @ Value::String(_)) if name != "null" => *name = Value::from(vec![name.clone(), "null".into()]),
        _ => {}
    }
    Ok(())
}

fn within(what: &'static str, count: usize, limit: usize) -> Result<(), SchemaError> {
    if count > limit { Err(SchemaError::TooLarge { what, limit }) } else { Ok(()) }
}

/// Whether a value has no text that is shown differently from what it is.
fn is_plain(value: &Value) -> bool {
    let shows_as_it_is = |text: &str| !hides(text) && !text.chars().any(|c| c.is_control() && c != '\n' && c != '\t');
    match value {
        Value::String(text) => shows_as_it_is(text),
        Value::Array(items) => items.iter().all(is_plain),
        Value::Object(map) => map.iter().all(|(key, value)| shows_as_it_is(key) && is_plain(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}
