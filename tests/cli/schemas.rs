//! The JSON Schemas in `docs/schemas` say what Kavi takes and prints. Each call of a test is compared with them as well
//! (`support::output_schemas`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::command_line::VERBS;
use crate::support::{Workspace, output_schemas};

fn schema(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schemas").join(name);
    serde_json::from_str(&fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        .unwrap()
}

fn validator(name: &str) -> Validator {
    jsonschema::draft202012::new(&schema(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[track_caller]
fn fits(validator: &Validator, value: &Value, what: &str) {
    let wrong: Vec<String> =
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(wrong.is_empty(), "{what}: {wrong:#?}");
}

fn parsed(toml: &str) -> Value {
    serde_json::to_value(toml::from_str::<toml::Table>(toml).unwrap()).unwrap()
}

/// A value that a schema allows.
fn sample(schema: &Value) -> Value {
    if let Some(value) = schema.get("default").filter(|value| !value.is_null()) {
        return value.clone();
    }
    if let Some(first) = ["oneOf", "enum"].iter().find_map(|key| schema[*key].as_array()?.first()) {
        return if schema.get("enum").is_some() { first.clone() } else { sample(first) };
    }
    match schema["type"].as_str() {
        Some("object") => object(schema),
        Some("array") => json!([]),
        Some("integer" | "number") => json!(1),
        Some("boolean") => json!(false),
        _ => json!("x"),
    }
}

fn object(schema: &Value) -> Value {
    let all = schema["properties"].as_object().into_iter().flatten();
    all.map(|(name, schema)| (name.clone(), sample(schema))).collect::<Map<_, _>>().into()
}

#[test]
fn kavi_toml_has_a_schema_that_knows_what_kavi_knows() {
    let workspace = Workspace::new();
    let (path, validator) = (workspace.path().join("kavi.toml"), validator("kavi.toml.json"));
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("kavi.toml");
    for file in [&path, &own] {
        fits(&validator, &parsed(&fs::read_to_string(file).unwrap()), &file.display().to_string());
    }
    // Each setting that the schema has is one that Kavi takes, alone.
    let schema = schema("kavi.toml.json");
    for (table, inner) in schema["properties"].as_object().unwrap() {
        let inner = inner["properties"].as_object().cloned().unwrap_or_default();
        let alone = inner.iter().map(|(name, schema)| json!({ table: { name: sample(schema) } }));
        // Two members may exclude each other.
        let whole = Some(&schema["properties"][table]).filter(|whole| whole.get("not").is_none());
        let whole = whole.map(|whole| json!({ table: sample(whole) }));
        for settings in alone.chain(whole) {
            fits(&validator, &settings, table);
            fs::write(&path, toml::to_string(&settings).unwrap()).unwrap();
            workspace.json(&["config", "list"]).expect(0);
        }
    }
    // Each setting that Kavi has is in the schema.
    fs::write(&path, "").unwrap();
    let listed = workspace.json(&["config", "list"]).expect(0).json();
    for setting in listed["settings"].as_array().unwrap() {
        let key = setting["key"].as_str().unwrap();
        let pointer = key.split('.').map(|name| format!("/properties/{name}")).collect::<String>();
        assert!(schema.pointer(&pointer).is_some(), "{key} is not in the schema");
    }
    // What one of them does not know, the other does not either.
    for unknown in [
        "nothing = 1",
        "[builder]\nnothing = 1",
        "[policy.background]\nFILE_WRITE = \"allow\"",
        "[records]\nsync = \"never\"",
    ] {
        assert!(!validator.is_valid(&parsed(unknown)), "{unknown}");
        fs::write(&path, unknown).unwrap();
        workspace.json(&["config", "list"]).expect(2);
    }
}

#[test]
fn spec_json_has_a_schema_that_every_specification_fits() {
    let validator = validator("spec.json");
    let mut seen = 0;
    for folder in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("skills")).unwrap().flatten() {
        let Ok(text) = fs::read_to_string(folder.path().join("spec.json")) else { continue };
        fits(&validator, &serde_json::from_str(&text).unwrap(), &folder.path().display().to_string());
        seen += 1;
    }
    assert!(seen >= 10, "{seen}");
    // Also as Kavi writes it.
    let workspace = Workspace::trusted();
    let spec = workspace.show("act")["spec"].take();
    fits(&validator, &spec, "act");
    let path = workspace.path().join("spec.json");
    for (name, value) in
        [("nothing", json!(1)), ("v", json!(2)), ("side_effect_class", json!("ALL")), ("hosts", json!("x"))]
    {
        let mut other = spec.clone();
        other[name] = value;
        assert!(!validator.is_valid(&other), "{name}");
        fs::write(&path, other.to_string()).unwrap();
        workspace.refused(&["propose-skill", "--spec", "spec.json"], 2);
    }
}

/// The verbs below a verb, as its help lists them.
fn below(workspace: &Workspace, verb: &str) -> Vec<String> {
    let help = workspace.call(&[verb, "--help"]).expect(0).stdout;
    let listed = help.lines().skip_while(|line| !line.starts_with("Commands:")).skip(1);
    let listed = listed.take_while(|line| line.starts_with("  ")).filter(|line| !line.starts_with("   "));
    let names = listed.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    names.map(|name| format!("{verb}-{name}")).collect()
}

#[test]
fn each_verb_has_a_schema_of_what_it_prints() {
    let workspace = Workspace::new();
    let mut expected = vec!["common".to_owned(), "error".to_owned()];
    for (verb, _) in VERBS {
        let below = below(&workspace, verb);
        // These two print something by themselves as well.
        if below.is_empty() || ["improve", "mcp"].contains(verb) {
            expected.push((*verb).to_owned());
        }
        expected.extend(below);
    }
    expected.sort();
    let file = |entry: fs::DirEntry| entry.file_name().to_string_lossy().trim_end_matches(".json").to_owned();
    let mut found: Vec<String> = fs::read_dir(output_schemas::folder()).unwrap().flatten().map(file).collect();
    found.sort();
    assert_eq!(found, expected);
    let failed = json!({ "error": { "kind": "usage", "message": "no", "hint": null, "exit_code": 2 } });
    for name in found.iter().filter(|name| !["common", "error"].contains(&name.as_str())) {
        let validator = output_schemas::validator(name);
        assert!(validator.is_valid(&failed), "{name}");
        // The entry for a program is whatever that program's file has.
        let takes_any = name == "mcp-install";
        assert_eq!(validator.is_valid(&json!({ "error": { "kind": "other" } })), takes_any, "{name}");
        assert!(!validator.is_valid(&json!([1])), "{name}");
    }
}

#[test]
fn what_is_printed_otherwise_does_not_fit() {
    let workspace = Workspace::trusted();
    let status = workspace.json(&["status"]).expect(0).json();
    let validator = output_schemas::validator("status");
    assert!(validator.is_valid(&status));
    for (key, value) in
        [("ledger_ok", json!("yes")), ("executions", json!(1)), ("held", json!([1])), ("inbox", json!(null))]
    {
        let mut other = status.clone();
        other[key] = value;
        assert!(!validator.is_valid(&other), "{key}");
        other.as_object_mut().unwrap().remove(key);
        assert!(!validator.is_valid(&other), "{key}");
    }
    assert_eq!(output_schemas::name(&["run", "x"]).as_deref(), Some("run-skill"));
    assert_eq!(output_schemas::name(&["effects", "list", "--all"]).as_deref(), Some("effects-list"));
    assert_eq!(output_schemas::name(&["improve", "--json"]).as_deref(), Some("improve"));
    // A verb that prints many kinds of documents.
    for args in
        [&["show", "act"][..], &["list-skills"], &["inbox"], &["doctor"], &["config", "list"], &["add", "--list"]]
    {
        workspace.json(args);
    }
}
