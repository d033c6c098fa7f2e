//! A batch whose files are one commit: shown, held, committed and undone as a whole, or not at all.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;

use serde_json::{Value, json};

use crate::support::{self, Called, Workspace};

/// Runs write_note over these notes as one.
fn together(workspace: &Workspace, notes: &[&str], more: &[&str]) -> Called {
    let line = |path: &&str| format!("{}\n", json!({ "path": path, "title": "Title", "body": format!("Of {path}") }));
    fs::write(workspace.path().join("notes.jsonl"), notes.iter().map(line).collect::<String>()).unwrap();
    workspace.json(&[&["run-skill", "write_note", "--batch", "notes.jsonl", "--together"], more].concat())
}

/// The document of each line, and that of the whole.
fn documents(called: &Called) -> (Vec<Value>, Value) {
    let mut all: Vec<Value> = called.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let whole = all.pop().unwrap();
    (all, whole)
}

fn vault(workspace: &Workspace) -> Vec<String> {
    let all = support::files(&workspace.path().join("vault_out"));
    all.into_iter().filter(|(_, what)| what != "folder").map(|(path, _)| path).collect()
}

const NOTES: [&str; 3] = ["Inbox/AI/a.md", "Inbox/AI/b.md", "Inbox/AI/c/d.md"];

#[test]
fn a_batch_is_committed_and_undone_as_one() {
    let workspace = Workspace::trusted();
    fs::create_dir_all(workspace.vault("Inbox/AI")).unwrap();
    fs::write(workspace.vault("Inbox/AI/a.md"), "before").unwrap();
    let (lines, whole) = documents(&together(&workspace, &NOTES, &["--jobs", "2"]).expect(0));
    assert_eq!(lines.len(), 3);
    assert_eq!(
        (&whole["effect"]["state"], &whole["effect"]["changes"][2]["path"]),
        (&json!("APPLIED"), &json!(NOTES[2]))
    );
    assert_eq!(vault(&workspace), NOTES);
    assert_eq!(workspace.count("SELECT count(*) FROM executions WHERE success"), 3);
    assert_eq!(workspace.count("SELECT count(*) FROM commits"), 1);
    // Any of its runs stands for all.
    let run = lines[1]["execution_id"].as_str().unwrap();
    let undone = workspace.json(&["undo", run, "--approved-by", "ada", "--yes"]).expect(0).json();
    assert_eq!(undone["runs"].as_array().map(Vec::len), Some(3));
    assert_eq!(vault(&workspace), ["Inbox/AI/a.md"]);
    assert_eq!(fs::read_to_string(workspace.vault("Inbox/AI/a.md")).unwrap(), "before");
    assert_eq!(workspace.staged(), 0);
}

#[test]
fn an_undo_of_a_batch_is_refused_as_a_whole_and_names_the_conflict() {
    let workspace = Workspace::trusted();
    let (lines, _) = documents(&together(&workspace, &NOTES, &[]).expect(0));
    fs::write(workspace.vault(NOTES[1]), "mine").unwrap();
    let run = lines[0]["execution_id"].as_str().unwrap();
    let refused = workspace.json(&["undo", run, "--approved-by", "ada", "--yes"]);
    assert_ne!(refused.code, 0);
    let error = refused.json();
    assert!(error["error"]["message"].as_str().unwrap().contains(NOTES[1]), "{error}");
    assert_eq!(vault(&workspace), NOTES);
    assert_eq!(fs::read_to_string(workspace.vault(NOTES[1])).unwrap(), "mine");
}

#[test]
fn a_batch_is_held_and_approved_as_one() {
    let workspace = Workspace::trusted();
    let (_, whole) = documents(&together(&workspace, &NOTES, &["--hold"]).expect(0));
    assert_eq!(whole["effect"]["state"], "HELD");
    assert_eq!(whole["diffs"].as_array().map(Vec::len), Some(3));
    assert!(vault(&workspace).is_empty());
    let listed = workspace.json(&["effects", "list"]).expect(0).json();
    assert_eq!(listed["effects"].as_array().map(Vec::len), Some(1));
    assert_eq!(listed["effects"][0]["runs"].as_array().map(Vec::len), Some(3));
    let id = whole["effect"]["id"].as_str().unwrap();
    workspace.json(&["effects", "approve", id, "--approved-by", "ada", "--yes"]).expect(0);
    assert_eq!(vault(&workspace), NOTES);
    // Where policy asks, it waits as one without being told to.
    let kavi_toml = workspace.path().join("kavi.toml");
    let rules = ["allow", "ask"].map(|rule| format!("[policy.cli]\nREAD_ONLY = \"allow\"\nFILE_WRITE = \"{rule}\""));
    let settings = fs::read_to_string(&kavi_toml).unwrap();
    assert!(settings.contains(&rules[0]), "{settings}");
    fs::write(&kavi_toml, settings.replace(&rules[0], &rules[1])).unwrap();
    let (_, whole) = documents(&together(&workspace, &["Inbox/AI/x.md", "Inbox/AI/y.md"], &[]).expect(0));
    assert_eq!(whole["effect"]["state"], "HELD");
    let id = whole["effect"]["id"].as_str().unwrap();
    workspace.json(&["effects", "reject", id, "--approved-by", "ada"]).expect(0);
    assert_eq!(vault(&workspace), NOTES);
}

#[test]
fn a_dry_run_of_a_batch_shows_all_of_it_and_changes_nothing() {
    let workspace = Workspace::trusted();
    let (lines, whole) = documents(&together(&workspace, &NOTES, &["--dry-run"]).expect(0));
    assert_eq!(lines.len(), 3);
    assert_eq!((&whole["effect"], whole["diffs"].as_array().map(Vec::len)), (&Value::Null, Some(3)));
    assert!(vault(&workspace).is_empty());
    assert_eq!(workspace.count("SELECT count(*) FROM commits"), 0);
    assert_eq!(workspace.count("SELECT count(*) FROM executions WHERE purpose = 'DRY_RUN'"), 3);
    let human =
        workspace.call(&["run-skill", "write_note", "--batch", "notes.jsonl", "--together", "--dry-run"]).expect(0);
    assert_eq!(human.stdout.matches("--- /dev/null").count(), 3, "{}", human.stdout);
    assert!(human.stderr.contains("nothing was changed"), "{}", human.stderr);
    workspace.refused(&["run-skill", "write_note", "--json", "{}", "--together"], 2);
}

#[test]
fn a_line_that_fails_or_writes_the_same_file_leaves_nothing() {
    let workspace = Workspace::trusted();
    let failed = together(&workspace, &["Inbox/AI/a.md", "Projects/b.md", "Inbox/AI/c.md"], &[]).expect(5);
    let (lines, whole) = documents(&failed);
    assert_eq!((lines.len(), &lines[1]["error"]["kind"]), (3, &json!("skill-failed")));
    assert_eq!(whole["effect"], Value::Null);
    let twice = together(&workspace, &["Inbox/AI/a.md", "Inbox/AI/b.md", "Inbox/AI/a.md"], &[]).expect(1);
    let (lines, whole) = documents(&twice);
    assert_eq!(lines.len(), 3);
    assert!(whole["error"]["message"].as_str().unwrap().contains("two runs write `Inbox/AI/a.md`"), "{whole}");
    assert!(vault(&workspace).is_empty());
    assert_eq!((workspace.count("SELECT count(*) FROM commits"), workspace.staged()), (0, 0));
    // By themselves, each line is as before.
    workspace.json(&["run-skill", "write_note", "--batch", "notes.jsonl"]).expect(0);
    assert_eq!(vault(&workspace), ["Inbox/AI/a.md", "Inbox/AI/b.md"]);
}
