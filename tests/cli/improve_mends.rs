//! How many broken guidances and broken sources are mended, and how many healthy ones are touched: a benchmark with a fixed seed.
//!
//! An agent of this test does what the published guidance says. The model and the coding agent are scripted: they know the right
//! answer. So the benchmark measures the way from failing runs to a revision that does well, and not a model.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::fs;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use super::canon::sources;
use super::improve::{advised_by, asked, pass, published, run_with};
use super::improve_code::{built_by, pass_with_agent, refusing, shouting};
use crate::support::openai_api::{Answer, OpenAiApi};
use crate::support::standin::{init, success, write};
use crate::support::{Workspace, feed};

const SEED: u64 = 18;
/// The line of a guidance that an agent follows.
const CALL: &str = "Call it with: ";
const RIGHT: &str = r#"{"path":"Inbox/AI/a.md"}"#;
/// What broken guidances tell agents to give.
const WRONG: [&str; 12] = [
    r#"{"path":7}"#,
    r#"{"path":null}"#,
    r#"{"path":["Inbox/AI/a.md"]}"#,
    r#"{"path":{"name":"a.md"}}"#,
    r#"{"path":true}"#,
    r#"{"file":"Inbox/AI/a.md"}"#,
    r#"{"Path":"Inbox/AI/a.md"}"#,
    r#"{"path":"Inbox/AI/a.md","again":true}"#,
    "{}",
    r#"["Inbox/AI/a.md"]"#,
    r#""Inbox/AI/a.md""#,
    "7",
];

fn text(call: &str) -> String {
    format!("# peek\n\nReads a note of the vault.\n\n{CALL}{call}\n")
}

/// Uses peek as its published guidance says, so often, and spreads the runs over days. `fails` says which use goes wrong.
fn follow(workspace: &Workspace, uses: usize, mut fails: impl FnMut() -> bool) {
    let guidance = published(workspace)["text"].as_str().unwrap().to_owned();
    let call = guidance.lines().find_map(|line| line.strip_prefix(CALL)).unwrap().to_owned();
    let inputs: String = (0..uses).map(|_| format!("{}\n", if fails() { WRONG[0] } else { &call })).collect();
    feed(workspace.command_with(&["run-skill", "peek", "--batch", "-", "--output", "json"]), &inputs);
    let days =
        "UPDATE executions SET started_at = strftime('%Y-%m-%dT%H:%M:%fZ', '2026-01-01', '+' || rowid || ' days')";
    workspace.ledger().execute(days, []).unwrap();
}

fn with_guidance(call: &str) -> Workspace {
    let workspace = Workspace::trusted();
    fs::write(workspace.vault("Inbox/AI/a.md"), "one\n").unwrap();
    fs::write(workspace.path().join("new.md"), text(call)).unwrap();
    workspace.json(&["guidance", "edit", "peek", "--from", "new.md", "--why", "a test"]).expect(0);
    workspace
}

/// How often the uses of what is published now succeeded.
fn rate(workspace: &Workspace) -> f64 {
    workspace.json(&["outcomes", "peek"]).expect(0).json()["guidance"]["current"]["rate"].as_f64().unwrap_or(0.0)
}

fn mends_guidance(wrong: &str) -> bool {
    let workspace = with_guidance(wrong);
    follow(&workspace, 12, || false);
    let api = OpenAiApi::start(Answer::says(&format!("```markdown\n{}```\n", text(RIGHT)))).unwrap();
    advised_by(&workspace, &api);
    let report = pass(&workspace);
    if report["attempts"][0]["state"] != "CANDIDATE" {
        println!("{wrong}: {report}");
        return false;
    }
    let number = report["attempts"][0]["number"].to_string();
    workspace.json(&["improve", "publish", &number, "--yes", "--approved-by", "ada"]).expect(0);
    follow(&workspace, 12, || false);
    rate(&workspace) > 0.99
}

/// Whether a healthy guidance, of which so large a part of uses succeeds, was touched or a model asked.
fn touches(number: u64, succeeds: f64) -> bool {
    let workspace = with_guidance(RIGHT);
    let mut draws = ChaCha8Rng::seed_from_u64(SEED + number);
    follow(&workspace, 60, || (draws.next_u64() >> 11) as f64 / (1_u64 << 53) as f64 > succeeds);
    let api = OpenAiApi::start(Answer::says("nothing")).unwrap();
    advised_by(&workspace, &api);
    let report = pass(&workspace);
    asked(&api) > 0 || report["attempts"] != json!([]) || published(&workspace)["revision"] != 2
}

fn mends_source(mark: char) -> bool {
    let workspace = shouting(&refusing(mark));
    let run = run_with(&workspace, "is it 0");
    let expect = json!({ "text": format!("IS IT 0{mark}") }).to_string();
    let args = ["improve", "evidence", &run, "--expect", &expect];
    let shown: Value = workspace.json(&args).expect(0).json();
    workspace.json(&[&args[..], &["--release", shown["sha256"].as_str().unwrap()]].concat()).expect(0);
    built_by(&workspace, vec![init(), write("src/lib.rs", sources::GOOD), success()]);
    let report = pass_with_agent(&workspace);
    let found = &report["code"][0];
    if found["state"] != "CANDIDATE" || found["flips"]["losses"] != 0 {
        println!("{mark}: {report}");
        return false;
    }
    let proposal = found["proposal_id"].as_str().unwrap();
    workspace.json(&["promote-skill", proposal, "--approved-by", "ada", "--yes"]).expect(0);
    let again = workspace.run("shout", json!({ "text": format!("is it 0{mark}") })).expect(0).json();
    again["output"]["text"] == format!("IS IT 0{mark}")
}

#[test]
#[ignore = "a benchmark: some minutes"]
fn broken_guidances_and_sources_are_mended_and_healthy_ones_are_left_alone() {
    let guidances = WRONG.iter().filter(|wrong| mends_guidance(wrong)).count();
    println!("{guidances} of {} broken guidances were mended", WRONG.len());
    let healthy = (0..24).filter(|number| touches(*number, [0.6, 0.8, 1.0][(*number % 3) as usize])).count();
    println!("{healthy} of 24 healthy guidances were touched");
    let marks = ['?', '!', ';', ':', '&', '%', '$', '+', '=', '*', '~', '^'];
    let sources = marks.iter().filter(|mark| mends_source(**mark)).count();
    println!("{sources} of {} broken sources were mended, without a recorded run that fails now", marks.len());
    assert!(guidances >= 10 && sources >= 10 && healthy == 0, "{guidances} {sources} {healthy}");
}
