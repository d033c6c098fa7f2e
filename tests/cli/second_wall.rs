//! The second wall, as a person sees it: in the record of a run, in `show` and in `doctor`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde_json::json;

use crate::support::{self, Workspace};

#[test]
fn every_run_records_the_wall_that_stood_behind_the_first() {
    let workspace = Workspace::trusted();
    let ran = workspace.act("write", "Inbox/AI/a.md").expect(0).json();
    let wall = ran["second_wall"].as_str().unwrap().to_owned();
    assert!(wall.starts_with("landlock "), "{wall}");
    // A run that fails had it as well; one whose guest was never started had none.
    workspace.act("fail", "Inbox/AI/a.md").expect(5);
    workspace.run("act", json!({ "act": 1 })).expect(2);
    let recorded = "SELECT coalesce(second_wall, 'none') FROM executions ORDER BY rowid";
    assert_eq!(support::strings(&workspace.ledger(), recorded), [wall.as_str(), wall.as_str(), "none"]);

    let shown = workspace.show("act");
    assert_eq!(shown["second_wall"], wall);
    let human = workspace.call(&["show", "act", "--all"]).expect(0).stdout;
    assert!(human.contains(&format!("second wall around a run: in force ({wall})")), "{human}");
    let doctor = workspace.json(&["doctor"]).json();
    let checks = doctor["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["name"] == "second wall").unwrap();
    assert_eq!(check["health"], "ok");
    assert!(check["found"].as_str().unwrap().contains(&wall), "{check}");
}
