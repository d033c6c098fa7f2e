//! Decisions besides promotions that a person signs: a resume, an undo, the charter, policy values and capabilities.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;
use std::process::Command;

use kavi::history::proof;
use serde_json::{Value, json};

use crate::approvals::{Person, refused, signed, verifiers_agree};
use crate::forged::verdict;
use crate::governance::CHARTER;
use crate::support::{Called, Workspace, feed};

/// A decision that is signed.
struct Decision {
    /// Its kind, as events name it.
    kind: &'static str,
    /// What its signature is made for.
    namespace: &'static str,
    /// Makes what it is about, and gives the arguments of the command.
    prepare: fn(&Workspace) -> Vec<String>,
    /// What shows whether it was decided.
    decided: &'static str,
}

fn args(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn resume(workspace: &Workspace) -> Vec<String> {
    // A stop needs no key.
    workspace.json(&["stop", "--why", "a look", "--by", "ada"]).expect(0);
    args(&["resume", "--by", "ada"])
}

fn undo(workspace: &Workspace) -> Vec<String> {
    // A run that writes what is there changes nothing, and there is nothing to undo.
    let _ = fs::remove_file(workspace.vault("Inbox/AI/undone.md"));
    let run = workspace.act("write", "Inbox/AI/undone.md").expect(0).json();
    args(&["undo", run["execution_id"].as_str().unwrap(), "--approved-by", "ada", "--yes"])
}

fn charter(workspace: &Workspace) -> Vec<String> {
    fs::write(workspace.path().join("charter.md"), CHARTER).unwrap();
    args(&["charter", "set", "charter.md", "--approved-by", "ada"])
}

const DECISIONS: [Decision; 5] = [
    Decision {
        kind: "resume",
        namespace: "resume@kavi",
        prepare: resume,
        decided: "SELECT count(*) FROM switch_turns WHERE position = 'RUNNING' AND number > 1",
    },
    Decision {
        kind: "undo",
        namespace: "undo@kavi",
        prepare: undo,
        decided: "SELECT count(*) FROM commits WHERE kind = 'UNDO'",
    },
    Decision {
        kind: "charter",
        namespace: "charter@kavi",
        prepare: charter,
        decided: "SELECT count(*) FROM role_charters",
    },
    Decision {
        kind: "policy",
        namespace: "policy-values@kavi",
        prepare: |_| args(&["policy", "set", "rate_limit_per_minute", "60", "--approved-by", "ada"]),
        decided: "SELECT count(*) FROM policy_values",
    },
    Decision {
        kind: "capability",
        namespace: "capability@kavi",
        prepare: |_| args(&["capability", "revoke", "agent", "run_skill", "--approved-by", "ada"]),
        decided: "SELECT count(*) FROM capability_grants",
    },
];

fn call(who: &Person, workspace: &Workspace, args: &[String]) -> Called {
    who.call(workspace, &args.iter().map(String::as_str).collect::<Vec<_>>())
}

/// `ssh-keygen -Y verify` over the files of an exported approval.
fn verified_by_hand(folder: &Path, namespace: &str) -> Called {
    let mut verify = Command::new("ssh-keygen");
    verify.current_dir(folder).args(["-Y", "verify", "-f", "allowed_signers", "-I", "ada", "-n", namespace]);
    verify.args(["-s", "statement.json.sig"]);
    feed(verify, &fs::read_to_string(folder.join("statement.json")).unwrap())
}

#[test]
fn each_decision_needs_the_key_of_a_signer_and_shows_it_to_strangers() {
    let (workspace, person, _) = signed();
    let stranger = Person::with_key();
    let elsewhere = tempfile::tempdir().unwrap();
    for Decision { kind, namespace, prepare, decided } in DECISIONS {
        let args = prepare(&workspace);
        let before = workspace.count(decided);
        let error = call(&stranger, &workspace, &args).expect(3).json()["error"].take();
        assert!(error["message"].as_str().unwrap().contains("must be signed by ada"), "{kind}: {error}");
        assert!(error["hint"].as_str().unwrap().contains("kavi trust signers list"), "{kind}: {error}");
        assert_eq!(workspace.count(decided), before, "{kind}: an unsigned decision left something");
        call(&person, &workspace, &args).expect(0);
        assert_eq!(workspace.count(decided), before + 1, "{kind}");

        let folder = elsewhere.path().join(kind);
        let to = folder.display().to_string();
        let exported = workspace.json(&["trust", "approval", "--decision", kind, "--to", &to]).expect(0).json();
        assert_eq!((&exported["signer"], &exported["namespace"]), (&json!("ada"), &json!(namespace)), "{kind}");
        verified_by_hand(&folder, namespace).expect(0);
        assert_ne!(verified_by_hand(&folder, "promotion@kavi").code, 0, "{kind}: a signature for something else");
        let said: Value = serde_json::from_str(&fs::read_to_string(folder.join("statement.json")).unwrap()).unwrap();
        assert_eq!(said["predicateType"], format!("urn:kavi:{kind}:v1"));

        let file = elsewhere.path().join(format!("{kind}.proof"));
        workspace.json(&["proof", "--decision", kind, "--out", &file.display().to_string()]).expect(0);
        let text = fs::read_to_string(&file).unwrap();
        let proven = proof::check(&text, None).unwrap();
        let line = proven.lines().into_iter().find(|line| line.starts_with(kind)).unwrap();
        assert!(line.contains("signed by ada with SHA256:"), "{line}");
        verifiers_agree(&file);
    }
    assert!(!workspace.vault("Inbox/AI/undone.md").exists());
    let audit = workspace.json(&["audit"]).expect(0).json();
    assert_eq!(audit["audit"]["signed_decisions"], 6, "the enrolment and five decisions: {audit}");
}

/// The same event without its approval, in a history of its own: what a thief of the workspace's key could make.
#[test]
fn both_verifiers_refuse_each_decision_without_its_approval() {
    let (workspace, person, _) = signed();
    for Decision { kind, prepare, .. } in DECISIONS {
        let args = prepare(&workspace);
        call(&person, &workspace, &args).expect(0);
        let text =
            workspace.json(&["proof", "--decision", kind]).expect(0).json()["proof"].as_str().unwrap().to_owned();
        let forged = crate::forged::resigned(&text, |event| {
            if event["kind"] == kind {
                event["detail"].as_object_mut().map(|detail| detail.remove("approval"));
            }
        });
        assert!(verdict(kind, &crate::forged::resigned(&text, |_| {})), "{kind}: signed anew, and otherwise honest");
        assert!(!verdict(kind, &forged), "{kind}: without its approval");
        let another = crate::forged::resigned(&text, |event| {
            if event["kind"] == kind {
                event["subject"] = json!("another");
            }
        });
        assert!(!verdict(kind, &another), "{kind}: with the approval of another event");
    }
}

#[test]
fn to_stop_agents_needs_no_key_and_to_let_them_act_again_does() {
    let (workspace, person, _) = signed();
    let set = ["policy", "set", "disabled"];
    workspace.json(&[&set[..], &["true", "--approved-by", "ada"]].concat()).expect(0);
    for again in [&["false"][..], &["--unset"]] {
        let args = [&set[..], again, &["--approved-by", "ada"]].concat();
        let said = refused(workspace.json(&args), 3);
        assert!(said.contains("must be signed by ada"), "{said}");
    }
    let text =
        workspace.json(&["proof", "--decision", "policy"]).expect(0).json()["proof"].as_str().unwrap().to_owned();
    assert!(verdict("a stop of agents", &text));
    person.call(&workspace, &[&set[..], &["false", "--approved-by", "ada"]].concat()).expect(0);
    workspace.json(&["audit"]).expect(0);
}

#[test]
fn a_key_file_is_not_enough_where_more_is_required() {
    let (workspace, person, _) = signed();
    let settings = workspace.path().join("kavi.toml");
    let text = fs::read_to_string(&settings).unwrap();
    for (required, is) in [("touch", "`touch`"), ("confirm", "`confirm`")] {
        fs::write(&settings, text.replacen("# require = \"signed\"", &format!("require = \"{required}\""), 1)).unwrap();
        for Decision { kind, prepare, .. } in DECISIONS {
            // An undo needs a run, which a stop would refuse.
            if kind == "resume" {
                continue;
            }
            let said = refused(call(&person, &workspace, &prepare(&workspace)), 3);
            assert!(said.contains("of the level `file`") && said.contains(is), "{kind}: {said}");
        }
    }
    let said = refused(call(&person, &workspace, &resume(&workspace)), 3);
    assert!(said.contains("of the level `file`, and `confirm` is required"), "{said}");
    let listed = workspace.json(&["config", "get", "trust.require"]).expect(0).json();
    assert_eq!((&listed["value"], &listed["origin"]), (&json!("confirm"), &json!("kavi.toml")));
}

/// What an agent with a shell tries against a stop, as the same user and without the key.
#[test]
fn an_agent_with_a_shell_does_not_get_out_of_a_stop() {
    let (workspace, person, _) = signed();
    let agent = Person::with_key();
    workspace.json(&["stop", "--why", "it runs wild", "--by", "ada"]).expect(0);
    let refuses = |what: &str| {
        let ran = agent.call(&workspace, &["run-skill", "act", "--json", r#"{"act":"write","path":"Inbox/AI/x.md"}"#]);
        assert!(ran.code == 3 || ran.code == 70, "{what}: {ran:?}");
        assert!(!workspace.vault("Inbox/AI/x.md").exists(), "{what}");
    };
    refused(agent.call(&workspace, &["resume", "--by", "ada"]), 3);
    refuses("resume");
    let settings = workspace.path().join("kavi.toml");
    let honest = fs::read_to_string(&settings).unwrap();
    for edit in ["require = \"none\"", "require = { resume = \"none\" }"] {
        fs::write(&settings, honest.replacen("# require = \"signed\"", edit, 1)).unwrap();
        refused(agent.call(&workspace, &["resume", "--by", "ada"]), 3);
        refuses(edit);
    }
    fs::write(&settings, &honest).unwrap();
    let ledger = crate::approvals::bytes_of(&workspace);
    for edit in [
        "INSERT INTO switch_turns SELECT number + 1, 'RUNNING', 'ada', NULL, created_at FROM switch_turns
             ORDER BY number DESC LIMIT 1",
        "DELETE FROM switch_turns WHERE position = 'STOPPED'",
        "UPDATE switch_turns SET position = 'RUNNING'",
        "UPDATE trust_policies SET policy = replace(policy, '\"resume\":\"signed\"', '\"resume\":\"none\"')",
    ] {
        let open = workspace.ledger();
        open.execute_batch("PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF").unwrap();
        assert!(open.execute(edit, []).unwrap() > 0, "{edit}");
        drop(open);
        let resumed = agent.call(&workspace, &["resume", "--by", "ada"]);
        assert!(resumed.code == 3 || resumed.code == 70, "{edit}: {resumed:?}");
        refuses(edit);
        crate::approvals::put(&workspace, &ledger);
    }
    person.call(&workspace, &["resume", "--by", "ada"]).expect(0);
    workspace.act("write", "Inbox/AI/x.md").expect(0);
}

#[test]
fn a_decision_that_nobody_signed_has_no_approval_to_export() {
    let workspace = Workspace::trusted();
    let to = workspace.path().join("approval").display().to_string();
    workspace.json(&["trust", "approval", "--decision", "resume", "--to", &to]).expect(2);
    workspace.json(&["stop", "--why", "a look", "--by", "ada"]).expect(0);
    workspace.json(&["resume", "--by", "ada"]).expect(0);
    let said = refused(workspace.json(&["trust", "approval", "--decision", "resume", "--to", &to]), 3);
    assert!(said.contains("the newest decision of the kind `resume` was not signed"), "{said}");
    workspace.call(&["trust", "approval", "--decision", "stop", "--to", &to]).expect(2);
    workspace.call(&["proof", "--decision", "run"]).expect(2);
}
