//! Improvement of code: released failures become examples, the forge builds and verifies, and a person promotes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::OnceLock;

use serde_json::{Value, json};

use super::canon::sources;
use super::improve::{run_with, runs};
use crate::support::standin::{Step, init, standin, success, write};
use crate::support::{self, Called, Workspace, feed, watch::Tree};

/// A source that refuses every text with this mark, and says so in a test.
pub fn refusing(mark: char) -> String {
    let guard = format!(
        "    if input.text.contains({mark:?}) {{\n        return Err(SkillError::failed(\"a mark\"));\n    }}\n"
    );
    let body = "    let text = input.text.trim()";
    let test = "    #[test]\n    fn knows_other_letters";
    let refuses = format!(
        "    #[test]\n    fn refuses_the_mark() {{\n        let refused = Err(SkillError::failed(\"a mark\"));\n        \
         assert_eq!(call(run, json!({{ \"text\": \"a{mark}\" }})), refused);\n    }}\n\n"
    );
    let source = sources::GOOD.replace(body, &format!("{guard}{body}"));
    source.replace(test, &format!("{refuses}{test}"))
}

/// Refuses greetings, and no questions.
fn refuses_greetings() -> String {
    refusing('h').replace("\"hello\"", "\"ello\"").replace("\"HELLO\"", "\"ELLO\"")
}

/// A workspace with a skill of this source, whose runs with a question mark failed on twenty days, and which succeeded twice.
pub fn shouting(source: &str) -> Workspace {
    let workspace = Workspace::new();
    let proposal = workspace.propose("shout", "READ_ONLY", sources::SCHEMA, &[]);
    workspace.import(&proposal, &workspace.source("shout", source)).expect(0);
    workspace.json(&["verify-skill", &proposal]).expect(0);
    workspace.json(&["promote-skill", &proposal, "--approved-by", "test", "--yes"]).expect(0);
    let mark = source.split_once("\"text\": \"a").and_then(|(_, rest)| rest.chars().next()).unwrap();
    let marked = (0..20).map(|number| format!("{{\"text\":\"is it {number}{mark}\"}}\n")).collect::<String>();
    let inputs = format!("{{\"text\":\"hello\"}}\n{marked}{{\"text\":\"hi\"}}\n");
    feed(workspace.command_with(&["run-skill", "shout", "--batch", "-", "--output", "json"]), &inputs);
    let days =
        "UPDATE executions SET started_at = strftime('%Y-%m-%dT%H:%M:%fZ', '2026-01-01', '+' || rowid || ' days')";
    assert_eq!(workspace.ledger().execute(days, []).unwrap(), 22);
    workspace
}

/// A workspace whose skill refuses questions. Made once for all tests, and copied.
fn failing() -> Workspace {
    static ONCE: OnceLock<PathBuf> = OnceLock::new();
    Workspace::made_once(&ONCE, "shout", || shouting(&refusing('?')))
}

/// Makes a stand-in the coding agent of a workspace.
pub fn built_by(workspace: &Workspace, steps: Vec<Step>) {
    let agent = standin(workspace.path(), steps).unwrap();
    let path = workspace.path().join("kavi.toml");
    let toml = fs::read_to_string(&path).unwrap();
    let line = toml.lines().find(|line| line.starts_with("claude = ")).unwrap().to_owned();
    fs::write(path, toml.replace(&line, &format!("claude = {:?}", agent.display().to_string()))).unwrap();
}

pub fn pass_with_agent(workspace: &Workspace) -> Value {
    let mut command = workspace.command_with(&["improve", "run", "--json"]);
    let called: Called = command.env("ANTHROPIC_API_KEY", "sk-ant-made-up-0000").output().unwrap().into();
    called.expect(0).json()
}

/// Says what should have come of the first question, and releases that.
fn release(workspace: &Workspace) -> String {
    let run = run_with(workspace, "is it 0");
    let args = ["improve", "evidence", &run, "--expect", r#"{"text":"IS IT 0?"}"#];
    let shown = workspace.json(&args).expect(0).json();
    let released = [&args[..], &["--release", shown["sha256"].as_str().unwrap(), "--approved-by", "ada"]].concat();
    workspace.json(&released).expect(0);
    run
}

/// Puts every attempt so far behind us.
fn next_day(workspace: &Workspace) {
    let ledger = workspace.ledger();
    ledger.execute("UPDATE code_attempts SET created_at = '2026-11-20T00:00:00.000Z'", []).unwrap();
    ledger.execute("UPDATE code_attempts SET changed_at = created_at", []).unwrap();
}

#[test]
fn released_failures_become_examples_and_a_person_promotes_what_passes_them() {
    let workspace = failing();
    let found = workspace.json(&["improve", "--dry-run"]).expect(0).json();
    assert_eq!((&found["candidates"][0]["skill"], &found["candidates"][0]["part"]), (&json!("shout"), &json!("code")));
    // Nothing is released: nothing is proposed, and the pass says what to do, with the runs.
    let report = pass_with_agent(&workspace);
    let why = report["skipped"][0]["why"].as_str().unwrap();
    assert!(
        why.contains("kavi improve evidence RUN --expect JSON")
            && runs(&workspace).iter().any(|run| why.contains(&run[..8])),
        "{why}"
    );
    assert_eq!(report["code"], json!([]));
    let run = release(&workspace);

    // No coding agent: the proposal is there, nobody was asked, and the next pass goes on with it.
    let report = workspace.json(&["improve", "run"]).expect(0).json();
    assert_eq!(report["code"][0]["state"], "PROPOSED", "{report:#}");
    let first = report["code"][0]["proposal_id"].as_str().unwrap().to_owned();
    let shown = workspace.show(&first);
    assert_eq!((&shown["builds"], &shown["spec"]["examples"][0]["input"]), (&json!([]), &json!({"text": "is it 0?"})));
    assert!(shown["spec"]["examples"][0]["name"].as_str().unwrap().ends_with(&run[..8]));

    // Killed after the proposal was written, and before that was noted: the same proposal is used.
    workspace.ledger().execute("UPDATE code_attempts SET state = 'STARTED', proposal_id = NULL", []).unwrap();
    let report = workspace.json(&["improve", "run"]).expect(0).json();
    assert_eq!(report["code"][0]["proposal_id"], json!(first), "{report:#}");

    // A source that passes every gate and the example, with which runs fail that succeeded.
    built_by(&workspace, vec![init(), write("src/lib.rs", &refuses_greetings()), success()]);
    let report = pass_with_agent(&workspace);
    let refused = &report["code"][0];
    assert_eq!((&refused["state"], &refused["proposal_id"]), (&json!("REFUSED"), &json!(first)), "{report:#}");
    assert_eq!(refused["flips"], json!({ "gains": 20, "losses": 2, "same": 0 }), "{report:#}");
    assert!(pass_with_agent(&workspace)["skipped"][0]["why"].as_str().unwrap().contains("within an hour"));

    next_day(&workspace);
    built_by(&workspace, vec![init(), write("src/lib.rs", sources::GOOD), success()]);
    let report = pass_with_agent(&workspace);
    let candidate = &report["code"][0];
    assert_eq!((&candidate["state"], &candidate["attempt"]), (&json!("CANDIDATE"), &json!(2)), "{report:#}");
    assert_eq!(candidate["flips"], json!({ "gains": 20, "losses": 0, "same": 2 }));
    // Twenty gains: more than the second attempt needs.
    assert_eq!(candidate["pairs"]["verdict"], "better", "{candidate:#}");
    let second = candidate["proposal_id"].as_str().unwrap().to_owned();
    assert_ne!(first, second, "an attempt has a proposal of its own");
    assert!(workspace.json(&["diff", &second]).expect(0).stdout.contains("example"));
    assert_eq!(workspace.show("shout")["revision"], 1, "a pass promotes nothing");
    assert!(pass_with_agent(&workspace)["skipped"][0]["why"].as_str().unwrap().contains("waits for a person"));

    shadow(&workspace, &second);
    workspace.json(&["promote-skill", &second, "--approved-by", "ada", "--yes"]).expect(0);
    assert_eq!(pass_with_agent(&workspace)["code"][0]["state"], "PUBLISHED");
    let status = workspace.json(&["improve", "status"]).expect(0).json();
    let states: Vec<&str> = status["code"].as_array().unwrap().iter().map(|it| it["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["REFUSED", "PUBLISHED"]);
    assert_eq!(workspace.json(&["improve", "--dry-run"]).expect(0).json()["candidates"], json!([]));
    assert!(workspace.call(&["improve", "status"]).expect(0).stdout.contains("+20 -0 =2"));
}

/// The candidate repeats the next two calls, because a person said so, and only digests and flips stay.
fn shadow(workspace: &Workspace, proposal: &str) {
    let args = ["improve", "shadow", "shout", "--calls", "2", "--approved-by", "ada"];
    workspace.refused(&args, 3);
    workspace.refused(&["improve", "shadow", "shout", "--calls", "0", "--yes"], 2);
    assert_eq!(pass_with_agent(workspace)["shadows"], json!([]), "nobody decided it");
    let order = workspace.json(&[&args[..], &["--yes"]].concat()).expect(0).json();
    assert_eq!((&order["proposal_id"], &order["calls"]), (&json!(proposal), &json!(2)));
    let component = workspace.show(proposal)["verifications"][0]["component_sha256"].clone();
    assert_eq!(order["component_sha256"], component);
    assert_eq!(pass_with_agent(workspace)["shadows"], json!([]), "calls from before the decision are not repeated");
    for text in ["is this one private?", "hello", "is it too late?"] {
        workspace.run("shout", json!({ "text": text }));
    }
    let before = workspace.count("SELECT count(*) FROM executions");
    let shadow = pass_with_agent(workspace)["shadows"][0].clone();
    assert_eq!(shadow["flips"], json!({ "gains": 1, "losses": 0, "same": 1 }), "{shadow:#}");
    assert_eq!(pass_with_agent(workspace)["shadows"], json!([]), "two were decided, and two were repeated");
    assert_eq!(workspace.count("SELECT count(*) FROM executions"), before, "a shadow is no run");
    let kept = workspace.rows()["table shadow_runs"].clone();
    assert!(!kept.to_lowercase().contains("private") && kept.contains("GAIN"), "{kept}");
    let status = workspace.call(&["improve", "status"]).expect(0).stdout;
    assert!(status.contains("2 of 2") && status.contains("+1 -0 =1"), "{status}");
    // A decision that nobody made, or about more calls.
    workspace.ledger().execute("UPDATE shadow_orders SET calls = 3", []).unwrap();
    assert_eq!(pass_with_agent(workspace)["shadows"], json!([]));
    workspace.ledger().execute("UPDATE shadow_orders SET calls = 2", []).unwrap();
}

#[test]
fn a_builder_is_asked_once_for_an_attempt_whatever_happens_to_the_pass() {
    let workspace = failing();
    release(&workspace);
    built_by(&workspace, vec![init(), write("src/lib.rs", sources::GOOD), Step::Babble { every_ms: 200 }]);
    let mut command = workspace.command_with(&["improve", "run"]);
    command.env("ANTHROPIC_API_KEY", "sk-ant-made-up-0000").stdout(Stdio::null()).stderr(Stdio::null());
    let mut tree = Tree::new(&workspace.path().join(".kavi"));
    let mut child = command.spawn().unwrap();
    let builds = workspace.path().join(".kavi/builds");
    tree.until(&mut child, || support::watch::is_below(&builds, "lib.rs"));
    let busy = workspace.json(&["improve", "run"]).expect(3).json();
    assert!(busy["error"]["message"].as_str().unwrap().contains("another pass"), "{busy}");
    child.kill().unwrap();
    child.wait().unwrap();
    let report = pass_with_agent(&workspace);
    assert_eq!(report["code"][0]["state"], "REFUSED", "{report:#}");
    assert_eq!(
        workspace.count("SELECT count(*) FROM builds"),
        2,
        "one of the trusted revision, and one of the attempt"
    );
}

#[test]
fn what_does_not_pass_the_gates_is_refused_and_nothing_else_is_proposed() {
    let workspace = failing();
    release(&workspace);
    built_by(&workspace, vec![init(), write("src/lib.rs", &refusing('?')), success()]);
    let report = pass_with_agent(&workspace);
    assert_eq!(report["code"][0]["state"], "REFUSED", "{report:#}");
    assert!(report["code"][0]["why"].as_str().unwrap().contains("examples"), "{report:#}");
    assert_eq!(workspace.show("shout")["revision"], 1);
    // The specification of the proposal grants what the trusted one grants.
    let spec = |key: &str| {
        let mut spec = workspace.show(key)["spec"].take();
        spec["examples"].take();
        spec
    };
    assert_eq!(spec(report["code"][0]["proposal_id"].as_str().unwrap()), spec("shout"));
}
