//! Standing orders: a guidance steps back by itself only under a person's order, once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;

use serde_json::{Value, json};

use super::improve::{advised_by, pass, published};
use crate::support::openai_api::{Answer, OpenAiApi};
use crate::support::{Workspace, feed};

/// Runs peek with each of these inputs, and spreads all runs over days.
fn uses(workspace: &Workspace, inputs: &str) {
    feed(workspace.command_with(&["run-skill", "peek", "--batch", "-", "--output", "json"]), inputs);
    let days =
        "UPDATE executions SET started_at = strftime('%Y-%m-%dT%H:%M:%fZ', '2026-01-01', '+' || rowid || ' days')";
    workspace.ledger().execute(days, []).unwrap();
}

fn publish(workspace: &Workspace, text: &str) {
    fs::write(workspace.path().join("new.md"), text).unwrap();
    workspace
        .json(&["guidance", "edit", "peek", "--from", "new.md", "--why", "a try", "--approved-by", "ada"])
        .expect(0);
}

/// A workspace in which the second revision of a guidance does worse than the first.
fn worse() -> (Workspace, OpenAiApi) {
    let workspace = Workspace::trusted();
    fs::write(workspace.vault("Inbox/AI/a.md"), "one\n").unwrap();
    uses(&workspace, &"{\"path\":\"Inbox/AI/a.md\"}\n".repeat(12));
    publish(&workspace, "# peek\n\nGive a number.\n");
    uses(&workspace, &"{\"path\":7}\n".repeat(10));
    let api = OpenAiApi::start(Answer::says("nothing")).unwrap();
    advised_by(&workspace, &api);
    (workspace, api)
}

const ORDER: [&str; 9] = ["improve", "order", "peek", "--to", "1", "--until", "30d", "--approved-by", "ada"];

fn ordered(workspace: &Workspace) -> Value {
    workspace.json(&[&ORDER[..], &["--yes"]].concat()).expect(0).json()
}

#[test]
fn a_guidance_steps_back_once_under_an_order_and_that_is_announced() {
    let (workspace, _api) = worse();
    assert_eq!(pass(&workspace)["stepped_back"], json!([]), "nobody ordered it");
    assert_eq!(published(&workspace)["revision"], 2);

    workspace.refused(&ORDER, 3);
    for (to, until, code) in [("1", "91d", 2), ("1", "2020-01-01", 2), ("9", "30d", 3)] {
        workspace.refused(&["improve", "order", "peek", "--to", to, "--until", until, "--yes"], code);
    }
    assert_eq!(ordered(&workspace)["to"], 1);
    let report = pass(&workspace);
    assert_eq!(
        (&report["stepped_back"][0]["from"], &report["stepped_back"][0]["to"]),
        (&json!(2), &json!(1)),
        "{report:#}"
    );
    assert_eq!(published(&workspace)["revision"], 1);
    let history = workspace.json(&["guidance", "history", "peek"]).expect(0).json();
    let newest = history["decisions"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&newest["step"], &newest["by"]), (&json!("STEP_BACK"), &json!("ada (standing order 1)")));
    assert!(newest["why"].as_str().unwrap().contains("e-value"), "{newest}");
    assert_eq!(workspace.json(&["inbox", "--since", "1h"]).expect(0).json()["stepped_back"][0]["to"], 1);
    assert!(workspace.call(&["inbox"]).expect(0).stdout.contains("guidance that stepped back"));
    let status = workspace.json(&["improve", "status"]).expect(0).json();
    assert_eq!(status["orders"][0]["end"]["how"], "used", "{status:#}");

    // Once: the same again, and nothing steps back.
    publish(&workspace, "# peek\n\nGive two numbers.\n");
    uses(&workspace, &"{\"path\":7}\n".repeat(10));
    assert_eq!(pass(&workspace)["stepped_back"], json!([]));
    assert_eq!(published(&workspace)["revision"], 3);
    // Apart from the times that this test changed itself, every row is what its event says.
    let audit = workspace.json(&["audit"]).stdout;
    assert!(!audit.contains("step_back") && !audit.contains("guidance"), "{audit}");
}

#[test]
fn an_order_that_is_withdrawn_forged_or_without_evidence_moves_nothing() {
    let (workspace, _api) = worse();
    workspace.refused(&["improve", "order", "peek", "--withdraw", "--approved-by", "ada"], 2);
    ordered(&workspace);
    workspace.json(&["improve", "order", "peek", "--withdraw", "--approved-by", "ada"]).expect(0);
    assert_eq!(pass(&workspace)["stepped_back"], json!([]));
    // An order that nobody gave.
    let forged = "INSERT INTO step_back_orders SELECT 2, skill_name, target, valid_until, 'eve', created_at FROM step_back_orders";
    assert_eq!(workspace.ledger().execute(forged, []).unwrap(), 1);
    assert_eq!(pass(&workspace)["stepped_back"], json!([]));
    assert_eq!(published(&workspace)["revision"], 2);

    // A revision that does no worse stays.
    let workspace = Workspace::trusted();
    fs::write(workspace.vault("Inbox/AI/a.md"), "one\n").unwrap();
    let good = "{\"path\":\"Inbox/AI/a.md\"}\n".repeat(12);
    uses(&workspace, &good);
    publish(&workspace, "# peek\n\nGive a path.\n");
    uses(&workspace, &format!("{good}{{\"path\":7}}\n"));
    ordered(&workspace);
    assert_eq!(pass(&workspace)["stepped_back"], json!([]));
    assert_eq!(published(&workspace)["revision"], 2);
}
