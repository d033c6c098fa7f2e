//! Files that a run removes: `vault::remove`, and `move_note` that rests on it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;

use serde_json::{Value, json};

use crate::support::shipped::fresh;
use crate::support::{self, ACT, Workspace};

const NOTE: &str = "Inbox/AI/a.md";
const MOVED: &str = "Inbox/AI/a.md.moved.md";

/// A workspace in which `act` moves this note.
fn with_note() -> Workspace {
    let workspace = Workspace::trusted();
    fs::create_dir_all(workspace.vault("Inbox/AI")).unwrap();
    fs::write(workspace.vault(NOTE), "old\n").unwrap();
    workspace
}

fn is_moved(workspace: &Workspace) -> bool {
    let there = |path: &str| fs::read_to_string(workspace.vault(path)).is_ok_and(|text| text == "old\n");
    assert_ne!(there(NOTE), there(MOVED), "the note is in both places, or in none");
    there(MOVED)
}

fn held(workspace: &Workspace) -> String {
    let input = json!({ "act": "move", "path": NOTE }).to_string();
    let held = workspace.json(&["run-skill", "act", "--hold", "--json", &input]).expect(0).json();
    held["held"]["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_removal_is_recorded_shown_and_undone() {
    let workspace = with_note();
    let called = workspace.call(&["run-skill", "act", "--json", &json!({ "act": "move", "path": NOTE }).to_string()]);
    assert!(called.expect(0).stderr.contains("Inbox/AI/a.md (removed)"));
    assert!(is_moved(&workspace));
    let record = support::strings(&workspace.ledger(), "SELECT effects_json FROM executions").remove(0);
    let effects: Value = serde_json::from_str(&record).unwrap();
    let old = kavi::model::digest::Digest::of(b"old\n").to_string();
    assert_eq!(effects[0], json!({ "path": NOTE, "sha256": null, "bytes": 0, "before": old }));
    assert_eq!(effects[1]["sha256"], json!(old));
    let id = support::strings(&workspace.ledger(), "SELECT id FROM commits").remove(0);
    let shown = workspace.call(&["effects", "show", &id]).expect(0).stdout;
    assert!(shown.contains("removed  Inbox/AI/a.md"), "{shown}");
    workspace.call(&["undo", &id, "--approved-by", "ada", "--yes"]).expect(0);
    assert!(!is_moved(&workspace));
    assert!(!workspace.vault(MOVED).exists());
}

#[test]
fn a_removal_waits_for_a_person_and_is_seen_before() {
    let workspace = with_note();
    let id = held(&workspace);
    assert!(!is_moved(&workspace));
    let shown = workspace.json(&["effects", "show", &id]).expect(0).json();
    let diff = &shown["diffs"][0];
    assert_eq!((&diff["path"], &diff["after"], &diff["whole"]), (&json!(NOTE), &json!(null), &json!(true)));
    assert!(diff["text"].as_str().unwrap().contains("+++ /dev/null"), "{diff}");
    workspace.call(&["effects", "approve", &id, "--approved-by", "ada", "--yes"]).expect(0);
    assert!(is_moved(&workspace));
    // Rejected, it changes nothing.
    let workspace = with_note();
    let id = held(&workspace);
    workspace.call(&["effects", "reject", &id, "--why", "no", "--approved-by", "ada"]).expect(0);
    assert!(!is_moved(&workspace));
}

#[test]
fn a_file_that_has_changed_is_not_removed() {
    let workspace = with_note();
    let id = held(&workspace);
    fs::write(workspace.vault(NOTE), "mine\n").unwrap();
    let error = workspace.refused(&["effects", "approve", &id, "--approved-by", "ada", "--yes"], 1);
    assert!(error["message"].as_str().unwrap().contains(NOTE), "{error}");
    assert_eq!(fs::read_to_string(workspace.vault(NOTE)).unwrap(), "mine\n");
    assert!(!workspace.vault(MOVED).exists());
}

#[test]
fn a_dry_run_and_a_replay_remove_nothing() {
    let workspace = with_note();
    let input = json!({ "act": "move", "path": NOTE }).to_string();
    let dry = workspace.json(&["run-skill", "act", "--dry-run", "--json", &input]).expect(0).json();
    assert_eq!(dry["diffs"].as_array().unwrap().len(), 2);
    assert!(!is_moved(&workspace));
    let ran = workspace.act("move", NOTE).expect(0).json();
    let id = ran["execution_id"].as_str().unwrap();
    workspace.call(&["undo", id, "--approved-by", "ada", "--yes"]).expect(0);
    let replayed = workspace.json(&["replay", "--execution-id", id]).expect(0).json();
    assert_eq!(replayed["differences"], json!([]), "{replayed}");
    assert!(!is_moved(&workspace));
}

#[test]
fn prune_keeps_what_an_undo_of_a_removal_needs() {
    let workspace = with_note();
    let ran = workspace.act("move", NOTE).expect(0).json();
    workspace.call(&["prune", "--keep", "1", "--yes", "--approved-by", "ada"]).expect(0);
    let id = ran["execution_id"].as_str().unwrap();
    workspace.call(&["undo", id, "--approved-by", "ada", "--yes"]).expect(0);
    assert!(!is_moved(&workspace));
}

#[test]
fn a_chain_writes_and_removes_as_one() {
    let workspace = with_note();
    let step = |act: &str, path: &str| json!({ "skill_name": "act", "input": { "act": act, "path": path } });
    let chain = |steps: Value| {
        let file = workspace.path().join("chain.json");
        fs::write(&file, json!({ "steps": steps }).to_string()).unwrap();
        workspace.call(&["consume-chain", "--yes", "--json", "@chain.json"])
    };
    // Both steps want the same note: the second did not see what the first did.
    chain(json!([step("move", NOTE), step("write", NOTE)])).expect(1);
    assert!(!is_moved(&workspace));
    chain(json!([step("move", NOTE), step("write", "Inbox/AI/z.md")])).expect(0);
    assert!(is_moved(&workspace));
    assert!(workspace.vault("Inbox/AI/z.md").exists());
}

#[test]
fn a_skill_that_does_not_say_so_removes_nothing() {
    let workspace = Workspace::new();
    workspace.trust(&support::Skill { more: &["--path", "Inbox/AI"], ..ACT });
    fs::create_dir_all(workspace.vault("Inbox/AI")).unwrap();
    fs::write(workspace.vault(NOTE), "old\n").unwrap();
    let error = workspace.act("move", NOTE).expect(5).json();
    assert!(error["error"]["message"].as_str().unwrap().contains("does not say `removes_files`"), "{error}");
    assert!(!is_moved(&workspace));
    assert_eq!(workspace.count("SELECT count(*) FROM commits"), 0);
    // A class that writes nothing cannot say so.
    let args =
        ["propose-skill", "--name", "tally", "--desc", "counts", "--side-effect", "READ_ONLY", "--removes-files"];
    let schema = ["--io-schema-json", r#"{"input":{"text":"str"},"output":{"words":"int"}}"#];
    let error = workspace.refused(&[&args[..], &schema].concat(), 2);
    assert!(error["message"].as_str().unwrap().contains("it cannot remove any"), "{error}");
}

#[test]
fn a_person_is_told_before_they_trust_it() {
    let workspace = Workspace::trusted();
    let said = "may remove files below these folders";
    assert!(workspace.call(&["show", "act"]).expect(0).stdout.contains(said));
    assert!(!workspace.call(&["show", "write_note"]).expect(0).stdout.contains(said));
}

#[test]
fn a_note_moves_with_the_links_that_lead_to_it() {
    let workspace = fresh();
    let put = |path: &str, text: &str| {
        fs::create_dir_all(workspace.vault(path).parent().unwrap()).unwrap();
        fs::write(workspace.vault(path), text).unwrap();
    };
    put("Inbox/plan.md", "# Plan\r\n\r\nSee [[beds]].\r\n");
    put("Areas/beds.md", "---\nup: \"[[Inbox/plan]]\"\n---\n[p](../Inbox/plan.md#Plan) [[plan|x]]\n");
    let read = |path: &str| fs::read_to_string(workspace.vault(path)).unwrap();
    let before = support::files(&workspace.vault(""));
    let input = json!({ "path": "Inbox/plan.md", "to": "Projects/big plan.md" });
    let ran = workspace.run("move_note", input.clone()).expect(0).json();
    assert_eq!((&ran["output"]["links"], &ran["output"]["changed"]), (&json!(3), &json!(["Areas/beds.md"])));
    assert!(!workspace.vault("Inbox/plan.md").exists());
    assert_eq!(read("Projects/big plan.md"), "# Plan\r\n\r\nSee [[beds]].\r\n");
    let text = "---\nup: \"[[Projects/big plan]]\"\n---\n[p](../Projects/big%20plan.md#Plan) [[big plan|x]]\n";
    assert_eq!(read("Areas/beds.md"), text);
    let backlinks = workspace.run("list_notes", json!({ "what": "backlinks", "path": "Projects/big plan.md" }));
    assert_eq!(backlinks.expect(0).json()["output"]["total"], 3);
    // All of it was one change.
    let id = ran["execution_id"].as_str().unwrap();
    workspace.call(&["undo", id, "--approved-by", "ada", "--yes"]).expect(0);
    let mut now = support::files(&workspace.vault(""));
    now.retain(|path, what| what != "folder" || before.contains_key(path));
    assert_eq!(now, before);
    // A link outside of the folders of the skill cannot be rewritten, so nothing moves.
    put("Elsewhere/x.md", "[[Inbox/plan]]\n");
    let error = workspace.run("move_note", input).expect(5).json();
    assert!(error["error"]["message"].as_str().unwrap().contains("Elsewhere/x.md"), "{error}");
    assert!(workspace.vault("Inbox/plan.md").exists());
}
