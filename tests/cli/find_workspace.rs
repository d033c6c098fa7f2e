//! Workspaces: how one is made and found, and which are refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::process::Command;

use serde_json::json;

use crate::support::{self, Called, Workspace, feed, kavi};

#[test]
fn the_workspace_is_found_upwards_by_option_and_by_environment() {
    let workspace = Workspace::trusted();
    let root = workspace.path().canonicalize().unwrap();
    let elsewhere = support::folder();
    let found = |mut command: Command| -> String {
        let called: Called = command.args(["status", "--json"]).output().unwrap().into();
        called.expect(0).json()["workspace"].as_str().unwrap().to_owned()
    };
    let expected = root.to_str().unwrap();
    let below = root.join("vault_out/Inbox/AI");
    assert_eq!(found(kavi(&root)), expected);
    assert_eq!(found(kavi(&below)), expected);
    let mut by_option = kavi(elsewhere.path());
    by_option.arg("--workspace").arg(&root);
    assert_eq!(found(by_option), expected);
    let mut relative = kavi(&below);
    relative.args(["--workspace", "../../.."]);
    assert_eq!(found(relative), expected);
    let mut by_environment = kavi(elsewhere.path());
    by_environment.env("KAVI_WORKSPACE", &root);
    assert_eq!(found(by_environment), expected);
    // The option wins over the environment, the environment over the folder.
    let other = Workspace::new();
    let other_root = other.path().canonicalize().unwrap();
    let mut both = kavi(&root);
    both.env("KAVI_WORKSPACE", other.path());
    assert_eq!(found(both), other_root.to_str().unwrap());
    let mut all = kavi(&root);
    all.env("KAVI_WORKSPACE", elsewhere.path()).arg("--workspace").arg(&other_root);
    assert_eq!(found(all), other_root.to_str().unwrap());

    // A relative path of a command is relative to where it is given, not to the workspace.
    fs::write(below.join("input.json"), r#"{"act":"write","path":"Inbox/AI/x.md"}"#).unwrap();
    let called: Called = kavi(&below).args(["run", "act", "--json", "@input.json"]).output().unwrap().into();
    called.expect(0);

    // None: each way says what it looked at, and what to do.
    for (name, value, option) in [("X", "x", None), ("KAVI_WORKSPACE", "nowhere", None), ("X", "x", Some("nowhere"))] {
        let mut command = kavi(elsewhere.path());
        command.env(name, value).args(["status", "--json"]).args(option.map(|path| format!("--workspace={path}")));
        let called: Called = command.output().unwrap().into();
        let error = called.expect(2).json()["error"].take();
        assert!(error["hint"].as_str().unwrap().contains("kavi init"), "{error}");
    }
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}

#[test]
fn init_completes_and_never_replaces() {
    let folder = support::folder();
    let init = |args: &[&str]| -> Called { kavi(folder.path()).args(args).output().unwrap().into() };
    let first = init(&["init", "notes", "--json"]).expect(0).json();
    let written = first["written"].as_array().unwrap();
    assert!(written.contains(&json!("kavi.toml")) && written.contains(&json!(".kavi/ledger.db")), "{first}");
    let root = folder.path().join("notes");
    for there in [
        "kavi.toml",
        "vault_out/Inbox/AI",
        "skills/Cargo.toml",
        ".kavi/ledger.db",
        "registry.yaml",
        ".kavi/sdk/README.md",
    ] {
        assert!(root.join(there).exists(), "{there}");
    }
    fs::write(root.join("kavi.toml"), "# mine\nvault = \"vault_out\"\n").unwrap();
    fs::write(root.join("skills/rustfmt.toml"), "# mine\n").unwrap();
    fs::remove_dir_all(root.join("vault_out")).unwrap();
    let before = support::files(&root);
    let second = init(&["init", "notes", "--json"]).expect(0).json();
    assert_eq!(second["written"], json!([]));
    assert!(root.join("vault_out/Inbox/AI").is_dir());
    assert_eq!(fs::read_to_string(root.join("kavi.toml")).unwrap(), "# mine\nvault = \"vault_out\"\n");
    let mut after = support::files(&root);
    after.retain(|path, _| !path.starts_with("vault_out"));
    assert!(support::difference(&before, &after).iter().all(|one| one.contains("ledger.db-")));
    // Where a file is in the way, it is left there.
    fs::write(folder.path().join("file"), "mine").unwrap();
    assert_ne!(init(&["init", "file"]).code, 0);
    assert_eq!(fs::read_to_string(folder.path().join("file")).unwrap(), "mine");
}

#[test]
fn init_takes_a_vault_that_exists_and_makes_nothing_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let init = |args: &[&str]| -> Called {
        let mut command = kavi(folder.path());
        command.env("HOME", folder.path()).args(args).output().unwrap().into()
    };
    let notes = folder.path().join("My \"Notes\"");
    fs::create_dir_all(notes.join("Projects")).unwrap();
    fs::write(notes.join("a.md"), "mine").unwrap();
    init(&["init", "work", "--vault", "My \"Notes\""]).expect(0);
    // Once more: nothing is missing.
    assert_eq!(init(&["init", "work", "--json"]).expect(0).json()["written"], json!([]));
    let mut left: Vec<_> = fs::read_dir(&notes).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["Projects", "a.md"]);
    let work = folder.path().join("work");
    assert!(!work.join("vault_out").exists());
    let status = init(&["--workspace", "work", "status", "--json"]).expect(0).json();
    assert_eq!(status["vault"], json!(notes.canonicalize().unwrap()), "{status}");
    // Refused: a vault that is not there, and a workspace that has one already.
    assert_eq!(init(&["init", "other", "--vault", "nowhere"]).code, 2);
    assert_eq!(init(&["init", "work", "--vault", "My \"Notes\""]).code, 2);
    assert!(!folder.path().join("other").exists());
    // In the settings, `~/` is the home folder.
    fs::write(work.join("kavi.toml"), "vault = \"~/My \\\"Notes\\\"\"\n").unwrap();
    let status = init(&["--workspace", "work", "status", "--json"]).expect(0).json();
    assert_eq!(status["vault"], json!(folder.path().join("My \"Notes\"")), "{status}");
}

#[test]
fn settings_that_kavi_does_not_know_are_refused() {
    let workspace = Workspace::trusted();
    let path = workspace.path().join("kavi.toml");
    let honest = fs::read_to_string(&path).unwrap();
    for (text, named) in [
        (format!("valut = \"x\"\n{honest}"), "valut"),
        (honest.replace("\"required\"\n\n", "\"off\"\n\n"), "off"),
        (honest.replace("wall_ms = 10000", "wall_s = 10"), "wall_s"),
        (honest.replace("wall_ms = 10000", "wall_ms = -1"), "wall_ms"),
        (honest.replace("wall_ms = 10000", "wall_ms = \"long\""), "wall_ms"),
        (honest.replace("max_turns = 40", "max_turn = 40"), "max_turn"),
        ("[limits".to_owned(), "kavi.toml"),
    ] {
        assert_ne!(text, honest);
        fs::write(&path, text).unwrap();
        for args in [&["status"][..], &["run-skill", "act", "--json", r#"{"act":"write","path":"Inbox/AI/a.md"}"#]] {
            let error = workspace.refused(args, 2);
            assert!(error["message"].as_str().unwrap().contains(named), "{named}: {error}");
        }
    }
    fs::remove_file(&path).unwrap();
    let error = workspace.refused(&["status"], 2);
    assert!(error["message"].as_str().unwrap().contains("no kavi.toml"), "{error}");
}

#[test]
fn a_folder_that_is_no_text_is_no_workspace() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = support::folder();
    let odd = folder.path().join(std::ffi::OsStr::from_bytes(b"notes-\xff"));
    let made = feed(
        {
            let mut command = kavi(folder.path());
            command.arg("init").arg(&odd);
            command
        },
        "",
    );
    assert_eq!(made.code, 2, "{made:?}");
    assert!(made.stderr.contains("is not valid UTF-8"), "{made:?}");
    assert!(!odd.exists(), "nothing was made");
}

#[test]
fn the_ledger_is_its_owners() {
    use std::os::unix::fs::PermissionsExt as _;
    let workspace = Workspace::new();
    let mode = fs::metadata(workspace.path().join(".kavi/ledger.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn the_vault_must_not_hold_the_workspace() {
    for vault in [".", "..", "/", ".kavi", ".kavi/store"] {
        let workspace = Workspace::new();
        let file = workspace.path().join("kavi.toml");
        let text = fs::read_to_string(&file).unwrap();
        let other = text.lines().filter(|line| !line.starts_with("vault")).collect::<Vec<_>>().join("\n");
        fs::write(&file, format!("vault = {vault:?}\n{other}\n")).unwrap();
        let error = workspace.refused(&["status"], 2);
        assert!(error["message"].as_str().unwrap().contains("a folder of its own"), "{vault}: {error}");
    }
}

/// Only root can make one.
#[test]
fn a_workspace_of_somebody_else_must_be_named() {
    let workspace = Workspace::new();
    let file = workspace.path().join("kavi.toml");
    if std::os::unix::fs::chown(&file, Some(65_534), None).is_err() {
        return;
    }
    let error = workspace.refused(&["status"], 3);
    assert!(error["message"].as_str().unwrap().contains("another user"), "{error}");
    let named = workspace.path().to_string_lossy().into_owned();
    workspace.call(&["status", "--workspace", &named]).expect(0);
}
