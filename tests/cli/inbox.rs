//! What waits for a person: one list, and decisions about several changes at once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;

use serde_json::{Value, json};

use crate::support::mcp::client::Client;
use crate::support::{self, Called, Workspace, feed};

/// Holds a note, asked for by this person.
fn hold(workspace: &Workspace, by: &str, path: &str) -> String {
    let input = json!({ "path": path, "title": "Title", "body": "Body" }).to_string();
    let mut command = workspace.command();
    command.env("USER", by).args(["run-skill", "write_note", "--json", &input, "--hold", "--output", "json"]);
    let held = Called::from(command.output().unwrap()).expect(0).json();
    held["held"]["id"].as_str().unwrap().to_owned()
}

fn ids(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn the_inbox_has_everything_that_waits_and_failures_since_the_last_look() {
    let workspace = Workspace::trusted();
    let empty = workspace.json(&["inbox"]).expect(0).json();
    assert_eq!((&empty["held"], &empty["ready"], &empty["failures"]), (&json!([]), &json!([]), &json!([])));
    assert!(!workspace.call(&["status"]).expect(0).stdout.contains("kavi inbox"));
    let held = hold(&workspace, "ada", "Inbox/AI/a.md");
    let failed = workspace.act("fail", "Inbox/AI/b.md").expect(5).json()["error"]["run"].take();
    let mut client = Client::open(&workspace, "2025-11-25", json!({}));
    let proposal = json!({
        "name": "tally", "description": "Counts", "why": "I count often", "side_effect_class": "READ_ONLY",
        "io": { "input": { "text": "str" }, "output": { "words": "int" } },
    });
    let proposed = client.call("propose_skill", proposal)["result"]["structuredContent"]["proposal"].take();
    client.close();
    // Of a person, and not verified: their own work is not news to them.
    workspace.propose("own", "READ_ONLY", r#"{"input":{"a":"str"},"output":{"b":"str"}}"#, &[]);
    let status = workspace.call(&["status"]).expect(0).stdout;
    assert!(
        status.contains("1 held, 1 proposed by agents, 1 failed since the last look: see `kavi inbox`"),
        "{status}"
    );
    let again = workspace.json(&["inbox", "--since", "1h"]).expect(0).json();
    assert_eq!(again["failures"][0]["execution_id"], failed, "a look with --since is not the last look");
    let inbox = workspace.json(&["inbox"]).expect(0).json();
    assert_eq!(ids(&inbox["held"]), std::slice::from_ref(&held));
    assert_eq!(inbox["held"][0]["runs"][0]["asked_by"], "ada");
    assert_eq!(
        (ids(&inbox["proposed"]), &inbox["proposed"][0]["asker"]["by"]),
        (vec![proposed.as_str().unwrap().to_owned()], &json!("tester"))
    );
    assert_eq!(inbox["failures"][0]["execution_id"], failed);
    // Seen once, a failure is gone; what is to be decided stays.
    let later = workspace.json(&["inbox"]).expect(0).json();
    assert_eq!((later["failures"].as_array().unwrap().len(), ids(&later["held"])), (0, vec![held]));
    let human = workspace.call(&["inbox"]).expect(0).stdout;
    for said in ["held changes\n", "write_note", "ada", "proposed by agents\n", "tester (mcp)", "next: kavi show ID"] {
        assert!(human.contains(said), "{said}\n{human}");
    }
}

#[test]
fn several_changes_are_decided_by_one_command() {
    let workspace = Workspace::trusted();
    let of_ada = hold(&workspace, "ada", "Inbox/AI/a.md");
    let of_bob = [hold(&workspace, "bob", "Inbox/AI/b.md"), hold(&workspace, "bob", "Inbox/AI/c.md")];
    let list = workspace.call(&["effects", "list"]).expect(0).stdout;
    assert!(list.contains("write_note") && list.contains("cli") && list.contains("bob"), "{list}");
    let listed = workspace.json(&["effects", "list"]).expect(0).json();
    assert_eq!(listed["effects"][0]["runs"][0]["skill_name"], "write_note");
    let approve = |more: &[&str], code: i32| {
        workspace.json(&[&["effects", "approve", "--approved-by", "ada", "--yes"], more].concat()).expect(code).json()
    };
    assert!(approve(&["--skill", "act"], 2)["error"]["message"].as_str().unwrap().contains("nothing is held"));
    approve(&[], 2);
    approve(&[&of_ada, "--all"], 2);
    // One that cannot be committed stays held, and does not stop the others.
    fs::write(workspace.vault("Inbox/AI/b.md"), "mine").unwrap();
    let decided = approve(&["--by", "bob"], 1);
    assert_eq!(
        (ids(&decided["effects"]), &decided["failed"][0]["id"]),
        (vec![of_bob[1].clone()], &json!(&of_bob[0][..8]))
    );
    assert_eq!(decided["error"]["kind"], "failed", "{decided}");
    assert!(workspace.vault("Inbox/AI/c.md").exists() && !workspace.vault("Inbox/AI/a.md").exists());
    let rejected =
        workspace.json(&["effects", "reject", "--all", "--why", "no", "--approved-by", "ada"]).expect(0).json();
    assert_eq!(ids(&rejected["effects"]), [of_ada, of_bob[0].clone()]);
    assert_eq!(workspace.json(&["effects", "list"]).expect(0).json()["effects"], json!([]));
}

#[test]
fn a_batch_is_shown_or_held_as_a_whole() {
    let workspace = Workspace::trusted();
    let note = |path: &str| json!({ "path": path, "title": "Title", "body": "Body" }).to_string() + "\n";
    let input = note("Inbox/AI/a.md") + &note("Inbox/AI/b.md");
    let batch = |more: &[&str]| {
        let mut command = workspace.command();
        command.args(["run-skill", "write_note", "--batch", "-"]).args(more);
        feed(command, &input).expect(0)
    };
    let before = support::files(&workspace.path().join("vault_out"));
    let shown = batch(&["--dry-run"]).stdout;
    assert!(shown.contains("1: would change Inbox/AI/a.md (+3 -0)\n2: would change Inbox/AI/b.md (+3 -0)"), "{shown}");
    let held = batch(&["--hold"]);
    assert!(held.stderr.contains("kavi effects approve --skill write_note"), "{held:?}");
    assert_eq!(support::files(&workspace.path().join("vault_out")), before);
    workspace.json(&["effects", "approve", "--skill", "write_note", "--approved-by", "ada", "--yes"]).expect(0);
    assert!(workspace.vault("Inbox/AI/a.md").exists() && workspace.vault("Inbox/AI/b.md").exists());
}

#[test]
fn a_list_says_who_proposed() {
    let workspace = Workspace::trusted();
    let mut client = Client::open(&workspace, "2025-11-25", json!({}));
    let proposal = json!({
        "name": "tally", "description": "Counts", "why": "I count often", "side_effect_class": "READ_ONLY",
        "io": { "input": { "text": "str" }, "output": { "words": "int" } },
    });
    client.call("propose_skill", proposal);
    client.close();
    let human = workspace.call(&["list-skills", "--all"]).expect(0).stdout;
    let line = |name: &str| {
        human.lines().find(|line| line.trim_start().starts_with(name)).unwrap_or_else(|| panic!("{human}")).to_owned()
    };
    assert!(line("tally").contains("tester (mcp)") && line("peek").contains("a person"), "{human}");
    let listed = workspace.json(&["list-skills", "--all"]).expect(0).json();
    let asker = |name: &str| {
        let skills = listed["skills"].as_array().unwrap();
        skills.iter().find(|skill| skill["name"] == name).unwrap()["asker"].clone()
    };
    assert_eq!((asker("peek"), &asker("tally")["by"]), (Value::Null, &json!("tester")));
}
