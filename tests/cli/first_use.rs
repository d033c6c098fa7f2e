//! A workspace that was never used, as in a fresh clone of this repository, needs no `kavi init`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use serde_json::json;

use crate::support::{self, Called, Workspace, kavi};

/// What a clone has of the repository's workspace. The path of the clone is given.
fn clone(to: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::copy(root.join("kavi.toml"), to.join("kavi.toml")).unwrap();
    for folder in ["Garden", "Projects"] {
        support::copy(&root.join("vault_out").join(folder), &to.join("vault_out").join(folder));
    }
}

fn call(folder: &Path, args: &[&str]) -> Called {
    kavi(folder).args(args).output().unwrap().into()
}

#[test]
fn a_clone_of_this_repository_is_a_workspace() {
    let folder = support::folder();
    clone(folder.path());
    let below = folder.path().join("vault_out/Garden");
    let status = call(&below, &["status", "--json"]).expect(0).json();
    assert_eq!(status["ledger_ok"], true, "{status:#}");
    let state = folder.path().join(".kavi");
    assert_eq!(fs::read_to_string(state.join(".gitignore")).unwrap(), "*\n", "trust is never committed");
    assert_eq!(fs::metadata(state.join("ledger.db")).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(state.join("sdk/Cargo.toml").is_file());
    assert_eq!(call(folder.path(), &["list-skills", "--json"]).expect(0).json()["skills"], json!([]));
    call(folder.path(), &["run-skill", "write_note", "--json", "{}"]).expect(2);
    let names = |folder: &Path| support::files(folder).into_keys().filter(|name| name.starts_with(".kavi-")).count();
    assert_eq!(names(folder.path()), 0, "nothing is left of the preparation");
}

#[test]
fn processes_that_use_it_first_at_one_time_agree_on_one_ledger() {
    let folder = support::folder();
    clone(folder.path());
    let start = || kavi(folder.path()).args(["status", "--json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let started: Vec<_> = (0..6).map(|_| start().unwrap()).collect();
    for child in started {
        let called: Called = child.wait_with_output().unwrap().into();
        assert_eq!(called.expect(0).json()["ledger_ok"], true);
    }
    let left = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut left: Vec<String> = left.filter(|name| name.starts_with(".kavi")).collect();
    left.sort_unstable();
    assert_eq!(left, [".kavi"]);
}

#[test]
fn a_used_workspace_without_its_state_gets_no_new_ledger() {
    for kept in ["artifacts_out", "registry.yaml"] {
        let workspace = Workspace::new();
        fs::write(workspace.path().join("registry.yaml"), "").unwrap();
        fs::remove_dir_all(workspace.path().join(".kavi")).unwrap();
        if kept == "artifacts_out" {
            fs::remove_file(workspace.path().join("registry.yaml")).unwrap();
        } else {
            fs::remove_dir_all(workspace.path().join("artifacts_out")).unwrap();
        }
        let refused = workspace.call(&["status"]).expect(70);
        assert!(refused.stderr.contains("there is no ledger"), "{kept}: {refused:?}");
        assert!(!workspace.path().join(".kavi").exists(), "{kept}");
    }
}

#[test]
fn the_state_of_the_repository_is_ignored() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ignored = fs::read_to_string(root.join(".gitignore")).unwrap();
    for line in ["/.kavi/", "/artifacts_out/", "/registry.yaml"] {
        assert!(ignored.lines().any(|ignored| ignored == line), "{line}");
    }
}

#[test]
fn a_test_does_not_find_the_repository() {
    let folder = support::folder();
    let missing = call(folder.path(), &["status"]).expect(2);
    assert!(missing.stderr.contains("there is no kavi.toml"), "{missing:?}");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    assert!(!folder.path().starts_with(target), "{}", folder.path().display());
}
