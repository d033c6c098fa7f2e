//! Sessions over HTTP: how they begin and end, what is cancelled with them, and how many there are.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::net::TcpStream;
use std::sync::Arc;
use std::thread;

use serde_json::{Value, json};

use super::http::{greeting, peek, ping, recorded, stay, staying};
use crate::support::mcp::client::{self, newest, note};
use crate::support::mcp::http_client::Served;

#[test]
fn a_session_lists_calls_and_ends() {
    let workspace = greeting();
    let served = Served::start(&workspace, &[]);
    for revision in ["2025-03-26", "2025-06-18", "2025-11-25"] {
        let session = served.session(revision, json!({}));
        let tools = session.send(1, "tools/list", json!({})).answer();
        let names: Vec<&str> =
            tools["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
        assert_eq!(names[5..], ["act", "peek", "write_note"]);
        let ran = session.call(2, "peek", peek()).answer();
        assert_eq!(ran["result"]["structuredContent"], json!({ "text": "hello" }), "{ran}");
        assert_eq!(newest(&workspace), "peek 1 mcp tester ");
        let again = session.send(3, "initialize", client::Client::opening(revision, json!({}))["params"].clone());
        assert!(again.answer()["error"]["message"].as_str().unwrap().contains("initialized before"));
        let held = session.call(4, "write_note", note("Inbox/AI/a.md")).answer();
        assert!(held["result"]["_meta"]["kavi/held"].is_string(), "{held}");
        assert_eq!(session.with("DELETE", "").status, 202);
        assert_eq!(session.send(5, "ping", json!({})).status, 404);
    }
    assert_eq!(served.with("POST", &[("Mcp-Session-Id", "nobody's")], &ping(1)).status, 404);
    served.end();
}

#[test]
fn messages_in_an_array_are_for_the_revision_that_has_them() {
    let workspace = greeting();
    let served = Served::start(&workspace, &[]);
    let session = served.session("2025-03-26", json!({}));
    let call = json!({ "jsonrpc": "2.0", "id": "b", "method": "tools/call", "params": { "name": "peek", "arguments": peek() } });
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let array = json!([{ "jsonrpc": "2.0", "id": 1, "method": "ping" }, call, initialized, 7]);
    let mut together = session.post(&array);
    let answers: Vec<Value> = std::iter::from_fn(|| together.event()).collect();
    let of = |id: Value| answers.iter().find(|answer| answer["id"] == id).unwrap();
    assert_eq!(of(json!(1))["result"], json!({}));
    assert_eq!(of(json!("b"))["result"]["structuredContent"]["text"], "hello");
    assert_eq!(of(Value::Null)["error"]["code"], -32_600);
    assert_eq!(answers.len(), 3);
    assert_eq!(session.post(&json!([initialized])).status, 202);
    let later = served.session("2025-11-25", json!({}));
    assert_eq!(later.post(&array).status, 400);
    served.end();
}

#[test]
fn the_revision_without_sessions_is_served_request_by_request() {
    let workspace = greeting();
    let served = Served::start(&workspace, &[]);
    let found = served.modern("server/discover", json!({}), json!({})).answer();
    assert!(found["result"]["supportedVersions"].as_array().unwrap().contains(&json!(client::LATEST)), "{found}");
    let ran = served.modern("tools/call", json!({ "name": "peek", "arguments": peek() }), json!({})).answer();
    assert_eq!(ran["result"]["structuredContent"], json!({ "text": "hello" }), "{ran}");
    assert_eq!(newest(&workspace), "peek 1 mcp tester ");
    // A question is one request's, its answer another's.
    let mut call = json!({ "name": "write_note", "arguments": note("Inbox/AI/a.md") });
    let elicits = json!({ "elicitation": {} });
    let asked = served.modern("tools/call", call.clone(), elicits.clone()).answer();
    assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
    assert!(!workspace.vault("Inbox/AI/a.md").exists());
    call["requestState"] = asked["result"]["requestState"].clone();
    call["inputResponses"] = json!({ "decision": { "action": "accept", "content": { "decision": "write" } } });
    let written = served.modern("tools/call", call.clone(), elicits.clone()).answer();
    assert_eq!(written["result"]["isError"], false, "{written}");
    assert!(workspace.vault("Inbox/AI/a.md").exists());
    assert_eq!(served.modern("tools/call", call, elicits).answer()["error"]["code"], -32_602);
    served.end();
}

#[test]
fn a_person_is_asked_within_the_answer_to_the_call() {
    let workspace = greeting();
    let served = Served::start(&workspace, &[]);
    let session = served.session("2025-11-25", json!({ "elicitation": {} }));
    let mut call = session.call(1, "write_note", note("Inbox/AI/a.md"));
    let asked = call.event().unwrap();
    assert_eq!(asked["method"], "elicitation/create");
    let yes = json!({ "action": "accept", "content": { "decision": "write" } });
    let told = session.post(&json!({ "jsonrpc": "2.0", "id": asked["id"], "result": yes }));
    assert_eq!(told.status, 202);
    assert_eq!(call.event().unwrap()["result"]["isError"], false);
    assert!(workspace.vault("Inbox/AI/a.md").exists());
    served.end();
}

#[test]
fn a_promotion_is_told_to_those_who_listen_and_holds_for_the_next_call() {
    let workspace = greeting();
    let served = Served::start(&workspace, &[]);
    let session = served.session("2025-11-25", json!({}));
    let mut stream = session.with("GET", "");
    let wanted = json!({ "notifications": { "toolsListChanged": true } });
    let mut listening = served.modern("subscriptions/listen", wanted, json!({}));
    assert_eq!(listening.event().unwrap()["method"], "notifications/subscriptions/acknowledged");
    workspace.call(&["revoke", "peek", "--why", "not needed", "--approved-by", "ada"]).expect(0);
    for stream in [&mut stream, &mut listening] {
        assert_eq!(stream.event().unwrap()["method"], "notifications/tools/list_changed");
    }
    assert_eq!(session.call(1, "peek", peek()).answer()["error"]["code"], -32_602);
    served.end();
}

#[test]
fn an_id_is_taken_once_and_a_cancelled_call_is_ended() {
    let workspace = staying();
    let served = Served::start(&workspace, &[]);
    let session = served.session("2025-11-25", json!({}));
    for count in 1..=2 {
        let mut call = loop {
            let mut call = session.call(7, "act", stay());
            let first = call.event().unwrap();
            if first["method"] == "notifications/progress" {
                break call;
            }
            // The one before is on record, and its handler not done yet.
            assert!(
                first["error"]["message"].as_str().unwrap().contains("a request with this id is active"),
                "{first}"
            );
        };
        let second = session.send(7, "ping", json!({})).answer();
        assert!(second["error"]["message"].as_str().unwrap().contains("a request with this id is active"), "{second}");
        let cancelled = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 7 } });
        assert_eq!(session.post(&cancelled).status, 202);
        assert!(recorded(&workspace, &served, count).starts_with("act 0 mcp tester Cancelled: "));
        assert_eq!(call.event(), None, "nothing is answered to what was cancelled");
    }
    assert_eq!(workspace.staged(), 0);
    served.end();
}

#[test]
fn when_a_session_ends_or_a_client_vanishes_what_runs_for_it_is_ended() {
    let workspace = staying();
    let served = Served::start(&workspace, &[]);
    let session = served.session("2025-11-25", json!({}));
    let mut call = session.call(1, "act", stay());
    assert_eq!(call.event().unwrap()["method"], "notifications/progress");
    assert_eq!(session.with("DELETE", "").status, 202);
    assert!(recorded(&workspace, &served, 1).starts_with("act 0 mcp tester Cancelled: "));
    let mut call = served.modern("tools/call", json!({ "name": "act", "arguments": stay() }), json!({}));
    assert_eq!(call.event().unwrap()["method"], "notifications/progress");
    drop(call);
    assert!(recorded(&workspace, &served, 2).starts_with("act 0 mcp tester Cancelled: "));
    assert_eq!(workspace.staged(), 0);
    served.end();
}

#[test]
fn asked_to_end_it_takes_back_what_does_not_end_by_itself_and_answers_what_does() {
    let workspace = staying();
    let served = Served::start(&workspace, &[]);
    let session = served.session("2025-11-25", json!({}));
    let mut stream = session.with("GET", "");
    let mut call = session.call(1, "act", stay());
    assert_eq!(call.event().unwrap()["method"], "notifications/progress");
    let address = served.address.clone();
    served.end();
    assert!(newest(&workspace).starts_with("act 0 mcp tester Cancelled: "), "{}", newest(&workspace));
    assert_eq!(workspace.staged(), 0);
    assert_eq!(stream.event(), None);
    assert!(TcpStream::connect(address).is_err());

    let workspace = greeting();
    let served = Served::start(&workspace, &[]);
    let session = served.session("2025-11-25", json!({}));
    let calls: Vec<_> = (0..20).map(|id| session.call(id, "peek", peek())).collect();
    served.ask_to_end();
    for call in calls {
        assert_eq!(call.answer()["result"]["structuredContent"]["text"], "hello");
    }
    served.ended();
}

#[test]
fn fifty_sessions_at_once_are_served_and_one_too_many_takes_the_place_of_an_idle_one() {
    let workspace = greeting();
    let served = Arc::new(Served::start(&workspace, &[]));
    let clients: Vec<_> = (0..50)
        .map(|_| {
            let served = Arc::clone(&served);
            thread::spawn(move || {
                let session = served.session("2025-11-25", json!({}));
                for id in 0..4 {
                    let ran = session.call(id, "peek", peek()).answer();
                    assert_eq!(ran["result"]["structuredContent"]["text"], "hello", "{ran}");
                }
                session.id.clone()
            })
        })
        .collect();
    let mut ids: Vec<String> = clients.into_iter().map(|client| client.join().unwrap()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 50);
    assert_eq!(workspace.count("SELECT count(*) FROM executions WHERE success = 1 AND door = 'mcp'"), 200);
    let first = served.session("2025-11-25", json!({}));
    (0..49).for_each(|_| drop(served.session("2025-11-25", json!({}))));
    let last = served.session("2025-11-25", json!({}));
    assert_eq!(last.send(1, "ping", json!({})).answer()["result"], json!({}));
    assert_eq!(first.send(1, "ping", json!({})).answer()["result"], json!({}), "it was not the oldest");
    let open = |id: &&String| served.with("POST", &[("Mcp-Session-Id", id)], &ping(1)).status == 200;
    assert_eq!(ids.iter().filter(open).count(), 49);
    Arc::into_inner(served).unwrap().end();
}
