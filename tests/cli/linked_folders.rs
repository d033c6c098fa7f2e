//! Links of the vault that kavi.toml lets skills follow: `[vault] follow`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{self, PEEK, Workspace};

/// A workspace with a folder beside it, and links to that folder in the vault.
fn linked(follow: &[&str]) -> (Workspace, tempfile::TempDir) {
    let (workspace, beside) = (Workspace::trusted(), support::folder());
    fs::write(beside.path().join("a.md"), "linked").unwrap();
    fs::create_dir_all(workspace.vault("Inbox/AI")).unwrap();
    for link in ["Linked", "Inbox/AI/Shared"] {
        symlink(beside.path(), workspace.vault(link)).unwrap();
    }
    follow_links(&workspace, follow);
    (workspace, beside)
}

fn follow_links(workspace: &Workspace, follow: &[&str]) {
    let settings = workspace.path().join("kavi.toml");
    let text = fs::read_to_string(&settings).unwrap();
    let vault = format!("vault = {{ path = \"vault_out\", follow = {} }}", json!(follow));
    let lines = text.lines().map(|line| if line.starts_with("vault = ") { &vault } else { line });
    fs::write(settings, lines.collect::<Vec<_>>().join("\n")).unwrap();
}

fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap()
}

fn read(workspace: &Workspace, path: &str) -> Value {
    workspace.run("peek", json!({ "path": path })).expect(0).json()["output"]["text"].take()
}

#[test]
fn a_link_is_followed_where_kavi_toml_names_it_and_nowhere_else() {
    let (workspace, _beside) = linked(&["Linked"]);
    assert_eq!(read(&workspace, "Linked/a.md"), "linked");
    workspace.run("peek", json!({ "path": "Inbox/AI/Shared/a.md" })).expect(5);
    follow_links(&workspace, &["Linked", "Inbox/AI/Shared"]);
    assert_eq!(read(&workspace, "Inbox/AI/Shared/a.md"), "linked");
    follow_links(&workspace, &[]);
    workspace.run("peek", json!({ "path": "Linked/a.md" })).expect(5);
}

#[test]
fn runs_that_share_a_thread_read_a_linked_folder_too() {
    let (workspace, _beside) = linked(&["Linked"]);
    let lines: String = (0..20).map(|_| "{\"path\":\"Linked/a.md\"}\n").collect();
    let mut command = workspace.command();
    command.args(["run-skill", "peek", "--batch", "-", "--output", "json"]);
    let ran = support::feed(command, &lines).expect(0);
    assert_eq!(ran.stdout.matches(r#""output":{"text":"linked"}"#).count(), 20);
}

#[test]
fn nothing_is_written_below_a_linked_folder() {
    let (workspace, beside) = linked(&["Linked", "Inbox/AI/Shared"]);
    let before = support::files(beside.path());
    for path in ["Inbox/AI/Shared/a.md", "Inbox/AI/Shared/new.md"] {
        let ran = workspace.act("write", path);
        assert_eq!(ran.code, 1, "{path}: {ran:?}");
        let error = ran.json();
        assert!(error["error"]["message"].as_str().unwrap().contains("`Shared` is a symbolic link"), "{error}");
    }
    assert_eq!(support::files(beside.path()), before);
}

#[test]
fn status_and_a_promotion_say_where_links_lead() {
    let (workspace, beside) = linked(&["Linked"]);
    let target = real(beside.path());
    let status = workspace.json(&["status"]).expect(0).json();
    assert_eq!(status["linked_folders"], json!([{ "name": "Linked", "target": target }]));
    let shown = format!("Linked leads to {}, read-only", target.display());
    let human = workspace.call(&["status"]).expect(0).stdout;
    assert!(human.contains(&shown), "{human}");
    let doctor = workspace.json(&["doctor"]).json();
    let check = doctor["checks"].as_array().unwrap().iter().find(|check| check["name"] == "linked folder").unwrap();
    assert_eq!((&check["health"], &check["found"]), (&json!("ok"), &json!(shown)));

    let id = workspace.verified(&support::Skill { name: "peek_again", ..PEEK });
    let promoted = workspace.call(&["promote-skill", &id, "--approved-by", "test", "--yes"]).expect(0);
    assert!(promoted.stdout.contains(&shown), "{promoted:?}");
}

#[test]
fn a_link_that_cannot_be_followed_is_told() {
    let (workspace, _beside) = linked(&["Linked", "Lost", "State"]);
    symlink("nowhere", workspace.vault("Lost")).unwrap();
    symlink("../.kavi", workspace.vault("State")).unwrap();
    let status = workspace.json(&["status"]).expect(0);
    let (links, warnings) = (status.json()["linked_folders"].take(), status.json()["warnings"].take());
    assert_eq!((&links[1]["name"], &links[2]["name"]), (&json!("Lost"), &json!("State")));
    assert!(links[1]["broken"].as_str().unwrap().contains("leads to no folder"), "{links}");
    assert!(links[2]["broken"].as_str().unwrap().contains("files of the workspace itself"), "{links}");
    assert!(warnings[0].as_str().unwrap().contains("the link `Lost` in the vault is not followed"), "{warnings}");
    let doctor = workspace.json(&["doctor"]).json();
    let bad = |check: &&Value| check["name"] == "linked folder" && check["health"] == "warn";
    assert_eq!(doctor["checks"].as_array().unwrap().iter().filter(bad).count(), 2, "{doctor}");
    // The ledger cannot be read through a link that was put there.
    workspace.run("peek", json!({ "path": "State/ledger.db" })).expect(5);
    assert_eq!(read(&workspace, "Linked/a.md"), "linked");
}

#[test]
fn a_name_that_is_no_path_in_the_vault_is_an_error_of_kavi_toml() {
    let (workspace, _beside) = linked(&[]);
    for name in ["/etc", "..", "a/../../b", ".obsidian", ""] {
        follow_links(&workspace, &[name]);
        let refused = workspace.call(&["status"]);
        assert_ne!(refused.code, 0, "{name}");
        assert!(refused.stderr.contains("is not the path of a link in the vault"), "{name}: {refused:?}");
    }
}

#[test]
fn the_key_of_the_code_cache_is_not_kept_where_skills_read() {
    let (workspace, beside) = linked(&[]);
    let cache = beside.path().join("cache");
    fs::create_dir(&cache).unwrap();
    let run = || {
        let mut command = workspace.command_with(&["run-skill", "peek", "--json", r#"{"path":"Linked/a.md"}"#]);
        command.env("KAVI_CACHE_DIR", &cache).output().unwrap()
    };
    follow_links(&workspace, &["Linked"]);
    assert!(run().status.success());
    assert!(!cache.join("code.key").exists());
}
