//! What an agent does with a workspace: proposals, resources, a stop, and the entry in its own program.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;

use serde_json::{Value, json};

use super::stdio::{SCHEMA, said};
use crate::support::mcp::client::Client;
use crate::support::{self, Workspace, strings};

pub fn proposal(name: &str) -> Value {
    json!({
        "name": name, "description": "Counts words", "why": "I count often\u{1b}[2J", "side_effect_class": "READ_ONLY",
        "io": serde_json::from_str::<Value>(SCHEMA).unwrap(),
    })
}

#[test]
fn an_agent_proposes_and_a_person_reads_it_as_nobodys_word() {
    let workspace = Workspace::trusted();
    let trusted = workspace.count("SELECT count(*) FROM skill_proposals WHERE status = 'TRUSTED'");
    let mut client = Client::open(&workspace, "2025-11-25", json!({}));
    for (change, said_of) in [
        (("why", Value::Null), "why"),
        (("why", json!("x".repeat(3_000))), "2000 bytes"),
        (("name", json!("Bad Name")), "name"),
        (("approved_by", json!("ada")), "approved_by"),
        (("description", json!("x".repeat(100_000))), "larger than"),
    ] {
        let mut bad = proposal("tally");
        bad[change.0] = change.1;
        let answer = client.call("propose_skill", bad);
        assert_eq!(answer["result"]["isError"], true, "{said_of}");
        assert!(said(&answer["result"]).contains(said_of), "{said_of}: {answer}");
    }
    let made = client.call("propose_skill", proposal("tally"))["result"]["structuredContent"].take();
    assert_eq!((&made["name"], &made["status"]), (&json!("tally"), &json!("PROPOSED")), "{made}");
    let id = made["proposal"].as_str().unwrap();
    let shown = workspace.call(&["show", id]).expect(0).stdout;
    assert!(shown.contains("proposed through mcp by what calls itself tester"), "{shown}");
    assert!(shown.contains("| I count often\\u{1b}[2J") && !shown.contains('\u{1b}'), "{shown}");
    assert_eq!(workspace.json(&["show", id]).json()["asker"]["by"], "tester");
    let standing = client.call("skill_status", json!({ "key": "tally" }))["result"]["structuredContent"].take();
    assert_eq!(standing["next"], "a person has it built", "{standing}");
    let listed = client.call("list_proposals", json!({ "most": 1 }))["result"]["structuredContent"].take();
    assert_eq!(listed["proposals"][0]["proposal"], id, "{listed}");
    assert_eq!(client.call("tally", json!({ "path": "x" }))["error"]["code"], -32_602, "it is not trusted");
    for number in 1..20 {
        let made = client.call("propose_skill", proposal(&format!("tally_{number}")));
        assert_eq!(made["result"]["isError"], false, "{made}");
    }
    let refused = client.call("propose_skill", proposal("one_more"));
    assert!(said(&refused["result"]).contains("within an hour"), "{refused}");
    client.close();
    assert_eq!(workspace.count("SELECT count(*) FROM skill_proposals WHERE status = 'TRUSTED'"), trusted);
    assert_eq!(workspace.count("SELECT count(*) FROM proposal_askers"), 20);
}

#[test]
fn what_can_be_read_is_what_was_promoted_and_no_more_of_a_record_than_its_outline() {
    let workspace = Workspace::trusted();
    fs::write(workspace.vault("Inbox/hello.md"), "a secret").unwrap();
    let mut client = Client::open(&workspace, "2025-11-25", json!({}));
    let listed = client.request("resources/list", json!({}))["result"]["resources"].take();
    assert_eq!(listed[0]["uri"], "kavi://context", "{listed}");
    assert_eq!(listed[1]["uri"], "kavi://records", "{listed}");
    assert_eq!(listed[4]["uri"], "skill://kavi/write-note/SKILL.md", "{listed}");
    let mut read = |uri: &str| client.request("resources/read", json!({ "uri": uri }));
    let guidance = read("skill://kavi/write-note/SKILL.md")["result"]["contents"][0]["text"].take();
    let guidance = guidance.as_str().unwrap();
    assert!(guidance.starts_with("---\nname: write-note\ndescription: \""), "{guidance}");
    let skills = client.request("skills/list", json!({}))["result"]["skills"].take();
    let one = client.request("skills/get", json!({ "uri": "skill://kavi/write-note/SKILL.md" }))["result"].take();
    assert_eq!(skills[2], one["skill"], "{one}");
    let digest = format!("sha256:{}", kavi::model::digest::Digest::of(guidance.as_bytes()));
    assert_eq!(one["skill"]["resources"][0]["digest"], digest, "{one}");
    for missing in
        ["skill://kavi/write_note/SKILL.md", "skill://kavi/nothing/SKILL.md", "skill://kavi/../peek/SKILL.md"]
    {
        assert_eq!(client.request("skills/get", json!({ "uri": missing }))["error"]["code"], -32_602);
    }
    let mut read = |uri: &str| client.request("resources/read", json!({ "uri": uri }));
    let digest = workspace.json(&["show", "peek"]).json()["spec_sha256"].as_str().unwrap().to_owned();
    let spec = read(&format!("kavi://artifact/{digest}"))["result"]["contents"][0]["text"].take();
    assert_eq!(serde_json::from_str::<Value>(spec.as_str().unwrap()).unwrap()["name"], "peek");
    let ran = client.call("peek", json!({ "path": "Inbox/hello.md" }));
    let run = ran["result"]["_meta"]["kavi/execution"].as_str().unwrap();
    let uri = format!("kavi://record/{run}");
    let record = client.request("resources/read", json!({ "uri": uri }))["result"]["contents"][0]["text"].take();
    let record = record.as_str().unwrap();
    assert!(
        record.contains("\"success\": true") && !record.contains("hello") && !record.contains("secret"),
        "{record}"
    );
    let failed = client.call("peek", json!({ "path": "not/there.md" }));
    assert_eq!(failed["result"]["isError"], true);
    let id = strings(&workspace.ledger(), "SELECT execution_id FROM executions ORDER BY rowid DESC LIMIT 1").remove(0);
    let why = client.call("explain_failure", json!({ "key": id }))["result"]["structuredContent"]["text"].take();
    assert!(why.as_str().unwrap().contains("SkillError: "), "{why}");
    let newest =
        client.request("resources/read", json!({ "uri": "kavi://records" }))["result"]["contents"][0]["text"].take();
    let newest: Value = serde_json::from_str(newest.as_str().unwrap()).unwrap();
    assert_eq!((&newest[0]["execution_id"], &newest[0]["error"]), (&json!(id), &json!("SkillError")), "{newest}");
    assert_eq!(newest[1], serde_json::from_str::<Value>(record).unwrap());
    let prompt = client.request("prompts/get", json!({ "name": "write_proposal", "arguments": { "task": "count" } }));
    assert!(prompt["result"]["messages"][0]["content"]["text"].as_str().unwrap().ends_with("The task: count"));
    client.close();
}

#[test]
fn a_stop_and_a_workspace_that_is_not_there_are_said() {
    let workspace = Workspace::trusted();
    let mut client = Client::open(&workspace, "2025-11-25", json!({}));
    workspace.call(&["stop", "--why", "a test", "--by", "ada"]).expect(0);
    let ran = client.call("peek", json!({ "path": "Inbox/hello.md" }));
    assert_eq!(ran["result"]["isError"], true);
    assert!(said(&ran["result"]).contains("stopped by ada"), "{ran}");
    client.close();
    let nowhere = support::folder();
    let called = support::feed(
        {
            let mut command = support::kavi(nowhere.path());
            command.arg("mcp");
            command
        },
        "",
    );
    assert!(called.stdout.is_empty() && called.stderr.contains("kavi init"), "{called:?}");
    let refused = workspace.json(&["mcp"]).expect(2);
    assert!(refused.json()["error"]["message"].as_str().unwrap().contains("--output json"));
}

#[test]
fn a_server_that_stays_over_a_stop_and_its_end_compiles_again() {
    let workspace = Workspace::trusted();
    let mut client = Client::open(&workspace, "2025-11-25", json!({}));
    workspace.call(&["stop", "--why", "a test", "--by", "ada"]).expect(0);
    assert_eq!(client.call("peek", json!({ "path": "Inbox/hello.md" }))["result"]["isError"], true);
    workspace.call(&["resume", "--by", "ada"]).expect(0);
    // Nothing is loaded yet, so the compile child runs now, for longer than one look at the switch.
    workspace.call(&["cache", "clear"]).expect(0);
    fs::write(workspace.vault("Inbox/hello.md"), "hello").unwrap();
    let ran = client.call("peek", json!({ "path": "Inbox/hello.md" }));
    assert_ne!(ran["result"]["isError"], true, "{ran}");
    client.close();
}

#[test]
fn an_agents_program_is_told_of_the_workspace_and_keeps_what_it_had() {
    let workspace = Workspace::trusted();
    let printed = workspace.json(&["mcp", "install", "--client", "claude-code"]).expect(0).json();
    let entry = &printed["mcpServers"]["kavi"];
    let root = workspace.path().canonicalize().unwrap();
    assert_eq!(entry["args"], json!(["--workspace", root.to_str().unwrap(), "mcp"]), "{printed}");
    assert!(!workspace.path().join(".mcp.json").exists(), "nothing was asked to be written");
    let file = workspace.path().join(".cursor/mcp.json");
    let write = ["mcp", "install", "--client", "cursor", "--write"];
    assert_eq!(workspace.json(&write).expect(0).json()["copy"], Value::Null);
    let other = r#"{"mcpServers":{"other":{"command":"x"}},"more":1}"#;
    fs::write(&file, other).unwrap();
    let written = workspace.json(&write).expect(0).json();
    assert_eq!(fs::read_to_string(written["copy"].as_str().unwrap()).unwrap(), other);
    let now: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!((&now["more"], &now["mcpServers"]["other"]["command"]), (&json!(1), &json!("x")));
    // What is said there starts a server.
    let command = now["mcpServers"]["kavi"]["command"].as_str().unwrap();
    let arguments: Vec<&str> =
        now["mcpServers"]["kavi"]["args"].as_array().unwrap().iter().map(|a| a.as_str().unwrap()).collect();
    let mut server = support::kavi(std::path::Path::new("/"));
    assert_eq!(server.get_program(), command);
    server.args(arguments);
    let called = support::feed(server, &Client::opening("2025-11-25", json!({})).to_string()).expect(0);
    assert!(called.stdout.contains("\"name\":\"kavi\""), "{called:?}");
    // A second time there is nothing to change.
    let again = workspace.json(&write).expect(0).json();
    assert_eq!((&again["changed"], &again["copy"]), (&json!(false), &Value::Null), "{again}");
    // A program with one file for each person gets its entry below the home folder.
    for (client, file) in [
        ("codex", ".codex/config.toml"),
        ("claude-desktop", ".config/Claude/claude_desktop_config.json"),
        ("windsurf", ".codeium/windsurf/mcp_config.json"),
    ] {
        let home = tempfile::tempdir().unwrap();
        let mut install = workspace.command_with(&["mcp", "install", "--client", client, "--write"]);
        assert!(install.env("HOME", home.path()).status().unwrap().success(), "{client}");
        let text = fs::read_to_string(home.path().join(file)).unwrap();
        assert!(text.contains(root.to_str().unwrap()) && text.contains("--workspace"), "{text}");
    }
    assert!(!workspace.path().join(".codex").exists());
    fs::write(&file, "{ // mine\n}").unwrap();
    assert!(workspace.refused(&write, 3)["message"].as_str().unwrap().contains("not plain JSON"));
}
