//! The diagnostic bundle: what is in it, what is not, and that it is made where little else works.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;

use serde_json::{Value, json};

use crate::support::Workspace;

/// The entries of a zip whose entries are stored as they are.
fn entries(zip: &[u8]) -> Vec<(String, Value)> {
    let number = |at: usize| u32::from_le_bytes(zip[at..at + 4].try_into().unwrap()) as usize;
    let (mut at, mut found) = (0, Vec::new());
    while zip[at..].starts_with(b"PK\x03\x04") {
        let (size, name) = (number(at + 18), usize::from(u16::from_le_bytes([zip[at + 26], zip[at + 27]])));
        let name_at = at + 30;
        let body = &zip[name_at + name..name_at + name + size];
        let name = String::from_utf8(zip[name_at..name_at + name].to_vec()).unwrap();
        at = name_at + name.len() + size;
        found.push((name, serde_json::from_slice(body).unwrap()));
    }
    assert!(zip[at..].starts_with(b"PK\x01\x02"), "the directory follows");
    found
}

fn bundle(workspace: &Workspace, file: &str) -> Vec<u8> {
    let made = workspace.json(&["doctor", "--bundle", file]).expect(0).json();
    let bytes = fs::read(workspace.path().join(file)).unwrap();
    assert_eq!(made["bytes"], bytes.len());
    bytes
}

#[test]
fn a_bundle_has_its_sources_and_the_same_bytes_each_time() {
    let workspace = Workspace::trusted();
    fs::write(workspace.vault("a.md"), "quillfeather in a note\n").unwrap();
    workspace.run("peek", json!({ "path": "a.md" })).expect(0);
    workspace.run("act", json!({ "act": "write", "path": "Inbox/AI/quillfeather.md" })).expect(0);
    let first = bundle(&workspace, "first.zip");
    assert!(first == bundle(&workspace, "second.zip"), "two bundles of the same state differ");
    let entries = entries(&first);
    let names: Vec<&str> = entries.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "01-program.json",
            "02-doctor.json",
            "03-settings.json",
            "04-switch.json",
            "05-switch-events.json",
            "06-history.json",
            "07-audit.json",
            "08-trusted.json",
            "09-proposals.json",
            "10-runs.json",
            "11-changes.json",
            "12-policy.json",
            "13-capabilities.json",
            "14-charter.json",
        ]
    );
    for (name, value) in &entries {
        assert!(value.get("failed").is_none(), "{name}: {value}");
    }
    let runs = entries[9].1.as_array().unwrap().iter();
    let skills: Vec<&Value> = runs.map(|run| &run["skill"]).collect();
    assert_eq!(skills, [&json!("peek"), &json!("act")]);
    // Neither inputs and outputs, nor what the vault has.
    let text = String::from_utf8_lossy(&first);
    assert!(!text.contains("quillfeather"), "{text}");
    // Another program reads it as a zip.
    let names = std::process::Command::new("python3")
        .args(["-m", "zipfile", "-t"])
        .arg(workspace.path().join("first.zip"))
        .output();
    if let Ok(tested) = names {
        assert!(tested.status.success(), "{tested:?}");
    }
}

#[test]
fn a_bundle_with_a_credential_is_refused_and_the_value_is_not_repeated() {
    let workspace = Workspace::new();
    let key = format!("sk-{}", "a1B2".repeat(8));
    workspace.call(&["stop", "--why", &format!("the key {key} leaked")]).expect(0);
    let error = workspace.refused(&["doctor", "--bundle", "out.zip"], 3);
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("02-doctor.json") && message.contains("a key of a model provider"), "{message}");
    assert!(!message.contains(&key));
    assert!(!workspace.path().join("out.zip").exists());
}

#[test]
fn a_bundle_of_failures_is_still_a_bundle() {
    let workspace = Workspace::new();
    for leftover in ["ledger.db-wal", "ledger.db-shm"] {
        let _ = fs::remove_file(workspace.path().join(".kavi").join(leftover));
    }
    fs::write(workspace.path().join(".kavi/ledger.db"), "this is no database, and it is long enough to be read\n")
        .unwrap();
    let entries = entries(&bundle(&workspace, "out.zip"));
    assert_eq!(entries.len(), 14);
    assert_eq!(entries[0].1["kavi"], env!("CARGO_PKG_VERSION"));
    for (name, value) in &entries[1..] {
        assert!(value["failed"].as_str().unwrap().contains("the workspace cannot be opened"), "{name}: {value}");
    }
}

#[test]
fn a_bundle_replaces_no_file_and_needs_the_capability() {
    let workspace = Workspace::new();
    fs::write(workspace.path().join("out.zip"), "mine").unwrap();
    workspace.refused(&["doctor", "--bundle", "out.zip"], 2);
    workspace.json(&["capability", "revoke", "person", "export_records", "--approved-by", "ada"]).expect(0);
    let said = workspace.call(&["doctor", "--bundle", "other.zip"]).expect(3).stderr;
    assert!(said.contains("person may not export_records"), "{said}");
}
