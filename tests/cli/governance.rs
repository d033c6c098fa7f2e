//! Role charter, policy values and capabilities: a person sets them, and they hold where things run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::ops::Deref;

use serde_json::{Value, json};

use crate::support::mcp::client::{Client, newest};
use crate::support::postgres::{self, Database};
use crate::support::{ACT, PEEK, Workspace, strings};

/// Where charter, policy and capabilities are read from.
#[derive(Debug, Clone, Copy)]
enum StoreKind {
    Sqlite,
    Postgresql,
}

/// A workspace, and the database that its kavi.toml names.
pub struct Governed {
    workspace: Workspace,
    pub database: Option<Database>,
}

impl Deref for Governed {
    type Target = Workspace;

    fn deref(&self) -> &Workspace {
        &self.workspace
    }
}

impl Governed {
    fn new(workspace: Workspace, store: StoreKind) -> Self {
        match store {
            StoreKind::Sqlite => Self { workspace, database: None },
            StoreKind::Postgresql => Self::in_database(workspace),
        }
    }

    /// With a database that Kavi logs in to as the weak role.
    pub fn in_database(workspace: Workspace) -> Self {
        let database = Database::new();
        let governed = Self { workspace, database: Some(database) };
        governed.name_store(&governed.database().url(postgres::ROLE));
        governed
    }

    pub fn database(&self) -> &Database {
        self.database.as_ref().expect("a database")
    }

    /// Has kavi.toml name this store.
    pub fn name_store(&self, url: &str) {
        let path = self.path().join("kavi.toml");
        let toml = fs::read_to_string(&path).unwrap();
        let line = toml.lines().find(|line| line.starts_with("store = ")).expect("the setting");
        fs::write(&path, toml.replace(line, &format!("store = \"{url}\""))).unwrap();
    }

    /// Edits the store behind Kavi: with the first text the ledger, with the second the database.
    fn tamper(&self, sqlite: &str, postgresql: &str) {
        match &self.database {
            Some(database) => drop(database.admin(postgresql)),
            None => {
                let ledger = self.ledger();
                ledger.execute_batch(sqlite).unwrap();
                ledger.close().unwrap();
            }
        }
    }
}

/// Runs each of these bodies over both stores.
macro_rules! over_both_stores {
    ($($body:ident),* $(,)?) => {
        mod sqlite {
            $(#[test]
            fn $body() {
                super::$body(super::StoreKind::Sqlite);
            })*
        }

        mod postgresql {
            $(#[test]
            fn $body() {
                match super::postgres::programs() {
                    Ok(_) => super::$body(super::StoreKind::Postgresql),
                    Err(why) => eprintln!("skipped: {}: {why}", stringify!($body)),
                }
            })*
        }
    };
}

over_both_stores!(
    a_charter_is_set_shown_and_verified_and_its_history_is_kept,
    without_a_required_charter_no_agent_acts_and_the_person_does,
    kavi_toml_may_require_a_charter_too,
    a_charter_that_was_edited_stops_agents_and_says_what_differs,
    a_charter_whose_text_and_digest_were_both_edited_does_not_fit_the_history,
    policy_keys_are_listed_set_explained_and_compared_with_a_run,
    a_policy_value_or_a_grant_that_was_edited_stops_everything,
    a_revoked_capability_is_denied_with_the_next_call,
    capabilities_are_listed_and_checked_and_what_is_unknown_is_denied,
    a_capability_that_is_revoked_from_the_person_holds_at_the_command_line,
    the_kill_switch_stops_agents_at_once_and_the_person_works,
    a_guest_of_an_agent_is_ended_by_the_kill_switch,
    overrides_are_counted_and_the_one_too_many_is_refused,
    an_agent_is_told_who_it_is_and_runs_and_proposals_keep_what_they_were_decided_under,
    a_build_packet_over_the_token_ceiling_is_refused,
);

pub const CHARTER: &str = "# Clerk\n\n## identity\nYou keep the notes.\n\n## authority_can_do\n- read notes\n\n\
    ## authority_cannot_do\n- promote a skill\n";

/// A workspace with trusted skills, and a note to read.
fn trusted(store: StoreKind) -> Governed {
    let workspace = Workspace::trusted();
    fs::write(workspace.vault("a.md"), "text\n").unwrap();
    Governed::new(workspace, store)
}

/// One without skills.
fn fresh(store: StoreKind) -> Governed {
    Governed::new(Workspace::new(), store)
}

pub fn set_charter(workspace: &Workspace, text: &str) -> Value {
    fs::write(workspace.path().join("charter.md"), text).unwrap();
    workspace.json(&["charter", "set", "charter.md", "--approved-by", "ada"]).expect(0).json()
}

pub fn set(workspace: &Workspace, key: &str, value: &str) {
    workspace.json(&["policy", "set", key, value, "--approved-by", "ada"]).expect(0);
}

pub fn capability(workspace: &Workspace, verb: &str, actor: &str, capability: &str) {
    workspace.json(&["capability", verb, actor, capability, "--approved-by", "ada"]).expect(0);
}

pub fn open(workspace: &Workspace) -> Client {
    Client::open(workspace, "2025-11-25", json!({}))
}

/// Calls `peek`, and gives what the model is told.
pub fn peek(client: &mut Client) -> (bool, String) {
    let answer = client.call("peek", json!({ "path": "a.md" }));
    let result = &answer["result"];
    (result["isError"] == json!(true), result["content"][0]["text"].as_str().unwrap_or_default().to_owned())
}

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

fn policy_keys_are_listed_set_explained_and_compared_with_a_run(store: StoreKind) {
    let workspace = trusted(store);
    let listed = workspace.json(&["policy", "list"]).expect(0).json();
    assert_eq!(listed["policy"].as_array().unwrap().len(), 31);
    assert_eq!(listed["drift"], "policy drift: 0 of 31 expected keys are seeded");
    assert!(workspace.call(&["policy", "list"]).expect(0).stdout.contains("<not seeded>"));
    workspace.run("peek", json!({ "path": "a.md" })).expect(0);
    let run = strings(&workspace.ledger(), "SELECT execution_id FROM executions ORDER BY rowid DESC LIMIT 1").remove(0);
    set(&workspace, "rate_limit_per_minute", "60");
    set(&workspace, "policy.mcp.FILE_WRITE", "deny");
    let got = workspace.json(&["policy", "get", "rate_limit_per_minute"]).expect(0).json();
    assert_eq!((&got["value"], &got["seeded"], &got["range"]), (&json!(60), &json!(true), &json!("0 to 1000000")));
    let diff = workspace.json(&["policy", "diff", &run]).expect(0).json();
    let changed: Vec<&Value> = diff["differences"].as_array().unwrap().iter().map(|one| &one["key"]).collect();
    assert_eq!(changed, [&json!("policy.mcp.FILE_WRITE"), &json!("rate_limit_per_minute")]);
    let explained = workspace.json(&["policy", "explain", "agent", "FILE_WRITE"]).expect(0).json();
    assert_eq!((&explained["answer"], &explained["by"]), (&json!("deny"), &json!("policy")));
    assert_eq!(explained["layers"].as_array().unwrap().len(), 7, "{explained}");
    // The defaults of all that have one, and the rules of kavi.toml.
    let seeded = workspace.json(&["policy", "set", "--defaults", "--approved-by", "ada"]).expect(0).json();
    assert_eq!(seeded["seeded"].as_array().unwrap().len(), 26, "{seeded}");
    workspace.json(&["policy", "set", "rate_limit_per_minute", "--unset", "--approved-by", "ada"]).expect(0);
    let listed = workspace.json(&["policy", "list"]).expect(0).json();
    assert_eq!(listed["drift"], "policy drift: 27 of 31 expected keys are seeded");
    for (key, value) in
        [("rate_limit_per_minute", "many"), ("nonsense", "1"), ("policy.background.FILE_WRITE", "allow")]
    {
        workspace.refused(&["policy", "set", key, value, "--approved-by", "ada"], 2);
    }
}

fn a_policy_value_or_a_grant_that_was_edited_stops_everything(store: StoreKind) {
    for (edit, in_database) in [
        ("UPDATE policy_values SET value_json = '1000'", "UPDATE kavi_context.policy_values SET value_json = '1000'"),
        ("UPDATE capability_grants SET granted = 1", "UPDATE kavi_context.capability_grants SET granted = true"),
    ] {
        let workspace = trusted(store);
        set(&workspace, "rate_limit_per_minute", "1");
        capability(&workspace, "revoke", "agent", "run_skill");
        workspace.tamper(edit, in_database);
        for args in [&["policy", "list"][..], &["capability", "list"]] {
            let error = workspace.refused(args, 3);
            assert!(error["message"].as_str().unwrap().contains("changed outside of Kavi"), "{edit}: {error}");
        }
        // A ledger that was edited is broken. A store that was edited is refused, and mended from the ledger.
        let code = if workspace.database.is_some() { 3 } else { 70 };
        workspace.run("peek", json!({ "path": "a.md" })).expect(code);
        if workspace.database.is_some() {
            workspace.json(&["context", "publish"]).expect(0);
            workspace.run("peek", json!({ "path": "a.md" })).expect(0);
        }
    }
}

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

fn the_kill_switch_stops_agents_at_once_and_the_person_works(store: StoreKind) {
    let workspace = trusted(store);
    let mut client = open(&workspace);
    assert!(!peek(&mut client).0);
    set(&workspace, "disabled", "true");
    let (failed, said) = peek(&mut client);
    assert!(failed && said.contains("a person stopped the agents of this workspace"), "{said}");
    let status = client.call("skill_status", json!({ "key": "peek" }));
    assert_eq!(status["result"]["isError"], true, "{status}");
    workspace.run("peek", json!({ "path": "a.md" })).expect(0);
    set(&workspace, "disabled", "false");
    assert!(!peek(&mut client).0);
    client.close();
}

fn a_guest_of_an_agent_is_ended_by_the_kill_switch(store: StoreKind) {
    let workspace = trusted(store);
    let path = workspace.path().join("kavi.toml");
    let toml = fs::read_to_string(&path).unwrap();
    fs::write(&path, toml.replace("wall_ms = 10000", "wall_ms = 300000").replace("cpu_ms = 5000", "cpu_ms = 300000"))
        .unwrap();
    let mut client = open(&workspace);
    let call = json!({ "name": "act", "arguments": { "act": "spin", "path": "Inbox/AI/a.md" }, "_meta": { "progressToken": "p" } });
    let spinning = client.send("tools/call", call);
    // Until its progress is told it has not begun.
    client.told("notifications/progress");
    set(&workspace, "disabled", "true");
    let answer = client.answer(spinning);
    let said = answer["result"]["content"][0]["text"].as_str().unwrap_or_default();
    assert!(said.starts_with("Denied: the run was ended: a person stopped the agents"), "{answer}");
    client.close();
}

#[test]
fn sixteen_processes_together_never_exceed_the_rate() {
    const LIMIT: usize = 30;
    let workspace = trusted(StoreKind::Sqlite);
    set(&workspace, "rate_limit_per_minute", &LIMIT.to_string());
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let mut client = open(&workspace);
                let ids: Vec<i64> = (0..10)
                    .map(|_| client.send("tools/call", json!({ "name": "peek", "arguments": { "path": "a.md" } })))
                    .collect();
                for id in ids {
                    let answer = client.answer(id);
                    let said = answer["result"]["content"][0]["text"].as_str().unwrap_or_default();
                    let limited = said.starts_with("RateLimited: `rate_limit_per_minute` of 30 is used up");
                    assert!(answer["result"]["isError"] != json!(true) || limited, "{answer}");
                }
                client.close();
            });
        }
    });
    // Of the runs that succeeded, no minute holds more than the limit, whatever time the test took.
    let sql = "SELECT CAST(unixepoch(finished_at, 'subsec') * 1000 AS INTEGER) FROM executions
         WHERE door = 'mcp' AND success ORDER BY rowid";
    let ledger = workspace.ledger();
    let times: Vec<i64> =
        ledger.prepare(sql).unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert!(times.len() >= LIMIT, "{} runs succeeded", times.len());
    // A record is counted some milliseconds after its time.
    let most = times.iter().map(|begin| times.iter().filter(|at| (*begin..begin + 55_000).contains(at)).count()).max();
    assert_eq!(most, Some(LIMIT));
    assert_eq!(workspace.count("SELECT count(*) FROM executions WHERE door = 'mcp'"), 160);
    // The person is not limited.
    workspace.run("peek", json!({ "path": "a.md" })).expect(0);
}

fn overrides_are_counted_and_the_one_too_many_is_refused(store: StoreKind) {
    let workspace = trusted(store);
    set(&workspace, "max_nonsecurity_overrides_per_24h", "2");
    let mut client = open(&workspace);
    let held: Vec<String> = (0..3)
        .map(|number| {
            let path = format!("Inbox/AI/{number}.md");
            let answer = client.call("act", json!({ "act": "write", "path": path }));
            answer["result"]["structuredContent"]["id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
        })
        .collect();
    client.close();
    let approve = |id: &str| workspace.call(&["effects", "approve", id, "--approved-by", "ada", "--yes"]);
    approve(&held[0]).expect(0);
    approve(&held[1]).expect(0);
    let said = approve(&held[2]).expect(3).stderr;
    assert!(said.contains("`max_nonsecurity_overrides_per_24h` of 2 is used up"), "{said}");
    assert!(workspace.vault("Inbox/AI/1.md").exists() && !workspace.vault("Inbox/AI/2.md").exists());
    // What the person's own channel allows is no override.
    workspace.act("write", "Inbox/AI/mine.md").expect(0);
    set(&workspace, "max_nonsecurity_overrides_per_24h", "3");
    approve(&held[2]).expect(0);
}

#[test]
fn a_long_output_is_cut_for_the_agent_and_whole_in_the_record() {
    let workspace = trusted(StoreKind::Sqlite);
    let text = "\u{e4}".repeat(4_000);
    fs::write(workspace.vault("long.md"), &text).unwrap();
    set(&workspace, "output_size_cap_pull", "500");
    let mut client = open(&workspace);
    let tools = client.request("tools/list", json!({}));
    let listed = tools["result"]["tools"].as_array().unwrap().iter().find(|tool| tool["name"] == "peek").unwrap();
    let schema = jsonschema::validator_for(&listed["outputSchema"]).unwrap();
    let answer = client.call("peek", json!({ "path": "long.md" }));
    let cut = &answer["result"]["structuredContent"];
    assert!(schema.is_valid(cut), "{cut}");
    assert_eq!(cut["truncated"], true);
    let whole = format!("{{\"text\":\"{text}\"}}");
    assert_eq!(
        (&cut["bytes"], &cut["sha256"]),
        (&json!(whole.len()), &json!(kavi::model::digest::Digest::of(whole.as_bytes()).to_string()))
    );
    let content = answer["result"]["content"].as_array().unwrap();
    assert_eq!(serde_json::from_str::<Value>(content[0]["text"].as_str().unwrap()).unwrap(), *cut);
    let head = content[1]["text"].as_str().unwrap();
    assert!(whole.starts_with(head) && (499..=500).contains(&head.len()), "{} bytes", head.len());
    // What it points to can be read, and the record has all of it.
    let read = client.request("resources/read", json!({ "uri": cut["resource"] }));
    assert!(read["result"]["contents"][0]["text"].is_string(), "{read}");
    assert_eq!(workspace.count("SELECT length(output_json) > 4000 FROM executions ORDER BY rowid DESC LIMIT 1"), 1);
    let short = client.call("peek", json!({ "path": "a.md" }));
    assert!(
        short["result"]["structuredContent"]["text"].is_string()
            && schema.is_valid(&short["result"]["structuredContent"])
    );
    client.close();
    // The person gets all of it.
    let mine = workspace.run("peek", json!({ "path": "long.md" })).expect(0).json();
    assert_eq!(mine["output"]["text"], json!(text));
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

fn a_build_packet_over_the_token_ceiling_is_refused(store: StoreKind) {
    let workspace = fresh(store);
    let id = workspace.propose("greet", "READ_ONLY", r#"{"input":{"who":"str"},"output":{"text":"str"}}"#, &[]);
    set(&workspace, "context_assembler_token_ceiling.claude-sonnet-4-5", "1000");
    let source = workspace.source("greet", "");
    let said = workspace.call(&["build-skill", &id, "--from", source.to_str().unwrap()]).expect(3).stderr;
    assert!(said.contains("the build packet has") && said.contains("is 1000"), "{said}");
    assert_eq!(workspace.count("SELECT count(*) FROM builds"), 0);
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

#[test]
fn an_attempt_that_a_person_lets_go_ahead_counts_as_an_override() {
    let workspace = trusted(StoreKind::Sqlite);
    let schema = r#"{"input":{"act":"str","path":"str","more?":"int"},"output":{"said":"str"}}"#;
    // A revision that may write more waits for a person.
    let wider =
        |folder: &str| workspace.propose("act", "FILE_WRITE", schema, &["--path", "Inbox/AI", "--path", folder]);
    let (first, second) = (wider("Projects"), wider("Areas"));
    let from = workspace.source("act", ACT.source).display().to_string();
    let build = |id: &str| workspace.json(&["build-skill", id, "--from", &from, "--acknowledge", "ada"]);
    set(&workspace, "max_nonsecurity_overrides_per_24h", "1");
    build(&first).expect(0);
    let error = build(&second).expect(3).json();
    let message = error["error"]["message"].as_str().unwrap();
    assert!(message.contains("`max_nonsecurity_overrides_per_24h` of 1 is used up"), "{error}");
    assert_eq!(workspace.count("SELECT count(*) FROM acknowledgements"), 1);
    // What needs no person's word is no override.
    let own = workspace.propose("greet", "READ_ONLY", r#"{"input":{"who":"str"},"output":{"text":"str"}}"#, &[]);
    let plain = workspace.source("greet", "").display().to_string();
    let said = workspace.call(&["build-skill", &own, "--from", &plain]).stderr;
    assert!(!said.contains("used up"), "{said}");
    set(&workspace, "max_nonsecurity_overrides_per_24h", "2");
    build(&second).expect(0);
}
