//! Records: looked at, followed, printed whole, handed on, drawn as sessions, and thrown away.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use kavi::model::digest::Digest;
use serde_json::{Value, json};

use crate::support::{self, Called, Workspace, feed};

/// What differs from run to run and from machine to machine has a name in its place.
fn same(name: &str, called: &Called) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for (pattern, name) in [
        (r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "[id]"),
        (r"\b[0-9a-f]{64}\b", "[sha256]"),
        (r"\b[0-9a-f]{8}\b", "[short]"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[time]"),
        (r"\b\d\d:\d\d:\d\d\b", "[time]"),
        (r" +\d+ ms\b", " [n] ms"),
        (r"\buid \d+", "[user]"),
        (r"wasmtime \d[\d.]*", "wasmtime [version]"),
        (r"landlock \d+", "landlock [n]"),
        (r#""(cpu_us|wall_us|memory_bytes|duration_ms)": \d+"#, r#""$1": "[n]""#),
    ] {
        settings.add_filter(pattern, name);
    }
    let shown = format!("{}{}exit code {}\n", called.stdout, errors(&called.stderr), called.code);
    settings.bind(|| insta::assert_snapshot!(name, shown));
}

fn errors(stderr: &str) -> String {
    stderr.lines().map(|line| format!("2> {line}\n")).collect()
}

/// Some runs: one that wrote, one that failed, one that is held, one of something unknown, one that only looked.
fn some_runs() -> Workspace {
    let workspace = Workspace::trusted();
    workspace.act("two", "Inbox/AI/a.md").expect(0);
    workspace.act("fail", "Inbox/AI/b.md").expect(5);
    let held = json!({ "act": "write", "path": "Inbox/AI/c.md" }).to_string();
    workspace.json(&["run-skill", "act", "--hold", "--json", &held]).expect(0);
    workspace.run("nothing", json!({})).expect(2);
    workspace.json(&["run-skill", "act", "--dry-run", "--json", &held]).expect(0);
    workspace
}

fn tail(workspace: &Workspace, more: &[&str]) -> Vec<Value> {
    let tail = workspace.json(&[&["tail-executions"], more].concat()).expect(0).json();
    tail["executions"].as_array().unwrap().clone()
}

fn id(record: &Value) -> &str {
    record["execution_id"].as_str().unwrap()
}

fn ended(records: &[Value]) -> Vec<String> {
    let one = |record: &Value| {
        let kind = record["error"].as_str().map(|error| error.split(':').next().unwrap().to_owned());
        kind.unwrap_or_else(|| record["commit_state"].as_str().unwrap_or("ok").to_owned())
    };
    records.iter().map(one).collect()
}

#[test]
fn the_newest_runs_come_last_and_say_how_they_ended() {
    let workspace = Workspace::new();
    assert_eq!(tail(&workspace, &[]), [""; 0]);
    same("tail_nothing.human", &workspace.call(&["tail-executions"]).expect(0));
    let workspace = some_runs();
    same("tail.human", &workspace.call(&["tail-executions"]).expect(0));
    same("tail.json", &workspace.json(&["tail", "--n", "1", "--only-failures", "--skill", "act"]).expect(0));
    let all = tail(&workspace, &[]);
    assert_eq!(ended(&all), ["APPLIED", "SkillError", "HELD", "NotTrusted", "ok"]);
    assert_eq!(ended(&tail(&workspace, &["-n", "2"])), ["NotTrusted", "ok"]);
    assert_eq!(ended(&tail(&workspace, &["--only-failures"])), ["SkillError", "NotTrusted"]);
    assert_eq!(ended(&tail(&workspace, &["--skill", "nothing"])), ["NotTrusted"]);
    assert_eq!(tail(&workspace, &["--skill", "peek"]), [""; 0]);
    let third = all[2]["started_at"].as_str().unwrap();
    assert_eq!(tail(&workspace, &["--since", third]), all[2..]);
    assert_eq!(tail(&workspace, &["--since", "1h"]), all);
    assert_eq!(tail(&workspace, &["--since", "0s"]), [""; 0]);
    assert_eq!(tail(&workspace, &["--since", "2999-01-01"]), [""; 0]);
}

#[test]
fn what_cannot_be_looked_for_is_refused() {
    let workspace = Workspace::new();
    for args in [
        &["tail-executions", "--n", "10001"][..],
        &["tail-executions", "--n", "-1"],
        &["tail-executions", "--since", "yesterday"],
        &["tail-executions", "--since", "-2h"],
        &["tail-executions", "--skill", "Not A Name"],
        &["export-executions", "--since", "1 month"],
        &["export-executions", "--skill", "../x"],
        &["export-executions", "--out", "nowhere/x.jsonl"],
        &["export-executions", "--out", "kavi.toml"],
        &["session"],
        &["session", "--latest", "--day", "2026-11-20"],
        &["session", "--execution-id", "xyz"],
        &["session", "--execution-id", "ffffffff"],
        &["session", "--day", "today"],
        // There is none yet.
        &["session", "--latest"],
        &["prune", "--approved-by", "ada", "--yes"],
        &["prune", "--keep", "0", "--approved-by", "ada", "--yes"],
        &["prune", "--keep", "1", "--yes", "--dry-run"],
        &["consume-skill", "Not A Name", "--json", "{}"],
        &["consume-skill", "act"],
        &["consume-skill", "act", "--json", "@nowhere.json"],
        &["consume-skill", "act", "--json", "{}", "--log-path", "nowhere/log.jsonl"],
        &["consume-skill", "act", "--json", "{}", "--no-log"],
    ] {
        let error = workspace.refused(args, 2);
        assert_eq!(error["kind"], "usage", "{args:?}");
    }
    let error = workspace.refused(&["prune", "--keep", "30", "--approved-by", "ada"], 3);
    assert!(error["message"].as_str().unwrap().contains("--yes"), "{error}");
}

/// A command that prints as long as somebody reads.
fn follow(workspace: &Workspace, args: &[&str]) -> (Child, impl FnMut() -> String + use<>) {
    let mut child =
        workspace.command().args(args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("kavi starts");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, move || lines.next().expect("a line").unwrap())
}

#[test]
fn what_is_recorded_is_followed_until_nobody_reads_it() {
    let workspace = some_runs();
    let (mut child, mut next) = follow(&workspace, &["tail", "--follow", "-n", "1", "--output", "json"]);
    let record = |line: &str| serde_json::from_str::<Value>(line).unwrap();
    assert_eq!(record(&next())["purpose"], "DRY_RUN");
    // Made after the first line was read: these come one by one, whatever became of them.
    for (act, code) in [("write", 0), ("fail", 5), ("read", 0)] {
        let path = format!("Inbox/AI/{act}.md");
        workspace.act(act, if act == "read" { "Inbox/AI/write.md" } else { &path }).expect(code);
        let line = next();
        assert_eq!(record(&line)["input_json"]["act"], act, "{line}");
        assert_eq!(record(&line)["success"], code == 0, "{line}");
    }
    drop(next);
    assert!(child.wait().unwrap().success(), "it ends when nobody reads it");

    let (mut child, mut next) = follow(&workspace, &["tail", "--follow", "-n", "0", "--only-failures"]);
    assert!(next().starts_with("run "), "the header");
    workspace.act("write", "Inbox/AI/d.md").expect(0);
    workspace.act("not-found", "Inbox/AI/d.md").expect(5);
    let line = next();
    assert!(
        line.contains("act@1") && line.ends_with("SkillError: the skill failed (not-found): as it was told"),
        "{line}"
    );
    // Another ledger in the place of this one is not the one that was followed.
    let ledger = workspace.path().join(".kavi/ledger.db");
    fs::copy(&ledger, workspace.path().join("copy.db")).unwrap();
    fs::rename(workspace.path().join("copy.db"), &ledger).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(70));
}

#[test]
fn a_run_is_consumed_with_its_whole_record_also_when_it_fails() {
    let workspace = Workspace::trusted();
    let consume = |act: &str| {
        let input = json!({ "act": act, "path": "Inbox/AI/a.md" }).to_string();
        workspace.json(&["consume-skill", "act", "--json", &input, "--log-path", "log.jsonl"])
    };
    let done = consume("write").expect(0);
    same("consume.json", &done);
    assert_eq!(tail(&workspace, &[]), [done.json()], "it is what the ledger has");
    let failed = consume("fail").expect(5);
    same("consume_failed.json", &failed);
    let mut record = failed.json();
    assert_eq!(record["failure"]["exit_code"], 5);
    record.as_object_mut().unwrap().remove("failure");
    assert_eq!(tail(&workspace, &["-n", "1"]), [record]);
    let log = fs::read_to_string(workspace.path().join("log.jsonl")).unwrap();
    let logged: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(logged, tail(&workspace, &[]));

    let human = workspace.call(&["consume-skill", "peek", "--json", r#"{"path":"none.md"}"#]).expect(5);
    assert!(human.stdout.contains("\"error\": \"SkillError: ") && human.stderr.starts_with("error: "), "{human:?}");
    // What is off the schema, or not there to run, is a record too; the exit code is that of run-skill.
    assert_eq!(workspace.json(&["consume-skill", "peek", "--json", "{}"]).expect(2).json()["success"], false);
    let nothing = workspace.json(&["consume-skill", "nothing", "--json", "{}"]).expect(2).json();
    assert_eq!((&nothing["revision"], &nothing["failure"]["kind"]), (&json!(null), &json!("usage")));
    let held =
        workspace.call(&["consume-skill", "act", "--hold", "--json", r#"{"act":"write","path":"Inbox/AI/h.md"}"#]);
    assert!(held.expect(0).stderr.contains("kavi effects approve"));
    // While everything is stopped there is nothing to record.
    let count = workspace.count("SELECT count(*) FROM executions");
    workspace.json(&["stop", "--why", "a test", "--by", "ada"]).expect(0);
    let stopped = consume("write").expect(3).json();
    assert_eq!((stopped["error"]["kind"].as_str(), stopped.get("execution_id")), (Some("refused"), None));
    assert_eq!(workspace.count("SELECT count(*) FROM executions"), count);
    assert_eq!(fs::read_to_string(workspace.path().join("log.jsonl")).unwrap().lines().count(), 2);
}

#[test]
fn a_log_that_takes_nothing_is_said_and_the_run_is_on_record() {
    let workspace = Workspace::trusted();
    let input = r#"{"act":"write","path":"Inbox/AI/a.md"}"#;
    let consumed =
        workspace.json(&["consume-skill", "act", "--json", input, "--log-path", "/dev/full"]).expect(1).json();
    assert_eq!((&consumed["success"], &consumed["failure"]["kind"]), (&json!(true), &json!("failed")));
    assert!(consumed["failure"]["message"].as_str().unwrap().contains("the run is in the ledger"), "{consumed}");
    assert_eq!(ended(&tail(&workspace, &[])), ["APPLIED"]);
    assert!(workspace.vault("Inbox/AI/a.md").exists());
}

/// A run whose input and output are too large for a record.
fn large(workspace: &Workspace, path: &str) -> Value {
    let input = json!({ "act": format!("{path} {}", "x".repeat(70_000)), "path": path });
    let call = workspace.command_with(&["consume-skill", "act", "--output", "json", "--json", "-"]);
    feed(call, &input.to_string()).expect(0).json()
}

#[test]
fn records_are_handed_on_as_lines_oldest_first() {
    let workspace = some_runs();
    let record = large(&workspace, "Inbox/AI/large.md");
    assert_eq!(record["output_json"]["said"], record["input_json"]["act"], "whole, although they are kept elsewhere");
    let lines =
        |called: &str| -> Vec<Value> { called.lines().map(|line| serde_json::from_str(line).unwrap()).collect() };
    let all = lines(&workspace.call(&["export-executions"]).expect(0).stdout);
    assert_eq!(all, tail(&workspace, &[]));
    assert_eq!(lines(&workspace.json(&["export-executions"]).expect(0).stdout), all);
    assert_eq!((all.len(), &all[5]["input_json"]), (6, &json!(null)));
    let inline = lines(&workspace.call(&["export-executions", "--inline"]).expect(0).stdout);
    assert_eq!((inline[5].clone(), &inline[..5]), (record.clone(), &all[..5]));

    let from = |at: usize| all[at]["started_at"].as_str().unwrap();
    let some =
        workspace.call(&["export-executions", "--since", from(1), "--until", from(3), "--skill", "act"]).expect(0);
    assert_eq!(lines(&some.stdout), all[1..3]);
    assert_eq!(lines(&workspace.call(&["export-executions", "--only-failures"]).expect(0).stdout).len(), 2);
    let none = workspace.call(&["export-executions", "--until", "2020-01-01"]).expect(0);
    assert_eq!((none.stdout.as_str(), none.stderr.as_str()), ("", ""));

    let exported = workspace.json(&["export-executions", "--inline", "--out", "all.jsonl"]).expect(0).json();
    assert_eq!(exported, json!({ "exported": 6, "file": "all.jsonl" }));
    assert_eq!(lines(&fs::read_to_string(workspace.path().join("all.jsonl")).unwrap()), inline);
    let error = workspace.refused(&["export-executions", "--out", "all.jsonl"], 2);
    assert!(error["message"].as_str().unwrap().contains("there already"), "{error}");

    // Nobody reads to the end.
    let mut command = workspace.command_with(&["export-executions"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());

    // A value that was changed is not handed on as if it were the one.
    let stored = workspace.stored("values", record["input_stored"]["sha256"].as_str().unwrap());
    fs::write(&stored, "{}").unwrap();
    let error = workspace.refused(&["export-executions", "--inline", "--out", "other.jsonl"], 3);
    assert!(error["message"].as_str().unwrap().contains("was changed"), "{error}");
    assert_eq!(lines(&workspace.call(&["export-executions"]).expect(0).stdout), all);
}

#[test]
fn hostile_text_in_records_gives_a_terminal_no_orders() {
    let workspace = some_runs();
    let hostile = "SkillError: \u{1b}]0;x\u{7}\u{202e}\u{9b}31m\nrun  ok";
    let sql = "UPDATE executions SET error = ?1, asked_by = ?1 WHERE NOT success";
    assert_eq!(workspace.ledger().execute(sql, [hostile]).unwrap(), 2);
    for args in [&["tail-executions"][..], &["session", "--latest"], &["export-executions"]] {
        let shown = workspace.call(args).expect(0).stdout;
        let odd = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!shown.contains(odd), "{args:?}: {shown:?}");
    }
    assert_eq!(workspace.call(&["tail-executions"]).expect(0).stdout.lines().count(), 6);
    assert_eq!(tail(&workspace, &["--only-failures"])[0]["error"], hostile, "for machines it is what it is");
    let exported = workspace.call(&["export-executions", "--only-failures"]).expect(0).stdout;
    let first: Value = serde_json::from_str(exported.lines().next().unwrap()).unwrap();
    assert_eq!(first["asked_by"], hostile);
}

/// Says that one run follows from another.
fn below(workspace: &Workspace, run: &Value, parent: &str) {
    let sql = "UPDATE executions SET parent_execution_id = ?2 WHERE execution_id = ?1";
    assert_eq!(workspace.ledger().execute(sql, [id(run), parent]).unwrap(), 1);
}

#[test]
fn runs_that_follow_from_one_another_are_drawn_as_a_tree() {
    let workspace = some_runs();
    let runs = tail(&workspace, &[]);
    let gone = "ffffffff-0000-4000-8000-000000000000";
    for (run, parent) in [(0, gone), (1, id(&runs[0])), (2, id(&runs[1])), (3, id(&runs[0]))] {
        below(&workspace, &runs[run], parent);
    }
    let session = |of: &str| workspace.json(&["session", "--execution-id", of]).expect(0).json();
    let whole = session(id(&runs[2]));
    let depths = |session: &Value| -> Vec<(String, u64)> {
        let runs = session["executions"].as_array().unwrap();
        runs.iter().map(|run| (id(run).to_owned(), run["depth"].as_u64().unwrap())).collect()
    };
    let expected = [(0, 0), (1, 1), (2, 2), (3, 1)].map(|(run, depth)| (id(&runs[run]).to_owned(), depth));
    assert_eq!(depths(&whole), expected);
    // From wherever it is asked for, also by a prefix.
    for run in [0, 1, 3] {
        assert_eq!(session(&id(&runs[run])[..13]), whole);
    }
    same("session.human", &workspace.call(&["session", "--execution-id", id(&runs[0])]).expect(0));
    same("session.json", &workspace.call(&["session", "--latest", "--json"]).expect(0));
    // All of the day; what began before it begins a tree of its own.
    let day = &runs[0]["started_at"].as_str().unwrap()[..10];
    if runs[4]["started_at"].as_str().unwrap().starts_with(day) {
        same("session_day.human", &workspace.call(&["session", "--day", day]).expect(0));
    }
    same("session_no_day.human", &workspace.call(&["session", "--day", "2020-02-29"]).expect(0));
    // Round in a circle: all of it once, from the one that started first.
    below(&workspace, &runs[0], id(&runs[2]));
    assert_eq!(depths(&session(id(&runs[2]))), expected);
    below(&workspace, &runs[0], id(&runs[0]));
    assert_eq!(depths(&session(id(&runs[2]))), expected);
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Makes a run a hundred days older than it is, with its commit.
fn age(workspace: &Workspace, run: &Value) {
    let sql = "UPDATE executions SET started_at = strftime('%Y-%m-%dT%H:%M:%fZ', started_at, '-100 days'),
         finished_at = strftime('%Y-%m-%dT%H:%M:%fZ', finished_at, '-100 days') WHERE execution_id = ?1";
    assert_eq!(workspace.ledger().execute(sql, [id(run)]).unwrap(), 1);
    let sql = "UPDATE commits SET created_at = strftime('%Y-%m-%dT%H:%M:%fZ', created_at, '-100 days') WHERE id = ?1";
    workspace.ledger().execute(sql, [id(run)]).unwrap();
}

/// Makes every file of the store a day older.
fn age_store(workspace: &Workspace) {
    let store = workspace.path().join(".kavi/store");
    for (path, _) in support::files(&store).into_iter().filter(|(_, what)| what != "folder") {
        fs::File::open(store.join(path)).unwrap().set_modified(SystemTime::now() - DAY).unwrap();
    }
}

fn kept(workspace: &Workspace, bytes: &str) -> bool {
    let digest = Digest::of(bytes.as_bytes()).to_string();
    workspace.path().join(".kavi/store/files").join(&digest[..2]).join(digest).exists()
}

fn stored(workspace: &Workspace, value: &Value) -> bool {
    let digest = value["sha256"].as_str().unwrap();
    workspace.path().join(".kavi/store/values").join(&digest[..2]).join(digest).exists()
}

#[test]
fn a_prune_keeps_what_undo_and_replay_of_newer_runs_need() {
    let workspace = Workspace::trusted();
    let act = |act: &str, path: &str| workspace.act(act, path).expect(0).json();
    // Each replaces what the one before wrote.
    let old = [act("one", "Inbox/AI/a.md"), act("two", "Inbox/AI/a.md"), act("three", "Inbox/AI/a.md")];
    let large_old = large(&workspace, "Inbox/AI/large.md");
    let parent = large(&workspace, "Inbox/AI/parent.md");
    let held = json!({ "act": "held", "path": "Inbox/AI/a.md" }).to_string();
    let held = workspace.json(&["run-skill", "act", "--hold", "--json", &held]).expect(0).json();
    for run in old.iter().chain([&large_old, &parent, &held]) {
        age(&workspace, run);
    }
    let new = act("four", "Inbox/AI/a.md");
    let replay = large(&workspace, "Inbox/AI/parent.md");
    below(&workspace, &replay, id(&parent));
    age_store(&workspace);
    assert!(kept(&workspace, "one\n") && kept(&workspace, "two\n") && kept(&workspace, "three\n"));
    assert!(kept(&workspace, "held\n") && stored(&workspace, &large_old["input_stored"]));

    let before = workspace.state();
    let prune = ["prune", "--keep", "30", "--approved-by", "ada"];
    let would = workspace.json(&[&prune[..], &["--dry-run"]].concat()).expect(0);
    same("prune_dry_run.json", &would);
    same("prune_dry_run.human", &workspace.call(&[&prune[..], &["--dry-run"]].concat()).expect(0));
    assert_eq!(support::difference(&before, &workspace.state()), [""; 0]);
    let done = workspace.json(&[&prune[..], &["--yes"]].concat()).expect(0);
    same("prune.json", &done);
    for key in ["executions", "commits"] {
        assert_eq!(done.json()[key], would.json()[key], "{key}");
    }
    let left: Vec<String> = tail(&workspace, &[]).iter().map(|run| id(run).to_owned()).collect();
    assert_eq!(left, [&parent, &held, &new, &replay].map(|run| id(run).to_owned()));
    assert_eq!(support::strings(&workspace.ledger(), "SELECT pruned_by FROM prunes"), ["ada"]);
    // What only the old ones needed is gone: what lay there before them, and their large values.
    assert!(!kept(&workspace, "one\n") && !kept(&workspace, "two\n"));
    for run in [&large_old["input_stored"], &large_old["output_stored"]] {
        assert!(!stored(&workspace, run));
    }
    // What an undo, an approval and a replay of those that stay need is not.
    assert!(kept(&workspace, "three\n") && kept(&workspace, "held\n"));
    for run in [&parent, &replay] {
        assert!(stored(&workspace, &run["input_stored"]) && stored(&workspace, &run["output_stored"]));
    }
    workspace.call(&["export-executions", "--inline"]).expect(0);
    workspace.json(&["undo", id(&new), "--yes", "--approved-by", "ada"]).expect(0);
    assert_eq!(fs::read_to_string(workspace.vault("Inbox/AI/a.md")).unwrap(), "three\n");
    // A held change is approved only as its event says, so it gets its own time back until then.
    let move_by = |days: &str| {
        let sql = "UPDATE commits SET created_at = strftime('%Y-%m-%dT%H:%M:%fZ', created_at, ?2) WHERE id = ?1";
        assert_eq!(workspace.ledger().execute(sql, [id(&held), days]).unwrap(), 1);
    };
    move_by("+100 days");
    workspace.json(&["effects", "approve", id(&held), "--yes", "--approved-by", "ada"]).expect(0);
    move_by("-100 days");
    assert_eq!(fs::read_to_string(workspace.vault("Inbox/AI/a.md")).unwrap(), "held\n");
    // What is gone says so, and what is there still runs.
    workspace.refused(&["undo", id(&old[0]), "--yes", "--approved-by", "ada"], 2);
    workspace.act("five", "Inbox/AI/a.md").expect(0);
    same("prune_again.human", &workspace.call(&[&prune[..], &["--yes"]].concat()).expect(0));
}

#[test]
fn files_that_a_prune_did_not_come_to_are_for_the_next_one() {
    let workspace = Workspace::trusted();
    let old = [workspace.act("one", "Inbox/AI/a.md"), workspace.act("two", "Inbox/AI/a.md")].map(|run| run.json());
    workspace.act("last", "Inbox/AI/b.md").expect(0);
    old.iter().for_each(|run| age(&workspace, run));
    let prune = || workspace.json(&["prune", "--keep", "30", "--yes", "--approved-by", "ada"]).expect(0).json();
    // As if it had been killed after the ledger: the files are there, and nobody refers to them. These are too young to go.
    let first = prune();
    assert_eq!((&first["executions"], &first["files"]), (&json!(2), &json!(0)));
    assert!(kept(&workspace, "one\n"));
    age_store(&workspace);
    let second = prune();
    assert_eq!((&second["executions"], &second["files"], &second["bytes"]), (&json!(0), &json!(1), &json!(4)));
    assert!(!kept(&workspace, "one\n"));
    // A record that cannot be read might need anything: nothing more goes.
    workspace.act("three", "Inbox/AI/b.md").expect(0);
    let orphan = workspace.path().join(".kavi/store/files/ab").join("ab".repeat(32));
    fs::create_dir_all(orphan.parent().unwrap()).unwrap();
    fs::write(&orphan, "x").unwrap();
    age_store(&workspace);
    workspace.ledger().execute("UPDATE executions SET effects_json = '[1]' WHERE commit_id IS NOT NULL", []).unwrap();
    let error = workspace.json(&["prune", "--keep", "30", "--yes", "--approved-by", "ada"]).expect(70).json();
    assert!(error["error"]["message"].as_str().unwrap().contains("the records are gone"), "{error}");
    assert!(orphan.exists() && kept(&workspace, "last\n"));
}

#[test]
fn nothing_is_thrown_away_without_a_persons_word() {
    let workspace = Workspace::trusted();
    let old = workspace.act("one", "Inbox/AI/a.md").json();
    workspace.act("two", "Inbox/AI/b.md").expect(0);
    age(&workspace, &old);
    workspace.refused(&["prune", "--keep", "30", "--approved-by", "ada"], 3);
    if std::process::Command::new("script").arg("--version").output().is_err() {
        return;
    }
    // `script` gives the child a terminal; it is part of every Linux that a person works on.
    let ask = |answer: &str| {
        let words = format!("{} prune --keep 30 --approved-by ada", env!("CARGO_BIN_EXE_kavi"));
        let mut command = std::process::Command::new("script");
        command.args(["-qec", &words, "/dev/null"]).current_dir(workspace.path());
        command.env("KAVI_STATE_DIR", support::state_folder(workspace.path()));
        feed(command, answer)
    };
    for answer in ["\n", "no\n"] {
        let asked = ask(answer);
        assert_eq!(asked.code, 3, "{asked:?}");
        assert!(asked.stdout.contains("1 record and 1 commit"), "how much it is is shown first: {asked:?}");
        assert_eq!(workspace.count("SELECT count(*) FROM executions"), 2);
    }
    assert_eq!(ask("yes\n").code, 0);
    assert_eq!(workspace.count("SELECT count(*) FROM executions"), 1);
}

#[test]
fn a_link_in_the_store_is_neither_followed_nor_swept() {
    let workspace = Workspace::trusted();
    let outside = workspace.path().join("outside");
    let name = "cd".repeat(32);
    fs::create_dir_all(outside.join("cd")).unwrap();
    fs::write(outside.join("cd").join(&name), "mine").unwrap();
    let long_ago = |path: &Path| fs::File::open(path).unwrap().set_modified(SystemTime::now() - DAY).unwrap();
    long_ago(&outside.join("cd").join(&name));
    fs::create_dir_all(workspace.path().join(".kavi/store/values")).unwrap();
    std::os::unix::fs::symlink(outside.join("cd"), workspace.path().join(".kavi/store/values/cd")).unwrap();
    workspace.json(&["prune", "--keep", "1", "--yes", "--approved-by", "ada"]).expect(0);
    assert!(outside.join("cd").join(&name).exists());
}

#[test]
fn a_run_waits_for_the_disk_as_often_as_documented_and_a_read_after_its_answer() {
    let workspace = Workspace::trusted();
    fs::write(workspace.vault("a.md"), "text\n").unwrap();
    // The first run that writes also makes the folders that its successors find.
    workspace.note("Inbox/AI/first.md").expect(0);
    let peek = ["run-skill", "peek", "--json", r#"{"path":"a.md"}"#];
    let write = r#"{"path":"Inbox/AI/a.md","title":"Title","body":"Body"}"#;
    let write = ["run-skill", "write_note", "--json", write];
    let log = workspace.path().join("calls");
    for (sync, args, first, waits) in [
        ("group", &peek, "write", 1),
        ("always", &peek, "sync", 2),
        // What changes the vault never waits: file, folder of what is ready, record, folder in the vault, second step.
        // SQLite syncs the log's folder with the first sync of a process as well.
        ("group", &write, "sync", 6),
    ] {
        fs::write(workspace.path().join("kavi.toml"), format!("[records]\nsync = \"{sync}\"\n")).unwrap();
        // A log that grew would be put into the ledger by one of these commands. A new one is short.
        workspace.count("SELECT count(*) FROM history");
        // Checkpoints of the history come with time. One would sync whatever is before it.
        workspace.json(&peek).expect(0);
        workspace.json(&["audit"]).expect(0);
        let like = workspace.command();
        let mut strace = Command::new("strace");
        strace.args(["-f", "-y", "-qq", "-s", "0", "-e", "trace=write,writev,fsync,fdatasync", "-o"]).arg(&log);
        strace.arg(env!("CARGO_BIN_EXE_kavi")).args(args).current_dir(workspace.path());
        strace.env_clear().envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let Ok(called) = strace.output() else { return println!("skipped: strace is not installed") };
        let lines = fs::read_to_string(&log).unwrap_or_default();
        if lines.is_empty() {
            return println!("skipped: nothing may be traced here");
        }
        assert!(called.status.success(), "{sync} {args:?}: {called:?}");
        let printed = lines.lines().position(|line| line.contains("write(1<")).expect("it printed");
        // The log of the commands before is there still. One that begins anew would have its header synced too.
        let of_log = |line: &&str| line.contains("sync(") && line.contains("ledger.db-wal");
        let before = lines.lines().take(printed).filter(of_log).count();
        assert_eq!(if before > 0 { "sync" } else { "write" }, first, "{sync} {args:?}:\n{lines}");
        assert!(before > 0 || lines.lines().skip(printed).any(|line| of_log(&line)), "it synced:\n{lines}");
        assert_eq!(lines.lines().filter(|line| line.contains("sync(")).count(), waits, "{sync} {args:?}:\n{lines}");
    }
}
