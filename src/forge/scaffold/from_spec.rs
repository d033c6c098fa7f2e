//! The source that a person begins with when the specification is there already: its types, and a function that is not written.
//!
//! Guarantees: it compiles, and its types have the fields of the schemas. Deliberately never: guesses what the skill does.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::model::{schema::IoSchema, spec::SkillSpec};

/// `src/lib.rs` of a crate for this specification.
pub fn source(spec: &SkillSpec) -> String {
    let mut types = Types::default();
    let SkillSpec { name, io, .. } = spec;
    let input = types.named("Input", "Deserialize", io.input_schema());
    let output = types.named("Output", "Serialize", io.output_schema());
    let maps = if types.uses_maps { "use std::collections::BTreeMap;\n\n" } else { "" };
    let description = spec.description.split_whitespace().collect::<Vec<_>>().join(" ");
    format!(
        "//! `{name}`: {description}\n//!\n//! `.kavi/sdk/README.md` says all that there is to know about writing one.\n\n{maps}use \
         kavi_sdk::prelude::*;\n\n{}fn run(input: {input}) -> Result<{output}, SkillError> {{\n    let _ = input;\n    \
         Err(SkillError::failed(\"not written yet\"))\n}}\n\nkavi_sdk::export_skill!(run);\n\n#[cfg(test)]\nmod tests {{\n    use \
         super::*;\n    use kavi_sdk::testing::call;\n\n    // The gates want at least three tests: what it is for, a refusal, and an \
         edge case.\n    #[test]\n    fn does_what_it_is_for() {{\n        let output = call(run, json!({}));\n        assert!(output.is_ok(), \
         \"{{output:?}}\");\n    }}\n}}\n",
        types.items.concat(),
        example(spec, io),
    )
}

/// An input to begin a test with.
fn example(spec: &SkillSpec, io: &IoSchema) -> Value {
    spec.examples.first().map_or_else(|| io.example_input(), |example| example.input.clone())
}

/// The types that are written so far.
#[derive(Default)]
struct Types {
    items: Vec<String>,
    names: BTreeSet<String>,
    uses_maps: bool,
}

impl Types {
    /// The type of a value with this schema, which gets this name if it is a struct.
    fn named(&mut self, name: &str, derive: &str, schema: &Value) -> String {
        let properties = schema["properties"].as_object().filter(|properties| !properties.is_empty());
        match (schema["type"].as_str(), properties) {
            (Some("object"), Some(properties)) => self.structure(name, derive, ObjectSchema { schema, properties }),
            (Some("object"), None) if schema["additionalProperties"].is_object() => {
                self.uses_maps = true;
                let value = self.named(&format!("{name}Value"), derive, &schema["additionalProperties"]);
                format!("BTreeMap<String, {value}>")
            }
            (Some("array"), _) => {
                let item = self.named(&format!("{name}Item"), derive, &schema["items"]);
                format!("Vec<{item}>")
            }
            (Some("string"), _) => "String".to_owned(),
            (Some("integer"), _) => "i64".to_owned(),
            (Some("number"), _) => "f64".to_owned(),
            (Some("boolean"), _) => "bool".to_owned(),
            // Several types, or values of a list: the person chooses.
            _ => "Value".to_owned(),
        }
    }

    fn structure(&mut self, name: &str, derive: &str, object: ObjectSchema<'_>) -> String {
        let mut unused = name.to_owned();
        while !self.names.insert(unused.clone()) {
            unused.push('_');
        }
        let place = self.items.len();
        let required: BTreeSet<&str> =
            object.schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let mut fields = String::new();
        let mut taken = BTreeSet::new();
        for (key, schema) in object.properties {
            let mut field = identifier(key);
            while !taken.insert(field.clone()) {
                field.push('_');
            }
            let kind = self.named(&format!("{unused}{}", camel(&field)), derive, schema);
            let attribute = match (field == *key, required.contains(key.as_str()), derive) {
                (true, true, _) | (true, false, "Deserialize") => String::new(),
                (true, false, _) => "    #[serde(skip_serializing_if = \"Option::is_none\")]\n".to_owned(),
                (false, true, _) | (false, false, "Deserialize") => format!("    #[serde(rename = {key:?})]\n"),
                (false, false, _) => {
                    format!("    #[serde(rename = {key:?}, skip_serializing_if = \"Option::is_none\")]\n")
                }
            };
            let kind = if required.contains(key.as_str()) { kind } else { format!("Option<{kind}>") };
            fields.push_str(&format!("{attribute}    {field}: {kind},\n"));
        }
        // Nothing reads or makes them before the function is written.
        let item = format!("#[derive({derive})]\nstruct {unused} {{\n{fields}}}\n\n");
        self.items.insert(place, item);
        unused
    }
}

/// A schema of an object, and its properties.
struct ObjectSchema<'a> {
    schema: &'a Value,
    properties: &'a Map<String, Value>,
}

/// A name of a field that Rust takes.
fn identifier(key: &str) -> String {
    let mut name: String =
        key.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || name.starts_with("__") {
        name.insert_str(0, "field_");
    }
    if syn::parse_str::<syn::Ident>(&name).is_err() {
        name.push('_');
    }
    name
}

/// `two_words` as `TwoWords`.
fn camel(field: &str) -> String {
    let words = field.split('_').filter(|word| !word.is_empty());
    words.map(|word| word[..1].to_ascii_uppercase() + &word[1..]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_becomes_a_name_that_rust_takes() {
        for (key, name) in [
            ("text", "text"),
            ("type", "type_"),
            ("top-k", "top_k"),
            ("1st", "field_1st"),
            ("_", "__"),
            ("Größe", "gr__e"),
        ] {
            let made = identifier(key);
            assert!(syn::parse_str::<syn::Ident>(&made).is_ok(), "{key}: {made}");
            if key != "_" {
                assert_eq!(made, name);
            }
        }
        assert_eq!(camel("top_k"), "TopK");
    }

    #[test]
    fn each_schema_has_its_type() -> Result<(), Box<dyn std::error::Error>> {
        let io = IoSchema::parse(
            r#"{"input":{"text":"str","type":"int?","tags":"list[str]","of":{"x":"float"}},"output":{"found":"dict[str,bool]","n":"int?"}}"#,
        )?;
        let mut types = Types::default();
        assert_eq!(types.named("Input", "Deserialize", io.input_schema()), "Input");
        assert_eq!(types.named("Output", "Serialize", io.output_schema()), "Output");
        let text = types.items.concat();
        for part in [
            "struct InputOf {\n    x: f64,\n}",
            "    #[serde(rename = \"type\")]\n    type_: Option<i64>,\n",
            "    tags: Vec<String>,\n",
            "    found: BTreeMap<String, bool>,\n",
            "    #[serde(skip_serializing_if = \"Option::is_none\")]\n    n: Option<i64>,\n",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        syn::parse_file(&text)?;
        Ok(())
    }
}
