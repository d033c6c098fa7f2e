//! Calls over standard input and output: many at once, cancelled, waiting, and left alone by their client.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;

use serde_json::{Value, json};

use super::stdio::said;
use super::stdio_workspace::proposal;
use crate::support::Workspace;
use crate::support::guests::{guest, with_guest};
use crate::support::mcp::client::{Client, newest, policy};

/// A call from a file ends by its own limit. The end of the file does not cancel it.
#[test]
fn what_a_file_asks_is_answered_also_when_it_takes_long() {
    let workspace = with_guest("act", &guest("stay"));
    policy(&workspace, "allow");
    let toml = workspace.path().join("kavi.toml");
    let text = fs::read_to_string(&toml).unwrap();
    fs::write(&toml, text.replace("wall_ms = 120000", "wall_ms = 1500")).unwrap();
    let arguments = json!({ "act": "sleep", "path": "Inbox/AI/a.md" });
    let script = [
        format!("\u{feff}{}", Client::opening("2025-11-25", json!({}))),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string(),
        json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": { "name": "act", "arguments": arguments } })
            .to_string(),
    ];
    let file = workspace.path().join("requests.jsonl");
    fs::write(&file, script.join("\n")).unwrap();
    let mut command = workspace.command();
    let called = command.arg("mcp").stdin(fs::File::open(&file).unwrap()).output().unwrap();
    let text = String::from_utf8(called.stdout).unwrap();
    let answers: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((answers.len(), &answers[0]["id"], &answers[1]["id"]), (2, &json!(0), &json!(7)), "{text}");
    assert!(said(&answers[1]["result"]).contains("wall_ms"), "{text}");
    assert!(called.status.success() && !newest(&workspace).contains("Cancelled"), "{}", newest(&workspace));
}

/// Ends the server in this way while a call sleeps that has written a file, and looks at what is left of the call.
fn ends_a_sleeping_call(end: impl FnOnce(Client)) {
    let workspace = with_guest("act", &guest("stay"));
    policy(&workspace, "allow");
    let mut client = Client::open(&workspace, "2025-11-25", json!({}));
    let arguments = json!({ "act": "sleep", "path": "Inbox/AI/a.md" });
    client.send("tools/call", json!({ "name": "act", "arguments": arguments, "_meta": { "progressToken": 1 } }));
    client.told("notifications/progress");
    end(client);
    assert!(newest(&workspace).starts_with("act 0 mcp tester Cancelled: "), "{}", newest(&workspace));
    assert_eq!(workspace.staged(), 0);
}

/// Also as process 1 of a container, where the kernel has no default action for it.
#[test]
fn a_server_that_is_asked_to_end_cancels_its_calls_and_ends_well() {
    ends_a_sleeping_call(Client::terminate);
}

#[test]
fn a_cancelled_call_is_ended_and_leaves_nothing() {
    // On a thread of its own, and on one that is kept for many runs.
    for (skill, name, input) in [
        ("act", "stay", json!({ "act": "spin", "path": "Inbox/AI/a.md" })),
        ("peek", "spin", json!({ "path": "Inbox" })),
    ] {
        let workspace = with_guest(skill, &guest(name));
        policy(&workspace, "allow");
        let mut client = Client::open(&workspace, "2025-11-25", json!({}));
        // Until its progress is told it has not begun.
        for _ in 0..2 {
            let call = json!({ "name": skill, "arguments": input, "_meta": { "progressToken": "p" } });
            let id = client.send("tools/call", call);
            assert_eq!(client.told("notifications/progress")["params"]["progressToken"], "p");
            client.notify("notifications/cancelled", json!({ "requestId": id }));
            client.wait_for_record(&workspace, &format!("{skill} 0 mcp tester Cancelled: "), newest);
        }
        assert!(client.request("ping", json!({}))["result"].is_object(), "nothing was answered to what was cancelled");
        client.close();
        assert!(!workspace.vault("Inbox/AI/a.md").exists());
        assert_eq!(workspace.staged(), 0);
    }
}

#[test]
fn when_the_client_goes_what_runs_for_it_is_ended() {
    ends_a_sleeping_call(Client::close);
}

#[test]
fn what_waits_for_another_process_does_not_hold_up_lists() {
    let workspace = Workspace::trusted();
    let mut client = Client::open(&workspace, "2025-11-25", json!({}));
    let writer = workspace.ledger();
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    let proposed = client.send("tools/call", json!({ "name": "propose_skill", "arguments": proposal("count_words") }));
    let listed = client.send("tools/list", json!({}));
    assert_eq!(client.next()["id"], listed);
    writer.execute_batch("ROLLBACK").unwrap();
    assert_eq!(client.answer(proposed)["result"]["structuredContent"]["status"], "PROPOSED");
    client.close();
}

#[test]
fn calls_that_never_end_do_not_hold_up_the_others() {
    let workspace = with_guest("act", &guest("stay"));
    fs::write(workspace.vault("Inbox/hello.md"), "hello").unwrap();
    let mut client = Client::open(&workspace, "2025-11-25", json!({}));
    for number in 0..8 {
        let arguments = json!({ "act": "sleep", "path": format!("Inbox/AI/{number}.md") });
        client
            .send("tools/call", json!({ "name": "act", "arguments": arguments, "_meta": { "progressToken": number } }));
    }
    let ran = client.call("peek", json!({ "path": "Inbox/hello.md" }));
    assert_eq!(ran["result"]["structuredContent"]["text"], "hello", "{ran}");
    client.close();
    assert_eq!(workspace.count("SELECT count(*) FROM executions WHERE skill_name = 'act' AND success = 0"), 8);
}

#[test]
fn many_calls_at_once_are_all_answered_and_recorded() {
    let workspace = Workspace::trusted();
    fs::write(workspace.vault("Inbox/hello.md"), "hello").unwrap();
    let mut client = Client::open(&workspace, "2025-11-25", json!({}));
    let call = json!({ "name": "peek", "arguments": { "path": "Inbox/hello.md" } });
    let ids: Vec<i64> = (0..100).map(|_| client.send("tools/call", call.clone())).collect();
    for id in ids {
        assert_eq!(client.answer(id)["result"]["structuredContent"]["text"], "hello");
    }
    assert_eq!(workspace.count("SELECT count(*) FROM executions WHERE success = 1 AND door = 'mcp'"), 100);
    client.close();
}
