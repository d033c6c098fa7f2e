//! A refusal leads somewhere: in each state of a proposal, the command that a refused verb names works.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::{ACT, Called, PEEK, Workspace};

/// The first command that a hint names, ready to be run.
fn command(hint: &str) -> Vec<String> {
    let from = hint.find("`kavi ").unwrap_or_else(|| panic!("no command in: {hint}")) + "`kavi ".len();
    let line = hint[from..].split('`').next().unwrap();
    line.split(' ').map(|word| word.replace("NAME", "ada").replace("TEXT", "why")).collect()
}

/// Runs every verb on a proposal in this state. Gives the commands that the refusals name.
fn walk(workspace: &Workspace, id: &str, name: &str, state: &str) -> BTreeSet<Vec<String>> {
    assert_eq!(workspace.status_of(id), state);
    let mut named = BTreeSet::new();
    let verbs: [&[&str]; 7] = [
        &["build-skill", id, "--from", "crates/peek_two"],
        &["verify-skill", id],
        &["promote-skill", id, "--approved-by", "ada", "--yes"],
        &["reject", id, "--why", " ", "--approved-by", "ada"],
        &["reverify", id],
        &["run-skill", name, "--json", "{}"],
        &["rollback", name, "--approved-by", "ada"],
    ];
    for verb in verbs {
        // What is allowed in this state is not what this test is about, and must not change it.
        let allowed = match (verb[0], state) {
            ("build-skill", "PROPOSED" | "BUILT") => true,
            ("verify-skill", "BUILT" | "VERIFIED") => true,
            ("promote-skill", "VERIFIED") => true,
            ("reverify", "TRUSTED") => true,
            ("rollback", _) => state != "TRUSTED",
            // The name is that of the revision that replaced it, which runs.
            ("run-skill", "SUPERSEDED") => true,
            _ => false,
        };
        if allowed {
            continue;
        }
        let called = workspace.json(verb);
        assert!(matches!(called.code, 2 | 3), "{state} {verb:?}: {called:?}");
        let error = called.json()["error"].take();
        let hint =
            error["hint"].as_str().map(str::to_owned).or_else(|| error["message"].as_str().map(str::to_owned)).unwrap();
        if hint.contains("`kavi ") {
            let mut args = command(&hint);
            if args[0] == "show" {
                // Here the name is that of the skill, and not of who decides.
                args.iter_mut().filter(|word| *word == "ada").for_each(|word| *word = name.to_owned());
            }
            named.insert(args);
        } else {
            assert!(verb[0] == "reject", "{state} {verb:?} leads nowhere: {error}");
        }
    }
    assert_eq!(workspace.status_of(id), state, "a refusal changed it");
    named
}

/// Runs a command that a hint named, with what the hint leaves to the reader.
fn follow(workspace: &Workspace, mut args: Vec<String>, crate_folder: &str) -> Called {
    match args[0].as_str() {
        "build-skill" => args.extend(["--from".to_owned(), crate_folder.to_owned()]),
        "promote-skill" => args.push("--yes".to_owned()),
        _ => {}
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    workspace.call(&args)
}

#[test]
fn each_hint_of_each_state_works() {
    let workspace = Workspace::trusted();
    // On its way: each hint leads to the next state, until it is trusted.
    let peek2 = r#"{"input":{"path":"str"},"output":{"text":"str"}}"#;
    let id = workspace.propose("peek_two", "READ_ONLY", peek2, &[]);
    workspace.source("peek_two", PEEK.source);
    for state in ["PROPOSED", "BUILT", "VERIFIED"] {
        let named = walk(&workspace, &id, "peek_two", state);
        // One command leads on. The others only show something.
        let leading = named.iter().filter(|args| args[0] != "show" && args[0] != "list-skills");
        assert_eq!(leading.count(), 1, "{state}: {named:?}");
        for args in named {
            let called = follow(&workspace, args.clone(), "crates/peek_two");
            assert_eq!(called.code, 0, "{state} {args:?}: {called:?}");
        }
    }
    assert_eq!(workspace.status_of(&id), "TRUSTED");
    // The next revision of the same name: the one before is superseded.
    let next = workspace.propose("peek_two", "READ_ONLY", peek2, &[]);
    workspace.json(&["build-skill", &next, "--builder", "import", "--from", "crates/peek_two"]).expect(0);
    workspace.json(&["verify-skill", &next]).expect(0);
    workspace.json(&["promote-skill", &next, "--approved-by", "ada", "--yes"]).expect(0);
    // From where nothing leads on, it says where to look.
    let rejected = workspace.propose("peek_three", "READ_ONLY", peek2, &[]);
    workspace.json(&["reject", &rejected, "--why", "no", "--approved-by", "ada"]).expect(0);
    workspace.json(&["revoke", "act", "--why", "no", "--approved-by", "ada"]).expect(0);
    let of = |name: &str| workspace.show(name)["id"].as_str().unwrap().to_owned();
    let (trusted, revoked) = (of("peek"), of(ACT.name));
    for (id, name, state) in [
        (trusted.as_str(), "peek", "TRUSTED"),
        (revoked.as_str(), "act", "REVOKED"),
        (rejected.as_str(), "peek_three", "REJECTED"),
        (id.as_str(), "peek_two", "SUPERSEDED"),
    ] {
        for args in walk(&workspace, id, name, state) {
            let called = follow(&workspace, args.clone(), "crates/nothing");
            assert_eq!(called.code, 0, "{state} {args:?}: {called:?}");
        }
    }
}

#[test]
fn revoking_the_only_revision_does_not_send_to_a_rollback() {
    let workspace = Workspace::trusted();
    let revoked = workspace.call(&["revoke", "peek", "--why", "no", "--approved-by", "ada"]).expect(0).stdout;
    assert!(!revoked.contains("kavi rollback") && revoked.contains("kavi show peek"), "{revoked}");
    workspace.json(&["rollback", "peek", "--approved-by", "ada"]).expect(2);
}

#[test]
fn an_example_call_is_one_of_the_specification() {
    let workspace = Workspace::new();
    let case = |name: &str, vault: &str, expect: &str| {
        format!(r#"{{"name":"{name}","input":{{"path":"{name}.md"}},"vault":{{{vault}}},"expect":{expect}}}"#)
    };
    for (name, vault, expect) in
        [("missing", "", r#"{"err":"not-found"}"#), ("there", r#""there.md":"text""#, r#"{"ok":{"text":"text"}}"#)]
    {
        std::fs::write(workspace.path().join(format!("{name}.json")), case(name, vault, expect)).unwrap();
    }
    let id =
        workspace.propose("peek", "READ_ONLY", PEEK.schema, &["--example", "missing.json", "--example", "there.json"]);
    let shown = workspace.call(&["show", &id]).expect(0).stdout;
    assert!(shown.contains(r#"kavi run-skill peek --json '{"path":"there.md"}'"#), "{shown}");
    let listed = workspace.json(&["list-skills", "--all"]).expect(0).json();
    assert_eq!(listed["skills"][0]["example_input"], json!({ "path": "there.md" }));
}

/// In each state of a change, each verb about it works or names a command that works.
#[test]
fn each_hint_of_each_state_of_a_change_works() {
    let workspace = Workspace::trusted();
    let run = |path: &str, more: &[&str]| {
        let input = json!({ "path": path, "title": "Title", "body": "Body" }).to_string();
        let args = [&["run-skill", "write_note", "--json", &input], more].concat();
        workspace.json(&args).expect(0).json()["execution_id"].as_str().unwrap().to_owned()
    };
    let held = run("Inbox/AI/held.md", &["--hold"]);
    let rejected = run("Inbox/AI/rejected.md", &["--hold"]);
    workspace.json(&["effects", "reject", &rejected, "--why", "no", "--approved-by", "ada"]).expect(0);
    let applied = run("Inbox/AI/applied.md", &[]);
    let undone = run("Inbox/AI/undone.md", &[]);
    workspace.json(&["undo", &undone, "--yes", "--approved-by", "ada"]).expect(0);
    let undo =
        workspace.json(&["effects", "list", "--all"]).expect(0).json()["effects"][0]["id"].as_str().unwrap().to_owned();
    let nothing = workspace.run("peek", json!({ "path": "Inbox/AI/applied.md" })).expect(0).json();
    let nothing = nothing["execution_id"].as_str().unwrap().to_owned();
    for (state, id, allowed) in [
        ("HELD", &held, &["approve", "reject"][..]),
        ("REJECTED", &rejected, &[]),
        ("APPLIED", &applied, &["undo"]),
        ("UNDONE", &undone, &[]),
        ("UNDO", &undo, &[]),
        ("NO CHANGE", &nothing, &[]),
    ] {
        let verbs: [(&str, Vec<&str>); 4] = [
            ("approve", vec!["effects", "approve", id, "--approved-by", "ada", "--yes"]),
            ("reject", vec!["effects", "reject", id, "--approved-by", "ada"]),
            ("abandon", vec!["effects", "abandon", id, "--why", "no", "--approved-by", "ada"]),
            ("undo", vec!["undo", id, "--approved-by", "ada", "--yes"]),
        ];
        for (verb, args) in verbs.iter().filter(|(verb, _)| !allowed.contains(verb)) {
            let called = workspace.json(args);
            assert!(matches!(called.code, 1..=3), "{state} {verb}: {called:?}");
            let error = called.json()["error"].take();
            let hint = error["hint"].as_str().unwrap_or_else(|| panic!("{state} {verb} leads nowhere: {error}"));
            let named = command(hint);
            let followed = workspace.call(&named.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(followed.code, 0, "{state} {verb}: {named:?}: {followed:?}");
        }
        // What shows it always works.
        if state != "UNDO" {
            workspace.json(&["show", id]).expect(0);
        }
    }
}
