//! Completions for shells, and manual pages.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;

use crate::support::{Called, Workspace};

/// What a shell is offered for the last of these words.
fn offered(workspace: &Workspace, words: &[&str]) -> Vec<String> {
    let mut command = workspace.command_with(&["--", "kavi"]);
    command.args(words).env("KAVI_COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", words.len().to_string());
    command.env("_CLAP_IFS", "\n").env("_CLAP_COMPLETE_COMP_TYPE", "9");
    let called: Called = command.output().unwrap().into();
    called.expect(0).stdout.lines().map(str::to_owned).collect()
}

#[test]
fn verbs_options_and_names_are_completed() {
    let workspace = Workspace::trusted();
    assert!(offered(&workspace, &["promote-s"]).contains(&"promote-skill".to_owned()));
    assert!(offered(&workspace, &["run-skill", "peek", "--dry"]).contains(&"--dry-run".to_owned()));
    assert_eq!(offered(&workspace, &["show", "pee"]), ["peek"]);
    assert_eq!(offered(&workspace, &["revoke", "nothing_like_it"]), Vec::<String>::new());
    let id = workspace.propose("peek_two", "READ_ONLY", r#"{"input":{"path":"str"},"output":{"text":"str"}}"#, &[]);
    let short = &id[..8];
    assert_eq!(offered(&workspace, &["build-skill", &short[..6]]), [short]);
}

#[test]
fn every_shell_gets_a_script_and_completing_makes_no_workspace() {
    let workspace = Workspace::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = workspace.call(&["completions", shell]).expect(0).stdout;
        assert!(script.contains("KAVI_COMPLETE") && script.contains("kavi"), "{shell}: {script}");
    }
    workspace.call(&["completions", "tcsh"]).expect(2);
    let state = workspace.path().join(".kavi");
    fs::remove_dir_all(&state).unwrap();
    assert_eq!(offered(&workspace, &["show", "pee"]), Vec::<String>::new());
    assert!(!state.exists(), "a shell that completes changes nothing");
}

#[test]
fn there_is_a_manual_page_of_every_verb() {
    let workspace = Workspace::new();
    let document = workspace.json(&["man", "--to", "man1"]).expect(0).json();
    let folder = workspace.path().join("man1");
    let page = fs::read_to_string(folder.join("kavi-run-skill.1")).unwrap();
    assert!(page.contains("Run a trusted skill"), "{page}");
    assert!(folder.join("kavi.1").exists());
    assert!(fs::read_dir(folder).unwrap().count() as u64 >= document["pages"].as_u64().unwrap());
}
