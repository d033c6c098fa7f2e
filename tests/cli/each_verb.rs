//! One call of each verb, in a workspace in which the call would succeed: for tests of what all verbs have in common.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;

use serde_json::json;

use crate::command_line::VERBS;
use crate::governance;
use crate::support::{self, Called, Workspace};

/// What a call needs of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// It changes the ledger.
    Writes,
    /// It only reads the ledger.
    Reads,
}

/// One call.
#[derive(Debug, Clone)]
pub struct Call {
    pub needs: Needs,
    pub args: Vec<String>,
}

/// Verbs that have no workspace, or that stay until they are ended.
const ELSEWHERE: [&str; 10] =
    ["demo", "init", "mcp", "witness", "restore", "check", "check-proof", "completions", "man", "setup"];

/// Whose calls begin only after minutes of work, or with the work of another verb in this table.
const LIKE_OTHERS: [&str; 8] =
    ["add", "forge", "research-skill", "verify-skill", "reverify", "check-invariants", "promote-skill", "rollback"];

/// Text that only SQLite, or a number of the operating system, would bring to a person.
pub const RAW: [&str; 8] = [
    "os error",
    "disk I/O",
    "database is locked",
    "database table is locked",
    "unable to open database",
    "readonly database",
    "database or disk is full",
    "SQLITE_",
];

/// A workspace in which each of [`calls`] would succeed.
pub fn prepare(workspace: &Workspace) {
    fs::write(workspace.vault("Inbox/AI/a.md"), "old\n").unwrap();
    workspace.act("three", "Inbox/AI/a.md").expect(0);
    let held = json!({ "act": "write", "path": "Inbox/AI/h.md" }).to_string();
    for _ in 0..2 {
        workspace.call(&["run-skill", "act", "--hold", "--json", &held]).expect(0);
    }
    let schema = r#"{"input":{"text":"str"},"output":{"words":"int"}}"#;
    workspace.propose("tally", "READ_ONLY", schema, &[]);
    workspace.propose("count", "READ_ONLY", schema, &[]);
    workspace.source("count", support::PEEK.source);
    let at = |name: &str| workspace.path().join(name);
    fs::write(at("guide.md"), "# Peek\n\nReads one note.\n").unwrap();
    fs::write(at("charter.md"), governance::CHARTER).unwrap();
    let step = json!({ "skill_name": "act", "input": { "act": "write", "path": "Inbox/AI/z.md" } });
    fs::write(at("chain.json"), json!({ "steps": [step] }).to_string()).unwrap();
    workspace.call(&["export-skill", "peek", "--bundle", &at("peek.bundle").display().to_string()]).expect(0);
    fs::create_dir(at("given")).unwrap();
}

/// The calls. The order matters for none of them, because each either fails or is made in a copy of its own.
pub fn calls(workspace: &Workspace) -> Vec<Call> {
    let ledger = workspace.ledger();
    let id = |sql: &str| support::strings(&ledger, sql).remove(0);
    let commit = id("SELECT id FROM commits WHERE state = 'APPLIED' ORDER BY rowid LIMIT 1");
    let [one, two] = ["0", "1"].map(|number| {
        id(&format!("SELECT id FROM commits WHERE state = 'HELD' ORDER BY rowid LIMIT 1 OFFSET {number}"))
    });
    let run = id("SELECT execution_id FROM executions ORDER BY rowid LIMIT 1");
    let write = r#"{"act":"write","path":"Inbox/AI/n.md"}"#;
    let schema = r#"{"input":{"text":"str"},"output":{"words":"int"}}"#;
    let source = workspace.path().join("crates/count").display().to_string();
    let (source, commit, run) = (source.as_str(), commit.as_str(), run.as_str());
    let (one, two) = (one.as_str(), two.as_str());
    let mut all = Vec::new();
    let mut of = |needs: Needs, args: &[&str]| {
        all.push(Call { needs, args: args.iter().map(|arg| (*arg).to_owned()).collect() });
    };
    let by = ["--approved-by", "ada"];
    for args in [
        &["propose-skill", "--name", "new", "--desc", "x", "--side-effect", "READ_ONLY", "--io-schema-json", schema][..],
        &["build-skill", "count", "--builder", "import", "--from", source],
        &["reject", "tally", "--why", "x"],
        &["revoke", "peek", "--why", "x", by[0], by[1]],
        &["stop", "--why", "x", "--by", "ada"],
        &["run-skill", "act", "--json", write],
        &["run-skill", "act", "--hold", "--json", write],
        &["run-skill", "peek", "--json", r#"{"path":"Inbox/AI/a.md"}"#],
        &["consume-skill", "act", "--json", write],
        &["consume-chain", "--yes", "--json", "@chain.json"],
        &["effects", "approve", one, "--yes", by[0], by[1]],
        &["effects", "reject", two, by[0], by[1]],
        &["undo", commit, "--yes", by[0], by[1]],
        &["prune", "--keep", "1", "--yes", by[0], by[1]],
        &["guidance", "edit", "peek", "--from", "guide.md", "--why", "x", by[0], by[1]],
        &["outcome", run, "ok", "--why", "x"],
        &["import", "peek.bundle", "--to", "given/imported"],
        &["trust", "adopt", "--why", "x", by[0], by[1]],
        &["trust", "rotate-key", "--why", "x", by[0], by[1]],
        &["charter", "set", "charter.md", by[0], by[1]],
        &["policy", "set", "rate_limit_per_minute", "7", by[0], by[1]],
        &["capability", "revoke", "person", "export_records", by[0], by[1]],
    ] {
        of(Needs::Writes, args);
    }
    for args in [
        &["list-skills"][..],
        &["show", "peek"],
        &["show", "peek", "--all"],
        &["status"],
        &["tail-executions", "-n", "3"],
        &["session", "--latest"],
        &["export-executions"],
        &["inbox"],
        &["effects", "list"],
        &["effects", "show", one],
        &["diff", "tally", "--stat"],
        &["guidance", "show", "peek"],
        &["outcomes", "peek"],
        &["improve", "status"],
        &["audit"],
        &["trust", "head"],
        &["trust", "signers", "list"],
        &["charter", "show"],
        &["policy", "list"],
        &["capability", "list"],
        &["context", "show"],
        &["config", "list"],
        &["secret", "list"],
        &["cache", "status"],
        &["notify"],
        &["export-skill", "peek", "--to", "given"],
        &["proof", "peek", "--out", "given/peek.proof"],
        &["backup", "given/backup"],
        &["replay", "--execution-id", run],
        &["record", "peek", "--json", r#"{"path":"Inbox/AI/a.md"}"#],
        &["new", "tally"],
        &["rebuild"],
        &["resume", "--by", "ada"],
        &["doctor"],
    ] {
        of(Needs::Reads, args);
    }
    all
}

/// What it printed for a person and what for a program, without any raw text. Gives what it printed for a program.
#[track_caller]
pub fn speaks_plainly(called: &Called, what: &str) {
    let said = format!("{}{}", called.stdout, called.stderr);
    for raw in RAW {
        assert!(!said.contains(raw), "{what}: `{raw}` in {called:?}");
    }
    // The key of the history can be unusable because of the disk.
    assert!(called.code != 70 || said.contains("No space left"), "{what}: {called:?}");
    assert_ne!(called.code, 101, "{what}: {called:?}");
}

#[test]
fn each_verb_has_its_call() {
    let workspace = Workspace::trusted();
    prepare(&workspace);
    let calls = calls(&workspace);
    for (verb, _) in VERBS {
        let called = calls.iter().any(|call| call.args[0] == *verb);
        let left_out = ELSEWHERE.contains(verb) || LIKE_OTHERS.contains(verb);
        assert!(called != left_out, "`{verb}` needs a call here, or a reason why it has none");
    }
}
