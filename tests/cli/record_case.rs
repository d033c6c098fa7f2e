//! `kavi record`: an example from one real call, through the real binary and against a TLS server on the loopback interface.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::Write;

use serde_json::{Value, json};

use super::network::{self, PROBE, PROBE_SCHEMA};
use crate::support::tls_server::{TlsRequest, TlsServer, response};
use crate::support::{Called, Skill, Workspace};

fn answer(request: &TlsRequest, to: &mut dyn Write) -> std::io::Result<()> {
    let json = [("content-type", "application/json"), ("x-part", "a"), ("x-part", "b")];
    match request.path.as_str() {
        "/v1/items?q=a%20b" => to.write_all(&response(200, &json, b"[1,2]")),
        "/v1/binary" => to.write_all(&response(200, &[], b"\xff\xfe")),
        "/v1/token" => to.write_all(&response(200, &[], format!("ghp_{}", "a1B2c3D4e5F6".repeat(3)).as_bytes())),
        _ => to.write_all(&response(404, &[], b"nothing")),
    }
}

/// Records a call of the probe.
fn record(workspace: &Workspace, url: &str, more: &[&str]) -> Called {
    let input = json!({ "url": url }).to_string();
    network::call(workspace, &[&["record", "probe", "--json", &input, "--output", "json"], more].concat())
}

fn message(called: Called, code: i32) -> String {
    called.expect(code).json()["error"]["message"].as_str().unwrap().to_owned()
}

#[test]
fn a_case_of_one_real_call_passes_every_gate_without_its_server() {
    let server = TlsServer::start(&["localhost"], answer).unwrap();
    let workspace = Workspace::new();
    server.roots(workspace.path()).unwrap();
    network::trust_probe(&workspace, &[server.port()], "");
    let url = |path: &str| format!("https://localhost:{}{path}", server.port());

    // Nobody is asked without a terminal, and then nothing is requested.
    let items = url("/v1/items?q=a%20b");
    let refused = message(record(&workspace, &items, &[]), 3);
    assert!(refused.contains("--yes"), "{refused}");
    assert_eq!((server.connections(), workspace.count("SELECT count(*) FROM executions")), (0, 0));

    let recorded = record(&workspace, &items, &["--case", "items", "--out", "items.json", "--yes"]).expect(0).json();
    let text = fs::read_to_string(workspace.path().join("items.json")).unwrap();
    let case: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&recorded["case"], &recorded["looks_like"]), (&case, &Value::Null), "{recorded}");
    assert_eq!((&case["name"], &case["input"]), (&json!("items"), &json!({ "url": items })), "{case}");
    let exchange = &case["exchanges"][0];
    assert_eq!((&exchange["url"], &exchange["reply"]["body"]), (&json!(items), &json!("[1,2]")), "{case}");
    assert_eq!(exchange["reply"]["headers"]["x-part"], "a, b", "{case}");
    let output = json!({ "status": 200, "body": "[1,2]", "error": "" });
    assert_eq!(case["expect"]["ok"], output, "{case}");
    let run = recorded["execution_id"].as_str().unwrap();
    assert_eq!(workspace.show(run)["purpose"], "DRY_RUN");

    // A file is never replaced, and nothing is requested for one that cannot be written.
    let made = server.connections();
    let there = message(record(&workspace, &items, &["--out", "items.json", "--yes"]), 2);
    assert!(there.contains("it is there already"), "{there}");
    assert_eq!(server.connections(), made);

    // What an example cannot have is refused. What looks like a secret is a warning.
    let binary = message(record(&workspace, &url("/v1/binary"), &["--yes"]), 3);
    assert!(binary.contains("is not text") && binary.contains("/v1/binary"), "{binary}");
    let token = record(&workspace, &url("/v1/token"), &["--yes"]).expect(0).json();
    assert_eq!(token["looks_like"], "a GitHub token");
    let warnings = token["warnings"].to_string();
    assert!(warnings.contains("looks like a GitHub token") && !warnings.contains("a1B2c3"), "{warnings}");

    let port = server.port();
    drop(server);
    // The gates run the case without a network: without its exchange the answer would be another one.
    let constant = |text: String| -> &'static str { text.leak() };
    let rule = constant(format!("GET https://localhost:{port}/v1/**"));
    let private = constant(format!("localhost:{port} -> 127.0.0.1"));
    let more: &[&str] = vec!["--host", rule, "--allow-private", private, "--example", "items.json"].leak();
    // Answers are drawn for inputs near the example, and an output cannot have what some of them have.
    let source = constant(PROBE.replace(".into_owned()", ".escape_debug().to_string()"));
    let again = Skill { name: "probe", class: "NETWORK", schema: PROBE_SCHEMA, source, more };
    workspace.verified(&again);
}

#[test]
fn only_a_trusted_skill_that_makes_a_request_is_recorded() {
    let workspace = Workspace::trusted();
    let record = |name: &str, code| {
        let input = r#"{"path":"a.md"}"#;
        message(workspace.json(&["record", name, "--json", input, "--yes"]), code)
    };
    let silent = record("peek", 3);
    assert!(silent.contains("reaches no host"), "{silent}");
    assert!(record("nothing", 2).contains("nothing"));
    assert_eq!(workspace.count("SELECT count(*) FROM executions"), 0);
}
