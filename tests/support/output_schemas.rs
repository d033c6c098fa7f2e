//! What verbs print as JSON, compared with the schemas of `docs/schemas/output` at each call of a test.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jsonschema::Validator;
use serde_json::Value;

/// Verbs whose first word is followed by another one.
const GROUPS: [&str; 12] = [
    "charter",
    "effects",
    "capability",
    "guidance",
    "policy",
    "improve",
    "trust",
    "context",
    "cache",
    "config",
    "secret",
    "mcp",
];
/// Other names of verbs.
const ALIASES: [(&str, &str); 10] = [
    ("propose", "propose-skill"),
    ("build", "build-skill"),
    ("research", "research-skill"),
    ("verify", "verify-skill"),
    ("promote", "promote-skill"),
    ("list", "list-skills"),
    ("skills", "list-skills"),
    ("run", "run-skill"),
    ("chain", "consume-chain"),
    ("tail", "tail-executions"),
];

/// The folder of the schemas.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schemas/output")
}

fn read(name: &str) -> Value {
    let path = folder().join(name).with_extension("json");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The name of the schema of a call; `None` where it is not told by the first words.
pub fn name(args: &[&str]) -> Option<String> {
    let first = args.first().filter(|word| !word.starts_with('-'))?;
    let verb = ALIASES.iter().find(|(alias, _)| alias == first).map_or(*first, |(_, verb)| verb);
    let second = args.get(1).filter(|word| GROUPS.contains(&verb) && !word.starts_with('-'));
    Some(second.map_or_else(|| verb.to_owned(), |second| format!("{verb}-{second}")))
}

/// The schema of what a verb prints, with the objects that several of them print.
pub fn validator(name: &str) -> Validator {
    let (mut whole, mut common, mut error) = (read(name), read("common"), read("error"));
    let failed = error["$defs"]["failed"].take();
    if let Some(map) = error.as_object_mut() {
        map.remove("$defs");
    }
    let mut shared = common["$defs"].take();
    shared["failed"] = failed;
    shared["error"] = error;
    for (name, schema) in whole["$defs"].as_object().cloned().unwrap_or_default() {
        assert!(shared.get(&name).is_none(), "{name} is defined twice");
        shared[name] = schema;
    }
    whole["$defs"] = shared;
    let text = whole.to_string().replace("common.json#/", "#/").replace("error.json#/", "#/");
    let text = text.replace("\"error.json\"", "\"#/$defs/error\"");
    let whole: Value = serde_json::from_str(&text).expect("a schema");
    jsonschema::draft202012::new(&whole).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Fails where a call printed a document that its schema does not allow.
#[track_caller]
pub fn check(args: &[&str], stdout: &str) {
    static KNOWN: OnceLock<Mutex<BTreeMap<String, Arc<Validator>>>> = OnceLock::new();
    let Some(name) = name(args).filter(|name| folder().join(name).with_extension("json").is_file()) else { return };
    let validator = {
        let mut known = KNOWN.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(name.clone()).or_insert_with(|| Arc::new(validator(&name))))
    };
    // One document, or one on each line.
    let documents: Vec<Value> = match serde_json::from_str(stdout) {
        Ok(document) => vec![document],
        Err(_) => stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect(),
    };
    for document in documents {
        let wrong: Vec<String> =
            validator.iter_errors(&document).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(wrong.is_empty(), "{args:?} does not print what docs/schemas/output/{name}.json says: {wrong:#?}");
    }
}
