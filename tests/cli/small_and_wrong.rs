//! What misled a person who used it for the first time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{self, Called, Workspace, feed, kavi};

fn call(folder: &Path, home: &Path, args: &[&str]) -> Called {
    kavi(folder).env("HOME", home).args(args).output().unwrap().into()
}

#[test]
fn the_switch_of_a_new_workspace_has_the_time_at_which_it_was_made() {
    let before = support::strings(
        &rusqlite::Connection::open_in_memory().unwrap(),
        "SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now')",
    );
    let workspace = Workspace::new();
    let status = workspace.json(&["status"]).expect(0).json();
    let at = status["switch"]["turn"]["at"].as_str().unwrap();
    assert!(at >= before[0].as_str(), "{at} is before the test began at {}", before[0]);
}

#[test]
fn a_tilde_is_the_home_folder_also_where_no_shell_saw_it() {
    let folder = support::folder();
    let home = folder.path().join("home");
    fs::create_dir_all(home.join("Notes")).unwrap();
    let called = call(folder.path(), &home, &["init", "~/work", "--vault", "~/Notes", "--json"]).expect(0).json();
    let real = home.canonicalize().unwrap();
    assert_eq!(called["workspace"], real.join("work").to_str().unwrap());
    let status = call(folder.path(), &home, &["--workspace", "~/work", "status", "--json"]).expect(0).json();
    assert_eq!(status["vault"], real.join("Notes").to_str().unwrap());
    // Nothing is made in a vault that exists, or beside it.
    assert_eq!(fs::read_dir(home.join("Notes")).unwrap().count(), 0);
    assert!(!home.join("work/vault_out").exists());
    let mut cached = kavi(folder.path());
    cached.env("HOME", &home).env("KAVI_CACHE_DIR", "~/cache").args(["--workspace", "~/work", "doctor"]);
    cached.output().unwrap();
    assert!(!folder.path().join("~").exists() && !home.join("work/~").exists());
    let without = kavi(folder.path()).env_remove("HOME").args(["init", "~/other"]).output().unwrap();
    let without = Called::from(without).expect(2);
    assert!(without.stderr.contains("HOME is not set"), "{without:?}");
}

#[test]
fn a_vault_elsewhere_that_was_mistyped_leaves_no_folder() {
    let folder = support::folder();
    let root = folder.path().join("work");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("kavi.toml"), "vault = \"../Ntes\"\n").unwrap();
    let refused = call(&root, folder.path(), &["status"]).expect(1);
    assert!(refused.stderr.contains("Ntes: No such file"), "{refused:?}");
    assert!(!folder.path().join("Ntes").exists());
    assert!(!root.join("vault_out").exists());
}

#[test]
fn a_line_of_a_batch_says_a_thing_once_and_names_its_run() {
    let workspace = Workspace::trusted();
    let mut command = workspace.command();
    command.args(["run-skill", "peek", "--batch", "-"]);
    let called = feed(command, "{\n").expect(2);
    let line = called.stdout.trim();
    assert_eq!(line.matches("JSON").count(), 1, "{line}");
    let id = support::strings(&workspace.ledger(), "SELECT execution_id FROM executions").pop().unwrap();
    assert!(
        line.starts_with("1: error: the input cannot be read: ") && line.ends_with(&format!("(run {})", &id[..8])),
        "{line}"
    );
}

#[test]
fn a_cache_in_which_nothing_can_be_executed_is_named_as_the_reason() {
    let folder = support::folder();
    // A user and mount namespace of its own: the mount ends with the process.
    let script = "mount -t tmpfs -o noexec none cache && exec \"$0\" setup --json";
    fs::create_dir(folder.path().join("cache")).unwrap();
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script, env!("CARGO_BIN_EXE_kavi")]);
    command.current_dir(folder.path()).env("KAVI_CACHE_DIR", folder.path().join("cache"));
    let called: Called = command.output().unwrap().into();
    let error = called.expect(6).json()["error"].take();
    assert!(error["message"].as_str().unwrap().contains("mounted `noexec`"), "{error}");
    let hint = error["hint"].as_str().unwrap();
    assert!(hint.contains("KAVI_CACHE_DIR") && !hint.contains("network"), "{error}");
}

#[test]
fn a_file_that_is_as_its_copy_is_not_copied_again() {
    let workspace = Workspace::new();
    let project = workspace.path().join("project");
    fs::create_dir(&project).unwrap();
    let file = project.join(".mcp.json");
    let install = || {
        let mut command = kavi(&project);
        command.args(["--workspace"]).arg(workspace.path());
        command.args(["mcp", "install", "--client", "claude-code", "--write", "--output", "json"]);
        Called::from(command.output().unwrap()).expect(0).json()
    };
    let copies = || {
        let names = fs::read_dir(&project).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.contains("before-kavi")).count()
    };
    for text in ["{}", "{}", "{ }", "{}"] {
        // Somebody put the file back to what it was.
        fs::write(&file, text).unwrap();
        install();
        let now: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        assert!(now["mcpServers"]["kavi"].is_object(), "{now}");
    }
    assert_eq!(copies(), 2, "one of each content");
}

#[test]
fn a_mistyped_name_leads_to_the_one_that_was_meant() {
    let workspace = Workspace::trusted();
    for verb in [
        &["run-skill", "wirte_note", "--json", "{}"] as &[&str],
        &["show", "write_noet"],
        &["revoke", "writenote", "--why", "x", "--approved-by", "ada"],
    ] {
        let hint = workspace.refused(verb, 2)["hint"].take();
        assert!(hint.as_str().unwrap().contains("did you mean `write_note`?"), "{verb:?}: {hint}");
    }
    let far = workspace.refused(&["show", "something_else"], 2)["hint"].take();
    assert!(!far.as_str().unwrap().contains("did you mean"), "{far}");
}
