//! Replay: the same again, or what is not the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{self, PEEK, Workspace};

fn replay(workspace: &Workspace, id: &Value, more: &[&str]) -> support::Called {
    workspace.json(&[&["replay", "--execution-id", id.as_str().unwrap()], more].concat())
}

/// A workspace in which the daily note is TRUSTED.
fn with_daily_note() -> Workspace {
    let workspace = Workspace::new();
    let skill = Path::new(env!("CARGO_MANIFEST_DIR")).join("skills/create_daily_note");
    let spec = skill.join("spec.json");
    let proposed = workspace.json(&["propose-skill", "--spec", &spec.to_string_lossy()]).expect(0).json();
    let id = proposed["id"].as_str().unwrap();
    workspace.import(id, &skill).expect(0);
    workspace.json(&["verify-skill", id]).expect(0);
    workspace.json(&["promote-skill", id, "--approved-by", "test", "--yes"]).expect(0);
    workspace
}

#[test]
fn a_replay_has_the_clock_and_the_seed_of_the_run_and_gives_the_same() {
    let workspace = with_daily_note();
    let first = workspace.run("create_daily_note", json!({ "existing": "replace" })).expect(0).json();
    let note = workspace.vault(first["output"]["path"].as_str().unwrap());
    let again = replay(&workspace, &first["execution_id"], &[]).expect(0).json();
    assert_eq!((&again["same"], &again["output"]), (&json!(true), &first["output"]));
    assert_eq!(again["effects"][0]["sha256"], first["effects"][0]["sha256"]);
    let record = "SELECT json_array(purpose, parent_execution_id, clock, seed, commit_id) FROM executions
                  ORDER BY rowid DESC LIMIT 1";
    let record: Value = serde_json::from_str(&support::strings(&workspace.ledger(), record)[0]).unwrap();
    assert_eq!(record, json!(["REPLAY", first["execution_id"], first["clock"], first["seed"], null]));
    // It commits nothing unless it is told to.
    fs::remove_file(&note).unwrap();
    replay(&workspace, &first["execution_id"], &[]).expect(0);
    assert!(!note.exists());
    replay(&workspace, &first["execution_id"], &["--commit"]).expect(0);
    assert!(note.exists());
    let all = workspace.json(&["replay", "--skill", "create_daily_note", "--all"]).expect(0).json();
    assert_eq!((&all["runs"], &all["differ"]), (&json!(1), &json!(0)), "replays are not repeated");
    // It is the clock of the record that the guest is given, whatever the time is now.
    let clock = "UPDATE executions SET clock = '2020-02-29T12:00:00.000Z' WHERE purpose = 'RUN'";
    workspace.ledger().execute(clock, []).unwrap();
    let other = replay(&workspace, &first["execution_id"], &[]).expect(5).json();
    assert_eq!(other["output"]["date"], "2020-02-29");
    let files: Vec<&Value> =
        other["differences"].as_array().unwrap().iter().filter(|difference| difference["what"] == "file").collect();
    assert_eq!(files.len(), 2, "one that is written now and one that was: {other}");
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
fn an_input_that_is_longer_where_it_is_kept_is_repeated() {
    let workspace = Workspace::trusted();
    // Four characters each that are eighteen in the store.
    let numbers = vec!["1e15"; 65_000].join(",");
    fs::write(workspace.path().join("long.json"), format!("{{\"path\":[{numbers}]}}")).unwrap();
    workspace.json(&["run-skill", "peek", "--json", "@long.json"]).expect(2);
    let stored = "SELECT json_extract(input_stored_json, '$.bytes') FROM executions";
    assert!(workspace.count(stored) > 1 << 20);
    let run = support::strings(&workspace.ledger(), "SELECT execution_id FROM executions").remove(0);
    let again = replay(&workspace, &json!(run), &[]).expect(0).json();
    assert_eq!(again["same"], true, "{again}");
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
    let verified = workspace.json(&["verify-skill", &proposal]).expect(0).json();
    let gate = verified["gates"].as_array().unwrap().iter().find(|gate| gate["gate"] == "replay").unwrap();
    // Its verification says how it differs from the revision that is trusted, and nothing of what the vault says.
    let rules: Vec<&str> = gate["findings"].as_array().unwrap().iter().map(|f| f["rule"].as_str().unwrap()).collect();
    assert_eq!((&gate["status"], rules), (&json!("PASSED"), vec!["replay/differs", "replay/summary", "replay/flips"]));
    let said = gate["findings"].to_string();
    assert!(said.contains("another output at `/text`") && said.contains("1 of 1 recorded runs"), "{said}");
    assert!(!said.to_lowercase().contains("one\\n"), "{said}");
    assert!(said.contains("0 recorded runs succeed now, 0 fail now, 1 end as before"), "{said}");
    let promoted = workspace.json(&["promote-skill", &proposal, "--approved-by", "ada", "--yes"]).expect(0).json();
    assert!(promoted["trusted"]["replayed"].as_str().unwrap().starts_with("1 of 1 recorded runs"), "{promoted}");
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
