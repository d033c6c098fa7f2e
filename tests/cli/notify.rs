//! `[notify]`: a command of the person tells them what waits.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::Workspace;
use crate::support::mcp::client::{Client, note};

/// A workspace whose command writes a line with what it was given into a pipe that the test reads.
struct Told {
    workspace: Workspace,
    pipe: PathBuf,
}

impl Told {
    fn new() -> Self {
        let workspace = Workspace::trusted();
        let (program, pipe) = (workspace.path().join("tell"), workspace.path().join("told"));
        let text = "#!/bin/sh\necho \"$KAVI_NOTICE $KAVI_NOTICE_COUNT $KAVI_WORKSPACE $# ${ANTHROPIC_API_KEY-no key}\" > told.new\n";
        let text = text.replace("told.new", &pipe.display().to_string());
        fs::write(&program, text).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let told = Self { workspace, pipe };
        told.set(&format!("[\"{}\", \"one\", \"two\"]", program.display()));
        told
    }

    fn set(&self, command: &str) {
        fs::write(self.workspace.path().join("kavi.toml"), format!("[notify]\ncommand = {command}\n")).unwrap();
    }

    /// The next line that the command wrote. Waits for it.
    fn line(&self) -> String {
        let mut text = String::new();
        fs::File::open(&self.pipe).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    fn sent(&self) -> Value {
        self.workspace.json(&["notify", "--send"]).expect(0).json()["told"].take()
    }

    fn hold(&self, name: &str) {
        let input = json!({ "path": format!("Inbox/AI/{name}.md"), "title": "Title", "body": "Body" }).to_string();
        self.workspace.json(&["run-skill", "write_note", "--json", &input, "--hold"]).expect(0);
    }
}

#[test]
fn a_held_change_is_told_once_and_only_by_a_command_that_a_person_allowed() {
    let told = Told::new();
    let workspace = &told.workspace;
    told.hold("before");
    let shown = workspace.json(&["notify"]).expect(0).json();
    assert_eq!((&shown["allowed"], &shown["waiting"][0]["kind"]), (&json!(false), &json!("held")));
    let error = workspace.refused(&["notify", "--send"], 3);
    assert!(error["message"].as_str().unwrap().contains("kavi notify --allow"), "{error}");
    // Nobody is there to be asked.
    workspace.refused(&["notify", "--allow"], 3);
    workspace.json(&["notify", "--allow", "--yes"]).expect(0);
    assert_eq!(told.sent(), json!([{ "kind": "held", "count": 1 }]));
    let root = workspace.path().canonicalize().unwrap();
    assert_eq!(told.line(), format!("held 1 {} 2 no key\n", root.display()));
    assert_eq!(told.sent(), json!([]), "it was told");
    // A run tells by itself.
    told.hold("after");
    assert_eq!(told.line().split_whitespace().next(), Some("held"));
    assert_eq!(told.sent(), json!([]));
    // Another command is one that nobody allowed.
    told.set("[\"/bin/true\"]");
    assert_eq!(workspace.json(&["notify"]).expect(0).json()["allowed"], false);
    workspace.refused(&["notify", "--send"], 3);
}

#[test]
fn what_is_ready_and_a_stop_are_told_and_a_command_that_is_missing_fails_no_run() {
    let told = Told::new();
    let workspace = &told.workspace;
    workspace.json(&["notify", "--allow", "--yes"]).expect(0);
    workspace.json(&["stop", "--why", "a test", "--by", "ada"]).expect(0);
    assert_eq!(told.sent(), json!([{ "kind": "incident", "count": 1 }]));
    assert_eq!(told.line().split_whitespace().next(), Some("incident"));
    workspace.json(&["resume", "--by", "ada"]).expect(0);
    assert_eq!(told.sent(), json!([]));

    told.set("[\"/nowhere/program\"]");
    workspace.json(&["notify", "--allow", "--yes"]).expect(0);
    let input = json!({ "path": "Inbox/AI/a.md", "title": "Title", "body": "Body" }).to_string();
    let held = workspace.json(&["run-skill", "write_note", "--json", &input, "--hold"]).expect(0).json();
    assert!(held["warnings"][0].as_str().unwrap().contains("[notify] was not started"), "{held}");
    let status = workspace.refused(&["notify", "--allow", "--send"], 2);
    assert!(status["message"].as_str().is_some());
    told.set("[]");
    workspace.refused(&["notify", "--allow", "--yes"], 2);
}

#[test]
fn a_server_tells_what_an_agent_left() {
    let told = Told::new();
    told.workspace.json(&["notify", "--allow", "--yes"]).expect(0);
    let mut client = Client::open(&told.workspace, "2025-11-25", json!({}));
    client.request("tools/call", json!({ "name": "write_note", "arguments": note("Inbox/AI/a.md") }));
    assert_eq!(told.line().split_whitespace().next(), Some("held"));
    client.close();
}
