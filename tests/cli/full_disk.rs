//! A disk that is really full, and a file system that is really read-only: what still works, and what everything else says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::each_verb::{self, Call, Needs, speaks_plainly};
use crate::kills::vault;
use crate::support::small_disk::{Kind, SmallDisk};
use crate::support::{Called, Workspace, copy, difference, files, own_folder};

const STOP: [&str; 5] = ["stop", "--why", "notes vanish", "--by", "ada"];
const RESUME: [&str; 3] = ["resume", "--by", "ada"];

/// Free bytes in which a verb may find the disk full: at once, at its index, in its log, in a file of its own.
const ROOMS: [u64; 4] = [0, 40 << 10, 150 << 10, 500 << 10];
/// Calls that are refused here on any disk, or where the first try counts as an attempt.
const REFUSED_ANYWAY: [&str; 6] = ["resume", "diff", "record", "doctor", "revoke", "build-skill"];
/// How a command says that it was done, and that something after it was not.
const DONE: [&str; 4] = ["is recorded", "it was done", "the records are gone", "everything is stopped"];

/// A workspace for the disk, in a folder that stays as long as this program.
fn given() -> PathBuf {
    static GIVEN: OnceLock<PathBuf> = OnceLock::new();
    let make = || {
        let workspace = Workspace::trusted();
        each_verb::prepare(&workspace);
        let kept = own_folder("full_disk");
        copy(workspace.path(), &kept);
        kept
    };
    GIVEN.get_or_init(make).clone()
}

/// Everything that only looks works, and says that it only looks.
#[track_caller]
fn looking_works(workspace: &Workspace) {
    for (args, shown) in [
        (&["list-skills"][..], "peek"),
        (&["show", "peek"], "peek"),
        (&["status"], r#""TRUSTED": 3"#),
        (&["tail-executions", "-n", "1"], "act"),
    ] {
        let looked = workspace.json(args);
        speaks_plainly(&looked, &args.join(" "));
        assert!(looked.code == 0 && looked.stdout.contains(shown), "{args:?}: {looked:?}");
    }
}

fn message(called: &Called) -> String {
    called.json()["error"]["message"].as_str().unwrap_or_default().to_owned()
}

/// Every row, and every file of the vault.
fn lasting(workspace: &Workspace) -> BTreeMap<String, String> {
    let mut lasting = workspace.rows();
    lasting.extend(vault(workspace));
    lasting
}

fn a_stop_is_left_and_obeyed(disk: &SmallDisk) {
    let workspace = Workspace::copy_below(&disk.given, disk.path());
    // A process that is at work when the disk fills up.
    let mut batch = workspace.command_with(&["run-skill", "act", "--batch", "-", "--output", "json"]);
    let mut child = batch.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let (mut lines, mut answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    let mut ask = |path: &str| {
        writeln!(lines, "{}", json!({ "act": "write", "path": path })).unwrap();
        let mut answer = String::new();
        answers.read_line(&mut answer).unwrap();
        serde_json::from_str::<Value>(&answer).unwrap()
    };
    assert!(ask("Inbox/AI/b1.md")["error"].is_null());
    disk.fill(0);
    looking_works(&workspace);
    let stopped = workspace.json(&STOP);
    speaks_plainly(&stopped, "stop");
    let unrecorded = || message(&stopped).contains("everything is stopped until `kavi resume`");
    assert!(stopped.code == 0 || unrecorded(), "{stopped:?}");
    let refused = ask("Inbox/AI/b2.md");
    assert!(refused["error"]["message"].as_str().unwrap().contains("notes vanish"), "{refused}");
    looking_works(&workspace);
    let again = workspace.note("Inbox/AI/c.md");
    speaks_plainly(&again, "run-skill");
    assert!(again.code == 1 || again.code == 3, "{again:?}");
    disk.empty();
    // With room again, the stop still holds.
    workspace.note("Inbox/AI/c.md").expect(3);
    assert!(ask("Inbox/AI/b3.md")["error"]["message"].as_str().unwrap().contains("notes vanish"));
    drop(lines);
    child.wait().unwrap();
    workspace.json(&RESUME).expect(0);
    workspace.note("Inbox/AI/c.md").expect(0);
    for path in ["Inbox/AI/b2.md", "Inbox/AI/b3.md"] {
        assert!(!workspace.vault(path).exists());
    }
    workspace.json(&["audit"]).expect(0);
}

#[test]
fn a_stop_is_left_on_a_full_disk_and_obeyed() {
    let name = "a_stop_is_left_on_a_full_disk_and_obeyed";
    SmallDisk::mount(module_path!(), name, Kind::Tmpfs, given).iter().for_each(a_stop_is_left_and_obeyed);
}

#[test]
fn a_stop_is_left_on_a_full_ext4_and_obeyed() {
    let name = "a_stop_is_left_on_a_full_ext4_and_obeyed";
    SmallDisk::mount(module_path!(), name, Kind::Ext4, given).iter().for_each(a_stop_is_left_and_obeyed);
}

/// Calls one verb where there is that much room. It succeeds, or fails in plain words and changes nothing. Whether
/// the workspace is another one afterwards.
fn call_in(disk: &SmallDisk, workspace: &Workspace, call: &Call, room: u64) -> bool {
    let before = lasting(workspace);
    disk.fill(room);
    let args: Vec<&str> = call.args.iter().map(String::as_str).collect();
    let what = format!("{room} bytes free: {}", args.join(" "));
    let called = workspace.json(&args);
    disk.empty();
    speaks_plainly(&called, &what);
    let changed = difference(&before, &lasting(workspace));
    if called.code == 0 {
        return true;
    }
    let said = message(&called);
    // That somebody asked for a run, or made an attempt, is on record whatever became of it.
    let of_a_record: &[&str] = match args[0] {
        "run-skill" | "consume-skill" | "consume-chain" => &["executions", "history", "checkpoints"],
        "build-skill" => &["builds", "artifacts", "history", "checkpoints"],
        _ => &[],
    };
    let is_half = |line: &&String| !of_a_record.iter().any(|table| line.contains(&format!("table {table} ")));
    let half = changed.iter().filter(is_half).count();
    assert!(half == 0 || DONE.iter().any(|done| said.contains(done)), "{what}: {called:?}: {changed:#?}");
    let hint = called.json()["error"]["hint"].as_str().unwrap_or_default().to_owned();
    // With room again, it is as if nothing had been.
    let status = workspace.json(&["status"]);
    assert_eq!(status.code, 0, "{what}: {status:?}");
    assert_eq!(workspace.count("SELECT count(*) FROM commits WHERE state = 'PENDING'"), 0, "{what}");
    assert_eq!(workspace.staged(), 0, "{what}");
    // Nothing of the first try is in the way of the next one.
    if hint.starts_with("free some space") && !REFUSED_ANYWAY.contains(&args[0]) {
        let again = workspace.json(&args);
        assert_eq!(again.code, 0, "{what}: once more: {again:?}");
        return true;
    }
    !changed.is_empty()
}

fn each_verb_on_a_full_disk(disk: &SmallDisk) {
    let mut workspace = Workspace::copy_below(&disk.given, disk.path());
    let calls = each_verb::calls(&workspace);
    for room in ROOMS {
        for call in calls.iter().filter(|call| room == 0 || call.needs == Needs::Writes) {
            let changed = call_in(disk, &workspace, call, room);
            if changed {
                // The next call finds what this one found.
                drop(workspace);
                workspace = Workspace::copy_below(&disk.given, disk.path());
            }
        }
    }
}

#[test]
fn each_verb_on_a_full_tmpfs_works_or_says_so_and_leaves_nothing_half_done() {
    let name = "each_verb_on_a_full_tmpfs_works_or_says_so_and_leaves_nothing_half_done";
    SmallDisk::mount(module_path!(), name, Kind::Tmpfs, given).iter().for_each(each_verb_on_a_full_disk);
}

#[test]
fn on_a_read_only_file_system_verbs_look_or_say_so() {
    let name = "on_a_read_only_file_system_verbs_look_or_say_so";
    let Some(disk) = SmallDisk::mount(module_path!(), name, Kind::Tmpfs, given) else { return };
    let workspace = Workspace::copy_below(&disk.given, disk.path());
    let calls = each_verb::calls(&workspace);
    let before = files(workspace.path());
    disk.remount("ro");
    looking_works(&workspace);
    for call in &calls {
        let args: Vec<&str> = call.args.iter().map(String::as_str).collect();
        let called = workspace.json(&args);
        let what = args.join(" ");
        speaks_plainly(&called, &what);
        if call.needs == Needs::Writes {
            assert_eq!(called.code, 1, "{what}: {called:?}");
            assert!(message(&called).contains("read-only"), "{what}: {called:?}");
        }
    }
    disk.remount("rw");
    assert_eq!(difference(&before, &files(workspace.path())), Vec::<String>::new());
    workspace.note("Inbox/AI/c.md").expect(0);
}
