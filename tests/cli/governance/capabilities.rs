//! Capabilities: what is revoked is denied with the next call, to agents and to the person at the command line.

use std::fs;

use serde_json::json;

use super::{CHARTER, StoreKind, capability, fresh, open, peek, trusted};
use crate::support::{PEEK, strings};

over_both_stores!(
    a_revoked_capability_is_denied_with_the_next_call,
    capabilities_are_listed_and_checked_and_what_is_unknown_is_denied,
    a_capability_that_is_revoked_from_the_person_holds_at_the_command_line,
);

fn a_revoked_capability_is_denied_with_the_next_call(store: StoreKind) {
    let workspace = trusted(store);
    let mut client = open(&workspace);
    assert!(!peek(&mut client).0);
    capability(&workspace, "revoke", "agent", "run_skill");
    let (failed, said) = peek(&mut client);
    assert!(failed && said.contains("agent:tester may not run_skill"), "{said}");
    capability(&workspace, "grant", "agent:tester", "run_skill");
    assert!(!peek(&mut client).0);
    // Everything else that an agent can ask is checked as well.
    for (capability_name, tool, arguments) in [
        ("list_proposals", "list_proposals", json!({})),
        ("read_proposal", "skill_status", json!({ "key": "peek" })),
        ("explain_failure", "explain_failure", json!({ "key": "peek" })),
    ] {
        capability(&workspace, "revoke", "agent", capability_name);
        let answer = client.call(tool, arguments);
        let said = answer["result"]["content"][0]["text"].as_str().unwrap_or_default();
        assert!(said.contains(&format!("may not {capability_name}")), "{tool}: {answer}");
    }
    for (capability_name, uri) in [("list_records", "kavi://records"), ("list_skills", "skill://kavi/peek/SKILL.md")] {
        capability(&workspace, "revoke", "agent", capability_name);
        let answer = client.request("resources/read", json!({ "uri": uri }));
        assert!(answer["error"]["message"].as_str().unwrap_or_default().contains("may not"), "{uri}: {answer}");
    }
    client.close();
}

fn capabilities_are_listed_and_checked_and_what_is_unknown_is_denied(store: StoreKind) {
    let workspace = fresh(store);
    let listed = workspace.json(&["capability", "list"]).expect(0).json();
    assert_eq!((&listed["granted"], &listed["of"]), (&json!(22), &json!(48)));
    assert_eq!(workspace.json(&["capability", "list", "person"]).expect(0).json()["granted"], 48);
    workspace.json(&["capability", "check", "agent", "run_skill"]).expect(0);
    for (actor, name) in [("agent", "promote_skill"), ("stranger", "run_skill"), ("agent", "fly")] {
        let denied = workspace.json(&["capability", "check", actor, name]).expect(3).json();
        assert_eq!(denied["granted"], false, "{actor} {name}");
    }
    for (actor, name) in [("stranger", "run_skill"), ("agent", "fly"), ("agent:", "run_skill")] {
        workspace.refused(&["capability", "grant", actor, name, "--approved-by", "ada"], 2);
    }
    workspace.refused(&["capability", "revoke", "person", "set_capability", "--approved-by", "ada"], 2);
}

fn a_capability_that_is_revoked_from_the_person_holds_at_the_command_line(store: StoreKind) {
    let workspace = trusted(store);
    workspace.json(&["run-skill", "act", "--json", r#"{"act":"write","path":"Inbox/AI/a.md"}"#, "--hold"]).expect(0);
    let held = strings(&workspace.ledger(), "SELECT id FROM commits WHERE state = 'HELD'").remove(0);
    for (name, args, code) in [
        ("run_skill", vec!["run-skill", "peek", "--json", r#"{"path":"a.md"}"#], 3),
        ("release_effect", vec!["effects", "approve", &held, "--approved-by", "ada", "--yes"], 3),
        ("set_policy", vec!["policy", "set", "disabled", "true", "--approved-by", "ada"], 3),
        ("set_charter", vec!["charter", "set", "kavi.toml", "--approved-by", "ada"], 3),
    ] {
        capability(&workspace, "revoke", "person", name);
        let said = workspace.call(&args).expect(code).stderr;
        assert!(said.contains(&format!("person may not {name}")), "{said}");
    }
    capability(&workspace, "revoke", "chain", "run_skill");
    let steps = r#"{"steps":[{"skill_name":"peek","input":{"path":"a.md"}}]}"#;
    let said = workspace.call(&["consume-chain", "--json", steps]).expect(3).stderr;
    assert!(said.contains("chain may not run_skill"), "{said}");
}

/// What a person decides, by capability, and the least of it. `@` stands for an id that the test makes.
const DECISIONS: &[(&str, &[&str])] = &[
    ("build_skill", &["build-skill", "@open", "--builder", "import", "--from", "@crate"]),
    ("build_skill", &["build-skill", "@open", "--no-invoke"]),
    ("retry_skill", &["forge", "@open", "--builder", "import", "--from", "@crate"]),
    ("verify_skill", &["verify-skill", "@verified"]),
    ("verify_skill", &["reverify", "peek"]),
    ("verify_skill", &["check-invariants", "@verified"]),
    ("research_failure", &["improve", "run"]),
    ("add_bundled", &["add", "search_notes", "--yes", "--approved-by", "ada"]),
    ("reject_proposal", &["reject", "@open", "--why", "no", "--approved-by", "ada"]),
    ("reject_proposal", &["improve", "reject", "1", "--why", "no", "--approved-by", "ada"]),
    ("promote_skill", &["promote-skill", "@verified", "--yes", "--approved-by", "ada"]),
    ("promote_skill", &["guidance", "rollback", "peek", "--why", "no", "--approved-by", "ada"]),
    ("promote_skill", &["guidance", "import", ".", "--approved-by", "ada"]),
    ("rollback_skill", &["rollback", "peek", "--approved-by", "ada"]),
    ("revoke_skill", &["revoke", "peek", "--why", "no", "--approved-by", "ada"]),
    ("release_effect", &["effects", "approve", "@held", "--yes", "--approved-by", "ada"]),
    ("reject_effect", &["effects", "reject", "@held", "--why", "no", "--approved-by", "ada"]),
    ("undo_run", &["undo", "@run", "--yes", "--approved-by", "ada"]),
    ("replay_run", &["replay", "--execution-id", "@run"]),
    ("replay_run", &["replay", "--skill", "act", "--all"]),
    ("prune_records", &["prune", "--keep", "1", "--yes", "--approved-by", "ada"]),
    ("prove_history", &["proof", "peek"]),
    ("prove_history", &["proof", "--run", "@run"]),
    ("adopt_history", &["trust", "adopt", "--why", "a test", "--approved-by", "ada"]),
    ("rebuild_derived", &["rebuild"]),
    ("rebuild_derived", &["cache", "clear"]),
    ("manage_workspace", &["backup", "copy"]),
    ("manage_workspace", &["new", "other"]),
    ("serve_agents", &["mcp"]),
    ("set_charter", &["charter", "set", "charter.md", "--approved-by", "ada"]),
    ("set_policy", &["policy", "set", "disabled", "true", "--approved-by", "ada"]),
    ("set_policy", &["policy", "set", "--defaults", "--approved-by", "ada"]),
    ("set_policy", &["trust", "policy", "--apply", "--approved-by", "ada"]),
];

/// Those that a person cannot lose, and one whose test is below.
const ALWAYS: [&str; 2] = ["set_capability", "stop_workspace"];

#[test]
fn every_decision_of_a_person_needs_its_capability() {
    let workspace = trusted(StoreKind::Sqlite);
    let listed = workspace.json(&["capability", "list", "person"]).expect(0).json();
    let entries = listed["capabilities"].as_array().unwrap().iter();
    let decide: Vec<&str> =
        entries.filter(|entry| entry["group"] == "decide").map(|entry| entry["capability"].as_str().unwrap()).collect();
    let tested = |name: &&str| {
        ALWAYS.contains(name) || *name == "resume_workspace" || DECISIONS.iter().any(|(tested, _)| tested == name)
    };
    assert_eq!((decide.len(), decide.iter().filter(|name| tested(name)).count()), (24, 24), "{decide:?}");
    fs::write(workspace.path().join("charter.md"), CHARTER).unwrap();
    let schema = r#"{"input":{"who":"str"},"output":{"text":"str"}}"#;
    let open = workspace.propose("greet", "READ_ONLY", schema, &[]);
    let source = workspace.source("greet", "");
    let verified = workspace.verified(&PEEK);
    workspace.act("write", "Inbox/AI/mine.md").expect(0);
    let run = strings(&workspace.ledger(), "SELECT execution_id FROM executions ORDER BY rowid DESC LIMIT 1").remove(0);
    workspace.json(&["run-skill", "act", "--json", r#"{"act":"write","path":"Inbox/AI/a.md"}"#, "--hold"]).expect(0);
    let held = strings(&workspace.ledger(), "SELECT id FROM commits WHERE state = 'HELD'").remove(0);
    let named = |word: &str| match word {
        "@open" => open.clone(),
        "@verified" => verified.clone(),
        "@crate" => source.display().to_string(),
        "@run" => run.clone(),
        "@held" => held.clone(),
        word => word.to_owned(),
    };
    for (name, args) in DECISIONS {
        capability(&workspace, "revoke", "person", name);
        let before = workspace.rows();
        let args: Vec<String> = args.iter().copied().map(named).collect();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let said = workspace.call(&args).expect(3).stderr;
        assert!(said.contains(&format!("person may not {name}")), "{args:?}: {said}");
        assert_eq!(workspace.rows(), before, "{args:?}: a denied decision changed the ledger");
        capability(&workspace, "grant", "person", name);
    }
    capability(&workspace, "revoke", "person", "resume_workspace");
    workspace.call(&["stop", "--why", "a test"]).expect(0);
    let said = workspace.call(&["resume"]).expect(3).stderr;
    assert!(said.contains("person may not resume_workspace"), "{said}");
    for name in ALWAYS {
        workspace.refused(&["capability", "revoke", "person", name, "--approved-by", "ada"], 2);
    }
}
