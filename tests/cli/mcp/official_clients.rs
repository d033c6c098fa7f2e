//! `kavi mcp` with the five skills that come with Kavi, driven by clients that others wrote: the official Python SDK and the official
//! inspector. They are installed from their registries; where one cannot be had, its tests say so
//! and end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::print_stdout, reason = "whoever runs this with --nocapture wants to see what the client said")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::support::mcp::http_client::Served;
use crate::support::mcp::install;
use crate::support::shipped;
use crate::support::{self, ACT, Workspace, copy, strings};

/// The versions that this was written against.
const PYTHON_SDK: &str = "mcp==2.3.0";
const INSPECTOR: &str = "@modelcontextprotocol/inspector@2.12.0";

/// How the Python SDK agrees on a revision.
const MODES: [&str; 3] = ["auto", "legacy", "2026-07-28"];

/// The server's own tools.
const OWN: [&str; 5] = ["propose_skill", "skill_status", "list_proposals", "explain_failure", "report_outcome"];
/// The skills, in the order of their names.
const SHIPPED: [&str; 9] = [
    "create_daily_note",
    "edit_note",
    "list_notes",
    "move_note",
    "read_note",
    "read_notes_by_tag",
    "search_notes",
    "summarize_note",
    "write_note",
];

/// The skills that are shipped TRUSTED, one more only VERIFIED, a note, and more time than any test takes.
fn workspace() -> Workspace {
    static TEMPLATE: OnceLock<Workspace> = OnceLock::new();
    let template = TEMPLATE.get_or_init(|| {
        let workspace = shipped::fresh();
        workspace.verified(&ACT);
        fs::create_dir_all(workspace.vault("Inbox")).unwrap();
        fs::write(workspace.vault("Inbox/tea.md"), "The tea is green. #tea\n").unwrap();
        let path = workspace.path().join("kavi.toml");
        let toml = fs::read_to_string(&path).unwrap();
        let toml = toml.replace("wall_ms = 10000", "wall_ms = 120000").replace("cpu_ms = 5000", "cpu_ms = 120000");
        fs::write(path, toml).unwrap();
        workspace
    });
    let workspace = Workspace::new();
    copy(template.path(), workspace.path());
    workspace
}

/// What the server is given of this process's environment.
fn environment(workspace: &Workspace) -> Value {
    let names = ["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"];
    let of = |name: &str| std::env::var(name).ok().map(|value| (name.to_owned(), value));
    let mut environment: BTreeMap<String, String> = names.into_iter().filter_map(of).collect();
    environment.insert("KAVI_CACHE_DIR".to_owned(), support::cache().display().to_string());
    let state = support::state_folder(workspace.path());
    environment.insert("KAVI_STATE_DIR".to_owned(), state.display().to_string());
    json!(environment)
}

/// Runs the Python client to its end, and that of a server of its own, which writes to the same standard error.
fn python(python: &Path, what: &str, mode: &str, workspace: &Workspace, served: Option<&Served>) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/mcp/python_client.py");
    let arguments = [what, mode, env!("CARGO_BIN_EXE_kavi"), workspace.path().to_str().unwrap()];
    let http = served.iter().flat_map(|served| [&served.url, &served.token]);
    Command::new(python)
        .arg(script)
        .args(arguments)
        .arg(environment(workspace).to_string())
        .args(http)
        .output()
        .unwrap()
}

/// What is on record of the runs of a skill, oldest first.
fn records(workspace: &Workspace, skill: &str) -> Vec<String> {
    let sql = format!(
        "SELECT success || ' ' || door || ' ' || asked_by || ' ' || coalesce(error, '') FROM executions
         WHERE skill_name = '{skill}' ORDER BY rowid"
    );
    strings(&workspace.ledger(), &sql)
}

/// What one client does in one mode, over standard input and output or over HTTP.
fn drives(program: &Path, mode: &str, workspace: &Workspace, served: Option<&Served>) {
    let protocol = if mode == "legacy" { "2025-11-25" } else { "2026-07-28" };
    let output = python(program, "drive", mode, workspace, served);
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{stdout}");
    assert!(output.status.success(), "{stdout}\n{stderr}");
    let said: Value = serde_json::from_str(&stdout).unwrap();
    let (path, tools) = (format!("Inbox/AI/{mode}.md"), [&OWN[..], &SHIPPED].concat());
    let expected = json!({
        "mode": mode,
        "protocol": protocol,
        "tools": tools,
        "write_note": [false, path],
        "create_daily_note": [false, true],
        "read_notes_by_tag": ["Inbox/tea.md"],
        "search_notes": ["Inbox/tea.md"],
        "summarize_note": "- The tea is green.\n",
        "asked": ["write_note", "create_daily_note"],
        "bad arguments": [true, "InvalidInput"],
        "oversize arguments": [true, "InvalidInput"],
        "no such note": [true, "SkillError"],
        "unknown tool": -32_602,
        "proposed": "PROPOSED",
        "guidance": "name: create-daily-note",
        "prompt": "Write a proposal for one skill and send it with propose_skill.",
        "many": 50,
        "before it is promoted": [false, -32_602],
        "after it is promoted": [true, "Inbox/AI Inbox/tea.md"],
        "cancelled": true,
        "and on": false,
        "held": [false, "NOT WRITTEN YET"],
    });
    for (what, expected) in expected.as_object().unwrap() {
        assert_eq!(&said[what], expected, "{mode}: {what}");
    }
    assert!(workspace.vault(&path).exists(), "{mode}");
    let of_act = records(workspace, "act");
    let expected = ["0 mcp python NotTrusted: ", "1 mcp python ", "0 mcp python Cancelled: "];
    assert_eq!(of_act.len(), expected.len(), "{of_act:?}");
    assert!(of_act.iter().zip(expected).all(|(found, begins)| found.starts_with(begins)), "{of_act:?}");
    assert!(!workspace.vault("Inbox/AI/never.md").exists(), "{mode}");
    let held = format!("Inbox/AI/{mode}-held.md");
    assert!(!workspace.vault(&held).exists(), "{mode}");
    let commit = said["commit"].as_str().unwrap();
    workspace.call(&["effects", "approve", commit, "--approved-by", "ada", "--yes"]).expect(0);
    assert!(workspace.vault(&held).exists(), "{mode}");
    assert_eq!(workspace.staged(), 0);
}

/// A Python with the official SDK. Where there is none it is said why.
fn sdk() -> Option<PathBuf> {
    install::python(PYTHON_SDK).inspect_err(|why| install::skipped("the official Python SDK", why)).ok()
}

#[test]
fn the_official_python_client_does_all_that_a_client_may_in_every_mode() {
    let Some(program) = sdk() else { return };
    for mode in MODES {
        drives(&program, mode, &workspace(), None);
    }
}

#[test]
fn the_official_python_client_does_the_same_over_http() {
    let Some(program) = sdk() else { return };
    for mode in MODES {
        let workspace = workspace();
        let served = Served::start(&workspace, &[]);
        drives(&program, mode, &workspace, Some(&served));
        served.end();
    }
}

#[test]
fn fifty_python_clients_at_once_are_served_over_http() {
    let Some(program) = sdk() else { return };
    for mode in ["legacy", "2026-07-28"] {
        let workspace = workspace();
        let served = Served::start(&workspace, &[]);
        let output = python(&program, "together", mode, &workspace, Some(&served));
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{output:?}");
        let said: Vec<Value> = serde_json::from_str(&stdout).unwrap();
        println!("{mode}: {} clients, each {}", said.len(), said[0]);
        let expected = json!([OWN.len() + SHIPPED.len(), "Inbox/tea.md", true]);
        assert!(said.len() == 50 && said.iter().all(|one| *one == expected), "{stdout}");
        assert_eq!(records(&workspace, "search_notes"), vec!["1 mcp python "; 50]);
        assert_eq!(workspace.count("SELECT count(*) FROM commits WHERE state = 'HELD'"), 50);
        served.end();
    }
}

#[test]
fn a_python_client_that_vanishes_takes_its_call_along() {
    let Some(program) = sdk() else { return };
    for mode in MODES {
        let workspace = workspace();
        workspace.json(&["promote-skill", "act", "--approved-by", "test", "--yes"]).expect(0);
        let output = python(&program, "vanish", mode, &workspace, None);
        assert_eq!(output.status.code(), Some(7), "{output:?}");
        let records = records(&workspace, "act");
        println!("{mode}: {records:?}");
        assert_eq!(records.len(), 1, "{records:?}");
        assert!(records[0].starts_with("0 mcp python Cancelled: "), "{records:?}");
        assert!(!workspace.vault("Inbox/AI/never.md").exists(), "{mode}");
        assert_eq!(workspace.staged(), 0);
    }
}

/// The inspector's command-line mode: one connection for each thing that is asked.
struct Inspector {
    programs: PathBuf,
    workspace: Workspace,
    served: Option<Served>,
}

impl Inspector {
    fn run(&self, more: &[&str]) -> Output {
        let mut path = self.programs.clone().into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let mut command = Command::new(self.programs.join("mcp-inspector"));
        command.arg("--cli");
        match &self.served {
            Some(served) => {
                command.args(["--transport", "http", "--server-url", &served.url]);
                command.args(["--header", &format!("Authorization: Bearer {}", served.token)]);
            }
            None => {
                command.args([env!("CARGO_BIN_EXE_kavi"), "mcp"]);
                // It takes options of the server's for its own, so they are told by the environment.
                command.args(["-e", &format!("KAVI_WORKSPACE={}", self.workspace.path().display())]);
                command.args(["-e", &format!("KAVI_CACHE_DIR={}", support::cache().display())]);
                let state = support::state_folder(self.workspace.path());
                command.args(["-e", &format!("KAVI_STATE_DIR={}", state.display())]);
            }
        }
        command.args(["--format", "json", "-q"]).args(more).env("PATH", path).env("HOME", self.workspace.path());
        command.output().unwrap()
    }

    #[track_caller]
    fn ask(&self, more: &[&str]) -> Vec<Value> {
        let output = self.run(more);
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        println!("{:.200}: {stdout:.1000}{stderr}", more.join(" "));
        // An answer that is an error is said on the other side as well.
        let lines = stdout.lines().chain(stderr.lines());
        lines.map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
    }

    #[track_caller]
    fn call(&self, era: &str, skill: &str, arguments: &[&str]) -> Value {
        let mut all = vec!["--protocol-era", era, "--method", "tools/call", "--tool-name", skill];
        arguments.iter().for_each(|argument| all.extend(["--tool-arg", argument]));
        self.ask(&all).remove(0)
    }
}

/// What the inspector finds in one era.
fn inspect(inspector: &Inspector, era: &str) {
    let listed = inspector.ask(&["--protocol-era", era, "--strict", "--method", "tools/list"]);
    assert_eq!(listed[0]["result"]["tools"].as_array().unwrap().len(), OWN.len() + SHIPPED.len());
    let called = |skill: &str, arguments: &[&str]| inspector.call(era, skill, arguments);
    let ran = called("summarize_note", &["path=\"Inbox/tea.md\"", "max_sentences=1"]);
    assert_eq!(ran["result"]["structuredContent"]["summary"], "- The tea is green.\n", "{ran}");
    let long = format!("path=\"{}\"", "x".repeat(100_000));
    for (path, why) in [("path=7", "must be a string"), (long.as_str(), "must have at most 1024 characters")] {
        let bad = called("summarize_note", &[path]);
        let said = bad["result"]["content"][0]["text"].as_str().unwrap();
        assert!(bad["result"]["isError"] == true && said.starts_with("InvalidInput: "), "{bad}");
        assert!(said.contains(why), "{bad}");
    }
    assert_eq!(called("nothing_like_it", &[])["error"]["code"], "tool_not_found");
    let held = called("write_note", &["path=\"Inbox/AI/a.md\"", "title=\"T\"", "body=\"B\""]);
    let commit = held["result"]["_meta"]["kavi/held"].as_str().unwrap();
    assert!(!inspector.workspace.vault("Inbox/AI/a.md").exists(), "{held}");
    inspector.workspace.call(&["effects", "approve", commit, "--approved-by", "ada", "--yes"]).expect(0);
    assert!(inspector.workspace.vault("Inbox/AI/a.md").exists());
    let skills = inspector.ask(&["--protocol-era", era, "--verify", "--method", "skills/list"]);
    assert_eq!(skills.len(), SHIPPED.len());
    assert!(skills.iter().all(|skill| skill["outcome"] == "verified"), "{skills:?}");
    let mut load = vec!["--protocol-era", era, "--method", "tools/call", "--tool-name", "search_notes"];
    load.extend(["--tool-arg", "query=\"tea\"", "--load", "--load-requests", "500", "--load-concurrency", "16"]);
    assert_eq!(inspector.ask(&load)[0]["result"]["ok"], 500);
}

#[test]
fn the_official_inspector_lists_calls_verifies_and_loads_in_both_eras_over_both_transports() {
    let programs = match install::node("inspector", INSPECTOR) {
        Ok(programs) => programs,
        Err(why) => return install::skipped("the official inspector", &why),
    };
    for era in ["modern", "legacy"] {
        inspect(&Inspector { programs: programs.clone(), workspace: workspace(), served: None }, era);
        let workspace = workspace();
        let served = Some(Served::start(&workspace, &[]));
        let over_http = Inspector { programs: programs.clone(), workspace, served };
        inspect(&over_http, era);
        over_http.served.unwrap().end();
    }
}
