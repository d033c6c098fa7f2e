//! Skills that were trusted under older gates: who they are, and what today's gates say of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;

use crate::support::Workspace;
use serde_json::Value;

/// The row of a skill in `list-skills`.
fn listed(workspace: &Workspace, name: &str) -> Value {
    let skills = workspace.json(&["list-skills"]).expect(0).json()["skills"].take();
    skills.as_array().unwrap().iter().find(|skill| skill["name"] == name).unwrap().clone()
}

/// What a person decided about peek, and what it rests on.
fn trust(workspace: &Workspace) -> Vec<Value> {
    let shown = workspace.show("peek");
    let keys = ["id", "status", "revision", "component_sha256", "snapshot_sha256", "promotions", "verifications"];
    keys.map(|key| shown[key].clone()).into()
}

/// Lowers a limit so far that no component fits it.
fn forbid_every_component(workspace: &Workspace) {
    let file = workspace.path().join("kavi.toml");
    let toml = fs::read_to_string(&file).unwrap();
    let others = toml.lines().filter(|line| !line.contains("component_bytes")).collect::<Vec<_>>().join("\n");
    fs::write(&file, others.replacen("[limits]\n", "[limits]\ncomponent_bytes = 1000\n", 1)).unwrap();
}

#[test]
fn the_list_shows_on_which_gates_a_trust_rests() {
    let workspace = Workspace::trusted();
    assert_eq!(listed(&workspace, "peek")["gates_version"], 5);
    assert_eq!(workspace.json(&["status"]).expect(0).json()["older_gates"], Value::Array(Vec::new()));

    // A ledger from before the column has the first version in every row.
    workspace.ledger().execute("UPDATE verifications SET gates_version = 1", []).unwrap();
    assert_eq!(listed(&workspace, "peek")["gates_version"], 1);
    let status = workspace.json(&["status"]).expect(0).json();
    assert_eq!(status["older_gates"].as_array().unwrap().len(), 3, "{status:#}");
    let human = workspace.call(&["status"]).expect(0).stdout;
    assert!(human.contains("peek (1)") && human.contains("kavi reverify --all"), "{human}");
}

#[test]
fn todays_gates_run_over_what_is_trusted_and_change_no_trust() {
    let workspace = Workspace::trusted();
    workspace.ledger().execute("UPDATE verifications SET gates_version = 1", []).unwrap();
    let before = (trust(&workspace), workspace.count("SELECT count(*) FROM verifications"));

    let passed = workspace.json(&["reverify", "peek"]).expect(0).json();
    assert_eq!(
        (&passed["reverified"][0]["status"], &passed["reverified"][0]["gates_version"]),
        (&"PASSED".into(), &5.into())
    );

    forbid_every_component(&workspace);
    let failed = workspace.json(&["reverify", "peek"]).expect(4).json();
    let found = &failed["reverified"][0];
    assert_eq!(
        (&found["status"], &found["findings"][0]["rule"]),
        (&"FAILED".into(), &"limits/size".into()),
        "{failed:#}"
    );
    assert!(failed["error"]["hint"].as_str().unwrap().contains("kavi revoke"), "{failed:#}");

    // The newest result is in the status. Trust, and the promotion it rests on, are as they were.
    let status = workspace.json(&["status"]).expect(0).json();
    assert_eq!(status["reverified"].as_array().unwrap().len(), 1, "{status:#}");
    assert_eq!(status["reverified"][0]["findings"][0]["rule"], "limits/size");
    let human = workspace.call(&["status"]).expect(0).stdout;
    assert!(human.contains("peek FAILED") && human.contains("limits/size"), "{human}");
    let after = (trust(&workspace), workspace.count("SELECT count(*) FROM verifications"));
    assert_eq!(before, after);
    assert_eq!(listed(&workspace, "peek")["gates_version"], 1);
}

#[test]
fn only_what_is_trusted_can_be_reverified() {
    let workspace = Workspace::new();
    workspace.refused(&["reverify", "peek"], 2);
    workspace.refused(&["reverify"], 2);
    let none = workspace.json(&["reverify", "--all"]).expect(0).json();
    assert_eq!(none["reverified"], Value::Array(Vec::new()));
}
