//! What is printed on a narrow screen, and the settings with their origins.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;

use serde_json::json;

use crate::support::{Called, Workspace};

#[test]
fn tables_fit_the_screen_and_a_pipe_gets_all() {
    let workspace = Workspace::trusted();
    let long = format!("Inbox/AI/{}.md", "very-long-name-".repeat(8));
    let input = json!({ "path": long, "title": "Title", "body": "Body" }).to_string();
    workspace.json(&["run-skill", "write_note", "--json", &input, "--hold"]).expect(0);
    workspace.act("fail", "Inbox/AI/a.md").expect(5);
    for columns in [80, 120] {
        for args in [
            &["list-skills", "--all"][..],
            &["effects", "list"],
            &["tail-executions"],
            &["inbox", "--since", "1d"],
            &["status"],
        ] {
            let mut command = workspace.command_with(args);
            let called: Called = command.env("COLUMNS", columns.to_string()).output().unwrap().into();
            for line in called.expect(0).stdout.lines() {
                let width = line.chars().count();
                // A path is one word, and no word is broken.
                let is_one_word = line.split_whitespace().any(|word| word.chars().count() > 50);
                assert!(width <= columns || is_one_word, "{args:?} at {columns}: {width}: {line}");
            }
        }
    }
    let mut command = workspace.command_with(&["effects", "list"]);
    let cut: Called = command.env("COLUMNS", "80").output().unwrap().into();
    assert!(cut.stdout.contains('…') && !cut.stdout.contains(&long), "{cut:?}");
    // Names stay whole: the columns that matter least are left out.
    assert!(cut.stdout.contains("write_note") && !cut.stdout.contains("channel"), "{cut:?}");
    for args in [&["list-skills"][..], &["tail-executions"], &["inbox", "--since", "1d"]] {
        let narrow: Called = workspace.command_with(args).env("COLUMNS", "80").output().unwrap().into();
        assert!(narrow.stdout.contains("write_note"), "{args:?}: {narrow:?}");
    }
    let ended: Called = workspace.command_with(&["tail-executions"]).env("COLUMNS", "80").output().unwrap().into();
    assert!(ended.stdout.contains("  failed  ") && ended.stdout.contains("  held  "), "{ended:?}");
    let whole = workspace.call(&["effects", "list"]).expect(0).stdout;
    assert!(whole.contains(&long), "{whole}");
}

#[test]
fn a_setting_says_where_its_value_comes_from() {
    let workspace = Workspace::new();
    let path = workspace.path().join("kavi.toml");
    fs::write(&path, "[limits]\nwall_ms = 1234\n").unwrap();
    let one = workspace.json(&["config", "get", "limits.wall_ms"]).expect(0).json();
    assert_eq!(one, json!({ "key": "limits.wall_ms", "value": 1234, "origin": "kavi.toml" }));
    let list = workspace.json(&["config", "list"]).expect(0).json();
    let of = |key: &str| {
        let settings = list["settings"].as_array().unwrap();
        settings.iter().find(|setting| setting["key"] == key).unwrap_or_else(|| panic!("{key}")).clone()
    };
    assert_eq!((&of("vault")["value"], &of("vault")["origin"]), (&json!("vault_out"), &json!("default")));
    assert_eq!(workspace.call(&["config", "get", "vault"]).expect(0).stdout, "vault_out\n");
    let error = workspace.refused(&["config", "get", "wall_ms"], 2);
    assert!(error["message"].as_str().unwrap().contains("did you mean limits.wall_ms?"), "{error}");
}

#[test]
fn who_decides_has_a_default_also_where_no_user_is_named() {
    let workspace = Workspace::trusted();
    let held = json!({ "path": "Inbox/AI/a.md", "title": "Title", "body": "Body" }).to_string();
    let held = workspace.json(&["run-skill", "write_note", "--json", &held, "--hold"]).expect(0).json();
    let id = held["held"]["id"].as_str().unwrap();
    let approved = workspace.json(&["effects", "approve", id, "--yes"]).expect(0).json();
    assert!(approved["decided_by"].as_str().unwrap().starts_with("uid "), "{approved}");
    let mut command = workspace.command_with(&["revoke", "peek", "--why", "no"]);
    let revoked: Called = command.env("USER", "grace").output().unwrap().into();
    revoked.expect(0);
    assert_eq!(workspace.show("peek")["promotions"][1]["approved_by"], "grace");
}

#[test]
fn colours_are_for_terminals_and_those_who_ask() {
    let workspace = Workspace::trusted();
    let list = |args: &[&str]| workspace.call(&[&["list-skills"], args].concat()).expect(0).stdout;
    assert!(!list(&[]).contains('\u{1b}'), "a pipe gets no colours");
    let painted = list(&["--color", "always"]);
    assert!(painted.contains("\u{1b}[32mTRUSTED\u{1b}[0m"), "{painted:?}");
    assert!(!list(&["--color", "always", "--output", "json"]).contains('\u{1b}'), "a document has none");
    let failed = workspace.call(&["show", "nothing_like_it", "--color", "always"]).expect(2);
    assert!(failed.stderr.contains("\u{1b}[31m\u{1b}[1merror:\u{1b}[0m"), "{failed:?}");
    workspace.call(&["list-skills", "--color", "sometimes"]).expect(2);
}

#[test]
fn what_is_longer_than_the_screen_is_shown_in_a_pager() {
    let workspace = Workspace::trusted();
    let pager = workspace.path().join("pager");
    fs::write(&pager, "#!/bin/sh\necho paged >> \"$0.log\"; cat > \"$0.text\"\n").unwrap();
    fs::set_permissions(&pager, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let log = workspace.path().join("pager.log");
    let on_terminal = |args: &str, rows: u16, pager: &str| {
        // `script` gives the program a terminal.
        let line = format!("stty rows {rows} cols 120; '{}' {args}", env!("CARGO_BIN_EXE_kavi"));
        let like = workspace.command();
        let mut script = std::process::Command::new("script");
        script.args(["-qec", &line, "/dev/null"]).current_dir(workspace.path()).stdin(std::process::Stdio::null());
        script.env_clear().envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
        script.env("PATH", "/usr/bin:/bin").env("KAVI_PAGER", pager);
        let shown: Called = script.output().expect("script runs").into();
        shown.expect(0).stdout
    };
    let path = pager.to_str().unwrap();
    let shown = on_terminal("show write_note --all", 20, path);
    assert!(!shown.contains("SKILL_SPEC") && log.exists(), "{shown}");
    assert!(fs::read_to_string(workspace.path().join("pager.text")).unwrap().contains("SKILL_SPEC"));
    fs::remove_file(&log).unwrap();
    // What fits, what machines read, and what the pager does not take is printed.
    assert!(on_terminal("list-skills", 200, path).contains("write_note") && !log.exists());
    assert!(on_terminal("show write_note --json", 5, path).contains("\"gates\"") && !log.exists());
    for none in ["cat", "/nowhere/pager"] {
        assert!(on_terminal("show write_note --all", 5, none).contains("SKILL_SPEC") && !log.exists());
    }
    let piped: Called =
        workspace.command_with(&["show", "write_note", "--all"]).env("KAVI_PAGER", path).output().unwrap().into();
    assert!(piped.stdout.contains("SKILL_SPEC") && !log.exists());
}
