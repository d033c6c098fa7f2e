//! A run is a transaction: its files are in the vault with its record, or not at all, whatever happens in between.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Stdio};

use kavi::model::digest::Digest;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};

use crate::support::watch::Tree;
use crate::support::{self, Workspace};

/// Everything in the vault and in staging.
fn vault(workspace: &Workspace) -> BTreeMap<String, String> {
    support::files(&workspace.path().join("vault_out"))
}

fn staging(workspace: &Workspace) -> usize {
    workspace.staged()
}

/// A failed run: exit code 5, a record that says so, the vault as it was, nothing left behind.
#[track_caller]
fn fails(workspace: &Workspace, act: &str, why: &str) {
    let before = vault(workspace);
    let error = workspace.act(act, "Inbox/AI/a.md").expect(5).json()["error"].take();
    assert_eq!(error["kind"], "skill-failed", "{act}");
    assert!(error["message"].as_str().unwrap().contains(why), "{act}: {error}");
    assert_eq!(vault(workspace), before, "{act}");
    assert_eq!(staging(workspace), 0, "{act}");
    let (success, recorded): (bool, String) = workspace
        .ledger()
        .query_row("SELECT success, error FROM executions ORDER BY rowid DESC LIMIT 1", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert!(!success && recorded.contains(why), "{act}: {recorded}");
}

#[test]
fn a_failed_run_leaves_the_vault_as_it_was() {
    let workspace = Workspace::trusted();
    fs::write(workspace.vault("Inbox/AI/a.md"), "mine").unwrap();
    let toml = fs::read_to_string(workspace.path().join("kavi.toml")).unwrap();
    fs::write(workspace.path().join("kavi.toml"), toml.replace("wall_ms = 10000", "wall_ms = 1000")).unwrap();
    // Each of these wrote a file first.
    for (act, why) in [
        ("fail", "(failed): as it was told"),
        ("not-found", "(not-found): as it was told"),
        ("crash", "trap"),
        ("spin", "wall_ms"),
        ("elsewhere", "outside the folders of its spec"),
    ] {
        fails(&workspace, act, why);
    }
    assert_eq!(fs::read_to_string(workspace.vault("Inbox/AI/a.md")).unwrap(), "mine");
    assert_eq!(workspace.count("SELECT count(*) FROM executions WHERE effects_json <> '[]'"), 0);
    // And the workspace is as good as before.
    workspace.act("write", "Inbox/AI/a.md").expect(0);
    assert_eq!(fs::read_to_string(workspace.vault("Inbox/AI/a.md")).unwrap(), "write\n");
}

#[test]
fn an_output_off_the_schema_commits_nothing() {
    let workspace = Workspace::trusted();
    fails(&workspace, "off", "does not match its schema");
    assert!(!workspace.vault("Inbox/AI/a.md").exists());
    assert_eq!(workspace.count("SELECT count(*) FROM executions WHERE error LIKE 'InvalidOutput: %'"), 1);
}

#[test]
fn an_input_off_the_schema_never_reaches_the_skill() {
    let workspace = Workspace::trusted();
    for input in [
        "",
        "{",
        "nonsense",
        "[]",
        "\"act\"",
        "{}",
        r#"{"act":"write"}"#,
        r#"{"act":"write","path":5}"#,
        r#"{"act":"write","path":"Inbox/AI/a.md","more":1}"#,
        r#"{"act":"write","act":"write","path":"Inbox/AI/a.md"}"#,
        r#"{"act":"write","path":"Inbox/AI/a.md"} {}"#,
        "{\"act\":\"write\",\"path\":\"Inbox/AI/\u{1}.md\"}",
    ] {
        let error = workspace.json(&["run-skill", "act", "--json", input]).expect(2).json()["error"].take();
        assert_eq!(error["kind"], "usage", "{input}: {error}");
        assert!(error["hint"].as_str().unwrap().contains("kavi show"), "{input}: {error}");
    }
    assert!(!workspace.vault("Inbox/AI/a.md").exists());
    assert_eq!(workspace.count("SELECT count(*) FROM executions WHERE success"), 0);
    let depth = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    workspace.json(&["run-skill", "act", "--json", &depth]).expect(2);
}

#[test]
fn a_place_that_is_taken_is_refused_before_the_record() {
    let workspace = Workspace::trusted();
    let place = workspace.vault("Inbox/AI/a.md");
    let outside = workspace.path().join("outside.md");
    fs::write(&outside, "outside").unwrap();
    let refused = |workspace: &Workspace, why: &str| {
        let before = vault(workspace);
        let called = workspace.act("two", "Inbox/AI/a.md");
        assert!(matches!(called.code, 1 | 5), "{called:?}");
        let error = called.json()["error"].take();
        assert!(error["message"].as_str().unwrap().contains(why), "{error}");
        assert_eq!(vault(workspace), before);
        assert_eq!(staging(workspace), 0);
    };
    fs::create_dir(&place).unwrap();
    refused(&workspace, "a.md");
    fs::remove_dir(&place).unwrap();
    symlink(&outside, &place).unwrap();
    refused(&workspace, "a.md");
    fs::remove_file(&place).unwrap();
    mknodat(CWD, &place, FileType::Fifo, Mode::RWXU, 0).unwrap();
    refused(&workspace, "a.md");
    fs::remove_file(&place).unwrap();
    // The second file's place alone is taken: the first does not appear either.
    fs::create_dir(workspace.vault("Inbox/AI/a.md.md")).unwrap();
    refused(&workspace, "a.md.md");
    fs::remove_dir(workspace.vault("Inbox/AI/a.md.md")).unwrap();
    // A folder on the way is a link out of the vault.
    fs::remove_dir(workspace.vault("Inbox/AI")).unwrap();
    let elsewhere = workspace.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, workspace.vault("Inbox/AI")).unwrap();
    refused(&workspace, "Inbox/AI");
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
    assert_eq!(fs::read_to_string(&outside).unwrap(), "outside");
    assert_eq!(workspace.count("SELECT count(*) FROM executions WHERE success"), 0);
}

/// Puts a run back to where a crash would have left it: recorded, and `moved` of its files in the vault.
fn as_if_crashed(workspace: &Workspace, run: &Value, moved: usize) {
    let id = run["execution_id"].as_str().unwrap();
    let changed = "UPDATE commits SET state = 'PENDING' WHERE id = ?1";
    assert_eq!(workspace.ledger().execute(changed, [id]).unwrap(), 1);
    // A crash comes before the event that the files are in the vault.
    let settled = "DELETE FROM history WHERE kind = 'settled' AND subject = ?1
         AND position = (SELECT max(position) FROM history)";
    assert_eq!(workspace.ledger().execute(settled, [id]).unwrap(), 1);
    let ready = workspace.path().join(".kavi/staging/ready");
    for (number, effect) in run["effects"].as_array().unwrap().iter().enumerate().skip(moved) {
        let path = effect["path"].as_str().unwrap();
        fs::rename(workspace.vault(path), ready.join(format!("{id}.{number}"))).unwrap();
    }
}

#[test]
fn a_crash_at_any_point_leaves_all_files_or_none() {
    let workspace = Workspace::trusted();
    let run = workspace.act("three", "Inbox/AI/a.md").expect(0).json();
    let whole = vault(&workspace);
    let files = run["effects"].as_array().unwrap().len();
    assert_eq!(files, 3);

    // After the record, with any number of files moved: the next command finishes it, whichever it is.
    for moved in 0..=files {
        as_if_crashed(&workspace, &run, moved);
        let status = workspace.json(&["status"]).expect(0).json();
        assert_eq!(status["recovered"], json!([run["execution_id"]]), "{moved}");
        assert_eq!(vault(&workspace), whole, "{moved}");
        assert_eq!(staging(&workspace), 0, "{moved}");
        assert_eq!(workspace.count("SELECT count(*) FROM commits WHERE state = 'PENDING'"), 0, "{moved}");
        // Once is enough.
        assert_eq!(workspace.json(&["status"]).expect(0).json()["recovered"], json!([]));
    }
    as_if_crashed(&workspace, &run, 1);
    let next = workspace.act("read", "Inbox/AI/a.md.d/third.md").expect(0).json();
    assert_eq!(next["output"]["said"], "third\n", "a run sees what was recorded before it");
    assert_eq!(vault(&workspace), whole);

    // Before the record: staged files of a process that is gone are swept, and none of them reaches the vault.
    let folder = workspace.path().join(".kavi/staging/9c0c2f35-7d5b-4c7e-8f53-7a0d7b1c5a11");
    fs::create_dir_all(folder.join("out/Inbox/AI")).unwrap();
    fs::write(folder.join("lock"), "").unwrap();
    fs::write(folder.join("out/Inbox/AI/never.md"), "never").unwrap();
    workspace.json(&["status"]).expect(0);
    assert_eq!((vault(&workspace), staging(&workspace)), (whole.clone(), 0));

    // But not those of one that lives.
    fs::create_dir_all(folder.join("out/Inbox/AI")).unwrap();
    let lock = fs::File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    workspace.json(&["status"]).expect(0);
    assert_eq!((vault(&workspace), staging(&workspace)), (whole.clone(), 1));
    drop(lock);
    workspace.json(&["status"]).expect(0);
    assert_eq!((vault(&workspace), staging(&workspace)), (whole, 0));
}

#[test]
fn a_run_that_an_earlier_kavi_did_not_finish_is_finished() {
    let workspace = Workspace::trusted();
    let run = workspace.act("three", "Inbox/AI/a.md").expect(0).json();
    let whole = vault(&workspace);
    as_if_crashed(&workspace, &run, 1);
    // It left the files where the run had written them.
    let id = run["execution_id"].as_str().unwrap();
    let staged = workspace.path().join(".kavi/staging").join(id);
    for (number, path) in [(1, "Inbox/AI/a.md.d/third.md"), (2, "Inbox/AI/a.md.md")] {
        let path = staged.join("out").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::rename(workspace.path().join(format!(".kavi/staging/ready/{id}.{number}")), path).unwrap();
    }
    fs::write(staged.join("lock"), "").unwrap();
    // What it replaced it did not say: a note that is there is replaced, as it would have been.
    fs::write(workspace.vault("Inbox/AI/a.md.md"), "older\n").unwrap();
    workspace.ledger().execute("UPDATE executions SET v = 1", []).unwrap();
    assert_eq!(workspace.json(&["status"]).expect(0).json()["recovered"], json!([id]));
    assert_eq!((vault(&workspace), staging(&workspace)), (whole, 0));
    let error = workspace.refused(&["undo", id, "--yes", "--approved-by", "ada"], 3);
    assert!(error["message"].as_str().unwrap().contains("an earlier kavi"), "{error}");
}

#[test]
fn a_recorded_run_that_something_came_in_the_way_of_is_taken_back_whole() {
    let workspace = Workspace::trusted();
    let run = workspace.act("two", "Inbox/AI/a.md").expect(0).json();
    let id = run["execution_id"].as_str().unwrap();
    as_if_crashed(&workspace, &run, 0);
    fs::create_dir(workspace.vault("Inbox/AI/a.md.md")).unwrap();
    let before = vault(&workspace);
    let status = workspace.json(&["status"]).expect(0).json();
    assert_eq!(status["recovered"], json!([id]));
    assert_eq!(vault(&workspace), before, "neither of its files is there");
    let shown = workspace.json(&["effects", "show", id]).expect(0).json();
    assert_eq!(shown["state"], "REVERTED");
    assert!(shown["why"].as_str().unwrap().contains("Inbox/AI/a.md.md"), "{shown}");
    assert_eq!(staging(&workspace), 0);
    workspace.act("write", "Inbox/AI/b.md").expect(0);
}

#[test]
fn a_recorded_run_that_cannot_be_finished_nor_taken_back_says_so_until_it_can() {
    let workspace = Workspace::trusted();
    let run = workspace.act("two", "Inbox/AI/a.md").expect(0).json();
    let whole = vault(&workspace);
    as_if_crashed(&workspace, &run, 1);
    // The second file's place is taken, and so is the way back of the first.
    let ready = workspace.path().join(".kavi/staging/ready");
    fs::create_dir(workspace.vault("Inbox/AI/a.md.md")).unwrap();
    let back = ready.join(format!("{}.0", run["execution_id"].as_str().unwrap()));
    fs::create_dir(&back).unwrap();
    for _ in 0..2 {
        let error = workspace.json(&["status"]).expect(1).json()["error"].take();
        assert!(error["message"].as_str().unwrap().contains("Inbox/AI/a.md"), "{error}");
        assert!(error["hint"].as_str().unwrap().contains("kavi status"), "{error}");
        // Nothing is written over what the ledger says is there, and everything else goes on.
        workspace.act("write", "Inbox/AI/a.md").expect(1);
        workspace.act("write", "Inbox/AI/b.md").expect(0);
        fs::remove_file(workspace.vault("Inbox/AI/b.md")).unwrap();
        assert_eq!(staging(&workspace), 2, "what is still to be moved is kept");
    }
    fs::remove_dir(workspace.vault("Inbox/AI/a.md.md")).unwrap();
    fs::remove_dir(&back).unwrap();
    workspace.json(&["status"]).expect(0);
    assert_eq!(vault(&workspace), whole);
}

/// Starts a run that writes three files.
fn start(workspace: &Workspace, path: &str) -> Child {
    start_act(workspace, "three", path)
}

fn start_act(workspace: &Workspace, act: &str, path: &str) -> Child {
    let input = json!({ "act": act, "path": path }).to_string();
    workspace
        .command()
        .args(["run-skill", "act", "--output", "json", "--json", &input])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The vault holds exactly the files of the runs that the ledger has as successes, with their bytes.
#[track_caller]
fn ledger_and_vault_agree(workspace: &Workspace) -> usize {
    assert_eq!(workspace.count("SELECT count(*) FROM commits WHERE state = 'PENDING'"), 0);
    let recorded =
        support::strings(&workspace.ledger(), "SELECT effects_json FROM executions WHERE success ORDER BY rowid");
    let mut expected = BTreeMap::new();
    for effects in &recorded {
        for effect in serde_json::from_str::<Vec<Value>>(effects).unwrap() {
            let text = |key: &str| effect[key].as_str().unwrap().to_owned();
            expected.insert(text("path"), text("sha256"));
        }
    }
    let found: BTreeMap<_, _> = vault(workspace).into_iter().filter(|(_, what)| what != "folder").collect();
    assert_eq!(found, expected);
    recorded.len()
}

#[test]
fn a_process_that_is_killed_leaves_all_files_or_none() {
    let workspace = Workspace::trusted();
    // Spread over all changes of files that a run makes, the renames included.
    let life = {
        let mut tree = Tree::new(workspace.path());
        let mut child = start(&workspace, "Inbox/AI/first.md");
        let changes = tree.changes(&child, usize::MAX);
        assert!(child.wait().unwrap().success());
        changes
    };
    let rounds = 200;
    let mut done = 0;
    for round in 0..rounds {
        let mut tree = Tree::new(workspace.path());
        let mut child = start(&workspace, &format!("Inbox/AI/{round}.md"));
        tree.changes(&child, life * round / (rounds - rounds / 10));
        child.kill().unwrap();
        child.wait().unwrap();
        workspace.json(&["status"]).expect(0);
        assert_eq!(staging(&workspace), 0, "round {round}");
        ledger_and_vault_agree(&workspace);
        let found = vault(&workspace);
        let there = ["", ".md", ".d/third.md"].map(|end| found.contains_key(&format!("Inbox/AI/{round}.md{end}")));
        assert!(there == [true; 3] || there == [false; 3], "round {round}: {there:?}");
        done += usize::from(there[0]);
    }
    println!("{rounds} kills: {done} runs are whole in the vault, of {} there is nothing", rounds - done);
    workspace.act("three", "Inbox/AI/last.md").expect(0);
    ledger_and_vault_agree(&workspace);
}

#[test]
fn runs_at_the_same_time_are_all_recorded_and_all_there() {
    let workspace = Workspace::trusted();
    let children: Vec<Child> = (0..8).map(|n| start(&workspace, &format!("Inbox/AI/{n}/a.md"))).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    assert_eq!(ledger_and_vault_agree(&workspace), 8);
    assert_eq!(vault(&workspace).values().filter(|what| *what != "folder").count(), 24);
    assert_eq!(staging(&workspace), 0);
    let seeds: BTreeSet<_> = support::strings(&workspace.ledger(), "SELECT seed FROM executions").into_iter().collect();
    assert_eq!(seeds.len(), 8, "each run has a seed of its own");
}

#[test]
fn of_runs_over_one_file_at_the_same_time_each_is_there_or_says_why_not() {
    let workspace = Workspace::trusted();
    let acts = ["write", "two", "three", "any"];
    let children: Vec<Child> = acts.map(|act| start_act(&workspace, act, "Inbox/AI/same.md")).into();
    let succeeded = children.into_iter().filter_map(|mut child| child.wait().unwrap().success().then_some(())).count();
    // A run that began before another one's files were there does not write over them.
    assert!(succeeded > 0);
    assert_eq!(ledger_and_vault_agree(&workspace), succeeded);
    let conflicts = "SELECT count(*) FROM executions WHERE error LIKE 'Conflict: %same.md%'";
    assert_eq!(workspace.count(conflicts), (acts.len() - succeeded) as i64);
    // One after the other they all go through.
    for act in acts {
        workspace.act(act, "Inbox/AI/same.md").expect(0);
    }
    ledger_and_vault_agree(&workspace);
}

#[test]
fn a_record_says_what_went_in_and_what_came_out() {
    let workspace = Workspace::trusted();
    let ran = workspace.act("two", "Inbox/AI/a.md").expect(0).json();
    assert_eq!(ran["input_json"], json!({ "act": "two", "path": "Inbox/AI/a.md" }));
    assert_eq!(ran["output"], json!({ "said": "two" }));
    assert_eq!(ran["skill_name"], "act");
    assert_eq!(ran["side_effect_class"], "FILE_WRITE");
    assert_eq!(ran["success"], true);
    assert_eq!(ran["logs"], json!([{ "level": "info", "message": "did two" }]));
    let effect = |path: &str| {
        let bytes = fs::read(workspace.vault(path)).unwrap();
        json!({ "path": path, "sha256": Digest::of(&bytes), "bytes": bytes.len() })
    };
    assert_eq!(ran["effects"], json!([effect("Inbox/AI/a.md"), effect("Inbox/AI/a.md.md")]));
    let row = "SELECT json_array(e.execution_id, c.id, c.state) FROM executions e JOIN commits c ON c.id = e.commit_id";
    let recorded: Value = serde_json::from_str(&support::strings(&workspace.ledger(), row)[0]).unwrap();
    assert_eq!(recorded, json!([ran["execution_id"], ran["execution_id"], "APPLIED"]));
    let status = workspace.json(&["status"]).expect(0).json();
    assert_eq!(status["executions"], json!({ "count": 1, "failed": 0 }));
}

#[test]
fn a_folder_that_takes_no_file_is_refused_before_the_record() {
    use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
    let workspace = Workspace::trusted();
    let folder = workspace.vault("Inbox/AI/other");
    fs::create_dir_all(&folder).unwrap();
    // Only root may mount; for an ordinary user the same is tried with a folder that it may not write.
    let mounted = mount("tmpfs", &folder, "tmpfs", MountFlags::empty(), None).is_ok();
    if !mounted {
        fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o555)).unwrap();
    }
    let refused = workspace.act("two", "Inbox/AI/other/a.md");
    if mounted {
        unmount(&folder, UnmountFlags::DETACH).unwrap();
    }
    let error = refused.expect(1).json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(error.contains("Inbox/AI/other/a.md"), "{error}");
    assert_eq!(workspace.count("SELECT count(*) FROM commits WHERE state = 'PENDING'"), 0);
    workspace.act("write", "Inbox/AI/b.md").expect(0);
}

#[test]
fn what_a_guest_said_and_used_is_in_its_record() {
    let workspace = Workspace::trusted();
    let said = |sql: &str| -> Value {
        let text: String = workspace.ledger().query_row(sql, [], |row| row.get(0)).unwrap();
        serde_json::from_str(&text).unwrap()
    };
    let newest = "SELECT said_json FROM executions ORDER BY rowid DESC LIMIT 1";
    workspace.act("write", "Inbox/AI/a.md").expect(0);
    let written = said(newest);
    assert_eq!(written["logs"], serde_json::json!([{ "level": "info", "message": "did write" }]));
    assert!(written["usage"]["memory_bytes"].as_u64() > Some(0) && written["usage"]["staged_files"].as_u64() > Some(0));
    // A panic is words on standard error, and a failure of the run: both are kept.
    workspace.act("crash", "Inbox/AI/a.md").expect(5);
    let crashed = said(newest);
    assert!(crashed["stderr"].as_str().unwrap().contains("index out of bounds"), "{crashed}");
    // Nothing was started, so nothing was said.
    workspace.call(&["run-skill", "act", "--json", "5"]).expect(2);
    assert_eq!(workspace.count(&format!("SELECT count(*) FROM ({newest}) WHERE said_json IS NULL")), 1);
}

#[test]
fn a_vault_on_another_file_system_gets_its_files_as_well() {
    // A second file system that an ordinary user can write; where there is none, there is nothing to prove.
    let Ok(other) = tempfile::tempdir_in("/dev/shm") else { return };
    use std::os::unix::fs::MetadataExt as _;
    let workspace = Workspace::trusted();
    if fs::metadata(other.path()).unwrap().dev() == fs::metadata(workspace.path()).unwrap().dev() {
        return;
    }
    let toml = fs::read_to_string(workspace.path().join("kavi.toml")).unwrap();
    let moved = toml.replace("vault = \"vault_out\"", &format!("vault = {:?}", other.path()));
    fs::write(workspace.path().join("kavi.toml"), moved).unwrap();
    workspace.act("three", "Inbox/AI/a.md").expect(0);
    assert_eq!(fs::read_to_string(other.path().join("Inbox/AI/a.md")).unwrap(), "three\n");
    workspace.act("fail", "Inbox/AI/b.md").expect(5);
    let left: Vec<String> =
        support::files(other.path()).into_keys().filter(|path| Path::new(path).extension().is_some()).collect();
    assert_eq!(left.iter().filter(|path| path.ends_with("b.md")).count(), 0, "{left:?}");
    let listed = workspace.act("list", "Inbox").expect(0).json();
    assert_eq!(listed["output"]["said"], "Inbox/AI", "staging in the vault is hidden from skills");
}

#[test]
fn limits_of_kavi_toml_hold() {
    let workspace = Workspace::trusted();
    let toml = fs::read_to_string(workspace.path().join("kavi.toml")).unwrap();
    for (limit, small) in [
        ("staged_files = 1000", "staged_files = 1"),
        ("staged_bytes = 67108864", "staged_bytes = 3"),
        ("output_bytes = 1048576", "output_bytes = 4"),
        ("input_bytes = 1048576", "input_bytes = 10"),
        ("memory_bytes = 134217728", "memory_bytes = 65536"),
    ] {
        assert!(toml.contains(limit), "{limit}");
        fs::write(workspace.path().join("kavi.toml"), toml.replace(limit, small)).unwrap();
        let called = workspace.act("three", "Inbox/AI/a.md");
        assert_eq!(called.code, 5, "{small}: {called:?}");
        assert!(!workspace.vault("Inbox/AI/a.md").exists(), "{small}");
    }
    fs::write(workspace.path().join("kavi.toml"), &toml).unwrap();
    workspace.act("three", "Inbox/AI/a.md").expect(0);
}
