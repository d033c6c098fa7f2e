//! One skill over many inputs in one process: `kavi run-skill NAME --batch`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use kavi::ledger::{Create, Ledger};
use serde_json::{Value, json};

use crate::support::guests::{guest, with_guest};
use crate::support::watch::{self, Tree};
use crate::support::{self, Called, Skill, Workspace, feed};

/// Needs no file: its calls run on threads that reach nothing.
const TALLY: Skill = Skill {
    name: "tally",
    class: "READ_ONLY",
    schema: r#"{"input":{"text":"str"},"output":{"words":"int","letters":"int","longest":"int"}}"#,
    more: &[],
    source: include_str!("../support/skills/tally.rs"),
};

fn lines(called: &Called) -> Vec<Value> {
    called.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Runs a batch to its end, over these lines.
fn batch(workspace: &Workspace, skill: &str, input: &[String], more: &[&str]) -> Called {
    let mut command = workspace.command();
    command.args(["run-skill", skill, "--batch", "-", "--output", "json"]).args(more);
    feed(command, &input.concat())
}

fn line(value: &Value) -> String {
    format!("{value}\n")
}

fn note(number: usize) -> String {
    line(&json!({ "path": format!("Inbox/AI/{number}.md"), "title": "Title", "body": format!("Body {number}") }))
}

/// A batch that is fed line by line.
struct Fed {
    child: Child,
    input: Option<ChildStdin>,
    output: Option<BufReader<ChildStdout>>,
}

impl Fed {
    fn start(workspace: &Workspace, skill: &str, more: &[&str]) -> Self {
        let mut command = workspace.command();
        command.args(["run-skill", skill, "--batch", "-", "--output", "json"]).args(more);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take(), child.stdout.take().map(BufReader::new));
        Self { child, input, output }
    }

    fn send(&mut self, value: &Value) {
        self.input.as_mut().unwrap().write_all(line(value).as_bytes()).unwrap();
    }

    fn answer(&mut self) -> Value {
        let mut text = String::new();
        self.output.as_mut().unwrap().read_line(&mut text).unwrap();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text:?}"))
    }

    fn ask(&mut self, value: &Value) -> Value {
        self.send(value);
        self.answer()
    }

    fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    fn end(mut self) -> i32 {
        drop(self.input.take());
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

#[test]
fn answers_come_in_the_order_of_the_lines_and_a_failure_stops_no_other() {
    let workspace = Workspace::trusted();
    fs::write(workspace.vault("a.md"), "alpha").unwrap();
    fs::write(workspace.vault("b.md"), "beta").unwrap();
    let read = |path: &str| line(&json!({ "path": path }));
    let long = line(&json!({ "path": "x".repeat(3 << 20) }));
    let odd = [read("nowhere.md"), "{\"path\":\n".to_owned(), "\n".to_owned(), line(&json!({ "path": 5 })), long];
    let mut input: Vec<String> = (0..40).map(|number| read(if number % 2 == 0 { "a.md" } else { "b.md" })).collect();
    for (at, odd) in odd.into_iter().enumerate() {
        input[7 * at + 5] = odd;
    }
    let called = batch(&workspace, "peek", &input, &["--jobs", "4"]).expect(5);
    assert_eq!(called.stderr, "");
    let answers = lines(&called);
    assert_eq!(answers.len(), 40);
    let expected = [(5, "skill-failed"), (12, "usage"), (19, "usage"), (26, "usage"), (33, "usage")];
    for (at, answer) in answers.iter().enumerate() {
        match expected.iter().find(|(odd, _)| *odd == at) {
            Some((_, kind)) => assert_eq!(answer["error"]["kind"], *kind, "{at}: {answer}"),
            None => assert_eq!(answer["output"]["text"], ["alpha", "beta"][at % 2], "{at}: {answer}"),
        }
    }
    assert_eq!(workspace.count("SELECT count(*) FROM executions WHERE success"), 35);
    assert_eq!(workspace.count("SELECT count(*) FROM executions WHERE NOT success"), 5);
    let walls = support::strings(&workspace.ledger(), "SELECT DISTINCT second_wall FROM executions WHERE success");
    assert!(walls.len() == 1 && walls[0].starts_with("landlock "), "{walls:?}");
    // The code is that of the first failure, not of the worst or the last.
    input.swap(5, 12);
    batch(&workspace, "peek", &input, &[]).expect(2);
}

#[test]
fn an_answer_is_the_document_of_a_single_run() {
    let workspace = Workspace::trusted();
    fs::write(workspace.vault("a.md"), "alpha").unwrap();
    let single = workspace.run("peek", json!({ "path": "a.md" })).expect(0).json();
    fs::write(workspace.path().join("in.jsonl"), "{\"path\":\"a.md\"}\n{\"path\":\"a.md\"}").unwrap();
    let called = workspace.json(&["run-skill", "peek", "--batch", "in.jsonl"]).expect(0);
    let answers = lines(&called);
    assert_eq!(answers.len(), 2);
    for answer in &answers {
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(answer), keys(&single));
        for key in ["output", "revision", "source_hash", "second_wall", "logs", "effects", "success"] {
            assert_eq!(answer[key], single[key], "{key}");
        }
        let sql = format!("SELECT count(*) FROM executions WHERE execution_id = {}", answer["execution_id"]);
        assert_eq!(workspace.count(&sql.replace('"', "'")), 1);
    }
    let human = workspace.call(&["run-skill", "peek", "--batch", "in.jsonl"]).expect(0);
    assert_eq!(human.stdout, "1: {\"text\":\"alpha\"}\n2: {\"text\":\"alpha\"}\n");
    assert!(human.stderr.contains("2 of 2 runs succeeded"), "{human:?}");
    let empty = batch(&workspace, "peek", &[], &[]).expect(0);
    assert_eq!(empty.stdout, "");
}

#[test]
fn a_value_too_large_for_a_record_is_stored_by_a_thread_that_reaches_only_the_vault() {
    let workspace = Workspace::trusted();
    let text = "a line of text\n".repeat(16_000);
    fs::write(workspace.vault("large.md"), &text).unwrap();
    // The first call loads the skill, and the others are made on the thread that is kept for it.
    let input = vec![line(&json!({ "path": "large.md" })); 3];
    let called = batch(&workspace, "peek", &input, &["--jobs", "1"]).expect(0);
    assert!(lines(&called).iter().all(|answer| answer["output"]["text"] == text.as_str()), "{called:?}");
    let stored = support::files(&workspace.path().join(".kavi/store/values"));
    assert_eq!(stored.values().filter(|what| *what != "folder").count(), 1, "{stored:?}");
}

#[test]
fn what_cannot_be_a_batch_is_refused() {
    let workspace = Workspace::trusted();
    workspace.refused(&["run-skill", "peek", "--batch", "nowhere.jsonl"], 2);
    for args in [&["--batch", "-", "--jobs", "0"][..], &["--batch", "-", "--jobs", "17"], &["--jobs", "2"], &[]] {
        workspace.call(&[&["run-skill", "peek"], args].concat()).expect(2);
    }
    workspace.call(&["run-skill", "peek", "--batch", "-", "--json", "{}"]).expect(2);
    let called = batch(&workspace, "nobody", &["{}\n".to_owned(), "{}\n".to_owned()], &[]).expect(2);
    assert!(lines(&called).iter().all(|answer| answer["error"]["kind"] == "usage"), "{called:?}");
}

#[test]
fn what_other_processes_decide_holds_from_the_next_line_on() {
    let workspace = Workspace::trusted();
    let first = workspace.trust(&TALLY);
    let mut fed = Fed::start(&workspace, "tally", &["--jobs", "2"]);
    let input = json!({ "text": "one two" });
    for _ in 0..5 {
        assert_eq!(fed.ask(&input)["revision"], 1);
    }
    // A promotion.
    let changed = TALLY.source.replace("longest: 0,", "longest: 4,").replace("\"longest\": 0", "\"longest\": 4");
    let second = workspace.propose("tally", TALLY.class, TALLY.schema, &[]);
    workspace.import(&second, &workspace.source("tally", &changed)).expect(0);
    workspace.json(&["verify-skill", &second]).expect(0);
    assert_eq!(fed.ask(&input)["revision"], 1, "verified is not trusted");
    workspace.json(&["promote-skill", &second, "--approved-by", "test", "--yes", "--limit", "cpu_ms=1000"]).expect(0);
    let answer = fed.ask(&input);
    assert_eq!((&answer["revision"], &answer["output"]["longest"]), (&json!(2), &json!(4)), "{answer}");
    // What the promotion narrowed holds too.
    let answer = fed.ask(&json!({ "text": "a ".repeat(4_321) }));
    assert!(answer["error"]["message"].as_str().unwrap().contains("`cpu_ms` limit of 1000"), "{answer}");
    assert_eq!(fed.ask(&input)["revision"], 2, "the next one is untouched");
    // Back, and away.
    workspace.json(&["rollback", "tally", "--approved-by", "test"]).expect(0);
    let answer = fed.ask(&input);
    assert_eq!((&answer["revision"], &answer["output"]["longest"]), (&json!(1), &json!(3)), "{answer}");
    workspace.json(&["stop", "--why", "a test", "--by", "test"]).expect(0);
    assert_eq!(fed.ask(&input)["error"]["kind"], "refused");
    assert_eq!(fed.ask(&input)["error"]["kind"], "refused");
    workspace.json(&["resume", "--by", "test"]).expect(0);
    assert_eq!(fed.ask(&input)["revision"], 1);
    // The mark of a stop that the ledger could not take.
    let mark = workspace.path().join(".kavi/stop");
    fs::write(&mark, "").unwrap();
    assert_eq!(fed.ask(&input)["error"]["kind"], "refused");
    fs::remove_file(&mark).unwrap();
    assert_eq!(fed.ask(&input)["revision"], 1);
    workspace.json(&["revoke", "tally", "--why", "a test", "--approved-by", "test"]).expect(0);
    let answer = fed.ask(&input);
    assert!(answer["error"]["message"].as_str().unwrap().contains("not trusted"), "{answer}");
    assert_eq!(fed.end(), 5);
    assert_eq!(workspace.status_of(&first), "REVOKED");
}

/// What a call that finds nothing changed does not look up again.
#[test]
fn nothing_that_another_process_does_goes_unnoticed() {
    let workspace = Workspace::trusted();
    let ledger = Ledger::open(&workspace.path().join(".kavi/ledger.db"), Create::Never).unwrap();
    let mut change_detector = ledger.change_detector().expect("this system can look out");
    let mut changes = |what: &str| {
        assert!(!change_detector.unchanged(), "{what}");
        while !change_detector.unchanged() {}
    };
    changes("the first time");
    workspace.json(&["stop", "--why", "a test", "--by", "test"]).expect(0);
    changes("a stop");
    assert!(ledger.authorize().is_err());
    workspace.json(&["resume", "--by", "test"]).expect(0);
    changes("an end of the stop");
    assert!(ledger.authorize().is_ok());
    workspace.json(&["revoke", "act", "--why", "a test", "--approved-by", "test"]).expect(0);
    changes("a revocation");
}

/// Descriptors, once the first calls have opened what stays, and after many more.
#[test]
fn a_thousand_lines_leave_the_descriptors_level() {
    let workspace = Workspace::trusted();
    fs::write(workspace.vault("a.md"), "alpha").unwrap();
    for (skill, input, lines) in [
        ("peek", json!({ "path": "a.md" }), 1_000),
        ("write_note", json!({ "path": "Inbox/AI/a.md", "title": "Title", "body": "Body" }), 100),
    ] {
        let mut fed = Fed::start(&workspace, skill, &["--jobs", "2"]);
        let mut levels = Vec::new();
        for number in 0..lines {
            assert_eq!(fed.ask(&input)["success"], true);
            if number % (lines / 10) == lines / 10 - 1 {
                levels.push(fed.descriptors());
            }
        }
        // Two threads can hold the few files of a run each, or none, at the moment that is looked at.
        let (least, most) = (levels.iter().min().unwrap(), levels.iter().max().unwrap());
        assert!(most - least <= 8, "{skill}: {levels:?}");
        assert_eq!(fed.end(), 0);
    }
}

#[test]
fn files_of_every_line_reach_the_vault_with_their_record() {
    let workspace = Workspace::trusted();
    let mut input: Vec<String> = (0..30).map(note).collect();
    // Outside of its folders, and onto something that is no file.
    input[7] = line(&json!({ "path": "Projects/7.md", "title": "Title", "body": "Body" }));
    fs::create_dir_all(workspace.vault("Inbox/AI/11.md")).unwrap();
    let called = batch(&workspace, "write_note", &input, &["--jobs", "4"]).expect(5);
    for (number, answer) in lines(&called).iter().enumerate() {
        match number {
            7 | 11 => assert!(answer["error"].is_object(), "{number}: {answer}"),
            _ => {
                let text = fs::read(workspace.vault(&format!("Inbox/AI/{number}.md"))).unwrap();
                let digest = kavi::model::digest::Digest::of(&text).to_string();
                assert_eq!(answer["effects"][0]["sha256"], digest, "{number}: {answer}");
            }
        }
    }
    assert_eq!(workspace.count("SELECT count(*) FROM commits WHERE state = 'APPLIED'"), 28);
    assert_eq!(workspace.count("SELECT count(*) FROM executions WHERE NOT success"), 2);
    assert_eq!(workspace.staged(), 0);
    assert!(!workspace.vault("Projects/7.md").exists());
}

#[test]
fn a_process_that_is_killed_leaves_whole_runs_and_answers_only_what_is_recorded() {
    let workspace = Workspace::trusted();
    let mut fed = Fed::start(&workspace, "write_note", &["--jobs", "4"]);
    let mut input = fed.input.take().unwrap();
    // As many as go before it is killed.
    let feeder = std::thread::spawn(move || (0..).try_for_each(|number| input.write_all(note(number).as_bytes())));
    let answered: Vec<Value> = (0..20).map(|_| fed.answer()).collect();
    fed.child.kill().unwrap();
    fed.child.wait().unwrap();
    assert!(feeder.join().unwrap().is_err());
    // What was under way is finished by whoever comes next.
    workspace.json(&["status"]).expect(0);
    assert_eq!(workspace.count("SELECT count(*) FROM commits WHERE state <> 'APPLIED'"), 0);
    let written = "SELECT json_extract(effects_json, '$[0].path') || ' ' || json_extract(effects_json, '$[0].sha256')
                   FROM executions WHERE success ORDER BY 1";
    let recorded = support::strings(&workspace.ledger(), written);
    let there = support::files(&workspace.vault("Inbox/AI"));
    let mut there: Vec<String> = there.iter().map(|(name, digest)| format!("Inbox/AI/{name} {digest}")).collect();
    there.sort();
    assert_eq!(there, recorded);
    for answer in &answered {
        let line = format!("Inbox/AI/{}", answer["effects"][0]["path"].as_str().unwrap().rsplit('/').next().unwrap());
        assert!(recorded.iter().any(|row| row.starts_with(&format!("{line} "))), "{answer}");
    }
    assert_eq!(workspace.staged(), 0);
}

#[test]
fn nobody_who_takes_the_answers_ends_the_batch() {
    let workspace = Workspace::trusted();
    fs::write(workspace.vault("a.md"), "alpha").unwrap();
    let mut fed = Fed::start(&workspace, "peek", &["--jobs", "2"]);
    let mut input = fed.input.take().unwrap();
    let text = line(&json!({ "path": "a.md" }));
    let feeder = std::thread::spawn(move || (0..).try_for_each(|_: u64| input.write_all(text.as_bytes())));
    assert_eq!(fed.answer()["output"]["text"], "alpha");
    drop(fed.output.take());
    let mut said = String::new();
    std::io::Read::read_to_string(&mut fed.child.stderr.take().unwrap(), &mut said).unwrap();
    assert_eq!(fed.child.wait().unwrap().code(), Some(1), "{said}");
    // It ended, although there was no end of lines.
    assert!(feeder.join().unwrap().is_err());
    assert_eq!(workspace.count("SELECT count(*) FROM executions WHERE NOT success"), 0);
}

#[test]
fn a_stop_and_a_revocation_end_what_a_batch_runs() {
    // A guest that stays when it is told to, for two minutes: what nothing ends before is a timeout.
    let workspace = with_guest("act", &guest("stay"));
    let act = |act: &str, file: &str| json!({ "act": act, "path": format!("Inbox/AI/{file}") });
    for (end, word, round) in [
        (&["stop", "--why", "a test", "--by", "test"][..], ": a test", 1),
        (&["revoke", "act", "--why", "a test", "--approved-by", "test"], "no longer trusted", 2),
    ] {
        let mut tree = Tree::new(&workspace.path().join(".kavi"));
        let mut fed = Fed::start(&workspace, "act", &["--jobs", "1"]);
        assert_eq!(fed.ask(&act("one", &format!("{round}.md")))["output"]["said"], "one");
        // The second one is on a thread that is kept.
        assert_eq!(fed.ask(&act("two", &format!("{round}-again.md")))["code"], "warm");
        fed.send(&act("spin", "spin.md"));
        let staging = workspace.path().join(".kavi/staging");
        tree.until(&mut fed.child, || watch::is_below(&staging, "spin.md"));
        workspace.json(end).expect(0);
        let answer = fed.answer();
        assert!(answer["error"]["message"].as_str().unwrap().contains(word), "{answer}");
        assert_eq!(fed.end(), 3);
        workspace.call(&["resume", "--by", "test"]);
    }
}
