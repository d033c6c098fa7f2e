//! Replay: the same again, or what is not the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/kavi.rs"]
mod support;

use std::fs;

use serde_json::{Value, json};
use support::{PEEK, Skill, Workspace};

/// Says what the time is and what chance gives, and writes it down.
const DICE: Skill = Skill {
    name: "dice",
    class: "FILE_WRITE",
    schema: r#"{"input":{"path":"str"},"output":{"said":"str"}}"#,
    more: &["--path", "Inbox/AI"],
    source: include_str!("support/skills/dice.rs"),
};

fn replay(workspace: &Workspace, id: &Value, more: &[&str]) -> support::Called {
    workspace.json(&[&["replay", "--execution-id", id.as_str().unwrap()], more].concat())
}

#[test]
fn a_replay_has_the_clock_and_the_seed_of_the_run_and_gives_the_same() {
    let workspace = Workspace::new();
    workspace.trust(&DICE);
    let run = |path: &str| workspace.run("dice", json!({ "path": path })).expect(0).json();
    let first = run("Inbox/AI/a.md");
    assert_ne!(first["output"], run("Inbox/AI/b.md")["output"], "two runs are not the same");
    let again = replay(&workspace, &first["execution_id"], &[]).expect(0).json();
    assert_eq!((&again["same"], &again["output"]), (&json!(true), &first["output"]));
    assert_eq!(again["effects"][0]["sha256"], first["effects"][0]["sha256"]);
    let record = "SELECT json_array(purpose, parent_execution_id, clock, seed, commit_id) FROM executions ORDER BY rowid DESC LIMIT 1";
    let record: Value = serde_json::from_str(&support::strings(&workspace.ledger(), record)[0]).unwrap();
    let expected = json!(["REPLAY", first["execution_id"], first["clock"], first["seed"], null]);
    assert_eq!(record, expected);
    // It commits nothing unless it is told to.
    fs::remove_file(workspace.vault("Inbox/AI/a.md")).unwrap();
    replay(&workspace, &first["execution_id"], &[]).expect(0);
    assert!(!workspace.vault("Inbox/AI/a.md").exists());
    replay(&workspace, &first["execution_id"], &["--commit"]).expect(0);
    assert!(workspace.vault("Inbox/AI/a.md").exists());
    let all = workspace.json(&["replay", "--skill", "dice", "--all"]).expect(0).json();
    assert_eq!((&all["runs"], &all["differ"]), (&json!(2), &json!(0)), "replays are not repeated");
}

#[test]
fn a_replay_that_differs_says_in_what() {
    let workspace = Workspace::trusted();
    let note = workspace.vault("Inbox/AI/a.md");
    fs::write(&note, "one\n").unwrap();
    let peek = |code: i32| workspace.run("peek", json!({ "path": "Inbox/AI/a.md" })).expect(code);
    let read = peek(0).json();
    replay(&workspace, &read["execution_id"], &[]).expect(0);
    fs::write(&note, "two\n").unwrap();
    let differs = replay(&workspace, &read["execution_id"], &[]).expect(5).json();
    assert_eq!(differs["error"]["kind"], "skill-failed");
    let diff = differs["differences"][0]["diff"].as_str().unwrap();
    assert!(diff.contains("-  \"text\": \"one\\n\"") && diff.contains("+  \"text\": \"two\\n\""), "{diff}");
    let human = workspace.call(&["replay", "--execution-id", read["execution_id"].as_str().unwrap()]).expect(5);
    assert!(human.stdout.contains("DIFFERS") && human.stdout.contains("--- recorded"), "{human:?}");
    // A failure is an outcome as well.
    fs::remove_file(&note).unwrap();
    let gone = replay(&workspace, &read["execution_id"], &[]).expect(5).json();
    assert_eq!(gone["differences"][0]["what"], "outcome", "{gone}");
    peek(5);
    let failed = support::strings(
        &workspace.ledger(),
        "SELECT execution_id FROM executions WHERE purpose = 'RUN' AND NOT success",
    );
    replay(&workspace, &json!(failed[0]), &[]).expect(0);
    let all = workspace.json(&["replay", "--skill", "peek", "--all"]).expect(5).json();
    assert_eq!((&all["runs"], &all["differ"]), (&json!(2), &json!(1)));
}

#[test]
fn what_is_gone_or_changed_is_not_repeated() {
    let workspace = Workspace::trusted();
    fs::write(workspace.vault("Inbox/AI/a.md"), "one\n").unwrap();
    let read = workspace.run("peek", json!({ "path": "Inbox/AI/a.md" })).expect(0).json();
    let id = &read["execution_id"];
    // Another revision, that says it louder.
    let source = PEEK
        .source
        .replace("vault::read(&input.path)?,", "vault::read(&input.path)?.to_uppercase(),")
        .replace("Ok(json!({ \"text\": \"text\" }))", "Ok(json!({ \"text\": \"TEXT\" }))");
    assert_ne!(source, PEEK.source);
    let proposal = workspace.propose("peek", PEEK.class, PEEK.schema, &[]);
    workspace.import(&proposal, &workspace.source("loud_peek", &source)).expect(0);
    workspace.json(&["verify-skill", &proposal]).expect(0);
    workspace.json(&["promote-skill", &proposal, "--approved-by", "ada", "--yes"]).expect(0);
    let error = replay(&workspace, id, &[]).expect(3).json()["error"].take();
    assert!(error["message"].as_str().unwrap().contains("ran revision 1, trusted is revision 2"), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("kavi replay --skill peek --all"), "{error}");
    let all = workspace.json(&["replay", "--skill", "peek", "--all"]).expect(5).json();
    assert!(all["replays"][0]["differences"][0]["diff"].as_str().unwrap().contains("ONE"), "{all}");
    workspace.json(&["rollback", "peek", "--approved-by", "ada"]).expect(0);
    replay(&workspace, id, &[]).expect(0);
    workspace.json(&["revoke", "peek", "--why", "test", "--approved-by", "ada"]).expect(0);
    for args in [&["replay", "--execution-id", id.as_str().unwrap()][..], &["replay", "--skill", "peek", "--all"]] {
        let error = workspace.json(args).expect(3).json()["error"].take();
        assert!(error["message"].as_str().unwrap().contains("not trusted any more"), "{error}");
    }
    workspace.json(&["run-skill", "nobody", "--json", "{}"]).expect(2);
    let nobody = support::strings(&workspace.ledger(), "SELECT execution_id FROM executions WHERE revision IS NULL");
    let error = replay(&workspace, &json!(nobody[0]), &[]).expect(3).json()["error"].take();
    assert!(error["message"].as_str().unwrap().contains("never ran"), "{error}");
    workspace.json(&["replay", "--execution-id", "ffffffff"]).expect(2);
    workspace.json(&["replay"]).expect(2);
    workspace.json(&["replay", "--skill", "peek"]).expect(2);
}
