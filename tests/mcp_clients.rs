//! `kavi mcp` driven by clients that others wrote. They are installed from their registries, hence ignored by default:
//! `cargo test --test mcp_clients -- --ignored --nocapture`. Where one cannot be installed, its test says so and ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::print_stdout, reason = "whoever runs this wants to see what the client said, or why it was not there")]

#[path = "support/kavi.rs"]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use support::Workspace;

/// The official Python SDK, in the version that this was written against.
const PYTHON_SDK: &str = "mcp==2.3.0";

/// A Python with the SDK, or why there is none.
fn python() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mcp-python");
    let python = folder.join("bin/python");
    let run = |command: &mut Command| {
        let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(()) } else { Err(format!("{command:?}: {said}")) }
    };
    if !python.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    }
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", PYTHON_SDK]))?;
    Ok(python)
}

/// The official inspector, and a Node that is new enough for it.
const INSPECTOR: [&str; 2] = ["node@22", "@modelcontextprotocol/inspector@2.12.0"];

/// The folder with the inspector's programs, or why there is none.
fn inspector() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mcp-inspector");
    let programs = folder.join("node_modules/.bin");
    if !programs.join("mcp-inspector").exists() {
        let output = Command::new("npm")
            .args(["install", "--no-audit", "--no-fund", "--prefix"])
            .arg(&folder)
            .args(INSPECTOR)
            .output()
            .map_err(|error| format!("npm: {error}"))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
    }
    Ok(programs)
}

/// What the server is given of this process's environment.
fn environment() -> Value {
    let names = ["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"];
    let of = |name: &str| std::env::var(name).ok().map(|value| (name.to_owned(), value));
    let mut environment: BTreeMap<String, String> = names.into_iter().filter_map(of).collect();
    environment.insert("KAVI_CACHE_DIR".to_owned(), support::cache().display().to_string());
    json!(environment)
}

#[test]
#[ignore = "installs the official Python SDK"]
fn the_official_python_client_lists_calls_asks_and_proposes_in_every_mode() {
    let python = match python() {
        Ok(python) => python,
        Err(why) => return println!("skipped: the Python SDK cannot be installed: {why}"),
    };
    let workspace = Workspace::trusted();
    fs::write(workspace.vault("Inbox/hello.md"), "hello").unwrap();
    let modes = [("auto", "2026-07-28"), ("legacy", "2025-11-25"), ("2026-07-28", "2026-07-28")];
    let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mcp/python_client.py");
    let output = Command::new(python)
        .arg(client)
        .args([env!("CARGO_BIN_EXE_kavi"), workspace.path().to_str().unwrap(), &environment().to_string()])
        .args(modes.map(|(mode, _)| mode))
        .output()
        .unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{stdout}");
    assert!(output.status.success(), "{stdout}\n{stderr}");
    let said: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (said, (mode, protocol)) in said.iter().zip(modes) {
        let path = format!("Inbox/AI/{mode}.md");
        let own = ["propose_skill", "skill_status", "list_proposals", "explain_failure"];
        let tools = [&own[..], &["act", "peek", "write_note"]].concat();
        let expected = json!({
            "mode": mode,
            "protocol": protocol,
            "tools": tools,
            "read": { "text": "hello" },
            "bad": [true, "InvalidInput"],
            "unknown": -32_602,
            "note": [false, path],
            "asked": [true],
            "proposed": "PROPOSED",
            "guidance": "name: act",
            "prompt": "Write a proposal for one skill and send it with propose_skill.",
            "many": 50,
        });
        for (what, expected) in expected.as_object().unwrap() {
            assert_eq!(&said[what], expected, "{mode}: {what}");
        }
        assert!(workspace.vault(&path).exists(), "{mode}");
    }
    assert_eq!(said.len(), modes.len());
}

#[test]
#[ignore = "installs the official inspector"]
fn the_official_inspector_lists_calls_verifies_and_loads_in_both_eras() {
    let programs = match inspector() {
        Ok(programs) => programs,
        Err(why) => return println!("skipped: the inspector cannot be installed: {why}"),
    };
    let workspace = Workspace::trusted();
    fs::write(workspace.vault("Inbox/hello.md"), "hello").unwrap();
    let mut path = programs.clone().into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    // It takes options of the server's for its own, so they are told by the environment.
    let inspect = |more: &[&str]| {
        let mut command = Command::new(programs.join("mcp-inspector"));
        command.args(["--cli", env!("CARGO_BIN_EXE_kavi"), "mcp"]);
        command.args(["-e", &format!("KAVI_WORKSPACE={}", workspace.path().display())]);
        command.args(["-e", &format!("KAVI_CACHE_DIR={}", support::cache().display())]);
        let output = command.args(["--format", "json", "-q"]).args(more).env("PATH", &path).output().unwrap();
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        println!("{more:?}: {stdout}");
        assert!(output.status.success(), "{more:?}: {stdout}\n{stderr}");
        stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
    };
    let call = ["--method", "tools/call", "--tool-name", "peek", "--tool-arg", "path=\"Inbox/hello.md\""];
    for era in ["modern", "legacy"] {
        let era = ["--protocol-era", era];
        let listed = inspect(&[&era[..], &["--strict", "--method", "tools/list"]].concat());
        assert_eq!(listed[0]["result"]["tools"].as_array().unwrap().len(), 7);
        let ran = inspect(&[&era[..], &call[..]].concat());
        assert_eq!(ran[0]["result"]["structuredContent"], json!({ "text": "hello" }));
        let skills = inspect(&[&era[..], &["--verify", "--method", "skills/list"]].concat());
        assert_eq!(skills.len(), 3);
        assert!(skills.iter().all(|skill| skill["outcome"] == "verified"), "{skills:?}");
        let load = [&era[..], &call[..], &["--load", "--load-requests", "500", "--load-concurrency", "16"]].concat();
        let loaded = inspect(&load);
        assert_eq!(loaded[0]["result"]["ok"], 500);
    }
}
