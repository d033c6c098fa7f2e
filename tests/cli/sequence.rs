//! Private data on its way out over several runs: what one run read, and a request of a later one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;

use serde_json::{Value, json};

use super::network;
use crate::support::mcp::client::Client;
use crate::support::tls_server::{TlsServer, response};
use crate::support::{Called, Workspace};

/// A server, and a workspace in which agents and chains may reach it unasked. A note has the URL of it.
fn rig() -> (TlsServer, Workspace) {
    let server = TlsServer::start(&["localhost"], |_, to| to.write_all(&response(200, &[], b"hello"))).unwrap();
    let workspace = Workspace::trusted();
    server.roots(workspace.path()).unwrap();
    network::trust_probe(&workspace, &[server.port()], "");
    let config = workspace.path().join("kavi.toml");
    let mut settings = fs::read_to_string(&config).unwrap();
    for table in ["[policy.chain]\n", "[policy.mcp]\n"] {
        assert!(settings.contains(table));
        settings = settings.replace(table, &format!("{table}NETWORK = \"allow\"\n"));
    }
    fs::write(&config, settings).unwrap();
    fs::write(workspace.vault("Inbox/url.md"), url(&server)).unwrap();
    (server, workspace)
}

fn url(server: &TlsServer) -> String {
    format!("https://localhost:{}/v1/hello", server.port())
}

fn chain(workspace: &Workspace, steps: &Value, more: &[&str]) -> Called {
    let text = json!({ "steps": steps }).to_string();
    network::call(workspace, &[&["consume-chain", "--json", &text, "--output", "json"], more].concat())
}

#[test]
fn a_chain_that_takes_private_data_to_a_request_needs_a_person() {
    let (server, workspace) = rig();
    let peek = json!({ "skill_name": "peek", "input": { "path": "Inbox/url.md" } });
    let fetch = json!({ "skill_name": "probe", "input": { "url": url(&server) } });
    let take = |from: usize| {
        let mapping = json!({ "to_field": "url", "from_path": "text", "from_step_index": from });
        json!({ "skill_name": "probe", "input_template": {}, "from_prev": [mapping] })
    };
    let through = json!({ "to_field": "path", "from_path": "text" });
    let runs = "SELECT count(*) FROM executions";

    // Without a mapping nothing of the note goes along. A chain of requests alone is not private.
    let apart = chain(&workspace, &json!([peek, fetch]), &[]).expect(0).json();
    assert_eq!(apart["output"]["body"], "hello", "{apart}");
    let second = workspace.show(apart["steps"][1]["execution_id"].as_str().unwrap());
    assert_eq!(second["said"]["label"], json!({ "reached": [format!("https://localhost:{}", server.port())] }));

    let (made, recorded) = (server.connections(), workspace.count(runs));
    let direct = json!([peek, take(0)]);
    let around = json!([
        peek,
        { "skill_name": "peek", "input_template": {}, "from_prev": [through] },
        { "skill_name": "probe", "input_template": {}, "from_prev": [
            { "to_field": "url", "from_path": "text", "from_step_index": 1 }] },
    ]);
    for steps in [&direct, &around] {
        let refused = chain(&workspace, steps, &[]).expect(3).json()["error"].take();
        let message = refused["message"].as_str().unwrap();
        assert!(message.contains("private data of step 0 (`peek`) could go into a request of `probe`"), "{refused}");
        assert!(refused["hint"].as_str().unwrap().contains("--yes"), "{refused}");
    }
    assert_eq!((server.connections(), workspace.count(runs)), (made, recorded), "nothing ran");

    let agreed = chain(&workspace, &direct, &["--yes"]).expect(0).json();
    assert_eq!(agreed["output"]["body"], "hello", "{agreed}");
    let ids: Vec<&str> =
        agreed["steps"].as_array().unwrap().iter().map(|s| s["execution_id"].as_str().unwrap()).collect();
    let sent = workspace.show(ids[1]);
    assert_eq!(sent["said"]["label"]["private"], ids[0], "{sent}");
    let shown = workspace.call(&["show", ids[1]]).expect(0).stdout;
    let told =
        format!("private: run {} could read the vault; reached https://localhost:{}", &ids[0][..8], server.port());
    assert!(shown.contains(&told), "{shown}");
    let shown = workspace.call(&["show", ids[0]]).expect(0).stdout;
    assert!(shown.contains("private: it could read the vault"), "{shown}");
}

#[test]
fn an_agent_that_was_given_private_data_makes_no_request_unasked() {
    let (server, workspace) = rig();
    let open = || {
        let mut command = workspace.command();
        command.env("SSL_CERT_FILE", workspace.path().join("roots.pem"));
        Client::of(command, "2025-11-25", json!({}))
    };
    let text = |answer: &Value| answer["result"]["content"][0]["text"].as_str().unwrap().to_owned();
    let mut client = open();
    let fetched = client.call("probe", json!({ "url": url(&server) }));
    assert_eq!(fetched["result"]["structuredContent"]["body"], "hello", "{fetched}");
    // An error tells of the vault as well as an output.
    let missing = client.call("peek", json!({ "path": "Inbox/none.md" }));
    assert_eq!(missing["result"]["isError"], true, "{missing}");
    let made = server.connections();
    let refused = client.call("probe", json!({ "url": url(&server) }));
    let said = text(&refused);
    assert!(said.starts_with("PrivateData: private data of run ") && said.contains("a person must agree"), "{said}");
    assert_eq!((refused["result"]["isError"].as_bool(), server.connections()), (Some(true), made));
    let denied = "SELECT count(*) FROM executions WHERE NOT success AND error LIKE 'PrivateData: %' AND door = 'mcp'";
    assert_eq!(workspace.count(denied), 1);
    let failed = "SELECT execution_id FROM executions WHERE skill_name = 'peek'";
    let failed = crate::support::strings(&workspace.ledger(), failed).remove(0);
    client.close();

    // Another server knows nothing, until it gives out what an earlier run read.
    let mut client = open();
    assert_eq!(client.call("probe", json!({ "url": url(&server) }))["result"]["structuredContent"]["body"], "hello");
    let explained = client.call("explain_failure", json!({ "key": failed }));
    assert!(text(&explained).contains("failed at"), "{explained}");
    assert!(text(&client.call("probe", json!({ "url": url(&server) }))).starts_with("PrivateData: "));
    client.close();

    // A person who types the command is not asked.
    let input = json!({ "url": url(&server) }).to_string();
    network::call(&workspace, &["run-skill", "probe", "--json", &input, "--output", "json"]).expect(0);
    // Nor is one who gives many inputs at once: each line has a broker of its own.
    fs::write(workspace.path().join("lines.jsonl"), format!("{input}\n{input}\n")).unwrap();
    let batch =
        network::call(&workspace, &["run-skill", "probe", "--batch", "lines.jsonl", "--output", "json"]).expect(0);
    assert_eq!(batch.stdout.matches("\"body\":\"hello\"").count(), 4, "{batch:?}");
}
