//! What a kill leaves: named by `doctor`, and removed by any command, in every place.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::support::{Called, Workspace};

const DAYS: Duration = Duration::from_hours(72);

fn plant(path: &Path, is_folder: bool) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    if is_folder {
        fs::create_dir_all(path.join("inner")).unwrap();
    } else {
        fs::write(path, "half").unwrap();
    }
    File::open(path).unwrap().set_modified(SystemTime::now() - DAYS).unwrap();
}

#[test]
fn what_a_kill_leaves_in_any_place_is_named_and_removed() {
    let (workspace, outside) = (Workspace::trusted(), crate::support::folder());
    let (root, at) = (workspace.path(), |name: &str| outside.path().join(name));
    let call = |args: &[&str]| -> Called {
        let mut command = workspace.command_with(args);
        command.env("TMPDIR", at("tmp")).env("KAVI_CACHE_DIR", at("cache")).env("KAVI_STATE_DIR", at("state"));
        command.output().unwrap().into()
    };
    for folder in ["tmp", "cache", "state"] {
        fs::create_dir(at(folder)).unwrap();
    }
    call(&["trust", "adopt", "--why", "x", "--approved-by", "ada"]).expect(0);
    let files = [
        root.join(".tmp-7-1"),
        root.join(".kavi/.tmp-7-2"),
        root.join(".kavi/sdk/src/.tmp-7-3"),
        root.join(".kavi/staging/ready/.tmp-7-9"),
        root.join(".kavi/store/components/ab/.tmp-7-4"),
        root.join("artifacts_out/peek/.tmp-7-5"),
        root.join("skills/peek/src/.tmp-7-6"),
        at("cache/.tmp-7-7"),
        at("state/0a1b2c/.tmp-7-8"),
    ];
    let folders = [
        root.join(".kavi-new-AbC123"),
        root.join(".kavi/scratch/verify-AbC123"),
        root.join(".kavi/scratch/format-AbC123"),
        at("cache/kit-build-AbC123"),
        at("tmp/kavi-add-AbC123"),
        at("tmp/kavi-agent-AbC123"),
        at("tmp/kavi-gate-AbC123"),
    ];
    let theirs =
        [at("tmp/kavi-notes"), at("tmp/other-AbC123"), at("cache/AbC123"), root.join("vault_out/.kavi-new-AbC123")];
    files.iter().for_each(|path| plant(path, false));
    folders.iter().chain(&theirs).for_each(|path| plant(path, true));
    let all: Vec<&PathBuf> = files.iter().chain(&folders).collect();
    // The sweep was a moment ago, so all of it is there to be named.
    let named = call(&["doctor"]).stdout;
    for path in &all {
        let shown = path.strip_prefix(root).unwrap_or(path).display().to_string();
        assert!(path.exists() && named.contains(&shown), "{shown}: {named}");
    }
    fs::remove_file(root.join(".kavi/locks/leftovers")).unwrap();
    call(&["status"]).expect(0);
    let left: Vec<&&PathBuf> = all.iter().filter(|path| path.exists()).collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(theirs.iter().all(|path| path.exists()), "what is not ours stays");
    let named = call(&["doctor"]).stdout;
    assert!(named.contains("nothing that a crash left unfinished"), "{named}");
}

#[test]
fn empty_folders_of_a_commit_that_did_not_come_to_be_go() {
    let workspace = Workspace::trusted();
    workspace.note("Inbox/AI/first.md").expect(0);
    let applied = crate::support::strings(&workspace.ledger(), "SELECT id FROM commits").remove(0);
    // A kill before the record leaves the note of a commit that the ledger does not know.
    let digit = if applied.starts_with('0') { "1" } else { "0" };
    let unknown = format!("{digit}{}", &applied[1..]);
    for folder in ["gone/deep", "kept", "half", "stays"] {
        fs::create_dir_all(workspace.vault("Inbox/AI").join(folder)).unwrap();
    }
    fs::write(workspace.vault("Inbox/AI/kept/mine.md"), "mine").unwrap();
    let ready = workspace.path().join(".kavi/staging/ready");
    let note = |commit: &str, lines: &str| fs::write(ready.join(format!("{commit}.folders")), lines).unwrap();
    note(&unknown, "Inbox/AI/gone\nInbox/AI/gone/deep\nInbox/AI/kept\n../outside\nInbox/AI/half");
    note(&applied, "Inbox/AI/stays\n");
    workspace.run("peek", serde_json::json!({ "path": "Inbox/AI/first.md" })).expect(0);
    let there = |folder: &str| workspace.vault("Inbox/AI").join(folder).is_dir();
    assert_eq!(["gone", "kept", "half", "stays"].map(there), [false, true, true, true]);
    assert!(workspace.vault("Inbox/AI/kept/mine.md").is_file());
    assert_eq!(workspace.staged(), 0);
}
