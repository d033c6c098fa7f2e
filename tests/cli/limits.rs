//! Limits that a promotion narrows: what may be fixed, what a run has, and what comes back with a rollback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;

use serde_json::{Value, json};

use crate::support::{self, Workspace};

/// Promotes another revision of `act` with these limits, and gives its proposal's id.
fn promote(workspace: &Workspace, limits: &[&str]) -> Value {
    let id = workspace.verified(&support::ACT);
    let mut args = vec!["promote-skill", id.as_str(), "--approved-by", "ada", "--yes"];
    limits.iter().for_each(|limit| args.extend(["--limit", limit]));
    workspace.json(&args).expect(0).json()
}

/// The error of a run that a limit ended.
#[track_caller]
fn ended_by(workspace: &Workspace, act: &str, limit: &str) {
    let error = workspace.act(act, "Inbox/AI/a.md").expect(5).json()["error"].take();
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(limit), "{act}: {message}");
}

fn set(workspace: &Workspace, old: &str, new: &str) {
    let path = workspace.path().join("kavi.toml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(old));
    fs::write(path, text.replace(old, new)).unwrap();
}

#[test]
fn a_promotion_fixes_limits_and_a_rollback_brings_the_older_ones_back() {
    let workspace = Workspace::trusted();
    workspace.act("two", "Inbox/AI/a.md").expect(0);
    let promoted = promote(&workspace, &["staged_files=3", "cpu_ms=200"]);
    assert_eq!(promoted["trusted"]["narrowed_limits"], json!({ "staged_files": 3, "cpu_ms": 200 }));

    // Two folders and one file are three; a second file is one too many.
    workspace.act("write", "Inbox/AI/a.md").expect(0);
    ended_by(&workspace, "two", "limit `staged_files` of 3 reached");
    ended_by(&workspace, "spin", "`cpu_ms` limit of 200 ms");
    let shown = workspace.show("act");
    assert_eq!((&shown["limits"]["staged_files"], &shown["limits"]["wall_ms"]), (&json!(3), &json!(10_000)));
    assert_eq!(shown["narrowed_limits"], json!({ "staged_files": 3, "cpu_ms": 200 }));
    let human = workspace.call(&["show", "act", "--all"]).expect(0).stdout;
    let line = human.lines().find(|line| line.contains("staged_files")).unwrap();
    assert!(line.contains('3') && line.contains("narrowed to 3 at promotion"), "{line}");
    let line = human.lines().find(|line| line.contains("wall_ms")).unwrap();
    assert!(line.contains("10000") && !line.contains("narrowed"), "{line}");
    // Another skill has its own.
    assert_eq!(workspace.show("peek")["narrowed_limits"], json!({}));

    workspace.json(&["rollback", "act", "--approved-by", "ada"]).expect(0);
    assert_eq!(workspace.show("act")["narrowed_limits"], json!({}));
    workspace.act("two", "Inbox/AI/a.md").expect(0);
}

#[test]
fn what_kavi_toml_allows_can_only_be_narrowed() {
    let workspace = Workspace::trusted();
    let id = workspace.verified(&support::ACT);
    let refused = |limit: &str| {
        let args = ["promote-skill", &id, "--approved-by", "ada", "--yes", "--limit", limit];
        workspace.refused(&args, 2)["message"].as_str().unwrap().to_owned()
    };
    let message = refused("wall_s=1");
    assert!(message.contains("no limit `wall_s`") && message.contains("wall_ms, cpu_ms"), "{message}");
    let message = refused("wall_ms=10001");
    assert!(message.contains("10000 in kavi.toml") && message.contains("10001"), "{message}");
    refused("wall_ms");
    refused("wall_ms=-1");
    refused("wall_ms=much");
    assert_eq!(workspace.status_of(&id), "VERIFIED");
}

#[test]
fn the_smaller_of_the_two_holds() {
    let workspace = Workspace::trusted();
    promote(&workspace, &["staged_files=4"]);
    workspace.act("two", "Inbox/AI/a.md").expect(0);
    set(&workspace, "staged_files = 1000", "staged_files = 3");
    ended_by(&workspace, "two", "limit `staged_files` of 3 reached");
    assert_eq!(workspace.show("act")["limits"]["staged_files"], 3);
    set(&workspace, "staged_files = 3", "staged_files = 9");
    ended_by(&workspace, "three", "limit `staged_files` of 4 reached");
}

#[test]
fn limits_in_the_ledger_that_cannot_be_read_are_not_taken_for_none() {
    for odd in [r#"{"walls":1}"#, "[]", r#"{"wall_ms":-1}"#, r#"{"wall_ms":"1"}"#, ""] {
        let workspace = Workspace::trusted();
        let sql = "UPDATE skill_proposals SET limits_json = ?1 WHERE name = 'act'";
        workspace.ledger().execute(sql, [odd]).unwrap();
        workspace.act("write", "Inbox/AI/a.md").expect(70);
        assert!(!workspace.vault("Inbox/AI/a.md").exists(), "{odd}");
    }
}
