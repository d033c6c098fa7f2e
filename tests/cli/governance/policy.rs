//! Policy values: they are set by a person, explained, and hold where agents act. So does the kill switch.

use std::fs;

use serde_json::{Value, json};

use super::{StoreKind, capability, fresh, open, peek, set, trusted};
use crate::support::{ACT, strings};

over_both_stores!(
    policy_keys_are_listed_set_explained_and_compared_with_a_run,
    a_policy_value_or_a_grant_that_was_edited_stops_everything,
    the_kill_switch_stops_agents_at_once_and_the_person_works,
    a_guest_of_an_agent_is_ended_by_the_kill_switch,
    overrides_are_counted_and_the_one_too_many_is_refused,
    a_build_packet_over_the_token_ceiling_is_refused,
);

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

fn a_build_packet_over_the_token_ceiling_is_refused(store: StoreKind) {
    let workspace = fresh(store);
    let id = workspace.propose("greet", "READ_ONLY", r#"{"input":{"who":"str"},"output":{"text":"str"}}"#, &[]);
    set(&workspace, "context_assembler_token_ceiling.claude-sonnet-4-5", "1000");
    let source = workspace.source("greet", "");
    let said = workspace.call(&["build-skill", &id, "--from", source.to_str().unwrap()]).expect(3).stderr;
    assert!(said.contains("the build packet has") && said.contains("is 1000"), "{said}");
    assert_eq!(workspace.count("SELECT count(*) FROM builds"), 0);
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
