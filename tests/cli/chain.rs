//! Chains: checked as a whole, run step by step, committed as one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;

use serde_json::{Value, json};

use crate::support::{self, Called, Workspace};

fn chain(workspace: &Workspace, steps: &Value, more: &[&str]) -> Called {
    let text = json!({ "steps": steps }).to_string();
    workspace.json(&[&["consume-chain", "--json", &text], more].concat())
}

fn act(act: &str, path: &str) -> Value {
    json!({ "skill_name": "act", "input": { "act": act, "path": path } })
}

/// Reads a note and writes what it says into another one.
fn copy(from: &str, to: &str) -> Value {
    json!([
        { "skill_name": "peek", "input": { "path": from } },
        { "skill_name": "write_note", "input_template": { "path": to, "title": "Copy" },
          "from_prev": [{ "to_field": "body", "from_path": "text" }] },
    ])
}

fn vault(workspace: &Workspace) -> Vec<String> {
    let all = support::files(&workspace.path().join("vault_out"));
    all.into_iter().filter(|(_, what)| what != "folder").map(|(path, _)| path).collect()
}

/// A chain that is refused before anything ran: nothing is recorded.
#[track_caller]
fn refused(workspace: &Workspace, steps: &Value, more: &[&str], (code, said): (i32, &str)) {
    let text = json!({ "steps": steps }).to_string();
    let error = workspace.refused(&[&["consume-chain", "--json", &text], more].concat(), code);
    assert!(error["message"].as_str().unwrap().contains(said), "{error}");
    assert!(error["hint"].is_string(), "{error}");
}

#[test]
fn the_files_of_a_chain_are_held_as_one_unless_a_person_says_yes() {
    let workspace = Workspace::trusted();
    fs::write(workspace.vault("Inbox/AI/from.md"), "what it says").unwrap();
    let ran = chain(&workspace, &copy("Inbox/AI/from.md", "Inbox/AI/to.md"), &[]).expect(0).json();
    assert_eq!((&ran["success"], &ran["effect"]["state"]), (&json!(true), &json!("HELD")), "{ran}");
    assert!(ran["diffs"][0]["text"].as_str().unwrap().contains("+what it says"), "{ran}");
    assert_eq!(vault(&workspace), ["Inbox/AI/from.md"]);
    // Each step has a record that follows the one before it, through the channel of chains.
    let ids: Vec<&str> = ran["steps"].as_array().unwrap().iter().map(|s| s["execution_id"].as_str().unwrap()).collect();
    assert_eq!(ran["steps"][1]["parent_execution_id"], ids[0]);
    assert_eq!(workspace.count("SELECT count(*) FROM executions WHERE door = 'chain' AND success"), 2);
    let id = ran["effect"]["id"].as_str().unwrap();
    let shown = workspace.json(&["effects", "show", id]).expect(0).json();
    assert_eq!(shown["kind"], "CHAIN");
    assert_eq!(shown["runs"].as_array().unwrap().len(), 1, "only the step that wrote something");
    workspace.json(&["effects", "approve", id, "--approved-by", "ada", "--yes"]).expect(0);
    assert_eq!(fs::read_to_string(workspace.vault("Inbox/AI/to.md")).unwrap(), "# Copy\n\nwhat it says\n");

    let yes = chain(&workspace, &copy("Inbox/AI/from.md", "Inbox/AI/more.md"), &["--yes"]).expect(0).json();
    assert_eq!(yes["effect"]["state"], "APPLIED");
    assert!(workspace.vault("Inbox/AI/more.md").exists());
    // Undoing a step undoes the chain.
    workspace.json(&["undo", ids[1], "--approved-by", "ada", "--yes"]).expect(0);
    assert!(!workspace.vault("Inbox/AI/to.md").exists());
    assert_eq!(workspace.staged(), 0);
}

#[test]
fn a_dry_run_of_a_chain_changes_nothing() {
    let workspace = Workspace::trusted();
    let steps = json!([act("two", "Inbox/AI/a.md"), act("write", "Inbox/AI/b.md")]);
    let text = json!({ "steps": steps }).to_string();
    let human = workspace.call(&["consume-chain", "--json", &text, "--dry-run"]).expect(0);
    assert_eq!(human.stdout.matches("--- /dev/null").count(), 3, "{}", human.stdout);
    assert!(vault(&workspace).is_empty());
    assert_eq!(workspace.count("SELECT count(*) FROM executions WHERE purpose = 'DRY_RUN'"), 2);
    assert_eq!(workspace.count("SELECT count(*) FROM commits"), 0);
}

#[test]
fn a_chain_is_all_or_nothing() {
    let workspace = Workspace::trusted();
    let steps = json!([act("two", "Inbox/AI/a.md"), act("fail", "Inbox/AI/b.md"), act("write", "Inbox/AI/c.md")]);
    let failed = chain(&workspace, &steps, &["--yes"]).expect(5).json();
    assert_eq!((failed["steps"].as_array().unwrap().len(), &failed["of"]), (2, &json!(3)));
    assert!(failed["error"]["message"].as_str().unwrap().contains("as it was told"), "{failed}");
    assert!(vault(&workspace).is_empty());
    assert_eq!(workspace.count("SELECT count(*) FROM commits"), 0);
    // Told to go on, the others are done, and theirs is one commit.
    let text = json!({ "steps": steps, "options": { "stop_on_failure": false } }).to_string();
    let on = workspace.json(&["consume-chain", "--json", &text, "--yes"]).expect(5).json();
    assert_eq!(on["steps"].as_array().unwrap().len(), 3);
    assert_eq!(vault(&workspace), ["Inbox/AI/a.md", "Inbox/AI/a.md.md", "Inbox/AI/c.md"]);
    assert_eq!(workspace.count("SELECT count(*) FROM commits"), 1);
    assert_eq!(workspace.staged(), 0);
}

#[test]
fn two_steps_over_one_file_are_for_commits_of_each_step() {
    let workspace = Workspace::trusted();
    let steps = json!([act("write", "Inbox/AI/a.md"), act("two", "Inbox/AI/a.md")]);
    let error = chain(&workspace, &steps, &["--yes"]).expect(1).json()["error"].take();
    assert!(error["message"].as_str().unwrap().contains("two runs write `Inbox/AI/a.md`"), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("--commit-each"), "{error}");
    assert!(vault(&workspace).is_empty());
    let each = chain(&workspace, &steps, &["--yes", "--commit-each"]).expect(0).json();
    assert_eq!(each["effect"], Value::Null);
    assert_eq!(workspace.count("SELECT count(*) FROM commits WHERE kind = 'RUN' AND state = 'APPLIED'"), 2);
    // A step sees then what the one before it wrote.
    let steps = json!([act("write", "Inbox/AI/b.md"), act("read", "Inbox/AI/b.md")]);
    let seen = chain(&workspace, &steps, &["--yes", "--commit-each"]).expect(0).json();
    assert_eq!(seen["output"], json!({ "said": "write\n" }));
    chain(&workspace, &json!([act("write", "Inbox/AI/d.md"), act("read", "Inbox/AI/d.md")]), &["--yes"]).expect(5);
    // By themselves, without a person's word, each of them is held.
    let held = chain(&workspace, &json!([act("write", "Inbox/AI/c.md")]), &["--commit-each"]).expect(0).json();
    assert!(held["steps"][0]["held"]["id"].is_string(), "{held}");
}

#[test]
fn what_can_never_work_is_refused_before_anything_runs() {
    let workspace = Workspace::trusted();
    let read = json!({ "skill_name": "peek", "input": { "path": "Inbox/AI/a.md" } });
    let from = |path: &str, more: Value| {
        let mut mapping = json!({ "to_field": "path", "from_path": path });
        mapping.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([read, { "skill_name": "peek", "from_prev": [mapping] }])
    };
    refused(&workspace, &json!([read, { "skill_name": "nobody", "input": {} }]), &[], (2, "no trusted skill `nobody`"));
    refused(&workspace, &from("title", json!({})), &[], (2, "never has `title`"));
    refused(&workspace, &from("text", json!({ "from_step_index": 1 })), &[], (2, "only steps before it"));
    refused(&workspace, &json!(vec![read.clone(); 1_000]), &[], (2, "1000 steps"));
    refused(&workspace, &json!([{ "skill_name": "peek", "input": { "path": 5 } }]), &[], (2, "never fits"));
    let write = json!([read, act("write", "Inbox/AI/b.md")]);
    refused(&workspace, &write, &["--max-effect", "READ_ONLY"], (3, "wider than READ_ONLY"));
    refused(&workspace, &json!([]), &[], (2, "0 steps"));
    let toml = fs::read_to_string(workspace.path().join("kavi.toml")).unwrap();
    let denied = toml.replace(
        "[policy.chain]\nREAD_ONLY = \"allow\"\nFILE_WRITE = \"ask\"",
        "[policy.chain]\nFILE_WRITE = \"deny\"",
    );
    fs::write(workspace.path().join("kavi.toml"), denied).unwrap();
    refused(&workspace, &write, &["--yes"], (3, "step 1: policy says no"));
    let asks = toml.replace("[policy.chain]\nREAD_ONLY = \"allow\"", "[policy.chain]\nREAD_ONLY = \"ask\"");
    fs::write(workspace.path().join("kavi.toml"), asks).unwrap();
    refused(&workspace, &write, &[], (3, "step 0: policy wants a person's word"));
    fs::write(workspace.path().join("kavi.toml"), toml).unwrap();
    workspace.json(&["stop", "--why", "look", "--by", "ada"]).expect(0);
    refused(&workspace, &write, &[], (3, "was stopped by ada"));
}

#[test]
fn a_step_whose_input_cannot_be_made_fails_on_record_without_running() {
    let workspace = Workspace::trusted();
    let steps = json!([
        { "skill_name": "peek", "input": { "path": "Inbox/AI/nowhere.md" } },
        { "skill_name": "peek", "from_prev": [{ "to_field": "path", "from_path": "text" }] },
        { "skill_name": "peek", "input": { "path": "Inbox/AI/there.md" }, "parent_index": 0 },
    ]);
    fs::write(workspace.vault("Inbox/AI/there.md"), "there").unwrap();
    let text = json!({ "steps": steps, "options": { "stop_on_failure": false } }).to_string();
    let ran = workspace.json(&["consume-chain", "--json", &text]).expect(5).json();
    let rows =
        "SELECT json_array(coalesce(error, ''), parent_execution_id, said_json IS NULL) FROM executions ORDER BY rowid";
    let rows: Vec<Value> =
        support::strings(&workspace.ledger(), rows).iter().map(|row| serde_json::from_str(row).unwrap()).collect();
    let said = |number: usize| rows[number][0].as_str().unwrap().to_owned();
    assert!(said(0).starts_with("SkillError: ") && said(2).is_empty(), "{rows:?}");
    assert!(said(1).starts_with("Unmapped: ") && said(1).contains("step 0"), "{rows:?}");
    assert_eq!(rows[1][2], 1, "it did not run");
    let first = &ran["steps"][0]["execution_id"];
    assert_eq!((&rows[1][1], &rows[2][1]), (first, first));
}

#[test]
fn a_revocation_or_a_stop_in_between_leaves_nothing() {
    let workspace = Workspace::trusted();
    let steps = json!([act("write", "Inbox/AI/a.md"), { "skill_name": "peek", "input": { "path": "Inbox/AI/b.md" } }]);
    fs::write(workspace.vault("Inbox/AI/b.md"), "b").unwrap();
    let held = chain(&workspace, &steps, &[]).expect(0).json();
    workspace.json(&["revoke", "act", "--why", "test", "--approved-by", "ada"]).expect(0);
    let id = held["effect"]["id"].as_str().unwrap();
    workspace.json(&["effects", "approve", id, "--approved-by", "ada", "--yes"]).expect(3);
    refused(&workspace, &steps, &[], (2, "no trusted skill `act`"));
    assert!(!workspace.vault("Inbox/AI/a.md").exists());
}
