//! The log: what a person asks for appears on stderr, it has no input, output or secret, and results do not change by it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;

use serde_json::{Value, json};

use crate::support::mcp::client::Client;
use crate::support::{self, Called, Workspace};

/// Values of an input and of an output, in the forms that a log could have them.
const PLANTED: [&str; 4] = ["plantedinput", "plantedtitle", "plantedbody", "plantedoutput"];

fn logged(workspace: &Workspace, log: &str, args: &[&str]) -> Called {
    workspace.command_with(args).env("KAVI_LOG", log).output().unwrap().into()
}

#[track_caller]
fn has_nothing_planted(log: &str) {
    for planted in PLANTED {
        assert!(!log.to_ascii_lowercase().contains(planted), "{planted}:\n{log}");
    }
}

#[test]
fn a_log_of_everything_has_no_input_and_no_output() {
    let workspace = Workspace::trusted();
    fs::write(workspace.vault("plantedinput.md"), "plantedoutput").unwrap();
    let peek = r#"{"path":"plantedinput.md"}"#;
    let note = r#"{"path":"Inbox/AI/plantedinput.md","title":"plantedtitle","body":"plantedbody"}"#;
    let chain = json!({ "steps": [
        { "skill_name": "peek", "input": { "path": "plantedinput.md" } },
        { "skill_name": "act", "input_template": { "act": "plantedbody" },
          "from_prev": [{ "to_field": "path", "from_path": "text" }] }] })
    .to_string();
    fs::write(workspace.path().join("lines"), format!("{peek}\n{peek}\n{{\"path\":5,\"plantedtitle\":1}}\n")).unwrap();
    let calls: [(&[&str], i32); 7] = [
        (&["run-skill", "peek", "--json", peek], 0),
        (&["run-skill", "write_note", "--json", note], 0),
        (&["run-skill", "peek", "--json", r#"{"path":"plantedoutput.md"}"#], 5),
        (&["run-skill", "peek", "--json", r#"{"plantedtitle":"plantedbody"}"#], 2),
        (&["run-skill", "peek", "--batch", "lines"], 2),
        (&["consume-chain", "--yes", "--json", &chain], 5),
        (&["replay", "--skill", "peek", "--all"], 0),
    ];
    for (args, code) in calls {
        let called = logged(&workspace, "trace", &[args, &["--output", "json"]].concat());
        assert_eq!(called.code, code, "{args:?}: {called:?}");
        assert!(called.stderr.contains("verb{command="), "{args:?}: {called:?}");
        if args[0] != "replay" {
            assert!(called.stderr.contains("run{id="), "{args:?}: {called:?}");
        }
        has_nothing_planted(&called.stderr);
    }
    // The same words are in what the calls give: they were not lost on the way.
    let ran = workspace.json(&["run-skill", "peek", "--json", peek]).expect(0);
    assert!(ran.stdout.contains("plantedoutput") && ran.stderr.is_empty(), "{ran:?}");
}

#[test]
fn the_server_for_agents_speaks_its_protocol_alone_and_logs_no_content() {
    let workspace = Workspace::trusted();
    fs::write(workspace.vault("plantedinput.md"), "plantedoutput").unwrap();
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": "peek", "arguments": { "path": "plantedinput.md" } } });
    let lines = [
        Client::opening("2025-11-25", json!({})),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        call,
    ];
    let input: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let mut command = workspace.command_with(&["mcp", "-vvv"]);
    command.env("KAVI_LOG", "trace,rmcp=trace");
    let called = support::feed(command, &input).expect(0);
    for line in called.stdout.lines() {
        let message: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(message["jsonrpc"], "2.0", "{line}");
    }
    assert!(called.stdout.contains("plantedoutput"), "{called:?}");
    for span in ["agent_call{skill=peek}", "run{id="] {
        assert!(called.stderr.contains(span), "{span}: {called:?}");
    }
    has_nothing_planted(&called.stderr);
    assert!(!called.stderr.contains("rmcp"), "libraries log what they carry: {called:?}");
}

#[test]
fn results_are_the_same_with_and_without_a_log() {
    let workspace = Workspace::new();
    let plain = workspace.call(&["list-skills"]).expect(0);
    assert_eq!(plain.stderr, "");
    for args in
        [&["list-skills", "-v"][..], &["-vv", "list-skills"], &["list-skills", "--verbose", "--log-format", "json"]]
    {
        let loud = workspace.call(args).expect(0);
        assert_eq!(loud.stdout, plain.stdout, "{args:?}");
        assert!(loud.stderr.contains("list-skills"), "{args:?}: {loud:?}");
    }
    let machine = workspace.json(&["list-skills"]).expect(0);
    assert_eq!(workspace.json(&["list-skills", "-vvv"]).expect(0).stdout, machine.stdout);
    // An alias is logged under the name of its verb.
    assert!(workspace.call(&["skills", "-v"]).expect(0).stderr.contains("list-skills"));
}

#[test]
fn a_json_log_is_one_document_for_each_line() {
    let workspace = Workspace::trusted();
    fs::write(workspace.vault("a.md"), "text").unwrap();
    let run = ["run-skill", "peek", "--json", r#"{"path":"a.md"}"#, "--output", "json", "-v", "--log-format", "json"];
    let called = workspace.call(&run).expect(0);
    let lines: Vec<Value> = called.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let run = lines.iter().find(|line| line["span"]["name"] == "run").unwrap_or_else(|| panic!("{called:?}"));
    assert_eq!((&run["span"]["skill"], &run["span"]["channel"]), (&json!("peek"), &json!("cli")), "{run:#}");
    assert_eq!(run["span"]["success"], true, "{run:#}");
    assert_eq!(run["level"], "INFO", "{run:#}");
}

#[test]
fn a_directive_selects_a_part_and_an_invalid_one_is_refused() {
    let workspace = Workspace::new();
    assert_eq!(logged(&workspace, "kavi::runtime=trace", &["status"]).expect(0).stderr, "");
    assert_eq!(logged(&workspace, "off", &["status"]).expect(0).stderr, "");
    assert!(logged(&workspace, "kavi=info", &["status"]).expect(0).stderr.contains("verb{command="));
    let refused = logged(&workspace, "kavi=loudest", &["status"]).expect(2);
    assert!(refused.stderr.contains("KAVI_LOG is invalid") && refused.stdout.is_empty(), "{refused:?}");
    let machine = logged(&workspace, "kavi=loudest", &["status", "--json"]).expect(2).json();
    assert_eq!(machine["error"]["kind"], "usage");
    // The command line comes before the environment.
    assert!(logged(&workspace, "off", &["status", "-v"]).expect(0).stderr.contains("verb{command="));
    assert_eq!(logged(&workspace, "trace", &["status", "-q"]).expect(0).stderr, "");
}

#[test]
fn quiet_leaves_results_and_errors() {
    let workspace = Workspace::trusted();
    let note = |path: &str| json!({ "path": path, "title": "Title", "body": "Body" }).to_string();
    let loud = workspace.call(&["run-skill", "write_note", "--json", &note("Inbox/AI/a.md")]).expect(0);
    assert!(loud.stderr.contains("wrote Inbox/AI/a.md"), "{loud:?}");
    let quiet = workspace.call(&["run-skill", "write_note", "--json", &note("Inbox/AI/b.md"), "-q"]).expect(0);
    assert!(quiet.stderr.is_empty() && quiet.stdout.contains("Inbox/AI/b.md"), "{quiet:?}");
    let failed = workspace.call(&["show", "nothing", "--quiet"]).expect(2);
    assert!(failed.stderr.starts_with("error: "), "{failed:?}");
    let both = workspace.call(&["status", "-q", "-v"]).expect(2);
    assert!(both.stderr.contains("cannot be used with"), "{both:?}");
}

#[test]
fn gates_and_stages_of_a_verification_are_spans_and_lines() {
    let workspace = Workspace::new();
    let id = workspace.built(&support::PEEK);
    let called = workspace.call(&["verify-skill", &id, "-v"]).expect(0);
    for wanted in ["verification{proposal=", "gate{gate=\"compile\" verdict=\"PASSED\"}", " compile\n"] {
        assert!(called.stderr.contains(wanted), "{wanted}: {called:?}");
    }
    let numbers: Vec<&str> = called
        .stderr
        .lines()
        .filter_map(|line| line.strip_prefix("· ")?.split_once(" "))
        .map(|(n, _)| n)
        .filter(|n| n.ends_with("/12"))
        .collect();
    let mut sorted = numbers.clone();
    sorted.sort_by_key(|number| (number.len(), *number));
    assert_eq!(sorted, (1..=12).map(|number| format!("{number}/12")).collect::<Vec<_>>(), "{called:?}");
}
