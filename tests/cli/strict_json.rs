//! JSON at every edge: no number is rounded on its way in, and nothing that is not printable gets out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;

use crate::support::mcp::client::Client;
use crate::support::{PEEK, Workspace, feed};
use serde_json::{Value, json};

/// A number that a double does not hold, and what a double makes of it.
const ODD: &str = "9007199254740993.0";
const ROUNDED: &str = "would be rounded to 9007199254740992.0";

#[track_caller]
fn refused(message: &Value) {
    assert!(message.as_str().is_some_and(|message| message.contains(ROUNDED)), "{message}");
}

#[test]
fn a_number_that_reading_would_change_is_refused_wherever_json_comes_in() {
    let workspace = Workspace::trusted();
    let input = format!(r#"{{"path":"a.md","n":{ODD}}}"#);
    refused(&workspace.refused(&["run-skill", "peek", "--json", &input], 2)["message"]);

    let mut command = workspace.command();
    command.args(["run-skill", "peek", "--batch", "-", "--output", "json"]);
    let line: Value =
        serde_json::from_str(feed(command, &format!("{input}\n")).stdout.lines().next().unwrap()).unwrap();
    refused(&line["error"]["message"]);

    let chain = format!(r#"{{"steps":[{{"skill_name":"peek","input":{input}}}]}}"#);
    refused(&workspace.refused(&["consume-chain", "--json", &chain], 2)["message"]);

    let schema =
        PEEK.schema.replace(r#""path":"str""#, &format!(r#""path":"str","n":{{"type":"number","maximum":{ODD}}}"#));
    let propose = |more: &[&str]| {
        let args = ["propose-skill", "--name", "x", "--desc", "x", "--side-effect", "READ_ONLY", "--io-schema-json"];
        workspace.refused(&[&args[..], more].concat(), 2)
    };
    refused(&propose(&[&schema])["message"]);
    fs::write(workspace.path().join("in.json"), &input).unwrap();
    fs::write(workspace.path().join("out.json"), r#"{"text":"a"}"#).unwrap();
    refused(&propose(&[PEEK.schema, "--example", "in.json=out.json"])["message"]);
    let spec = workspace.path().join("spec.json");
    fs::write(&spec, format!(r#"{{"v":1,"name":"x","n":{ODD}}}"#)).unwrap();
    refused(&workspace.refused(&["propose-skill", "--spec", &spec.to_string_lossy()], 2)["message"]);

    let mut client = Client::open(&workspace, "2025-11-25", json!({}));
    let call = format!(r#"{{"name":"peek","arguments":{input}}}"#);
    client.send_line(&format!(r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{call}}}"#));
    let answer = client.next();
    assert_eq!(answer["error"]["code"], -32_700, "{answer}");
    refused(&answer["error"]["message"]);
    client.close();
}

/// Orders to a terminal, characters that turn the text around, and line ends that only some readers know.
const HOSTILE: &str =
    "a\u{1b}[2J\u{7f}\u{85}\u{9b}31m\u{202e}\u{2066}\u{200b}\u{2028}\u{2029}\u{a0}\u{feff}\u{e000}\u{e0041}ä漢";

#[track_caller]
fn printable(what: &str, text: &str) {
    assert!(text.contains("\\u2028") && text.contains("\\u009b") && text.contains('漢'), "{what}: {text}");
    let odd: Vec<char> = text.chars().filter(|c| !c.is_ascii_graphic() && !" \näå漢·—…".contains(*c)).collect();
    assert!(odd.is_empty(), "{what}: {odd:?}");
}

#[test]
fn json_for_machines_holds_nothing_that_is_not_printable() {
    let workspace = Workspace::trusted();
    fs::write(workspace.vault("a.md"), HOSTILE).unwrap();
    let input = json!({ "path": "a.md" });
    let ran = workspace.run("peek", input.clone()).expect(0);
    printable("run", &ran.stdout);
    assert_eq!(ran.json()["output"]["text"], HOSTILE, "the value is the same");

    let mut command = workspace.command();
    command.args(["run-skill", "peek", "--batch", "-", "--output", "json"]);
    printable("batch", &feed(command, &format!("{input}\n")).stdout);

    let chain = json!({ "steps": [{ "skill_name": "peek", "input": input }] }).to_string();
    printable("chain", &workspace.json(&["consume-chain", "--json", &chain]).expect(0).stdout);
    printable("tail", &workspace.json(&["tail", "-n", "1"]).expect(0).stdout);
    printable("export", &workspace.call(&["export-executions", "--inline"]).expect(0).stdout);

    let mut client = Client::open(&workspace, "2025-11-25", json!({}));
    client.send("tools/call", json!({ "name": "peek", "arguments": input }));
    let line = client.next_line();
    printable("mcp", &line);
    let answer: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(answer["result"]["structuredContent"]["text"], HOSTILE);
    client.close();
}
