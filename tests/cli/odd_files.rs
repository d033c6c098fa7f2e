//! Something else in the place of a file of the workspace: a pipe that nobody writes, a link, a name that is no text.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::json;

use crate::support::{self, Called, Workspace, files};

/// The exit code of `timeout` for a command that it had to end.
const HUNG: i32 = 124;

/// Calls a verb that must come to an end.
fn call(workspace: &Workspace, args: &[&str]) -> Called {
    let like = workspace.command();
    let mut command = Command::new("timeout");
    command.args(["60", env!("CARGO_BIN_EXE_kavi")]).args(args).args(["--output", "json"]);
    command.current_dir(workspace.path()).env_clear();
    command.envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.stdin(std::process::Stdio::null()).output().expect("`timeout` of coreutils").into()
}

const STOP: [&str; 5] = ["stop", "--why", "x", "--by", "ada"];
const WRITE: [&str; 4] = ["run-skill", "act", "--json", r#"{"act":"write","path":"Inbox/AI/n.md"}"#];

/// Every verb that takes another way to the files of a workspace.
fn ways() -> Vec<Vec<&'static str>> {
    let schema = r#"{"input":{"text":"str"},"output":{"words":"int"}}"#;
    let by = ["--approved-by", "ada"];
    vec![
        vec!["status"],
        vec!["list-skills"],
        WRITE.to_vec(),
        vec!["propose-skill", "--name", "new", "--desc", "x", "--side-effect", "READ_ONLY", "--io-schema-json", schema],
        vec!["rebuild"],
        vec!["prune", "--keep", "1", "--yes", by[0], by[1]],
        STOP.to_vec(),
        vec!["resume", "--by", "ada"],
        vec!["audit"],
    ]
}

/// The folder of the key and the head.
fn trust_folder(workspace: &Workspace) -> PathBuf {
    let trust = support::state_folder(workspace.path()).join("trust");
    fs::read_dir(trust).unwrap().next().unwrap().unwrap().path()
}

#[test]
fn no_verb_waits_for_a_pipe_that_nobody_writes() {
    let template = Workspace::trusted();
    template.act("three", "Inbox/AI/a.md").expect(0);
    let mut places: Vec<PathBuf> = [
        ".kavi",
        ".kavi/ledger.db",
        ".kavi/ledger.db-wal",
        ".kavi/ledger.db-shm",
        ".kavi/locks",
        ".kavi/locks/effects",
        ".kavi/locks/staging",
        ".kavi/locks/views",
        ".kavi/locks/leftovers",
        ".kavi/staging",
        ".kavi/staging/ready",
        ".kavi/store",
        ".kavi/store/files",
        ".kavi/cache",
        ".kavi/machine-start",
        ".kavi/stop",
        ".kavi/unsynced",
        ".kavi/reserve",
        "kavi.toml",
        "registry.yaml",
        "artifacts_out",
        "vault_out",
        "vault_out/Inbox",
    ]
    .map(PathBuf::from)
    .to_vec();
    let trust = trust_folder(&template);
    let trust = trust.strip_prefix(template.path()).unwrap();
    places.extend(["key", "head", "lock"].map(|name| trust.join(name)));
    for place in places {
        let workspace = Workspace::copy_of(template.path());
        let path = workspace.path().join(&place);
        let _ = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).unwrap();
        }
        mknodat(CWD, &path, FileType::Fifo, Mode::RWXU, 0).unwrap();
        for args in ways() {
            let called = call(&workspace, &args);
            assert!(called.code != HUNG && called.code != 101, "{}: {args:?}: {called:?}", place.display());
            let said = called.stdout + &called.stderr;
            assert!(!said.contains("os error"), "{}: {args:?}: {said}", place.display());
        }
    }
}

#[test]
fn a_guest_is_ended_although_its_ledger_became_a_pipe() {
    let workspace = support::guests::with_guest("act", &support::guests::guest("stay"));
    let mut tree = support::watch::Tree::new(&workspace.path().join(".kavi"));
    let input = json!({ "act": "spin", "path": "Inbox/AI/a.md" }).to_string();
    let mut command = workspace.command_with(&["run-skill", "act", "--output", "json", "--json", &input]);
    let mut child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let staged = || {
        let runs = fs::read_dir(workspace.path().join(".kavi/staging")).into_iter().flatten().flatten();
        runs.filter(|run| run.path().join("out/Inbox/AI/a.md").exists()).count()
    };
    tree.until(&mut child, || staged() > 0);
    let ledger = workspace.path().join(".kavi/ledger.db");
    fs::rename(&ledger, workspace.path().join("away")).unwrap();
    mknodat(CWD, &ledger, FileType::Fifo, Mode::RWXU, 0).unwrap();
    let ended: Called = child.wait_with_output().unwrap().into();
    let error = ended.json()["error"].take();
    assert!(error["message"].as_str().unwrap().contains("no regular file"), "{error}");
    assert!(!workspace.vault("Inbox/AI/a.md").exists());
}

#[test]
fn a_stop_and_a_checkpoint_write_nothing_behind_a_link() {
    let workspace = Workspace::trusted();
    let outside = support::folder();
    // The folder of the workspace's state is a link to one that somebody else chose.
    let (kavi, moved) = (workspace.path().join(".kavi"), outside.path().join("moved"));
    fs::rename(&kavi, &moved).unwrap();
    symlink(&moved, &kavi).unwrap();
    let before = files(&moved);
    let stopped = call(&workspace, &STOP);
    assert!(stopped.code != 0 && stopped.stdout.contains("no link is followed"), "{stopped:?}");
    call(&workspace, &WRITE);
    assert_eq!(support::difference(&before, &files(&moved)), Vec::<String>::new());
    fs::remove_file(&kavi).unwrap();
    fs::rename(&moved, &kavi).unwrap();

    let lock = trust_folder(&workspace).join("lock");
    fs::remove_file(&lock).unwrap();
    symlink(outside.path().join("made"), &lock).unwrap();
    call(&workspace, &STOP);
    assert!(!outside.path().join("made").exists());
}

#[test]
fn names_that_are_no_text_disturb_nothing() {
    let workspace = Workspace::trusted();
    workspace.act("three", "Inbox/AI/a.md").expect(0);
    let mut folders: Vec<PathBuf> = files(workspace.path())
        .into_iter()
        .filter(|(_, what)| what == "folder")
        .map(|(path, _)| workspace.path().join(path))
        .collect();
    folders.push(workspace.path().to_owned());
    for folder in &folders {
        for name in [&b"\xff\xfe.md"[..], b".tmp-\xff-1", b"verify-\xff", b"new\nline", b"-rf"] {
            fs::write(folder.join(Path::new(OsStr::from_bytes(name))), "odd").unwrap();
        }
    }
    for args in ways() {
        let called = call(&workspace, &args);
        assert_eq!(called.code, 0, "{args:?}: {called:?}");
    }
    call(&workspace, &["doctor"]);
    let backup = workspace.path().join("backup").display().to_string();
    assert_eq!(call(&workspace, &["backup", &backup]).code, 0);
    for folder in &folders {
        assert!(folder.join(Path::new(OsStr::from_bytes(b"\xff\xfe.md"))).exists(), "{}", folder.display());
    }
}
