//! A workspace with a scripted agent, and the steps that every drill of the canon takes.

use std::cell::RefCell;
use std::fs;
use std::process::Stdio;

use serde_json::Value;

use super::sources;
use crate::support::standin::{Step, init, standin, success, write};
use crate::support::{Called, Workspace};

/// One row of the table.
#[derive(Debug, Clone)]
pub struct Row {
    pub defect: &'static str,
    pub kind: String,
    pub gate: String,
    pub triggers: String,
    pub attempts: usize,
}

/// One drill under way.
pub struct Bench {
    pub workspace: Workspace,
    pub id: String,
    agents: RefCell<u32>,
}

/// The agent writes this source and ends well.
pub fn writes(source: &str) -> Vec<Step> {
    vec![init(), write("src/lib.rs", source), success()]
}

impl Bench {
    /// A workspace with the proposal of `shout`.
    pub fn new() -> Self {
        let workspace = Workspace::new();
        let id = workspace.propose("shout", "READ_ONLY", sources::SCHEMA, &[]);
        Self { workspace, id, agents: RefCell::new(0) }
    }

    /// From here on this is the agent, and this the rest of kavi.toml.
    pub fn agent(&self, steps: Vec<Step>, more: &str) {
        *self.agents.borrow_mut() += 1;
        let folder = self.workspace.path().join(format!("agent-{}", self.agents.borrow()));
        fs::create_dir(&folder).expect("a folder");
        let program = standin(&folder, steps).expect("a stand-in");
        let text = format!("{more}\n[builder]\nclaude = {:?}\nidle_s = 3\n", program.display().to_string());
        fs::write(self.workspace.path().join("kavi.toml"), text).expect("kavi.toml");
    }

    /// The binary with a made-up key in its environment, and a proxy that leads nowhere: none is ever used.
    pub fn call(&self, args: &[&str]) -> Called {
        let mut command = self.workspace.command();
        command.args(args).args(["--output", "json"]).env("ANTHROPIC_API_KEY", "sk-ant-made-up-0000");
        for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
            command.env(name, "http://127.0.0.1:1");
        }
        command.stdin(Stdio::null()).output().expect("kavi starts").into()
    }

    /// One attempt with this agent.
    pub fn build(&self, steps: Vec<Step>, code: i32) -> Value {
        self.agent(steps, "");
        self.call(&["build-skill", &self.id]).expect(code).json()
    }

    pub fn verify(&self, code: i32) -> Value {
        self.call(&["verify-skill", &self.id]).expect(code).json()
    }

    /// The newest attempt's research.
    pub fn research(&self, more: &[&str]) -> Value {
        let mut args = vec!["research-skill", &self.id];
        args.extend(more);
        self.call(&args).expect(0).json()
    }

    /// The packet of the newest attempt.
    pub fn packet(&self) -> String {
        let shown = self.call(&["show", &self.id]).expect(0).json();
        let number = shown["builds"].as_array().expect("builds").len();
        let path = format!("artifacts_out/shout/{}/build-{number}/BUILD_PACKET.md", self.id);
        fs::read_to_string(self.workspace.path().join(path)).expect("a packet")
    }

    /// The second attempt: refused without a person where one is needed, then right, verified, promoted and run.
    pub fn mend(&self, research: &Value, defect: &'static str) -> Row {
        let triggers = triggers(research);
        self.agent(writes(sources::GOOD), "");
        let mut args = vec!["build-skill", &self.id];
        if !triggers.is_empty() {
            let before = self.attempts();
            let refused = self.call(&args).expect(3).json();
            let hint = refused["error"]["hint"].as_str().expect("a hint");
            assert!(hint.contains("--acknowledge"), "{hint}");
            assert_eq!(self.attempts(), before, "a refused attempt is none");
            args.extend(["--acknowledge", "Ada Lovelace"]);
        }
        self.call(&args).expect(0);
        self.check_packet(research);
        self.verify(0);
        self.promote_and_run();
        let shown = self.call(&["show", &self.id]).expect(0).json();
        let acknowledged = shown["acknowledgements"].as_array().expect("acknowledgements");
        assert_eq!(acknowledged.len(), usize::from(!triggers.is_empty()));
        assert!(acknowledged.iter().all(|go| go["acknowledged_by"] == "Ada Lovelace"));
        self.row(research, defect)
    }

    pub fn promote_and_run(&self) {
        self.call(&["promote-skill", &self.id, "--approved-by", "Ada Lovelace", "--yes"]).expect(0);
        let args = ["run-skill", "shout", "--json", r#"{"text":" hello "}"#];
        assert_eq!(self.call(&args).expect(0).json()["output"]["text"], "HELLO");
    }

    /// The next packet really holds what was found out.
    pub fn check_packet(&self, research: &Value) {
        let packet = self.packet();
        let kind = research["kind"].as_str().expect("a kind");
        assert!(packet.contains(&format!("failed: {kind}")), "{packet}");
        for fact in research["facts"]["findings"].as_array().expect("findings") {
            let message = fact["message"].as_str().expect("a message").replace('`', "'");
            assert!(packet.contains(&message), "{message} is missing in {packet}");
        }
    }

    pub fn attempts(&self) -> usize {
        self.call(&["show", &self.id]).expect(0).json()["builds"].as_array().expect("builds").len()
    }

    pub fn row(&self, research: &Value, defect: &'static str) -> Row {
        Row { attempts: self.attempts(), ..self.row_of(research, defect) }
    }

    /// The same, without counting attempts.
    pub fn row_of(&self, research: &Value, defect: &'static str) -> Row {
        Row {
            defect,
            kind: text(&research["kind"]),
            gate: research["facts"]["gate"].as_str().unwrap_or("the attempt itself").to_owned(),
            triggers: triggers(research).join(" "),
            attempts: 0,
        }
    }
}

pub fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

pub fn triggers(research: &Value) -> Vec<String> {
    let escalations = research["escalations"].as_array().expect("escalations");
    escalations.iter().map(|escalation| text(&escalation["trigger"])).collect()
}
