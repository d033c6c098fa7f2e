//! Provable trust from outside: edits, older copies and forks of the ledger, the audit, and proofs that need no workspace.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{self, Called, Workspace};
use kavi::history::proof;
use serde_json::Value;

fn head(workspace: &Workspace) -> PathBuf {
    let trust = support::state_folder(workspace.path()).join("trust");
    fs::read_dir(trust).unwrap().flatten().next().unwrap().path().join("head")
}

/// The ledger as one file, as a copy of it would be.
fn copied(workspace: &Workspace) -> Vec<u8> {
    let ledger = workspace.ledger();
    ledger.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(ledger);
    fs::read(workspace.path().join(".kavi/ledger.db")).unwrap()
}

fn put(workspace: &Workspace, bytes: &[u8]) {
    let path = workspace.path().join(".kavi/ledger.db");
    for beside in ["-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{beside}", path.display()));
    }
    fs::write(path, bytes).unwrap();
}

/// A run is refused with exit code 70 and a message that has all of these.
#[track_caller]
fn refuses(workspace: &Workspace, says: &[&str]) {
    let error = workspace.note("Inbox/AI/a.md").expect(70).json()["error"].take();
    let message = error["message"].as_str().unwrap();
    assert!(says.iter().all(|says| message.contains(says)), "{says:?}: {error}");
    assert!(error["hint"].is_string() && !workspace.vault("Inbox/AI/a.md").exists(), "{error}");
}

#[test]
fn a_swapped_digest_and_an_undone_revocation_are_refused_and_the_audit_names_them() {
    let workspace = Workspace::trusted();
    let audit = workspace.json(&["audit"]).expect(0).json();
    assert_eq!((&audit["sound"], &audit["history"]["refused"]), (&Value::Bool(true), &Value::Null));
    assert_eq!(audit["history"]["head"], audit["history"]["events"], "an audit signs what was not yet");

    // Two skills' digests, each of a component that lies in the store.
    let swapped = "UPDATE skill_proposals SET component_sha256 =
        (SELECT component_sha256 FROM skill_proposals WHERE name = 'act') WHERE name = 'write_note'";
    assert_eq!(workspace.ledger().execute(swapped, []).unwrap(), 1);
    refuses(&workspace, &["`component_sha256` of skill_proposals/", "(promotion,"]);
    let human = workspace.call(&["audit"]).expect(70);
    assert!(human.stdout.contains("WRONG") && human.stdout.contains("component_sha256"), "{human:?}");
    let doctor = workspace.json(&["doctor"]);
    assert!(doctor.stdout.contains("component_sha256") && doctor.code == 1, "{doctor:?}");
    assert!(workspace.json(&["status"]).stdout.contains("component_sha256"));

    let workspace = Workspace::trusted();
    workspace.json(&["revoke", "write_note", "--why", "smells", "--approved-by", "ada"]).expect(0);
    workspace.ledger().execute("UPDATE skill_proposals SET status = 'TRUSTED' WHERE name = 'write_note'", []).unwrap();
    refuses(&workspace, &["`status` of skill_proposals/", "(revocation,"]);
    // No decision makes it true: neither about this skill, nor about another.
    workspace.refused(&["revoke", "write_note", "--why", "smells", "--approved-by", "ada"], 70);
    workspace.json(&["revoke", "peek", "--why", "smells", "--approved-by", "ada"]).expect(0);
    refuses(&workspace, &["`status` of skill_proposals/"]);
}

#[test]
fn a_resume_that_nobody_decided_runs_nothing() {
    let workspace = Workspace::trusted();
    workspace.json(&["stop", "--why", "smells", "--by", "ada"]).expect(0);
    workspace.ledger().execute("DELETE FROM switch_turns WHERE position = 'STOPPED'", []).unwrap();
    refuses(&workspace, &["switch_turns/", "(stop,"]);
    assert!(workspace.json(&["audit"]).expect(70).stdout.contains("switch_turns/"));
}

#[test]
fn yesterdays_ledger_a_fork_and_a_new_one_are_refused_until_a_person_adopts() {
    let workspace = Workspace::trusted();
    let yesterday = copied(&workspace);
    let head_then = fs::read(head(&workspace)).unwrap();
    workspace.json(&["revoke", "write_note", "--why", "smells", "--approved-by", "ada"]).expect(0);
    let today = copied(&workspace);
    let head_now = fs::read(head(&workspace)).unwrap();

    put(&workspace, &yesterday);
    refuses(&workspace, &["the ledger is older than its head"]);
    workspace.refused(&["revoke", "peek", "--why", "smells", "--approved-by", "ada"], 70);

    // A fork: yesterday's ledger went another way, as long as the real one.
    fs::write(head(&workspace), &head_then).unwrap();
    workspace.json(&["revoke", "peek", "--why", "another", "--approved-by", "ada"]).expect(0);
    fs::write(head(&workspace), &head_now).unwrap();
    refuses(&workspace, &["the ledger is a fork"]);

    put(&workspace, &today);
    workspace.note("Inbox/AI/a.md").expect(3);
    fs::remove_file(head(&workspace)).unwrap();
    refuses(&workspace, &["the head of this ledger is missing"]);

    let adopted =
        workspace.json(&["trust", "adopt", "--why", "the disk was lost", "--approved-by", "ada"]).expect(0).json();
    assert_eq!(adopted["history"]["head"], adopted["history"]["events"]);
    workspace.act("write", "Inbox/AI/b.md").expect(0);
    workspace.json(&["audit"]).expect(0);

    // A new ledger in its place has another name, and none of its keys.
    let other = Workspace::new();
    put(&workspace, &copied(&other));
    refuses(&workspace, &["the head of this ledger is missing"]);
}

#[test]
fn a_workspace_without_its_key_decides_nothing() {
    let workspace = Workspace::trusted();
    fs::remove_file(head(&workspace).with_file_name("key")).unwrap();
    refuses(&workspace, &["its key"]);
    workspace.refused(&["revoke", "peek", "--why", "smells", "--approved-by", "ada"], 70);
    // A stop needs no key: its mark holds.
    assert_ne!(workspace.json(&["stop", "--why", "smells", "--by", "ada"]).code, 0);
    workspace.act("write", "Inbox/AI/a.md").expect(3);
}

/// A command with its state folder elsewhere.
fn with_state(workspace: &Path, state: &Path, args: &[&str]) -> Called {
    let mut command = support::kavi(workspace);
    command.env("KAVI_STATE_DIR", state).args(args).args(["--output", "json"]).output().unwrap().into()
}

const WRITE: [&str; 4] = ["run-skill", "act", "--json", r#"{"act":"write","path":"Inbox/AI/x.md"}"#];
const ADOPT: [&str; 6] = ["trust", "adopt", "--why", "it is mine", "--approved-by", "ada"];

/// Refused with a message and a hint that have these.
#[track_caller]
fn says(called: Called, message: &str, hint: &str) {
    let error = called.expect(70).json()["error"].take();
    assert!(error["message"].as_str().unwrap().contains(message), "{message}: {error}");
    assert!(error["hint"].as_str().unwrap().contains(hint), "{hint}: {error}");
}

#[test]
fn a_state_folder_that_is_lost_costs_one_command() {
    let workspace = Workspace::trusted();
    fs::remove_dir_all(support::state_folder(workspace.path())).unwrap();
    says(workspace.act("write", "Inbox/AI/x.md"), "the head of this ledger is missing", "kavi trust adopt --why");
    workspace.json(&["status"]).expect(0);
    workspace.json(&["show", "act"]).expect(0);
    workspace.json(&ADOPT).expect(0);
    workspace.act("write", "Inbox/AI/x.md").expect(0);
    workspace.json(&["revoke", "peek", "--why", "smells", "--approved-by", "ada"]).expect(0);
    assert_eq!(workspace.json(&["audit"]).expect(0).json()["sound"], true);
}

#[test]
fn a_copy_of_a_workspace_is_adopted_once_and_the_original_stays_what_it_is() {
    let workspace = Workspace::trusted();
    let state = support::state_folder(workspace.path());
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = elsewhere.path().join("copy");
    assert!(Command::new("cp").arg("-a").args([workspace.path(), &copy]).status().unwrap().success());
    let original = |args: &[&str]| with_state(workspace.path(), &state, args);
    let copied = |args: &[&str]| with_state(&copy, &state, args);
    original(&["revoke", "peek", "--why", "smells", "--approved-by", "ada"]).expect(0);
    says(copied(&WRITE), "the ledger is older than its head", "kavi trust adopt --why");
    copied(&ADOPT).expect(0);
    // From now on neither knows of the other.
    for (number, both) in [&original as &dyn Fn(&[&str]) -> Called, &copied].into_iter().cycle().take(4).enumerate() {
        both(&["stop", "--why", "a look", "--by", "ada"]).expect(0);
        both(&["resume", "--by", "ada"]).expect(0);
        let input = format!(r#"{{"act":"write","path":"Inbox/AI/{number}.md"}}"#);
        both(&["run-skill", "act", "--json", &input]).expect(0);
        assert_eq!(both(&["audit"]).expect(0).json()["sound"], true);
    }
}

#[test]
fn two_workspaces_share_a_state_folder() {
    let one = Workspace::trusted();
    let (state, elsewhere) = (support::state_folder(one.path()), tempfile::tempdir().unwrap());
    with_state(elsewhere.path(), &state, &["init", "two"]).expect(0);
    let two = elsewhere.path().join("two");
    for _ in 0..2 {
        for workspace in [one.path(), &two] {
            with_state(workspace, &state, &["stop", "--why", "a look", "--by", "ada"]).expect(0);
            with_state(workspace, &state, &["resume", "--by", "ada"]).expect(0);
            assert_eq!(with_state(workspace, &state, &["audit"]).expect(0).json()["sound"], true);
        }
    }
    with_state(one.path(), &state, &WRITE).expect(0);
}

#[test]
fn without_a_place_for_the_key_nothing_is_decided_and_the_message_names_the_variable() {
    let propose = [
        "propose-skill",
        "--name",
        "one",
        "--desc",
        "d",
        "--side-effect",
        "READ_ONLY",
        "--io-schema-json",
        r#"{"input":{"a":"str"},"output":{"b":"str"}}"#,
    ];
    // A home that cannot be written.
    let new = Workspace::new();
    let nowhere = Path::new("/proc/kavi");
    with_state(new.path(), nowhere, &["status"]).expect(0);
    says(with_state(new.path(), nowhere, &propose), "the head of this ledger is missing", "kavi trust adopt");
    // No home at all.
    let no_home = |workspace: &Workspace, args: &[&str]| -> Called {
        let mut command = support::kavi(workspace.path());
        command.env_remove("HOME").env_remove("KAVI_STATE_DIR").args(args).args(["--output", "json"]);
        command.output().unwrap().into()
    };
    says(no_home(&new, &propose), "set KAVI_STATE_DIR or HOME", "KAVI_STATE_DIR");
    let workspace = Workspace::trusted();
    says(no_home(&workspace, &WRITE), "set KAVI_STATE_DIR or HOME", "KAVI_STATE_DIR");
    // With it everything works as before.
    workspace.act("write", "Inbox/AI/x.md").expect(0);
    with_state(new.path(), &support::state_folder(new.path()), &propose).expect(0);
}

fn python(args: &[&Path]) -> std::process::Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verifier/kavi_check.py");
    Command::new("python3").arg(script).args(args).output().expect("python3 runs")
}

#[test]
fn a_proof_needs_no_workspace_and_two_verifiers_agree_on_every_flipped_byte() {
    let workspace = Workspace::trusted();
    let run = workspace.note("Inbox/AI/a.md").expect(0).json();
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("run.proof");
    let (out, id) = (file.display().to_string(), run["execution_id"].as_str().unwrap());
    workspace.json(&["proof", "--run", id, "--out", &out]).expect(0);
    workspace.refused(&["proof", "write_note", "--out", &out], 1);
    let trust = workspace.json(&["proof", "write_note"]).expect(0).json();
    let trust = trust["proof"].as_str().unwrap();
    for needed in ["proposal", "build", "verification", "promotion"] {
        assert!(trust.contains(&format!("\"kind\":\"{needed}\"")), "{needed}: {trust}");
    }

    let checked: Called =
        support::kavi(elsewhere.path()).args(["check-proof", "run.proof", "--output", "json"]).output().unwrap().into();
    let checked = checked.expect(0).json();
    let component = workspace.show("write_note")["component_sha256"].as_str().unwrap().to_owned();
    assert!(checked["events"].to_string().contains(&component) && checked["events"].to_string().contains(id));
    let bytes = fs::read(&file).unwrap();
    assert!(bytes.len() < 64 << 10, "{}", bytes.len());
    assert_eq!(python(&[&file]).status.code(), Some(0));

    let key = workspace.json(&["audit"]).expect(0).json()["history"]["key"].as_str().unwrap().to_owned();
    let with = |key: &str| -> i32 {
        let mut command = support::kavi(elsewhere.path());
        command.args(["check-proof", "run.proof", "--key", key]).output().unwrap().status.code().unwrap()
    };
    let other = Workspace::new().json(&["audit"]).expect(0).json()["history"]["key"].as_str().unwrap().to_owned();
    assert_eq!((with(&key), with(&other), with("no key")), (0, 3, 2));

    let ours: String = (0..bytes.len())
        .map(|place| {
            let mut flipped = bytes.clone();
            flipped[place] ^= 1;
            let valid = std::str::from_utf8(&flipped).is_ok_and(|text| proof::check(text, None).is_ok());
            if valid { '1' } else { '0' }
        })
        .collect();
    assert!(!ours.contains('1'));
    let theirs = python(&[Path::new("--flips"), &file]);
    assert_eq!(String::from_utf8(theirs.stdout).unwrap().trim(), ours);
}
