//! The role charter: it is set by a person, shown, verified and required, and an agent is told who it is.

use std::fs;

use serde_json::{Value, json};

use super::{CHARTER, StoreKind, fresh, open, peek, set, set_charter, trusted};
use crate::support::mcp::client::{Client, newest};
use crate::support::strings;

over_both_stores!(
    a_charter_is_set_shown_and_verified_and_its_history_is_kept,
    without_a_required_charter_no_agent_acts_and_the_person_does,
    kavi_toml_may_require_a_charter_too,
    a_charter_that_was_edited_stops_agents_and_says_what_differs,
    a_charter_whose_text_and_digest_were_both_edited_does_not_fit_the_history,
    an_agent_is_told_who_it_is_and_runs_and_proposals_keep_what_they_were_decided_under,
);

fn a_charter_is_set_shown_and_verified_and_its_history_is_kept(store: StoreKind) {
    let workspace = fresh(store);
    let shown = workspace.json(&["charter", "show"]).expect(0).json();
    assert_eq!((&shown["version"], &shown["charter"]), (&Value::Null, &json!("optional")));
    let first = set_charter(&workspace, CHARTER);
    assert_eq!((&first["version"], &first["set_by"]), (&json!(1), &json!("ada")));
    assert_eq!(first["sections"]["authority_cannot_do"], json!(["promote a skill"]));
    let second = set_charter(&workspace, &CHARTER.replace("notes", "books"));
    assert_eq!(second["version"], 2);
    let shown = workspace.json(&["charter", "show"]).expect(0).json();
    assert_eq!(shown["content_md"], json!(CHARTER.replace("notes", "books")));
    assert_eq!(shown["content_sha256"], second["content_sha256"]);
    let history = workspace.json(&["charter", "history"]).expect(0).json();
    let versions: Vec<&Value> = history["charters"].as_array().unwrap().iter().map(|row| &row["version"]).collect();
    assert_eq!(versions, [&json!(1), &json!(2)]);
    assert_eq!(workspace.json(&["charter", "verify"]).expect(0).json()["ok"], true);
    // It is a decision of the history, with the digest.
    let events = strings(&workspace.ledger(), "SELECT body FROM history WHERE kind = 'charter' ORDER BY position");
    assert_eq!(events.len(), 2);
    assert!(events[1].contains(second["content_sha256"].as_str().unwrap()), "{}", events[1]);
    workspace.call(&["audit"]).expect(0);
    // What is malformed changes nothing.
    fs::write(workspace.path().join("bad.md"), "## identity\nNobody\n").unwrap();
    let error = workspace.refused(&["charter", "set", "bad.md", "--approved-by", "ada"], 2);
    assert!(error["message"].as_str().unwrap().contains("no section authority_can_do"), "{error}");
    assert_eq!(workspace.json(&["charter", "show"]).expect(0).json()["version"], 2);
}

fn without_a_required_charter_no_agent_acts_and_the_person_does(store: StoreKind) {
    let workspace = trusted(store);
    set(&workspace, "context.charter", "required");
    let error = workspace.refused(&["charter", "verify"], 3);
    assert!(error["message"].as_str().unwrap().contains("NoActiveRoleCharter"), "{error}");
    let mut client = open(&workspace);
    let (failed, said) = peek(&mut client);
    assert!(failed && said.starts_with("NoActiveRoleCharter: "), "{said}");
    assert!(newest(&workspace).starts_with("peek 0 mcp tester NoActiveRoleCharter"), "{}", newest(&workspace));
    let proposed = client.call(
        "propose_skill",
        json!({ "name": "greet", "description": "Greets", "why": "to greet",
        "side_effect_class": "READ_ONLY", "io": { "input": { "who": "str" }, "output": { "text": "str" } } }),
    );
    assert_eq!(proposed["result"]["isError"], true, "{proposed}");
    assert_eq!(workspace.count("SELECT count(*) FROM skill_proposals WHERE name = 'greet'"), 0);
    workspace.run("peek", json!({ "path": "a.md" })).expect(0);
    // The server that is running sees the charter with its next call.
    set_charter(&workspace, CHARTER);
    let (failed, said) = peek(&mut client);
    assert!(!failed, "{said}");
    client.close();
}

fn kavi_toml_may_require_a_charter_too(store: StoreKind) {
    let workspace = trusted(store);
    let path = workspace.path().join("kavi.toml");
    let toml = fs::read_to_string(&path).unwrap();
    fs::write(&path, toml.replace("charter = \"optional\"", "charter = \"required\"")).unwrap();
    let mut client = open(&workspace);
    assert!(peek(&mut client).1.starts_with("NoActiveRoleCharter: "));
    client.close();
}

fn a_charter_that_was_edited_stops_agents_and_says_what_differs(store: StoreKind) {
    // An edit of the ledger, one of the database, and what is said.
    let edits = [
        (
            "UPDATE role_charters SET content_md = replace(content_md, 'promote', 'demote')",
            "UPDATE kavi_context.role_charters SET content_md = replace(content_md, 'promote', 'demote')",
            "does not have the SHA-256",
        ),
        (
            "UPDATE role_charters SET content_md = NULL",
            "UPDATE kavi_context.role_charters SET content_md = NULL",
            "has no text",
        ),
        (
            "UPDATE role_charters SET content_hash = substr(content_hash, 2) || '0'",
            "UPDATE kavi_context.role_charters SET content_hash = substr(content_hash, 2) || '0'",
            "does not have the SHA-256",
        ),
        (
            "UPDATE role_charters SET sections_json = replace(sections_json, 'promote', 'demote')",
            "UPDATE kavi_context.role_charters SET sections_json = replace(sections_json, 'promote', 'demote')",
            "not those of its text",
        ),
        (
            "UPDATE role_charters SET active = 0",
            "UPDATE kavi_context.role_charters SET active = false",
            "there is no row",
        ),
        ("DELETE FROM role_charters", "DELETE FROM kavi_context.role_charters", "there is no row"),
        ("UPDATE role_charters SET set_by = 'eve'", "UPDATE kavi_context.role_charters SET set_by = 'eve'", "its row"),
    ];
    for (edit, in_database, said) in edits {
        let workspace = trusted(store);
        set_charter(&workspace, CHARTER);
        workspace.tamper(edit, in_database);
        let error = workspace.refused(&["charter", "verify"], 3);
        let message = error["message"].as_str().unwrap();
        assert!(message.starts_with("RoleCharterIntegrity: ") && message.contains(said), "{edit}: {message}");
        // None is required here: a charter that cannot be believed stops agents all the same.
        let mut client = open(&workspace);
        let (failed, told) = peek(&mut client);
        assert!(failed && told.starts_with("RoleCharterIntegrity: "), "{edit}: {told}");
        client.close();
        workspace.run("peek", json!({ "path": "a.md" })).expect(0);
        // A person mends it by setting a charter again.
        set_charter(&workspace, CHARTER);
        workspace.json(&["charter", "verify"]).expect(0);
    }
}

fn a_charter_whose_text_and_digest_were_both_edited_does_not_fit_the_history(store: StoreKind) {
    let workspace = trusted(store);
    set_charter(&workspace, CHARTER);
    let other = CHARTER.replace("promote", "demote");
    let digest = kavi::model::digest::Digest::of(other.as_bytes());
    let edit = |table: &str| {
        format!(
            "UPDATE {table} SET content_hash = '{digest}', content_md = replace(content_md, 'promote', 'demote'),
                 sections_json = replace(sections_json, 'promote', 'demote')"
        )
    };
    workspace.tamper(&edit("role_charters"), &edit("kavi_context.role_charters"));
    let error = workspace.refused(&["charter", "verify"], 3);
    assert!(error["message"].as_str().unwrap().contains("and the history says charter 1 with"), "{error}");
}

fn an_agent_is_told_who_it_is_and_runs_and_proposals_keep_what_they_were_decided_under(store: StoreKind) {
    let workspace = trusted(store);
    // Where no person ever set anything there is nothing to tell.
    let mut client = Client::start(&workspace);
    client.send_line(&Client::opening("2025-11-25", json!({})).to_string());
    assert!(!client.next()["result"]["instructions"].as_str().unwrap().contains('\u{a7}'));
    client.close();
    set_charter(&workspace, CHARTER);
    let shown = workspace.json(&["context", "show", "--actor", "agent:tester"]).expect(0).json();
    let block = shown["block"].as_str().unwrap();
    assert!(block.starts_with("\u{a7}1 Identity (Role Charter v1)\n"), "{block}");
    assert!(
        block.ends_with("the substrate query wins.\n") && block.contains("\u{a7}5 Granted capabilities (22 of 48)")
    );
    let mut client = Client::start(&workspace);
    client.send_line(&Client::opening("2025-11-25", json!({})).to_string());
    let instructions = client.next()["result"]["instructions"].as_str().unwrap().to_owned();
    assert!(instructions.ends_with(block), "{instructions}");
    client.notify("notifications/initialized", json!({}));
    let read = client.request("resources/read", json!({ "uri": "kavi://context" }));
    assert_eq!(read["result"]["contents"][0]["text"], json!(block));
    let listed = client.request("resources/list", json!({}));
    assert_eq!(listed["result"]["resources"][0]["uri"], "kavi://context");
    assert!(!peek(&mut client).0);
    client.call(
        "propose_skill",
        json!({ "name": "greet", "description": "Greets", "why": "to greet",
        "side_effect_class": "READ_ONLY", "io": { "input": { "who": "str" }, "output": { "text": "str" } } }),
    );
    client.close();
    let digest = shown["context_sha256"].as_str().unwrap();
    let ledger = workspace.ledger();
    let run = strings(&ledger, "SELECT context_sha256 FROM executions ORDER BY rowid DESC LIMIT 1");
    let proposal = strings(&ledger, "SELECT context_sha256 FROM proposal_contexts ORDER BY rowid DESC LIMIT 1");
    assert_eq!((run[0].as_str(), proposal[0].as_str()), (digest, digest));
    let kept = strings(&ledger, &format!("SELECT context_json FROM context_sets WHERE sha256 = '{digest}'")).remove(0);
    let kept: Value = serde_json::from_str(&kept).unwrap();
    assert_eq!(kept["charter"]["sha256"], shown["charter_sha256"]);
    // The record's event covers the digest.
    ledger.execute("UPDATE executions SET context_sha256 = NULL WHERE context_sha256 = ?1", [digest]).unwrap();
    drop(ledger);
    let said = workspace.call(&["audit"]).expect(70).stdout;
    assert!(said.contains("the record is not the one that its event has the digest of"), "{said}");
}
