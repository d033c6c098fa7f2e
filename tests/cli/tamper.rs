//! What was promoted, recorded or stored is changed behind Kavi's back: everything stops, says why, and says what next.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::{FileExt as _, symlink};

use kavi::model::digest::Digest;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::Value;

use crate::support::{self, PEEK, Workspace};

/// A run of write_note is refused with exit code 3, leaves a record of the refusal and no note.
#[track_caller]
fn refused_to_run(workspace: &Workspace, why: &str) {
    let before = workspace.count("SELECT count(*) FROM executions WHERE NOT success AND error LIKE 'HashMismatch: %'");
    let error = workspace.note("Inbox/AI/a.md").expect(3).json()["error"].take();
    assert!(error["message"].as_str().unwrap().contains(why), "{why}: {error}");
    assert!(error["hint"].as_str().unwrap().contains("kavi rollback write_note"), "{error}");
    assert!(!workspace.vault("Inbox/AI/a.md").exists());
    let after = workspace.count("SELECT count(*) FROM executions WHERE NOT success AND error LIKE 'HashMismatch: %'");
    assert_eq!(after, before + 1, "the refusal is on the record");
    // For people the same.
    let human = workspace.call(&["run-skill", "write_note", "--json", "{}"]).expect(3);
    assert!(human.stdout.is_empty() && human.stderr.contains("hint: "), "{human:?}");
}

#[test]
fn a_component_changed_after_promotion_is_refused() {
    let workspace = Workspace::trusted();
    let path = workspace.component("write_note");
    let honest = fs::read(&path).unwrap();
    let other = fs::read(workspace.component("act")).unwrap();
    let mut flipped = honest.clone();
    flipped[honest.len() / 2] ^= 1;
    let longer = [honest.as_slice(), b"\0"].concat();
    for bytes in [&flipped, &honest[..honest.len() - 1], &longer, b"", &other] {
        fs::write(&path, bytes).unwrap();
        refused_to_run(&workspace, "was changed on disk");
    }
    // The same bytes again are the promoted ones again.
    fs::write(&path, honest).unwrap();
    workspace.note("Inbox/AI/a.md").expect(0);
}

#[test]
fn a_component_swapped_for_a_link_is_refused() {
    let workspace = Workspace::trusted();
    let path = workspace.component("write_note");
    let aside = workspace.path().join("aside.wasm");
    fs::rename(&path, &aside).unwrap();

    // Also a link to the very same bytes: who can move it later decides what it leads to.
    symlink(&aside, &path).unwrap();
    refused_to_run(&workspace, "symbolic link");
    fs::remove_file(&path).unwrap();

    // A pipe must not make a run wait.
    mknodat(CWD, &path, FileType::Fifo, Mode::RWXU, 0).unwrap();
    refused_to_run(&workspace, "not a regular file");
    fs::remove_file(&path).unwrap();

    fs::create_dir(&path).unwrap();
    refused_to_run(&workspace, "not a regular file");
    fs::remove_dir(&path).unwrap();

    fs::rename(&aside, &path).unwrap();
    workspace.note("Inbox/AI/a.md").expect(0);
}

#[test]
fn a_missing_component_is_refused() {
    let workspace = Workspace::trusted();
    let path = workspace.component("write_note");
    let aside = workspace.path().join("aside.wasm");
    fs::rename(&path, &aside).unwrap();
    refused_to_run(&workspace, "missing");
    // Neither its folder nor the whole store has to be there for a refusal.
    fs::rename(workspace.path().join(".kavi/store"), workspace.path().join("store")).unwrap();
    refused_to_run(&workspace, "missing");
    workspace.json(&["status"]).expect(0);
    workspace.json(&["show", "write_note"]).expect(0);
}

#[test]
fn a_component_changed_before_promotion_is_refused() {
    let workspace = Workspace::new();
    let id = workspace.verified(&PEEK);
    let digest = workspace.show(&id)["verifications"][0]["component_sha256"].as_str().unwrap().to_owned();
    let path = workspace.stored("components", &digest);
    let honest = fs::read(&path).unwrap();
    fs::write(&path, [honest.as_slice(), b"\0"].concat()).unwrap();
    let promote = ["promote-skill", &id, "--approved-by", "test", "--yes"];
    assert!(workspace.refused(&promote, 3)["message"].as_str().unwrap().contains("changed"));
    fs::remove_file(&path).unwrap();
    assert!(workspace.refused(&promote, 3)["message"].as_str().unwrap().contains("missing"));
    // Verifying again makes the component again, and its bytes are the same.
    workspace.json(&["verify-skill", &id]).expect(0);
    assert_eq!(fs::read(&path).unwrap(), honest);
    workspace.json(&promote).expect(0);
}

#[test]
fn an_edited_artifact_is_refused() {
    let workspace = Workspace::new();
    let id = workspace.built(&PEEK);
    let shown = workspace.show(&id);
    let snapshot = workspace.stored("snapshots", shown["builds"][0]["snapshot_sha256"].as_str().unwrap());
    let source = workspace.stored("sources", &Digest::of(PEEK.source.as_bytes()).to_string());
    for path in [&snapshot, &source] {
        let honest = fs::read(path).unwrap();
        fs::write(path, String::from_utf8(honest.clone()).unwrap().replace('e', "a")).unwrap();
        workspace.refused(&["verify-skill", &id], 3);
        fs::remove_file(path).unwrap();
        workspace.refused(&["verify-skill", &id], 3);
        symlink("/etc/passwd", path).unwrap();
        workspace.refused(&["verify-skill", &id], 3);
        fs::remove_file(path).unwrap();
        fs::write(path, honest).unwrap();
    }
    workspace.json(&["verify-skill", &id]).expect(0);
    let honest = fs::read(&source).unwrap();
    fs::write(&source, b"fn run() {}\n").unwrap();
    workspace.refused(&["promote-skill", &id, "--approved-by", "test", "--yes"], 3);
    fs::write(&source, honest).unwrap();
    workspace.json(&["promote-skill", &id, "--approved-by", "test", "--yes"]).expect(0);

    // What lies in artifacts_out is for reading. It decides nothing, and an edit of it is found.
    let shown = workspace.show(&id);
    let artifacts = shown["artifacts"].as_array().unwrap();
    let paths: Vec<&str> = artifacts.iter().map(|artifact| artifact["path"].as_str().unwrap()).collect();
    for path in &paths {
        fs::write(workspace.path().join(path), "edited").unwrap();
    }
    let rebuilt = workspace.json(&["rebuild"]).expect(0).json();
    let damaged: Vec<&str> =
        rebuilt["damaged"].as_array().unwrap().iter().map(|one| one["path"].as_str().unwrap()).collect();
    let spec: Vec<&str> = rebuilt["written"].as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect();
    assert_eq!(paths.len(), damaged.len() + spec.len(), "{rebuilt}");
    assert!(spec.len() == 1 && spec[0].ends_with("SKILL_SPEC.json"), "only the spec can be derived again: {rebuilt}");
    assert!(paths.iter().all(|path| damaged.contains(path) || spec.contains(path)), "{rebuilt}");
    fs::write(workspace.vault("a.md"), "text").unwrap();
    workspace.run("peek", serde_json::json!({ "path": "a.md" })).expect(0);
}

/// What every command says about a ledger that cannot be believed.
fn everything_stops(workspace: &Workspace, why: &str) {
    for args in [
        &["run-skill", "write_note", "--json", r#"{"path":"Inbox/AI/a.md","title":"T","body":"B"}"#][..],
        &["status"],
        &["list-skills"],
        &["show", "write_note"],
        &["rebuild"],
        &["propose-skill", "--name", "x", "--desc", "x", "--side-effect", "READ_ONLY", "--io-schema-json", PEEK.schema],
        &["build-skill", "write_note", "--from", "."],
        &["verify-skill", "write_note"],
        &["check-invariants", "write_note"],
        &["promote-skill", "write_note", "--approved-by", "test", "--yes"],
        &["rollback", "write_note", "--approved-by", "test"],
        &["revoke", "write_note", "--approved-by", "test", "--why", "x"],
    ] {
        let before = support::files(workspace.path());
        let called = workspace.json(args).expect(70);
        let error: Value = called.json()["error"].take();
        assert_eq!(error["kind"], "internal", "{args:?}");
        assert!(error["message"].as_str().unwrap().contains(why), "{args:?}: {error}");
        assert!(error["hint"].is_string(), "{args:?}: {error}");
        let human = workspace.call(args).expect(70);
        assert!(human.stdout.is_empty() && human.stderr.contains("error: "), "{human:?}");
        let scratch = |path: &String| !path.starts_with(".kavi/ledger.db-") && !path.starts_with(".kavi/locks");
        let plain = |state: std::collections::BTreeMap<String, String>| {
            state.into_iter().filter(|(path, _)| scratch(path)).collect()
        };
        let changed = support::difference(&plain(before), &plain(support::files(workspace.path())));
        assert!(changed.is_empty(), "{args:?}: {changed:?}");
    }
    assert!(!workspace.vault("Inbox/AI/a.md").exists());
}

fn ledger_file(workspace: &Workspace) -> std::path::PathBuf {
    workspace.path().join(".kavi/ledger.db")
}

#[test]
fn a_broken_ledger_stops_everything() {
    // Bytes of the middle overwritten: the header still says SQLite, the pages say nothing.
    let workspace = Workspace::trusted();
    // Pages that are in the log too would be read from there, and nothing would be broken.
    workspace.count("SELECT count(*) FROM history");
    let file = fs::OpenOptions::new().write(true).open(ledger_file(&workspace)).unwrap();
    let size = file.metadata().unwrap().len();
    file.write_all_at(&vec![0xAA; usize::try_from(size).unwrap() - 100], 100).unwrap();
    everything_stops(&workspace, "the ledger");

    // The whole file is something else.
    for bytes in [&b"not a database, and longer than a header of one, so that nobody takes it for an empty file: it has to be more than a hundred bytes"[..], b"x"] {
        fs::write(ledger_file(&workspace), bytes).unwrap();
        everything_stops(&workspace, "the ledger");
    }
}

#[test]
fn a_ledger_that_is_not_ours_stops_everything() {
    // A trigger that somebody planted, and a view in the place of a table.
    for planted in [
        "CREATE TRIGGER sly AFTER INSERT ON executions BEGIN UPDATE skill_proposals SET description = 'sly'; END",
        "CREATE TABLE more (x)",
        "CREATE VIEW more AS SELECT 1",
        "DROP INDEX one_trusted_per_name",
        // A name that SQLite reserves for its statistics is no better.
        "PRAGMA writable_schema = ON; INSERT INTO sqlite_schema VALUES ('trigger', 'sqlite_stat_sly', 'switch_turns', 0,
             'CREATE TRIGGER sqlite_stat_sly AFTER INSERT ON switch_turns BEGIN DELETE FROM switch_turns WHERE number = new.number; END')",
    ] {
        let workspace = Workspace::trusted();
        workspace.ledger().execute_batch(planted).unwrap();
        everything_stops(&workspace, "schema");
    }
    // A later version wrote it.
    let workspace = Workspace::trusted();
    workspace.ledger().pragma_update(None, "user_version", 99).unwrap();
    everything_stops(&workspace, "version 99");
    // Another program's database.
    let workspace = Workspace::trusted();
    workspace.ledger().pragma_update(None, "application_id", 1).unwrap();
    everything_stops(&workspace, "not a ledger");
}

#[test]
fn a_missing_ledger_is_no_empty_one() {
    let workspace = Workspace::trusted();
    fs::remove_file(ledger_file(&workspace)).unwrap();
    everything_stops(&workspace, "there is no ledger");
    assert!(!ledger_file(&workspace).exists(), "nothing but init makes one");
    // Neither is a link to a good one.
    let other = Workspace::trusted();
    symlink(ledger_file(&other), ledger_file(&workspace)).unwrap();
    everything_stops(&workspace, "the ledger");
}

#[test]
fn an_empty_file_in_the_place_of_the_ledger_is_no_ledger() {
    let workspace = Workspace::trusted();
    fs::write(ledger_file(&workspace), b"").unwrap();
    everything_stops(&workspace, "ledger");
}

#[test]
fn a_row_that_cannot_be_stops_what_needs_it() {
    // The checks of the tables hold even for somebody who writes into the file with another program…
    let workspace = Workspace::trusted();
    let forge = |sql: &str| workspace.ledger().execute_batch(sql);
    assert!(forge("UPDATE skill_proposals SET status = 'BLESSED' WHERE name = 'peek'").is_err());
    assert!(forge("UPDATE skill_proposals SET component_sha256 = 'short' WHERE name = 'peek'").is_err());
    assert!(forge("UPDATE skill_proposals SET revision = NULL WHERE name = 'peek'").is_err());
    // … and what they let pass is not believed when it is read.
    let upper = "UPDATE skill_proposals SET component_sha256 = upper(component_sha256) WHERE name = 'write_note'";
    forge(upper).unwrap();
    let error = workspace.note("Inbox/AI/a.md").expect(70).json()["error"].take();
    assert!(error["message"].as_str().unwrap().contains("invalid value"), "{error}");
    assert!(!workspace.vault("Inbox/AI/a.md").exists());
}

#[test]
fn a_row_that_refers_to_nothing_is_found_by_status() {
    let workspace = Workspace::trusted();
    let ledger = workspace.ledger();
    ledger.pragma_update(None, "foreign_keys", "OFF").unwrap();
    ledger.execute_batch("DELETE FROM builds").unwrap();
    drop(ledger);
    let status = workspace.json(&["status"]).expect(70);
    assert!(status.stdout.contains("a row refers to one that is missing"), "{status:?}");
    let human = workspace.call(&["status"]).expect(70);
    assert!(human.stdout.contains("a row refers to one that is missing") && human.stderr.contains("hint: "));
}

#[test]
fn a_spec_changed_in_the_ledger_is_not_what_was_promoted() {
    let workspace = Workspace::trusted();
    // The person promoted a spec by its digest; somebody widens the folders behind their back.
    let widened =
        "UPDATE skill_proposals SET spec_json = replace(spec_json, 'Inbox/AI', 'Projects') WHERE name = 'act'";
    assert_eq!(workspace.ledger().execute(widened, []).unwrap(), 1);
    let called = workspace.act("write", "Projects/a.md");
    assert_eq!(called.code, 70, "{called:?}");
    assert!(!workspace.vault("Projects/a.md").exists());
}

/// Nothing in Kavi's own folders is followed: behind a link, another program decides what is read.
#[test]
fn a_store_that_is_a_link_elsewhere_serves_nothing() {
    let workspace = Workspace::trusted();
    let store = workspace.path().join(".kavi/store");
    let elsewhere = workspace.path().join("elsewhere");
    fs::rename(&store, &elsewhere).unwrap();
    symlink(&elsewhere, &store).unwrap();
    refused_to_run(&workspace, "was changed on disk: a part of its path is a link");
    fs::remove_file(&store).unwrap();
    fs::rename(&elsewhere, &store).unwrap();
    workspace.note("Inbox/AI/b.md").expect(0);
}

/// A workspace that came from elsewhere may have a link where runs are staged. What lies behind it is not a run's.
#[test]
fn what_lies_behind_a_linked_staging_folder_is_left_alone() {
    let workspace = Workspace::trusted();
    let elsewhere = support::folder();
    let kept = elsewhere.path().join("photos/holiday.jpg");
    fs::create_dir_all(kept.parent().unwrap()).unwrap();
    fs::write(&kept, "holiday").unwrap();
    let staging = workspace.path().join(".kavi/staging");
    let _ = fs::remove_dir_all(&staging);
    std::os::unix::fs::symlink(elsewhere.path(), &staging).unwrap();
    for args in [&["status"][..], &["run-skill", "peek", "--json", r#"{"path":"a.md"}"#]] {
        let called = workspace.call(args);
        assert_ne!(called.code, 0, "{called:?}");
        assert_eq!(fs::read_to_string(&kept).unwrap(), "holiday");
    }
}

#[test]
fn what_is_no_runs_is_not_swept_and_blocks_nothing() {
    let workspace = Workspace::trusted();
    let staging = workspace.path().join(".kavi/staging");
    fs::create_dir_all(staging.join("somebody")).unwrap();
    fs::write(staging.join(".DS_Store"), "x").unwrap();
    workspace.act("write", "Inbox/AI/a.md").expect(0);
    assert!(staging.join("somebody").exists() && staging.join(".DS_Store").exists());
    fs::create_dir(staging.join("ready/somebody")).unwrap();
    fs::write(staging.join("ready/.DS_Store"), "x").unwrap();
    workspace.act("write", "Inbox/AI/b.md").expect(0);
    assert!(staging.join("ready/somebody").exists() && staging.join("ready/.DS_Store").exists());
}

#[test]
fn a_folder_of_waiting_files_that_is_a_link_is_refused() {
    let workspace = Workspace::trusted();
    let elsewhere = support::folder();
    let name = "9c0c2f35-7d5b-4c7e-8f53-7a0d7b1c5a11.0";
    fs::write(elsewhere.path().join(name), "mine").unwrap();
    let ready = workspace.path().join(".kavi/staging/ready");
    fs::create_dir_all(ready.parent().unwrap()).unwrap();
    let _ = fs::remove_dir_all(&ready);
    std::os::unix::fs::symlink(elsewhere.path(), &ready).unwrap();
    assert_ne!(workspace.act("write", "Inbox/AI/a.md").code, 0);
    assert_ne!(workspace.call(&["status"]).code, 0);
    assert_eq!(fs::read_to_string(elsewhere.path().join(name)).unwrap(), "mine");
}

#[test]
fn a_lock_that_is_a_link_or_a_pipe_is_refused() {
    let workspace = Workspace::trusted();
    workspace.act("write", "Inbox/AI/a.md").expect(0);
    let lock = workspace.path().join(".kavi/locks/effects");
    let precious = workspace.path().join("precious.txt");
    fs::write(&precious, "precious").unwrap();
    fs::remove_file(&lock).unwrap();
    std::os::unix::fs::symlink(&precious, &lock).unwrap();
    assert_ne!(workspace.act("write", "Inbox/AI/b.md").code, 0);
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
    fs::remove_file(&lock).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &lock, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
    assert_ne!(workspace.act("write", "Inbox/AI/c.md").code, 0);
}

#[test]
fn a_page_that_is_zero_is_found_by_a_full_check_and_the_last_one_is_told() {
    let workspace = Workspace::trusted();
    let told = |args: &[&str], what: &str| {
        let called = workspace.call(args);
        assert!(called.stdout.contains(what), "{args:?}: {what}: {called:?}");
    };
    told(&["doctor"], "last checked in full: never");
    told(&["doctor", "--full"], "checked in full just now");
    told(&["doctor"], "last checked in full: at 20");
    // No decision rests on this table, so that nothing else would read the page.
    let ledger = workspace.ledger();
    let page = "SELECT rootpage FROM sqlite_schema WHERE type = 'table' AND name = 'research'";
    let page: u64 = ledger.query_row(page, [], |row| row.get(0)).unwrap();
    let size: u64 = ledger.pragma_query_value(None, "page_size", |row| row.get(0)).unwrap();
    ledger.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(ledger);
    let file = fs::OpenOptions::new().write(true).open(ledger_file(&workspace)).unwrap();
    file.write_all_at(&vec![0; usize::try_from(size).unwrap()], (page - 1) * size).unwrap();
    told(&["doctor"], "what decides is sound");
    told(&["doctor", "--full"], "restore it from a backup");
}
