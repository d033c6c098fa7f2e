//! The fields of a schema: the places of a value that take a text, a number, a list, a name or one of a few values.
//!
//! A check that must try something in every field cannot wait until a drawn value has the field.
//!
//! Guarantees: the same schema gives the same fields. Deliberately never: promises that a changed value fits;
//! [`Schema::accepts`] tells.

use serde_json::{Map, Value};

use super::{Schema, sample};

/// Most fields that are listed.
const MOST_FIELDS: usize = 64;
/// Deepest field, in steps.
const DEEPEST: usize = 24;

/// What a field takes.
#[derive(Debug, Clone, PartialEq)]
pub enum FieldKind {
    /// Any text.
    Text,
    /// Any number.
    Number,
    /// A list.
    List,
    /// The name of a member of an object that takes any.
    MemberName,
    /// One of these values.
    Choice(Vec<Value>),
}

/// A step on the way from a value to one of its fields.
#[derive(Debug, Clone, PartialEq)]
enum FieldStep {
    /// Into a branch of `anyOf` or `oneOf`.
    Branch(&'static str, usize),
    /// Into a member of this name.
    Member(String),
    /// Into a member that the schema does not name.
    OtherMember,
    /// Into the first item.
    Item,
}

/// One field of a schema.
#[derive(Debug, Clone, PartialEq)]
pub struct SchemaField {
    steps: Vec<FieldStep>,
    /// What it takes.
    pub kind: FieldKind,
}

/// The fields of a schema, optional ones included.
pub fn fields(schema: &Schema) -> Vec<SchemaField> {
    let mut walk = FieldWalk { steps: Vec::new(), fields: Vec::new() };
    walk.visit(schema.as_value());
    walk.fields
}

struct FieldWalk {
    steps: Vec<FieldStep>,
    fields: Vec<SchemaField>,
}

impl FieldWalk {
    fn visit(&mut self, schema: &Value) {
        if schema.get("const").is_some() {
            return;
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            return self.add(FieldKind::Choice(values.clone()));
        }
        for keyword in ["anyOf", "oneOf"] {
            let branches = schema.get(keyword).and_then(Value::as_array).into_iter().flatten();
            for (number, branch) in branches.enumerate() {
                self.below(FieldStep::Branch(keyword, number), branch);
            }
        }
        match schema.get("type") {
            Some(Value::Array(names)) => names.iter().for_each(|name| self.visit_type(name, schema)),
            Some(name) => self.visit_type(name, schema),
            None => {}
        }
    }

    fn visit_type(&mut self, name: &Value, schema: &Value) {
        match name.as_str() {
            Some("string") => self.add(FieldKind::Text),
            Some("integer" | "number") => self.add(FieldKind::Number),
            Some("array") => {
                self.add(FieldKind::List);
                if let Some(items) = schema.get("items") {
                    self.below(FieldStep::Item, items);
                }
            }
            Some("object") => {
                for (name, member) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
                    self.below(FieldStep::Member(name.clone()), member);
                }
                if let Some(others) = schema.get("additionalProperties").filter(|others| others.is_object()) {
                    self.add(FieldKind::MemberName);
                    self.below(FieldStep::OtherMember, others);
                }
            }
            _ => {}
        }
    }

    fn below(&mut self, step: FieldStep, schema: &Value) {
        if self.steps.len() < DEEPEST {
            self.steps.push(step);
            self.visit(schema);
            self.steps.pop();
        }
    }

    fn add(&mut self, kind: FieldKind) {
        if self.fields.len() < MOST_FIELDS {
            self.fields.push(SchemaField { steps: self.steps.clone(), kind });
        }
    }
}

/// What is kept of a value that has another shape than the branch in which a field lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BranchShape {
    /// Its members, where it is of the same type: most branches have most of them.
    Kept,
    /// Nothing.
    Fresh,
}

impl SchemaField {
    /// `base` with the field changed. A field that it lacks is made first. Of a member's name, `change` is given the name as a
    /// text. `None` when no such value fits the schema.
    pub fn changed(&self, schema: &Schema, base: &Value, change: impl Fn(&mut Value)) -> Option<Value> {
        [BranchShape::Kept, BranchShape::Fresh].into_iter().find_map(|shape| {
            let mut value = base.clone();
            let found = self.find(&mut value, schema.as_value(), shape)?;
            if self.kind == FieldKind::MemberName {
                rename(found.value, found.schema, &change)?
            } else {
                change(found.value)
            }
            schema.accepts(&value).then_some(value)
        })
    }

    /// The field within a value: of a name, the object that has it.
    fn find<'v>(&self, value: &'v mut Value, schema: &'v Value, shape: BranchShape) -> Option<FoundField<'v>> {
        let (mut value, mut schema) = (value, schema);
        for step in &self.steps {
            (value, schema) = match step {
                FieldStep::Branch(keyword, number) => {
                    let branch = schema.get(keyword)?.get(*number)?;
                    if shape == BranchShape::Fresh || !is_of_type(value, branch) {
                        *value = sample::small(branch);
                    }
                    (value, branch)
                }
                FieldStep::Member(name) => {
                    let below = schema.get("properties")?.get(name)?;
                    (object(value, schema)?.entry(name.clone()).or_insert_with(|| sample::small(below)), below)
                }
                FieldStep::OtherMember => {
                    let below = schema.get("additionalProperties")?;
                    let other = other_member(object(value, schema)?, schema);
                    let name = other.unwrap_or_else(|| "key".to_owned());
                    (object(value, schema)?.entry(name).or_insert_with(|| sample::small(below)), below)
                }
                FieldStep::Item => {
                    let below = schema.get("items")?;
                    if !value.is_array() {
                        *value = Value::Array(Vec::new());
                    }
                    let items = value.as_array_mut()?;
                    if items.is_empty() {
                        items.push(sample::small(below));
                    }
                    (items.first_mut()?, below)
                }
            };
        }
        Some(FoundField { value, schema })
    }
}

/// A field within a value, and its schema.
struct FoundField<'v> {
    value: &'v mut Value,
    schema: &'v Value,
}

/// Changes the name of a member that the schema does not name. One is made where there is none.
fn rename(value: &mut Value, schema: &Value, change: &impl Fn(&mut Value)) -> Option<()> {
    let map = object(value, schema)?;
    let old = other_member(map, schema);
    let member = old.as_ref().and_then(|old| map.remove(old));
    let member = member.unwrap_or_else(|| schema.get("additionalProperties").map(sample::small).unwrap_or_default());
    let mut name = Value::String(old.unwrap_or_default());
    change(&mut name);
    map.insert(name.as_str()?.to_owned(), member);
    Some(())
}

fn object<'v>(value: &'v mut Value, schema: &Value) -> Option<&'v mut Map<String, Value>> {
    if !value.is_object() {
        *value = sample::small(schema);
    }
    value.as_object_mut()
}

/// The first member that the schema does not name.
fn other_member(map: &Map<String, Value>, schema: &Value) -> Option<String> {
    let named = schema.get("properties").and_then(Value::as_object);
    map.keys().find(|name| named.is_none_or(|named| !named.contains_key(*name))).cloned()
}

/// Whether the type of a value is one that the schema has.
fn is_of_type(value: &Value, schema: &Value) -> bool {
    let name = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let is = |of: &Value| of == name || (name == "number" && of == "integer");
    match schema.get("type") {
        Some(Value::Array(names)) => names.iter().any(is),
        Some(of) => is(of),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::IoSchema;
    use super::*;

    fn schema(input: Value) -> Result<IoSchema, Box<dyn std::error::Error>> {
        Ok(IoSchema::from_value(&json!({ "input": input, "output": { "ok": "bool" } }))?)
    }

    #[test]
    fn every_field_is_found_and_can_be_changed() -> Result<(), Box<dyn std::error::Error>> {
        let io = schema(json!({
            "type": "object", "additionalProperties": false, "required": ["title", "kind"],
            "properties": {
                "title": { "type": "string" }, "count": { "type": "integer" }, "kind": { "enum": ["a", "b"] },
                "tags": { "type": "array", "items": { "type": "string" } },
                "more": { "type": "object", "properties": {}, "additionalProperties": { "type": "number" } },
                "either": { "anyOf": [{ "type": "string" }, { "type": "null" }] },
            },
        }))?;
        let base = json!({ "title": "t", "kind": "a" });
        let fields = fields(io.input());
        let set = |value: Value| move |field: &mut Value| *field = value.clone();
        let mut found = Vec::new();
        for field in &fields {
            let value = match &field.kind {
                FieldKind::Text | FieldKind::MemberName => json!("new"),
                FieldKind::Number => json!(7),
                FieldKind::List => json!(["x", "y"]),
                FieldKind::Choice(values) => values.last().cloned().unwrap_or_default(),
            };
            let changed = field.changed(io.input(), &base, set(value)).ok_or_else(|| format!("{field:?}"))?;
            assert!(io.input().accepts(&changed));
            found.push(changed);
        }
        for wanted in [
            json!({ "title": "new", "kind": "a" }),
            json!({ "title": "t", "kind": "b" }),
            json!({ "title": "t", "kind": "a", "count": 7 }),
            json!({ "title": "t", "kind": "a", "tags": ["x", "y"] }),
            json!({ "title": "t", "kind": "a", "tags": ["new"] }),
            json!({ "title": "t", "kind": "a", "either": "new" }),
        ] {
            assert!(found.contains(&wanted), "{wanted}: {found:#?}");
        }
        let more: Vec<&Value> = found.iter().filter_map(|value| value.get("more")).collect();
        assert!(more.iter().any(|more| more.get("new").is_some()), "{more:?}");
        assert!(more.iter().any(|more| more.as_object().is_some_and(|map| map.values().any(|one| *one == json!(7)))));
        Ok(())
    }

    #[test]
    fn a_value_of_another_branch_gets_the_shape_of_the_field() -> Result<(), Box<dyn std::error::Error>> {
        let branch = |kind: &str, member: &str| {
            json!({ "type": "object", "properties": { "kind": { "const": kind }, member: { "type": "string" } },
                "required": ["kind", member], "additionalProperties": false })
        };
        let io = schema(json!({
            "type": "object", "required": ["what"], "additionalProperties": false,
            "properties": { "what": { "oneOf": [branch("add", "text"), branch("drop", "name")] } },
        }))?;
        let base = json!({ "what": { "kind": "add", "text": "x" } });
        let values: Vec<Option<Value>> =
            fields(io.input()).iter().map(|field| field.changed(io.input(), &base, |it| *it = json!("new"))).collect();
        let expected =
            [json!({ "what": { "kind": "add", "text": "new" } }), json!({ "what": { "kind": "drop", "name": "new" } })];
        assert_eq!(values, expected.map(Some));
        Ok(())
    }
}
