//! What an agent sees of each skill that comes with Kavi.

use serde_json::{Value, json};

use crate::support::mcp::client::Client;
use crate::support::shipped::{SKILLS, fresh};

#[test]
fn each_bundled_skill_is_listed_as_a_tool_that_says_what_it_does() {
    let workspace = fresh();
    let host = "GET https://api.example.com/v1/**";
    workspace.json(&["add", "http_get_json", "--host", host, "--approved-by", "test", "--yes"]).expect(0);
    let mut client = Client::open(&workspace, "2025-11-25", json!({}));
    let tools = client.request("tools/list", json!({}))["result"]["tools"].take();
    client.close();
    for name in SKILLS.into_iter().chain(["http_get_json"]) {
        let mut tool = tools.as_array().unwrap().iter().find(|tool| tool["name"] == name).unwrap().clone();
        // One is of today's compiler, the other of each word of the specification.
        for digest in ["kavi/component", "kavi/spec"] {
            let digest = tool["_meta"][digest].take();
            assert!(digest.as_str().unwrap().starts_with("sha256:"), "{digest}");
        }
        assert_eq!(tool["inputSchema"]["type"], "object");
        described(name, &tool["inputSchema"]);
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("../snapshots");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(format!("bundled_{name}"), format!("{tool:#}")));
    }
}

/// Each argument says what it is.
fn described(skill: &str, schema: &Value) {
    for (name, argument) in schema["properties"].as_object().unwrap() {
        assert!(argument["description"].is_string(), "{skill}: {name}");
    }
}
