//! `kavi add`: the skills that come with Kavi, through every gate and up to one question.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;

use serde_json::{Value, json};

use crate::support::Workspace;
use crate::support::shipped::{SKILLS, fresh};

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|skill| skill["name"].as_str().unwrap()).collect()
}

#[test]
fn the_list_has_every_skill_and_says_what_is_trusted() {
    let workspace = Workspace::new();
    let listed = workspace.json(&["add", "--list"]).expect(0).json();
    // One that reaches hosts is not among those that are added together: a person names its hosts.
    let mut expected = [SKILLS.as_slice(), &["http_get_json"]].concat();
    expected.sort_unstable();
    assert_eq!(names(&listed), expected);
    assert!(listed.as_array().unwrap().iter().all(|skill| skill["status"] == "not added"));
    assert!(workspace.call(&["add", "--list"]).expect(0).stdout.contains("search_notes (READ_ONLY, not added)"));
    let trusted = fresh().json(&["add", "--list"]).expect(0).json();
    let not_added = |skill: &&Value| skill["status"] != "trusted";
    let missing: Vec<&Value> = trusted.as_array().unwrap().iter().filter(not_added).collect();
    assert!(
        matches!(missing[..], [skill] if skill["name"] == "http_get_json" && skill["needs_host"] == true),
        "{trusted}"
    );
}

#[test]
fn what_is_trusted_is_not_made_again() {
    let workspace = fresh();
    let before = workspace.rows();
    let again = workspace.json(&["add", "--all", "--approved-by", "test", "--yes"]).expect(0).json();
    assert_eq!(again["added"], json!([]));
    assert_eq!(again["trusted_already"].as_array().unwrap().len(), SKILLS.len());
    assert_eq!(workspace.rows(), before);
}

#[test]
fn a_skill_is_added_in_any_folder_in_one_command_and_asked_for_once() {
    let workspace = Workspace::new();
    // Nobody is there to be asked, and nothing is built in vain.
    let error = workspace.refused(&["add", "write_note", "--approved-by", "test"], 3);
    assert!(error["message"].as_str().unwrap().contains("give --yes"), "{error}");
    let args = ["add", "write_note", "write_note", "--approved-by", "test", "--yes"];
    let added = workspace.json(&args).expect(0).json();
    assert_eq!(names(&added["added"]), ["write_note"]);
    assert_eq!(added["added"][0]["trusted"]["paths"], json!(["Inbox/AI"]));
    assert_eq!(workspace.status_of("write_note"), "TRUSTED");
    assert_eq!(workspace.json(&args).expect(0).json()["trusted_already"], json!(["write_note"]));
    workspace.note("Inbox/AI/a.md").expect(0);
}

#[test]
fn a_skill_that_may_do_more_than_before_is_not_added_among_others() {
    let workspace = Workspace::new();
    let spec = json!({
        "name": "write_note", "description": "Writes a note", "side_effect_class": "FILE_WRITE",
        "paths": ["Inbox/AI/narrow"],
        "io": {
            "input": { "path": "str", "title": "str", "body": "str" },
            "output": { "written_path": "str", "sha256": "str" },
        },
    });
    fs::write(workspace.path().join("spec.json"), spec.to_string()).unwrap();
    let proposed = workspace.json(&["propose-skill", "--spec", "spec.json"]).expect(0).json();
    let id = proposed["id"].as_str().unwrap();
    workspace.import(id, &crate::support::shipped::skill("write_note")).expect(0);
    // Narrower folders fail its tests, so it is not trusted: but an attempt that may do more needs a person anyway.
    let error = workspace.json(&["add", "write_note", "--approved-by", "test", "--yes"]).expect(3).json();
    assert!(error["error"]["message"].as_str().unwrap().contains("PERMISSION_WIDENING"), "{error}");
    assert_ne!(workspace.status_of("write_note"), "TRUSTED");
}

#[test]
fn a_name_that_does_not_come_with_kavi_is_refused() {
    let workspace = Workspace::new();
    let error = workspace.refused(&["add", "no_such_skill", "--approved-by", "test", "--yes"], 2);
    assert!(error["message"].as_str().unwrap().contains("these do: create_daily_note"), "{error}");
    for args in [&["add"][..], &["add", "--all", "write_note"], &["add", "--all", "--list"]] {
        assert_eq!(workspace.call(args).code, 2, "{args:?}");
    }
}
