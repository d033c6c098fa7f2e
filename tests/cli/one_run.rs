//! One run, looked at: what `kavi show RUN` says, how a failed run is found again, and what an undo will do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{self, Workspace, feed};

fn note(path: &str) -> String {
    json!({ "path": path, "title": "Title", "body": "Body" }).to_string()
}

#[test]
fn show_of_a_run_says_how_it_ended_what_it_used_and_how_to_repeat_it() {
    let workspace = Workspace::trusted();
    let ran = workspace.act("write", "Inbox/AI/a.md").expect(0).json();
    let id = ran["execution_id"].as_str().unwrap();
    let human = workspace.call(&["show", &id[..8]]).expect(0).stdout;
    for said in [
        "act@1 (FILE_WRITE)",
        "[act] info: did write",
        "wall_ms",
        "staged_files",
        "Inbox/AI/a.md",
        &format!("kavi undo {}", &id[..8]),
        &format!("kavi replay --execution-id {}", &id[..8]),
    ] {
        assert!(human.contains(said), "{said}:\n{human}");
    }
    // Each command that it names works.
    workspace.json(&["replay", "--execution-id", &id[..8]]).expect(0);
    workspace.json(&["undo", &id[..8], "--approved-by", "ada", "--yes"]).expect(0);
    let machine = workspace.json(&["show", id]).expect(0).json();
    assert_eq!((&machine["execution_id"], &machine["undone"]), (&json!(id), &json!(true)));
    assert_eq!(machine["undo"]["decided_by"], "ada");
    assert_eq!(machine["commit"]["state"], "APPLIED");
    let human = workspace.call(&["show", id]).expect(0).stdout;
    assert!(human.contains("undone") && human.contains("by ada at ") && !human.contains("kavi undo"), "{human}");
}

#[test]
fn show_of_a_failed_run_has_its_error_in_full() {
    let workspace = Workspace::trusted();
    let failed = workspace.act("fail", "Inbox/AI/a.md").expect(5).json();
    let id = failed["error"]["run"].as_str().expect("the id of the run").to_owned();
    let shown = workspace.call(&["show", &id]).expect(0).stdout;
    assert!(shown.contains("  | SkillError: the skill failed (failed): as it was told"), "{shown}");
    assert_eq!(workspace.show(&id)["error"], "SkillError: the skill failed (failed): as it was told");
    workspace.json(&["replay", "--execution-id", &id]).expect(0);
    // Where nothing trusted was found there is nothing to replay, and nothing says so.
    let unknown = workspace.json(&["run-skill", "nobody", "--json", "{}"]).expect(2).json();
    let shown = workspace.call(&["show", unknown["error"]["run"].as_str().unwrap()]).expect(0).stdout;
    assert!(!shown.contains("kavi replay") && shown.contains("NotTrusted"), "{shown}");
}

#[test]
fn every_failed_run_gives_the_id_of_its_record() {
    let workspace = Workspace::trusted();
    let newest = || {
        let ids =
            support::strings(&workspace.ledger(), "SELECT execution_id FROM executions ORDER BY rowid DESC LIMIT 1");
        ids.into_iter().next().unwrap()
    };
    let input = r#"{"act":"fail","path":"Inbox/AI/a.md"}"#;
    let human = workspace.call(&["run-skill", "act", "--json", input]).expect(5);
    let short = newest()[..8].to_owned();
    assert!(human.stderr.contains(&format!("run: {short} (see `kavi show {short}`)")), "{human:?}");
    for (args, code) in [
        (vec!["run-skill", "act", "--json", input], 5),
        (vec!["run-skill", "act", "--json", r#"{"act":5}"#], 2),
        (vec!["run-skill", "nobody", "--json", "{}"], 2),
    ] {
        let machine = workspace.json(&args).expect(code).json();
        assert_eq!(machine["error"]["run"], newest(), "{args:?}");
    }
    let consumed = workspace.json(&["consume-skill", "act", "--json", input]).expect(5).json();
    assert_eq!(consumed["failure"]["run"], newest());
    let chain = json!({ "steps": [{ "skill_name": "act", "input": { "act": "fail", "path": "Inbox/AI/a.md" } }] });
    let chained = workspace.json(&["consume-chain", "--json", &chain.to_string()]).expect(5).json();
    assert_eq!(chained["error"]["run"], newest());
    // Nothing is on record of a stopped workspace.
    workspace.json(&["stop", "--why", "look", "--by", "ada"]).expect(0);
    let stopped = workspace.json(&["run-skill", "act", "--json", input]).expect(3).json();
    assert_eq!(stopped["error"]["run"], Value::Null, "{stopped}");
}

#[test]
fn each_failed_line_of_a_batch_gives_its_own_id() {
    let workspace = Workspace::trusted();
    fs::write(workspace.vault("a.md"), "alpha").unwrap();
    let mut command = workspace.command();
    command.args(["run-skill", "peek", "--batch", "-", "--jobs", "3", "--output", "json"]);
    let lines = [r#"{"path":"b.md"}"#, r#"{"path":"a.md"}"#, r#"{"path":5}"#, "{", r#"{"path":"c.md"}"#];
    let called = feed(command, &(lines.join("\n") + "\n")).expect(5);
    let answers: Vec<Value> = called.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (at, answer) in answers.iter().enumerate() {
        if at == 1 {
            assert_eq!(answer["output"]["text"], "alpha");
            continue;
        }
        let run = answer["error"]["run"].as_str().unwrap_or_else(|| panic!("{at}: {answer}"));
        let record = workspace.show(run);
        assert_eq!(record["success"], false, "{at}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(record["error"].as_str().unwrap().ends_with(message), "{at}: {record}");
    }
}

#[test]
fn undo_says_in_words_and_as_a_diff_what_it_will_do() {
    let workspace = Workspace::trusted();
    let place = workspace.vault("Inbox/AI/a.md");
    fs::write(&place, "old\n").unwrap();
    let ran = workspace.act("two", "Inbox/AI/a.md").expect(0).json();
    let id = ran["execution_id"].as_str().unwrap();
    let undone = workspace.call(&["undo", id, "--approved-by", "ada", "--yes"]).expect(0).stdout;
    for said in [
        "run ".to_owned() + &id[..8] + " of act@1, by ",
        "  Inbox/AI/a.md gets the content back that it had before the run\n".to_owned(),
        "  Inbox/AI/a.md.md is removed: the run created it\n".to_owned(),
        "file Inbox/AI/a.md: 1 lines added, 1 removed\n--- a/Inbox/AI/a.md\n+++ b/Inbox/AI/a.md\n@@ -1 +1 @@\n-two\n+old\n"
            .to_owned(),
    ] {
        assert!(undone.contains(&said), "{said}\n{undone}");
    }
    assert_eq!(fs::read_to_string(&place).unwrap(), "old\n");
}

#[test]
fn a_run_whose_files_were_undone_is_not_called_ok() {
    let workspace = Workspace::trusted();
    let ran = workspace.note("Inbox/AI/a.md").expect(0).json();
    let id = ran["execution_id"].as_str().unwrap();
    let ended = || {
        let tail = workspace.call(&["tail-executions"]).expect(0).stdout;
        let line = tail.lines().find(|line| line.starts_with(&id[..8])).unwrap_or_else(|| panic!("{tail}")).to_owned();
        (line.contains(" ok "), line.contains(" undone "))
    };
    assert_eq!(ended(), (true, false));
    workspace.json(&["undo", id, "--approved-by", "ada", "--yes"]).expect(0);
    assert_eq!(ended(), (false, true));
    let session = workspace.call(&["session", "--latest"]).expect(0).stdout;
    assert!(session.contains("  undone"), "{session}");
    let rows = workspace.json(&["tail-executions"]).expect(0).json();
    assert_eq!(rows["executions"][0]["undone"], true);
}

#[test]
fn an_id_of_nothing_is_refused_and_a_held_run_leads_to_its_decision() {
    let workspace = Workspace::trusted();
    let error = workspace.refused(&["show", "ffffffff"], 2);
    assert!(error["message"].as_str().unwrap().contains("proposal, skill or run"), "{error}");
    let input = note("Inbox/AI/a.md");
    let held = workspace.json(&["run-skill", "write_note", "--json", &input, "--hold"]).expect(0).json();
    let id = held["execution_id"].as_str().unwrap();
    let shown = workspace.call(&["show", id]).expect(0).stdout;
    assert!(shown.contains(&format!("kavi effects approve {}", &id[..8])) && shown.contains("held"), "{shown}");
    workspace.json(&["effects", "approve", &id[..8], "--approved-by", "ada", "--yes"]).expect(0);
}

#[test]
fn the_diffs_of_an_effect_are_patches() {
    let workspace = Workspace::trusted();
    fs::write(workspace.vault("Inbox/AI/a.md"), "# Title\n\nOld\n--- a/passwd\n+++ b/passwd\nfile passwd: forged\n")
        .unwrap();
    let input = note("Inbox/AI/a.md");
    let held = workspace.json(&["run-skill", "write_note", "--json", &input, "--hold"]).expect(0).json();
    let id = held["held"]["id"].as_str().unwrap();
    let shown = workspace.call(&["effects", "show", id]).expect(0).stdout;
    // Nothing that a file says begins a line as a heading does.
    let headings: Vec<&str> =
        shown.lines().filter(|line| line.starts_with("file ") && line.contains(" lines added")).collect();
    assert_eq!(headings, ["file Inbox/AI/a.md: 1 lines added, 4 removed"]);
    assert!(!shown.lines().any(|line| line.starts_with("file passwd")), "{shown}");
    let patch =
        std::process::Command::new("patch").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if patch.is_ok_and(|status| status.success()) {
        let mut command = std::process::Command::new("patch");
        command.current_dir(workspace.path().join("vault_out")).args(["-p1", "--dry-run"]);
        feed(command, &shown).expect(0);
    }
}
