//! Revisions of a skill: the next one, the one before, and trust that is taken back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::support::watch::Tree;
use crate::support::{self, PEEK, Skill, Workspace};

/// peek, but with another text in its output, so that revisions can be told apart.
fn second(workspace: &Workspace) -> String {
    let source =
        PEEK.source.replace("text: vault::read(&input.path)?", "text: vault::read(&input.path)?.to_uppercase()");
    let source = source.replace("\"text\": \"text\"", "\"text\": \"TEXT\"");
    assert_ne!(source, PEEK.source);
    let id = workspace.propose("peek", "READ_ONLY", PEEK.schema, &[]);
    workspace.import(&id, &workspace.source("peek", &source)).expect(0);
    workspace.json(&["verify-skill", &id]).expect(0);
    id
}

fn promote(workspace: &Workspace, id: &str) -> Value {
    workspace.json(&["promote-skill", id, "--approved-by", "ada", "--yes"]).expect(0).json()
}

fn says(workspace: &Workspace) -> String {
    fs::write(workspace.vault("a.md"), "text").unwrap();
    let ran = workspace.run("peek", json!({ "path": "a.md" })).expect(0).json();
    format!("{} from revision {}", ran["output"]["text"].as_str().unwrap(), ran["revision"])
}

/// The registry's line of a skill says this revision and component, or there is none.
#[track_caller]
fn registry_follows(workspace: &Workspace) {
    let registry = fs::read_to_string(workspace.path().join("registry.yaml")).unwrap();
    let listed = workspace.json(&["list-skills"]).expect(0).json();
    for skill in listed["skills"].as_array().unwrap() {
        assert!(registry.contains(skill["component_sha256"].as_str().unwrap()), "{registry}");
    }
    let names = registry.lines().filter(|line| line.contains("proposal_id:")).count();
    assert_eq!(names, listed["skills"].as_array().unwrap().len(), "{registry}");
    let before = support::files(workspace.path());
    workspace.json(&["rebuild"]).expect(0);
    assert_eq!(support::files(workspace.path())["registry.yaml"], before["registry.yaml"]);
}

#[test]
fn a_second_proposal_becomes_the_second_revision() {
    let workspace = Workspace::trusted();
    let first = workspace.show("peek");
    let id = second(&workspace);
    // Up to its promotion the first one is the skill.
    assert_eq!(says(&workspace), "text from revision 1");
    assert_eq!(workspace.show(&id)["parent_proposal_id"], first["id"], "its lineage");
    assert_eq!(workspace.show("peek")["id"], first["id"], "a name means the trusted revision");
    assert_eq!(workspace.show("peek")["lineage"].as_array().unwrap().len(), 2);

    let promoted = promote(&workspace, &id);
    assert_eq!(promoted["revision"], 2);
    assert_eq!(promoted["trusted"]["replaces"]["id"], first["id"], "what it replaces was shown");
    assert_eq!(says(&workspace), "TEXT from revision 2");
    assert_eq!(workspace.status_of("peek@1"), "SUPERSEDED");
    assert_eq!(workspace.status_of("peek@2"), "TRUSTED");
    registry_follows(&workspace);
    // The old component stays stored.
    workspace.stored("components", first["component_sha256"].as_str().unwrap());
    // Another skill has revisions of its own.
    assert_eq!(workspace.show("act")["revision"], 1);
}

#[test]
fn what_a_new_revision_may_do_more_is_shown() {
    let workspace = Workspace::trusted();
    let schema = r#"{"input":{"act":"str","path":"str","more?":"int"},"output":{"said":"str"}}"#;
    let wider = Skill { schema, more: &["--path", "Inbox/AI", "--path", "Projects"], ..support::ACT };
    let id = workspace.propose(wider.name, wider.class, wider.schema, wider.more);
    let from = workspace.source(wider.name, wider.source).display().to_string();
    let build = ["build-skill", &id, "--from", &from];
    // Already the attempt waits for a person: nobody widens what a name may do in the background.
    let error = workspace.refused(&build, 3);
    assert!(error["message"].as_str().unwrap().contains("folder Projects/"), "{error}");
    workspace.json(&[&build[..], &["--acknowledge", "ada"]].concat()).expect(0);
    workspace.json(&["verify-skill", &id]).expect(0);
    let differences = promote(&workspace, &id)["trusted"]["differences"].clone();
    let text = differences.to_string();
    assert!(text.contains("gains folder `Projects`") && text.contains("schema differs"), "{text}");
    workspace.act("write", "Projects/a.md").expect(0);
    // Back again, and what it gained is gone.
    workspace.json(&["rollback", "act", "--approved-by", "ada"]).expect(0);
    workspace.act("write", "Projects/b.md").expect(5);
    assert!(!workspace.vault("Projects/b.md").exists());
}

#[test]
fn rollback_goes_to_the_revision_before_and_no_further() {
    let workspace = Workspace::trusted();
    let rollback = ["rollback", "peek", "--approved-by", "ada"];
    let error = workspace.refused(&rollback, 2);
    assert!(error["message"].as_str().unwrap().contains("earlier trusted revision"), "{error}");
    let id = second(&workspace);
    promote(&workspace, &id);
    let back = workspace.json(&rollback).expect(0).json();
    assert_eq!((&back["revision"], &back["status"]), (&json!(1), &json!("TRUSTED")));
    assert_eq!(says(&workspace), "text from revision 1");
    assert_eq!(workspace.status_of("peek@2"), "SUPERSEDED");
    registry_follows(&workspace);
    workspace.refused(&rollback, 2);
    // Every decision has its row and its person.
    let decisions = support::strings(
        &workspace.ledger(),
        "SELECT decision || ' ' || from_status || ' ' || to_status || ' ' || approved_by FROM promotions ORDER BY rowid",
    );
    assert_eq!(decisions[3..], ["PROMOTE VERIFIED TRUSTED ada", "ROLLBACK SUPERSEDED TRUSTED ada"]);
    // A third revision counts on; it does not take the second's number.
    let third = second(&workspace);
    assert_eq!(promote(&workspace, &third)["revision"], 3);
    assert_eq!(says(&workspace), "TEXT from revision 3");
}

#[test]
fn rollback_to_bytes_that_are_gone_changes_nothing() {
    let workspace = Workspace::trusted();
    let component = workspace.component("peek");
    let id = second(&workspace);
    promote(&workspace, &id);
    fs::write(&component, "changed").unwrap();
    workspace.refused(&["rollback", "peek", "--approved-by", "ada"], 3);
    assert_eq!(says(&workspace), "TEXT from revision 2");
}

#[test]
fn a_revoked_revision_never_runs_again() {
    let workspace = Workspace::trusted();
    let id = second(&workspace);
    promote(&workspace, &id);
    let revoke = |key: &str| {
        let args = ["revoke", key, "--why", "it reads too much", "--approved-by", "ada"];
        workspace.json(&args).expect(0).json()
    };
    workspace.refused(&["revoke", "peek", "--why", " ", "--approved-by", "ada"], 2);
    workspace.refused(&["revoke", "peek", "--approved-by", "ada"], 2);
    workspace.refused(&["revoke", "peek@7", "--why", "x", "--approved-by", "ada"], 2);

    // One that is not active: the active one goes on, and rollback cannot bring it back.
    assert_eq!(revoke("peek@1")["status"], "REVOKED");
    assert_eq!(says(&workspace), "TEXT from revision 2");
    workspace.refused(&["rollback", "peek", "--approved-by", "ada"], 2);
    workspace.refused(&["revoke", "peek@1", "--why", "again", "--approved-by", "ada"], 3);

    // The active one: nothing runs under the name any more.
    assert_eq!(revoke("peek")["revision"], 2);
    let error = workspace.refused(&["run-skill", "peek", "--json", r#"{"path":"a.md"}"#], 3);
    assert!(error["message"].as_str().unwrap().contains("REVOKED"), "{error}");
    registry_follows(&workspace);
    let shown = workspace.show("peek@2");
    assert_eq!(shown["promotions"][1]["reason"], "it reads too much");
    assert_eq!(shown["promotions"][1]["decision"], "REVOKE");
    workspace.refused(&["promote-skill", &id, "--approved-by", "ada", "--yes"], 3);
    workspace.refused(&["verify-skill", &id], 3);
    workspace.refused(&["build-skill", &id, "--from", "crates/peek"], 3);
}

#[test]
fn after_the_active_revision_is_revoked_rollback_finds_the_one_before() {
    let workspace = Workspace::trusted();
    let id = second(&workspace);
    promote(&workspace, &id);
    workspace.json(&["revoke", "peek", "--why", "a mistake", "--approved-by", "ada"]).expect(0);
    workspace.run("peek", json!({ "path": "a.md" })).expect(3);
    let back = workspace.json(&["rollback", "peek", "--approved-by", "ada"]).expect(0).json();
    assert_eq!(back["revision"], 1);
    assert_eq!(says(&workspace), "text from revision 1");
    assert_eq!(workspace.status_of("peek@2"), "REVOKED");
    registry_follows(&workspace);
}

#[test]
fn who_decides_is_the_one_named_or_the_one_logged_in() {
    let workspace = Workspace::trusted();
    let revoke = |name: &'static str| ["revoke", name, "--why", "x", "--json"];
    let by = |name: &str| workspace.show(&format!("{name}@1"))["promotions"][1]["approved_by"].clone();
    let odd = workspace.command().args(revoke("peek")).env("USER", "a\u{1b}[31mda").output().unwrap();
    assert_eq!(odd.status.code(), Some(2));
    assert_eq!(workspace.status_of("peek"), "TRUSTED");
    let logged_in = workspace.command().args(revoke("peek")).env("USER", "ada").output().unwrap();
    assert_eq!(logged_in.status.code(), Some(0));
    assert_eq!(by("peek"), "ada");
    // A container names no user. Then it is the number of the account.
    let unnamed = workspace.command().args(revoke("act")).output().unwrap();
    assert_eq!(unnamed.status.code(), Some(0), "{unnamed:?}");
    assert_eq!(by("act"), format!("uid {}", rustix::process::getuid().as_raw()));
}

/// Promotes several proposals at once and gives the exit codes, sorted.
fn at_once(workspace: &Workspace, ids: &[&str]) -> Vec<i32> {
    let start = |id: &&str| -> Child {
        let promote = ["promote-skill", id, "--approved-by", "ada", "--yes"];
        workspace.command().args(promote).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let children: Vec<Child> = ids.iter().map(start).collect();
    let mut codes: Vec<i32> = children.into_iter().map(|mut child| child.wait().unwrap().code().unwrap()).collect();
    codes.sort_unstable();
    codes
}

#[test]
fn of_two_promotions_of_one_proposal_one_wins() {
    let workspace = Workspace::trusted();
    let id = second(&workspace);
    assert_eq!(at_once(&workspace, &[id.as_str(); 4]), [0, 3, 3, 3]);
    assert_eq!(workspace.count("SELECT count(*) FROM promotions WHERE decision = 'PROMOTE'"), 4);
    assert_eq!(workspace.count("SELECT count(*) FROM skill_proposals WHERE status = 'TRUSTED'"), 3);
    assert_eq!(says(&workspace), "TEXT from revision 2");
    registry_follows(&workspace);
}

#[test]
fn of_two_proposals_of_one_name_each_gets_a_revision() {
    let workspace = Workspace::trusted();
    let (one, other) = (second(&workspace), second(&workspace));
    assert_eq!(at_once(&workspace, &[&one, &other]), [0, 0]);
    assert_eq!(says(&workspace), "TEXT from revision 3");
    assert_eq!(
        workspace.count("SELECT count(*) FROM skill_proposals WHERE name = 'peek' AND status = 'SUPERSEDED'"),
        2
    );
    registry_follows(&workspace);
}

#[test]
fn a_promotion_that_is_killed_is_there_whole_or_not_at_all() {
    let workspace = Workspace::trusted();
    let id = second(&workspace);
    let template = workspace.path().to_owned();
    let mut outcomes = Vec::new();
    // The first one is not killed: it tells how many changes of files a promotion makes.
    let mut life = usize::MAX;
    for round in 0..12 {
        let copy = Workspace::new();
        fs::remove_dir_all(copy.path()).unwrap();
        support::copy(&template, copy.path());
        let mut tree = Tree::new(copy.path());
        let mut child = copy
            .command()
            .args(["promote-skill", &id, "--approved-by", "ada", "--yes"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        match round {
            0 => life = tree.changes(&child, life),
            _ => {
                tree.changes(&child, life * (round - 1) / 10);
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        copy.json(&["status"]).expect(0);
        let (now, before) = (copy.status_of(&id), copy.status_of("peek@1"));
        let rows = copy.count("SELECT count(*) FROM promotions WHERE decision = 'PROMOTE'");
        assert!(
            (now.as_str(), before.as_str(), rows) == ("VERIFIED", "TRUSTED", 3)
                || (now.as_str(), before.as_str(), rows) == ("TRUSTED", "SUPERSEDED", 4),
            "round {round}: {now}, {before}, {rows}"
        );
        // Whichever it is, the skill runs; the registry may be behind, and a rebuild brings it up.
        assert_eq!(says(&copy), if rows == 4 { "TEXT from revision 2" } else { "text from revision 1" });
        copy.json(&["rebuild"]).expect(0);
        registry_follows(&copy);
        outcomes.push(rows);
    }
    assert!(outcomes.iter().all(|rows| matches!(rows, 3 | 4)));
}
