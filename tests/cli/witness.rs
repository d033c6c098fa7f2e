//! A witness: somebody else keeps the checkpoints, and an older copy or a rewrite of everything is seen by that.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::approvals::{Person, bytes_of, put};
use crate::support::{self, Called, Workspace};

/// Puts these lines into `[trust]` of kavi.toml.
fn set(workspace: &Workspace, lines: &str) {
    let path = workspace.path().join("kavi.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(path, text.replacen("[trust]\n", &format!("[trust]\n{lines}\n"), 1)).unwrap();
}

/// A workspace with a witness elsewhere, which has seen it.
fn witnessed() -> (Workspace, tempfile::TempDir, PathBuf) {
    let (workspace, elsewhere) = (Workspace::trusted(), tempfile::tempdir().unwrap());
    let file = elsewhere.path().join("witness");
    set(&workspace, &format!("witness = \"{}\"", file.display()));
    let said = workspace.act("write", "Inbox/AI/a.md").expect(70).json()["error"]["message"].to_string();
    assert!(said.contains("its witness") && said.contains("never Kavi"), "{said}");
    fs::write(&file, "").unwrap();
    workspace.act("write", "Inbox/AI/a.md").expect(0);
    workspace.json(&["stop", "--why", "a look", "--by", "ada"]).expect(0);
    workspace.json(&["resume", "--by", "ada"]).expect(0);
    assert!(fs::read_to_string(&file).unwrap().lines().count() >= 2);
    (workspace, elsewhere, file)
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

const REVOKE: [&str; 6] = ["revoke", "write_note", "--why", "smells", "--approved-by", "ada"];

#[test]
fn yesterdays_ledger_with_yesterdays_head_is_seen_by_a_witness() {
    let (workspace, elsewhere, _file) = witnessed();
    let (state, saved) = (support::state_folder(workspace.path()), elsewhere.path().join("state"));
    let yesterday = bytes_of(&workspace);
    copy(&state, &saved);
    workspace.json(&REVOKE).expect(0);
    put(&workspace, &yesterday);
    fs::remove_dir_all(&state).unwrap();
    copy(&saved, &state);
    let said = workspace.note("Inbox/AI/a.md").expect(70).json()["error"]["message"].to_string();
    assert!(said.contains("the witness saw a checkpoint"), "{said}");
    // Nobody adopts their way around it.
    workspace.json(&["trust", "adopt", "--why", "mine", "--approved-by", "ada"]);
    workspace.note("Inbox/AI/a.md").expect(70);
}

#[test]
fn a_rewrite_of_everything_is_seen_by_a_witness() {
    let (workspace, elsewhere, file) = witnessed();
    // Another history in the same folder, with its own key and head.
    let other = Workspace::trusted();
    put(&workspace, &bytes_of(&other));
    let state = support::state_folder(workspace.path());
    fs::remove_dir_all(&state).unwrap();
    copy(&support::state_folder(other.path()), &state);
    let said = workspace.note("Inbox/AI/a.md").expect(70).json()["error"]["message"].to_string();
    assert!(said.contains("the witness saw a checkpoint"), "{said}");
    // The setting is gone as well: then whoever has the file compares.
    let settings = workspace.path().join("kavi.toml");
    let text = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, text.replace("\nwitness = ", "\n# witness = ")).unwrap();
    workspace.json(&["audit"]).expect(0);
    workspace.json(&["audit", "--witness", &file.display().to_string()]).expect(70);
    drop(elsewhere);
}

#[test]
fn a_head_that_somebody_keeps_is_compared_later() {
    let (workspace, other) = (Workspace::trusted(), Workspace::new());
    let kept = tempfile::tempdir().unwrap();
    let file = kept.path().join("head");
    let audit = |workspace: &Workspace| workspace.json(&["audit", "--witness", &file.display().to_string()]);
    fs::write(&file, workspace.call(&["trust", "head"]).expect(0).stdout).unwrap();
    workspace.json(&REVOKE).expect(0);
    audit(&workspace).expect(0);
    audit(&other).expect(70);
    // A note of git.
    let git = |args: &[&str]| -> Called {
        let mut command = Command::new("git");
        command.current_dir(kept.path()).env("HOME", kept.path()).args(["-c", "user.name=a", "-c", "user.email=a@b"]);
        command.args(args).output().unwrap().into()
    };
    git(&["init", "-q"]).expect(0);
    git(&["commit", "-q", "--allow-empty", "-m", "empty"]).expect(0);
    for _ in 0..2 {
        git(&["notes", "--ref=kavi", "append", "-F", "head", "HEAD"]).expect(0);
        fs::write(&file, workspace.call(&["trust", "head"]).expect(0).stdout).unwrap();
    }
    fs::write(&file, git(&["notes", "--ref=kavi", "show"]).expect(0).stdout).unwrap();
    audit(&workspace).expect(0);
    audit(&other).expect(70);
    fs::write(&file, "no checkpoint").unwrap();
    audit(&workspace).expect(2);
}

#[test]
fn the_anchor_lies_where_the_settings_say_and_a_signed_policy_keeps_it_there() {
    let (workspace, elsewhere) = (Workspace::trusted(), tempfile::tempdir().unwrap());
    let anchor = elsewhere.path().join("anchor");
    copy(&support::state_folder(workspace.path()), &anchor);
    set(&workspace, &format!("anchor = \"{}\"", anchor.display()));
    fs::remove_dir_all(support::state_folder(workspace.path())).unwrap();
    workspace.act("write", "Inbox/AI/a.md").expect(0);
    let person = Person::with_key();
    person.enroll(&workspace);
    let settings = workspace.path().join("kavi.toml");
    let text = fs::read_to_string(&settings).unwrap();
    // With another anchor the head is missing there, and with the same copy in it the policy still names this one.
    let second = elsewhere.path().join("second");
    copy(&anchor, &second);
    fs::write(&settings, text.replace("/anchor\"", "/second\"")).unwrap();
    let said = workspace.act("write", "Inbox/AI/a.md").expect(3).json()["error"]["message"].to_string();
    assert!(said.contains("`trust.anchor` is another one"), "{said}");
    fs::write(&settings, text.replace("anchor = \"", "anchor = \"vault_out/")).unwrap();
    workspace.json(&["status"]).expect(2);
}
