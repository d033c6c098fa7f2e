//! Whole skills before all gates: honest ones pass, cheating ones are refused by the gate that they try to cheat.
//!
//! A folder of `tests/hostile/skills` or `tests/hostile/cheats` is one skill: its sources, and `spec.json` with what is
//! proposed; a cheat's says which finding is expected. `cargo test --test cli judged -- --nocapture` prints the outcomes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::support::{self, Workspace};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Proposed {
    name: String,
    description: String,
    class: String,
    schema: Value,
    #[serde(default)]
    paths: Vec<String>,
    #[serde(default)]
    examples: Vec<Value>,
    #[serde(default)]
    reads_clock: bool,
    #[serde(default)]
    required_tests: Vec<String>,
    /// The rule that refuses it, or several with `|` between them: inputs are drawn, so an earlier gate may find it too.
    #[serde(default)]
    expect: String,
}

fn folders(kind: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile").join(kind);
    let mut folders: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

/// Proposes and imports what lies in a folder, and gives the verification.
fn judge(workspace: &Workspace, folder: &Path) -> (Proposed, Value) {
    let text = fs::read_to_string(folder.join("spec.json")).unwrap();
    let spec: Proposed = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let beside = support::folder();
    let mut more = vec!["--desc".to_owned(), spec.description.clone()];
    for (number, example) in spec.examples.iter().enumerate() {
        let file = beside.path().join(format!("{number}.json"));
        fs::write(&file, example.to_string()).unwrap();
        more.extend(["--example".to_owned(), file.to_string_lossy().into_owned()]);
    }
    spec.paths.iter().for_each(|path| more.extend(["--path".to_owned(), path.clone()]));
    more.extend(spec.reads_clock.then(|| "--reads-clock".to_owned()));
    spec.required_tests.iter().for_each(|name| more.extend(["--required-test".to_owned(), name.clone()]));
    let schema = spec.schema.to_string();
    let mut args = vec!["propose-skill", "--name", &spec.name, "--side-effect", &spec.class];
    args.extend(["--io-schema-json", &schema]);
    args.extend(more.iter().map(String::as_str));
    let id = workspace.json(&args).expect(0).json()["id"].as_str().unwrap().to_owned();
    let from = beside.path().join("crate");
    support::copy(&folder.join("src"), &from.join("src"));
    workspace.import(&id, &from).expect(0);
    (spec, workspace.json(&["verify-skill", &id]).json())
}

fn rules(document: &Value) -> Vec<String> {
    let gates = document["gates"].as_array().unwrap().iter().filter(|gate| gate["status"] == "FAILED");
    let findings = gates.flat_map(|gate| gate["findings"].as_array().unwrap());
    let mut rules: Vec<String> = findings.map(|finding| finding["rule"].as_str().unwrap().to_owned()).collect();
    rules.dedup();
    rules
}

#[test]
fn honest_skills_pass_every_gate() {
    let workspace = Workspace::new();
    let mut wrong = Vec::new();
    for folder in folders("skills") {
        let (spec, document) = judge(&workspace, &folder);
        println!("{}: {}", spec.name, document["status"]);
        if document["status"] != "PASSED" {
            wrong.push(format!("{}: {:?}\n{:#}", spec.name, rules(&document), document["gates"]));
        }
    }
    assert!(wrong.is_empty(), "honest skills were refused:\n{}", wrong.join("\n"));
}

#[test]
fn cheating_skills_are_refused_by_the_gate_they_cheat() {
    let workspace = Workspace::new();
    let mut wrong = Vec::new();
    for folder in folders("cheats") {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let (spec, document) = judge(&workspace, &folder);
        let rules = rules(&document);
        println!("{name}: {}", rules.join(", "));
        if document["status"] != "FAILED" || !spec.expect.split('|').any(|rule| rules.iter().any(|found| found == rule))
        {
            wrong.push(format!("{name}: expected {}, got {rules:?}", spec.expect));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
