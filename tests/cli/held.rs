//! What a run would change, before it does: dry runs, held effects, policy; and undo, after it did.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use kavi::model::clock_doubt::MachineStart;
use serde_json::{Value, json};

use crate::support::{self, Called, Workspace};

const NOTE: &str = r#"{"path":"Inbox/AI/a.md","title":"Title","body":"New body"}"#;

fn write_note(workspace: &Workspace, more: &[&str]) -> Called {
    workspace.json(&[&["run-skill", "write_note", "--json", NOTE], more].concat())
}

/// Holds a note and gives the effect's id.
fn hold(workspace: &Workspace) -> String {
    let held = write_note(workspace, &["--hold"]).expect(0).json();
    held["held"]["id"].as_str().unwrap().to_owned()
}

fn note(workspace: &Workspace) -> Option<String> {
    fs::read_to_string(workspace.vault("Inbox/AI/a.md")).ok()
}

fn set(workspace: &Workspace, from: &str, to: &str) {
    let path = workspace.path().join("kavi.toml");
    let toml = fs::read_to_string(&path).unwrap();
    assert!(toml.contains(from), "{from}");
    fs::write(path, toml.replacen(from, to, 1)).unwrap();
}

fn newest(workspace: &Workspace, column: &str) -> String {
    support::strings(&workspace.ledger(), &format!("SELECT {column} FROM executions ORDER BY rowid DESC LIMIT 1"))
        .pop()
        .unwrap()
}

#[test]
fn a_dry_run_prints_the_difference_and_makes_none() {
    let workspace = Workspace::trusted();
    fs::write(workspace.vault("Inbox/AI/a.md"), "# Title\n\nOld body\n").unwrap();
    let before = support::files(&workspace.path().join("vault_out"));
    let human = workspace.call(&["run-skill", "write_note", "--json", NOTE, "--dry-run"]).expect(0);
    assert_eq!(
        human.stdout,
        "--- a/Inbox/AI/a.md\n+++ b/Inbox/AI/a.md\n@@ -1,3 +1,3 @@\n # Title\n \n-Old body\n+New body\n"
    );
    assert!(human.stderr.contains("nothing was changed"), "{human:?}");
    let machine = write_note(&workspace, &["--dry-run"]).expect(0).json();
    assert_eq!(machine["purpose"], "DRY_RUN");
    assert_eq!(machine["diffs"][0]["text"], human.stdout);
    assert_eq!((&machine["diffs"][0]["added"], &machine["diffs"][0]["removed"]), (&json!(1), &json!(1)));
    assert_eq!(machine["commit_id"], Value::Null);
    assert_eq!(support::files(&workspace.path().join("vault_out")), before);
    assert_eq!(workspace.count("SELECT count(*) FROM commits"), 0);
    assert_eq!(workspace.staged(), 0);
    // A note that is as it would be written is no difference, and no commit.
    write_note(&workspace, &[]).expect(0);
    let same = workspace.call(&["run-skill", "write_note", "--json", NOTE, "--dry-run"]).expect(0);
    assert!(same.stdout.trim().is_empty() && same.stderr.contains("nothing would change"), "{same:?}");
    write_note(&workspace, &[]).expect(0);
    assert_eq!(workspace.count("SELECT count(*) FROM commits"), 1);
}

#[test]
fn what_is_held_is_shown_and_committed_by_a_persons_word_alone() {
    let workspace = Workspace::trusted();
    let id = hold(&workspace);
    assert_eq!(note(&workspace), None);
    let listed = workspace.json(&["effects", "list"]).expect(0).json();
    assert_eq!(listed["effects"][0]["id"], id);
    assert_eq!(listed["effects"][0]["state"], "HELD");
    let status = workspace.json(&["status"]).expect(0).json();
    assert_eq!(status["held"], json!([id]));
    let shown = workspace.call(&["effects", "show", &id]).expect(0);
    assert!(shown.stdout.contains("+New body") && shown.stdout.contains("write_note revision 1"), "{}", shown.stdout);
    // Nobody is there to be asked.
    let error = workspace.refused(&["effects", "approve", &id, "--approved-by", "ada"], 3);
    assert!(error["message"].as_str().unwrap().contains("--yes"), "{error}");
    // The skill is not run again: what is committed is what was shown, and only once.
    let runs = workspace.count("SELECT count(*) FROM executions");
    let approve = ["effects", "approve", id.as_str(), "--approved-by", "ada", "--yes"];
    let approved = workspace.json(&approve).expect(0).json();
    assert_eq!((&approved["state"], &approved["decided_by"]), (&json!("APPLIED"), &json!("ada")));
    assert_eq!(note(&workspace).unwrap(), "# Title\n\nNew body\n");
    assert_eq!(workspace.count("SELECT count(*) FROM executions"), runs);
    assert_eq!(workspace.count("SELECT count(*) FROM commits WHERE state = 'APPLIED' AND decided_by = 'ada'"), 1);
    let again = workspace.refused(&approve, 3);
    assert!(again["message"].as_str().unwrap().contains("APPLIED"), "{again}");
    assert_eq!(workspace.json(&["effects", "list"]).expect(0).json()["effects"], json!([]));
    // And it can be taken back like any other.
    workspace.json(&["undo", &id, "--approved-by", "ada", "--yes"]).expect(0);
    assert_eq!(note(&workspace), None);
}

#[test]
fn what_is_rejected_or_expired_is_never_committed() {
    let workspace = Workspace::trusted();
    let id = hold(&workspace);
    let rejected = ["effects", "reject", id.as_str(), "--why", "wrong folder", "--approved-by", "ada"];
    let rejected = workspace.json(&rejected).expect(0).json();
    assert_eq!((&rejected["state"], &rejected["why"]), (&json!("REJECTED"), &json!("wrong folder")));
    let approve = |id: &str| workspace.refused(&["effects", "approve", id, "--approved-by", "ada", "--yes"], 3);
    assert!(approve(&id)["message"].as_str().unwrap().contains("REJECTED"));
    set(&workspace, "held_hours = 24", "held_hours = 0");
    let late = hold(&workspace);
    // Whether the time is over follows from the clock each time. A look stores nothing: the clock may be wrong.
    assert_eq!(workspace.json(&["effects", "list"]).expect(0).json()["effects"], json!([]));
    assert!(approve(&late)["message"].as_str().unwrap().contains("EXPIRED"));
    let stored = "SELECT count(*) FROM commits WHERE state = 'HELD'";
    assert_eq!(workspace.count(stored), 1);
    let deadline =
        |to: &str| workspace.ledger().execute("UPDATE commits SET expires_at = ?1 WHERE state = 'HELD'", [to]);
    deadline("2999-01-01T00:00:00.000Z").unwrap();
    assert_eq!(workspace.json(&["effects", "list"]).expect(0).json()["effects"][0]["id"], late.as_str());
    deadline("2020-01-01T00:00:00.000Z").unwrap();
    assert_eq!(note(&workspace), None);
    workspace.refused(&["undo", &late, "--approved-by", "ada", "--yes"], 3);
    let all = workspace.json(&["effects", "list", "--all"]).expect(0).json();
    let states: Vec<&str> = all["effects"].as_array().unwrap().iter().map(|e| e["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["EXPIRED", "REJECTED"]);
    // A person can say so for good.
    let given_up = workspace.json(&["effects", "reject", &late, "--approved-by", "ada"]).expect(0).json();
    assert_eq!((&given_up["state"], &given_up["decided_by"]), (&json!("EXPIRED"), &json!("ada")));
    assert_eq!(workspace.count(stored), 0);
}

#[test]
fn nothing_is_approved_that_is_not_as_it_was_shown() {
    let workspace = Workspace::trusted();
    let approve = |id: &str, code: i32| {
        let error = workspace.json(&["effects", "approve", id, "--approved-by", "ada", "--yes"]).expect(code).json();
        error["error"]["message"].as_str().unwrap().to_owned()
    };
    // The vault changed.
    let id = hold(&workspace);
    fs::write(workspace.vault("Inbox/AI/a.md"), "mine").unwrap();
    assert!(approve(&id, 1).contains("left as it is"));
    assert_eq!(note(&workspace).unwrap(), "mine");
    fs::remove_file(workspace.vault("Inbox/AI/a.md")).unwrap();
    // The bytes changed.
    let sha256 =
        support::strings(&workspace.ledger(), "SELECT changes_json ->> '$[0].after' FROM commits").pop().unwrap();
    let kept = workspace.path().join(".kavi/store/files").join(&sha256[..2]).join(&sha256);
    let bytes = fs::read(&kept).unwrap();
    fs::write(&kept, "other").unwrap();
    assert!(approve(&id, 3).contains("changed on disk"));
    fs::remove_file(&kept).unwrap();
    // To look at it still says what it was, but nothing can be committed.
    assert!(approve(&id, 3).contains("missing from the store"));
    fs::write(&kept, bytes).unwrap();
    // Everything is stopped.
    workspace.json(&["stop", "--why", "look", "--by", "ada"]).expect(0);
    assert!(approve(&id, 3).contains("was stopped by ada"));
    workspace.json(&["resume", "--by", "ada"]).expect(0);
    // The component's bytes changed.
    let component = fs::read_dir(workspace.path().join(".kavi/store/components")).unwrap();
    let sha256 = support::strings(&workspace.ledger(), "SELECT source_hash FROM executions").pop().unwrap();
    drop(component);
    let component = workspace.path().join(".kavi/store/components").join(&sha256[..2]).join(&sha256);
    let bytes = fs::read(&component).unwrap();
    fs::write(&component, "other").unwrap();
    assert!(approve(&id, 3).contains("refused"));
    fs::write(&component, bytes).unwrap();
    // The trust was taken back.
    workspace.json(&["revoke", "write_note", "--why", "test", "--approved-by", "ada"]).expect(0);
    assert!(approve(&id, 3).contains("not trusted"));
    assert_eq!(note(&workspace), None);
    assert_eq!(workspace.count("SELECT count(*) FROM commits WHERE state = 'HELD'"), 1);
    assert_eq!(workspace.staged(), 0);
}

#[test]
fn policy_holds_denies_and_asks() {
    let workspace = Workspace::trusted();
    let peek = ["run-skill", "peek", "--json", r#"{"path":"Inbox/AI/seen.md"}"#];
    fs::write(workspace.vault("Inbox/AI/seen.md"), "seen").unwrap();
    workspace.json(&peek).expect(0);
    set(
        &workspace,
        "[policy.cli]\nREAD_ONLY = \"allow\"\nFILE_WRITE = \"allow\"",
        "[policy.cli]\nREAD_ONLY = \"ask\"\nFILE_WRITE = \"ask\"",
    );
    // What it would change is held; what leaves nothing to hold does not run, but by a person's word.
    let held = write_note(&workspace, &[]).expect(0).json();
    assert!(held["held"]["id"].is_string() && note(&workspace).is_none(), "{held}");
    let error = workspace.json(&peek).expect(3).json()["error"].take();
    assert!(error["message"].as_str().unwrap().contains("policy.cli.READ_ONLY"), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("--yes"), "{error}");
    assert!(newest(&workspace, "error").starts_with("Denied: "));
    workspace.json(&[&peek[..], &["--yes"]].concat()).expect(0);
    write_note(&workspace, &["--yes"]).expect(0);
    assert!(note(&workspace).is_some());
    set(&workspace, "READ_ONLY = \"ask\"\nFILE_WRITE = \"ask\"", "READ_ONLY = \"deny\"\nFILE_WRITE = \"deny\"");
    for more in [&[][..], &["--yes"], &["--hold"], &["--dry-run"]] {
        let error = write_note(&workspace, more).expect(3).json()["error"].take();
        assert!(error["message"].as_str().unwrap().contains("may not run FILE_WRITE"), "{more:?}: {error}");
    }
    workspace.json(&[&peek[..], &["--yes"]].concat()).expect(3);
    // A table that cannot be is an error before anything runs.
    set(
        &workspace,
        "[policy.background]\nREAD_ONLY = \"allow\"\nFILE_WRITE = \"ask\"",
        "[policy.background]\nFILE_WRITE = \"allow\"",
    );
    let error = workspace.json(&["status"]).expect(2).json()["error"].take();
    assert!(error["message"].as_str().unwrap().contains("policy.background.FILE_WRITE"), "{error}");
}

#[test]
fn a_batch_obeys_policy_as_well() {
    let workspace = Workspace::trusted();
    set(&workspace, "FILE_WRITE = \"allow\"", "FILE_WRITE = \"ask\"");
    let mut command = workspace.command();
    command.args(["run-skill", "write_note", "--batch", "-", "--output", "json"]);
    let called = support::feed(command, &format!("{NOTE}\n"));
    let answer: Value = serde_json::from_str(called.stdout.lines().next().unwrap()).unwrap();
    assert!(answer["held"]["id"].is_string() && note(&workspace).is_none(), "{answer}");
}

#[test]
fn undo_puts_back_what_a_run_replaced() {
    let workspace = Workspace::trusted();
    let place = workspace.vault("Inbox/AI/a.md");
    fs::write(&place, "old\n").unwrap();
    fs::set_permissions(&place, fs::Permissions::from_mode(0o640)).unwrap();
    let before = support::files(&workspace.vault("Inbox"));
    let ran = workspace.act("three", "Inbox/AI/a.md").expect(0).json();
    let id = ran["execution_id"].as_str().unwrap();
    let old = kavi::model::digest::Digest::of(b"old\n").to_string();
    assert_eq!(ran["effects"][0]["before"], old, "{ran}");
    assert_eq!(ran["effects"][1]["before"], Value::Null);
    assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o640, "a file keeps its permissions");
    let error = workspace.refused(&["undo", id, "--approved-by", "ada"], 3);
    assert!(error["message"].as_str().unwrap().contains("--yes"), "{error}");
    // It runs nothing, so it also works while everything is stopped.
    workspace.json(&["stop", "--why", "look", "--by", "ada"]).expect(0);
    let undone = workspace.json(&["undo", id, "--approved-by", "ada", "--yes"]).expect(0).json();
    assert_eq!((&undone["kind"], &undone["undoes"]), (&json!("UNDO"), &json!(id)));
    let files = |all: std::collections::BTreeMap<String, String>| {
        all.into_iter().filter(|(_, what)| what != "folder").collect::<Vec<_>>()
    };
    assert_eq!(files(support::files(&workspace.vault("Inbox"))), files(before));
    assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o640);
    let twice = workspace.refused(&["undo", id, "--approved-by", "ada", "--yes"], 3);
    assert!(twice["message"].as_str().unwrap().contains("undone already, by ada"), "{twice}");
    assert_eq!(workspace.staged(), 0);
}

#[test]
fn undo_refuses_what_was_changed_since_and_what_changed_nothing() {
    let workspace = Workspace::trusted();
    let ran = workspace.act("three", "Inbox/AI/a.md").expect(0).json();
    let id = ran["execution_id"].as_str().unwrap();
    let undo = |id: &str, code: i32| {
        let error = workspace.json(&["undo", id, "--approved-by", "ada", "--yes"]).expect(code).json();
        error["error"]["message"].as_str().unwrap().to_owned()
    };
    let third = workspace.vault("Inbox/AI/a.md.d/third.md");
    let kept = fs::read(&third).unwrap();
    fs::write(&third, "mine").unwrap();
    let before = support::files(&workspace.vault("Inbox"));
    assert!(undo(id, 1).contains("third.md"));
    fs::remove_file(&third).unwrap();
    assert!(undo(id, 1).contains("not there any more"));
    fs::write(&third, "mine").unwrap();
    assert_eq!(support::files(&workspace.vault("Inbox")), before, "not one of its files was put back");
    fs::write(&third, kept).unwrap();
    // A later run over the same file has to be undone first.
    let later = workspace.act("write", "Inbox/AI/a.md").expect(0).json();
    assert!(undo(id, 1).contains("Inbox/AI/a.md"));
    workspace.json(&["undo", later["execution_id"].as_str().unwrap(), "--approved-by", "ada", "--yes"]).expect(0);
    workspace.json(&["undo", id, "--approved-by", "ada", "--yes"]).expect(0);
    assert!(!workspace.vault("Inbox/AI/a.md").exists());
    let read = workspace.act("list", "Inbox").expect(0).json();
    assert!(undo(read["execution_id"].as_str().unwrap(), 3).contains("changed no files"));
    workspace.act("fail", "Inbox/AI/b.md").expect(5);
    assert!(undo(&newest(&workspace, "execution_id"), 3).contains("changed no files"));
    assert!(undo("ffffffff", 2).contains("there is no execution"));
}

#[test]
fn a_record_says_who_asked_through_which_door_and_with_what() {
    let workspace = Workspace::trusted();
    let mut command = workspace.command();
    let called: Called = command
        .env("USER", "grace")
        .args(["run-skill", "write_note", "--json", NOTE, "--output", "json"])
        .output()
        .unwrap()
        .into();
    let record = called.expect(0).json();
    assert_eq!((&record["v"], &record["door"], &record["asked_by"]), (&json!(2), &json!("cli"), &json!("grace")));
    assert!(record["engine"].as_str().unwrap().starts_with("wasmtime "), "{record}");
    assert_eq!(record["limits"]["wall_ms"], 10_000);
    assert!(record["said"]["usage"]["memory_bytes"].as_u64() > Some(0), "{record}");
    // What nobody ever trusted is on record as well, and with it what it was to be given.
    workspace.json(&["run-skill", "nobody", "--json", r#"{"a":1}"#]).expect(2);
    assert_eq!(newest(&workspace, "skill_name || ' ' || input_json"), r#"nobody {"a":1}"#);
    assert!(newest(&workspace, "error").starts_with("NotTrusted: "));
    assert_eq!(workspace.count("SELECT count(*) FROM executions WHERE revision IS NULL AND source_hash IS NULL"), 1);
    // Each set of limits is kept once.
    write_note(&workspace, &[]).expect(0);
    assert_eq!(workspace.count("SELECT count(*) FROM limit_sets"), 1);
}

#[test]
fn a_large_input_is_kept_beside_the_record_by_its_digest() {
    let workspace = Workspace::trusted();
    let large = "word ".repeat(20_000);
    let input = json!({ "path": "Inbox/AI/a.md", "title": "Title", "body": large }).to_string();
    fs::write(workspace.path().join("large.json"), &input).unwrap();
    let record = workspace.json(&["run-skill", "write_note", "--json", "@large.json"]).expect(0).json();
    assert_eq!(record["input_json"], Value::Null);
    let sha256 = record["input_stored"]["sha256"].as_str().unwrap();
    let kept = workspace.path().join(".kavi/store/values").join(&sha256[..2]).join(sha256);
    let value: Value = serde_json::from_slice(&fs::read(&kept).unwrap()).unwrap();
    assert_eq!(value["body"], large);
    // Whoever wants it again gets exactly that, or nothing.
    let id = record["execution_id"].as_str().unwrap();
    workspace.json(&["replay", "--execution-id", id]).expect(0);
    fs::write(&kept, "{}").unwrap();
    let error = workspace.json(&["replay", "--execution-id", id]).expect(3).json()["error"].take();
    assert!(error["message"].as_str().unwrap().contains("changed on disk"), "{error}");
}

/// What the first process after the start of the machine noted about the clock.
fn machine_start(workspace: &Workspace) -> std::path::PathBuf {
    workspace.path().join(".kavi/machine-start")
}

/// Notes that the machine started so many minutes later than it did: as if the clock had been set back by that much since.
fn clock_jumped(workspace: &Workspace, minutes: u64) {
    let noted = fs::read_to_string(machine_start(workspace)).unwrap();
    let start = MachineStart::parse(&noted).unwrap();
    let at = start.at.after(Duration::from_mins(minutes));
    fs::write(machine_start(workspace), MachineStart { at, ..start }.to_string()).unwrap();
}

#[test]
fn a_clock_that_jumped_lets_nothing_expire_and_nothing_old_go() {
    let workspace = Workspace::trusted();
    set(&workspace, "held_hours = 24", "held_hours = 0");
    let (late, later) = (hold(&workspace), hold(&workspace));
    let listed = || {
        let called = workspace.json(&["effects", "list"]).expect(0).json();
        let warned = called["warnings"].to_string().contains("nothing that is held expires");
        (called["effects"].as_array().unwrap().len(), warned)
    };
    let prune = ["prune", "--keep", "1", "--yes", "--approved-by", "ada"];
    assert_eq!(listed(), (0, false));
    // A jump that is shorter than an hour is none.
    let noted = fs::read_to_string(machine_start(&workspace)).unwrap();
    clock_jumped(&workspace, 50);
    assert_eq!(listed(), (0, false));
    clock_jumped(&workspace, 48 * 60);
    assert_eq!(listed(), (2, true));
    let refused = workspace.refused(&prune, 3);
    assert!(refused["message"].as_str().unwrap().contains("since the machine started"), "{refused}");
    let doctor = workspace.call(&["doctor"]);
    assert!(doctor.stdout.contains(".kavi/machine-start"), "{doctor:?}");
    // The doubtful time did not become the measure.
    let kept = fs::read_to_string(machine_start(&workspace)).unwrap();
    assert_ne!(kept, noted);
    // A person decides all the same.
    let rejected = workspace.json(&["effects", "reject", &later, "--approved-by", "ada"]).expect(0).json();
    assert_eq!(rejected["state"], "REJECTED");
    workspace.call(&["effects", "approve", &late, "--approved-by", "ada", "--yes"]).expect(0);
    assert!(note(&workspace).is_some());
    // The clock is right again.
    fs::write(machine_start(&workspace), &noted).unwrap();
    workspace.call(&prune).expect(0);
    // A record from the future, as a clock that was ahead leaves it. That clock is not noted either.
    fs::remove_file(workspace.vault("Inbox/AI/a.md")).unwrap();
    let last = hold(&workspace);
    let future = "UPDATE executions SET finished_at = '2999-01-01T00:00:00.000Z' WHERE rowid = (SELECT max(rowid) FROM executions)";
    workspace.ledger().execute(future, []).unwrap();
    fs::remove_file(machine_start(&workspace)).unwrap();
    assert_eq!(listed(), (1, true));
    assert!(!machine_start(&workspace).exists());
    let refused = workspace.refused(&prune, 3);
    assert!(refused["message"].as_str().unwrap().contains("the newest record is from 2999"), "{refused}");
    workspace.call(&["effects", "reject", &last, "--approved-by", "ada"]).expect(0);
}
