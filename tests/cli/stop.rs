//! The kill switch and a revocation: what they refuse, and what they end in another process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::support::guests::{guest, with_guest};
use crate::support::standin;
use crate::support::watch::{self, Tree};
use crate::support::{self, Called, Workspace};

/// A workspace in which `act` is a guest that stays, with more time than any test takes.
fn staying() -> Workspace {
    with_guest("act", &guest("stay"))
}

/// Starts the guest in a process of its own and waits until it has written its file. It would run for two minutes: when
/// nothing ends it before, its run ends as a timeout.
fn start(workspace: &Workspace, act: &str) -> Child {
    let mut tree = Tree::new(&workspace.path().join(".kavi"));
    let mut child = spawn(workspace, act);
    tree.until(&mut child, || staged(workspace) > 0);
    child
}

fn spawn(workspace: &Workspace, act: &str) -> Child {
    let input = json!({ "act": act, "path": "Inbox/AI/a.md" }).to_string();
    workspace
        .command()
        .args(["run-skill", "act", "--output", "json", "--json", &input])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Files that are being written in staging, locks not counted.
fn staged(workspace: &Workspace) -> usize {
    let folder = workspace.path().join(".kavi/staging");
    let runs = fs::read_dir(folder).into_iter().flatten().flatten();
    runs.filter(|run| run.path().join("out/Inbox/AI/a.md").exists()).count()
}

/// How the run ended.
fn ended(child: Child) -> Called {
    child.wait_with_output().unwrap().into()
}

/// The run is over, recorded with this word, and left nothing.
#[track_caller]
fn nothing_came_of_it(workspace: &Workspace, word: &str) {
    let sql = "SELECT success || ' ' || error || ' ' || effects_json FROM executions ORDER BY rowid DESC LIMIT 1";
    let recorded = support::strings(&workspace.ledger(), sql).remove(0);
    assert!(recorded.starts_with(&format!("0 {word}: ")) && recorded.ends_with(" []"), "{recorded}");
    assert!(!workspace.vault("Inbox/AI/a.md").exists());
    assert_eq!(workspace.staged(), 0, "staging is removed");
}

const STOP: [&str; 5] = ["stop", "--why", "notes vanish", "--by", "ada"];
const RESUME: [&str; 3] = ["resume", "--by", "ada"];

/// What is ended by a stop says who stopped it and why, also where it saw the stop before the ledger had it.
fn says_stopped(text: &str) -> bool {
    let recorded = text.contains("stopped by ada at");
    let marked = text.contains("a stop was asked for that the ledger has not taken yet, by ada:");
    (recorded || marked) && text.contains("notes vanish")
}

#[test]
fn a_stop_ends_a_guest_in_another_process() {
    for act in ["spin", "sleep", "call", "log"] {
        let workspace = staying();
        let child = start(&workspace, act);
        workspace.json(&STOP).expect(0);
        let called = ended(child);
        let error = called.expect(3).json()["error"].take();
        assert_eq!(error["kind"], "refused", "{act}");
        let message = error["message"].as_str().unwrap();
        assert!(says_stopped(message), "{act}: {message}");
        assert!(error["hint"].as_str().unwrap().contains("kavi resume"), "{act}: {error}");
        nothing_came_of_it(&workspace, "Stopped");
        // Straight after, an honest run is right.
        workspace.json(&RESUME).expect(0);
        workspace.note("Inbox/AI/b.md").expect(0);
        assert!(workspace.vault("Inbox/AI/b.md").exists());
    }
}

#[test]
fn a_stop_holds_also_where_the_ledger_cannot_be_opened_and_looking_still_works() {
    let workspace = Workspace::trusted();
    workspace.note("Inbox/AI/a.md").expect(0);
    // As on a full disk: SQLite cannot make its index, so it opens nothing.
    let index = workspace.path().join(".kavi/ledger.db-shm");
    fs::remove_file(&index).unwrap();
    std::os::unix::fs::symlink("/nowhere/at/all", &index).unwrap();
    let error = workspace.json(&STOP).expect(1).json()["error"].take();
    assert!(error["message"].as_str().unwrap().contains("everything is stopped until `kavi resume`"), "{error}");
    let mark = fs::read_to_string(workspace.path().join(".kavi/stop")).unwrap();
    assert_eq!(mark, "ada: notes vanish");
    for (args, shown) in [
        (&["list-skills"][..], "peek"),
        (&["show", "peek"], "peek"),
        (&["status"], r#""TRUSTED": 3"#),
        (&["tail-executions", "-n", "1"], "write_note"),
    ] {
        let looked = workspace.json(args).expect(0);
        assert!(looked.stdout.contains(shown), "{args:?}: {looked:?}");
        let human = workspace.call(args).expect(0);
        assert!(human.stderr.contains("can only be looked at"), "{args:?}: {human:?}");
    }
    assert_ne!(workspace.note("Inbox/AI/b.md").code, 0);
    fs::remove_file(&index).unwrap();
    workspace.note("Inbox/AI/b.md").expect(3);
    assert!(!workspace.vault("Inbox/AI/b.md").exists());
    // Recorded, it needs no mark.
    workspace.json(&STOP).expect(0);
    assert!(!workspace.path().join(".kavi/stop").exists());
    workspace.json(&RESUME).expect(0);
    workspace.note("Inbox/AI/b.md").expect(0);
    let reserve = fs::metadata(workspace.path().join(".kavi/reserve")).unwrap();
    assert!(std::os::unix::fs::MetadataExt::blocks(&reserve) * 512 >= 256 << 10, "room is kept for the next stop");
}

#[test]
fn a_stop_that_is_taken_back_at_once_still_ends_what_ran() {
    let workspace = staying();
    let child = start(&workspace, "spin");
    workspace.json(&STOP).expect(0);
    workspace.json(&RESUME).expect(0);
    let called = ended(child);
    called.expect(3);
    nothing_came_of_it(&workspace, "Stopped");
}

#[test]
fn a_revocation_ends_the_skill_that_runs_and_no_other() {
    for act in ["spin", "sleep"] {
        let workspace = staying();
        let child = start(&workspace, act);
        workspace.json(&["revoke", "peek", "--why", "another one", "--approved-by", "ada"]).expect(0);
        workspace.note("Inbox/AI/b.md").expect(0);
        assert_eq!(staged(&workspace), 1, "the other skill goes on");
        workspace.json(&["revoke", "act", "--why", "it reads too much", "--approved-by", "ada"]).expect(0);
        let called = ended(child);
        let error = called.expect(3).json()["error"].take();
        assert!(error["message"].as_str().unwrap().contains("REVOKED"), "{error}");
        nothing_came_of_it(&workspace, "Revoked");
    }
}

#[test]
fn a_rollback_ends_the_revision_that_runs() {
    let workspace = staying();
    // The revision that runs becomes the second of its name.
    let ledger = workspace.ledger();
    ledger.execute("UPDATE skill_proposals SET revision = 2 WHERE name = 'act'", []).unwrap();
    ledger
        .execute("UPDATE skill_proposals SET name = 'act', revision = 1, status = 'SUPERSEDED' WHERE name = 'peek'", [])
        .unwrap();
    drop(ledger);
    workspace.adopt();
    let child = start(&workspace, "spin");
    workspace.json(&["rollback", "act", "--approved-by", "ada"]).expect(0);
    let called = ended(child);
    let error = called.expect(3).json()["error"].take();
    assert!(error["message"].as_str().unwrap().contains("SUPERSEDED"), "{error}");
    nothing_came_of_it(&workspace, "Revoked");
}

#[test]
fn a_switch_that_becomes_unreadable_ends_what_runs() {
    let workspace = staying();
    let child = start(&workspace, "spin");
    workspace.ledger().execute("DELETE FROM switch_turns", []).unwrap();
    let called = ended(child);
    let error = called.expect(3).json()["error"].take();
    assert!(error["message"].as_str().unwrap().contains("unreadable"), "{error}");
    nothing_came_of_it(&workspace, "Stopped");
}

/// Everything that starts a guest or an agent.
fn starters(workspace: &Workspace) -> Vec<Vec<String>> {
    let from = workspace.source("act", support::ACT.source).display().to_string();
    let input = json!({ "act": "write", "path": "Inbox/AI/a.md" }).to_string();
    let verbs: &[&[&str]] = &[
        &["run-skill", "act", "--json", &input],
        &["verify-skill", "late"],
        &["check-invariants", "act"],
        &["build-skill", "later", "--builder", "import", "--from", &from],
        &["forge", "later", "--builder", "import", "--from", &from],
    ];
    verbs.iter().map(|verb| verb.iter().map(|word| (*word).to_owned()).collect()).collect()
}

#[track_caller]
fn all_refused(workspace: &Workspace, verbs: &[Vec<String>], why: &str) {
    for verb in verbs {
        let words: Vec<&str> = verb.iter().map(String::as_str).collect();
        let error = workspace.refused(&words, 3);
        assert_eq!(error["kind"], "refused", "{verb:?}");
        assert!(error["message"].as_str().unwrap().contains(why), "{verb:?}: {error}");
        assert!(error["hint"].as_str().unwrap().contains("kavi resume"), "{verb:?}: {error}");
    }
}

#[test]
fn nothing_starts_between_stop_and_resume() {
    let workspace = Workspace::trusted();
    let schema = support::ACT.schema;
    workspace.propose("later", "FILE_WRITE", schema, &["--path", "Inbox/AI"]);
    let late = workspace.propose("late", "FILE_WRITE", schema, &["--path", "Inbox/AI"]);
    workspace.import(&late, &workspace.source("late", support::ACT.source)).expect(0);
    let verbs = starters(&workspace);

    workspace.refused(&["stop"], 2);
    workspace.refused(&["stop", "--why", " ", "--by", "ada"], 2);
    let error = workspace.refused(&RESUME, 3);
    assert!(error["message"].as_str().unwrap().contains("not stopped"), "{error}");

    let turn = workspace.json(&STOP).expect(0).json();
    assert_eq!((&turn["stopped"], &turn["turn"]["by"]), (&json!(true), &json!("ada")));
    all_refused(&workspace, &verbs, "stopped by ada");
    all_refused(&workspace, &verbs, "notes vanish");
    // What starts nothing goes on, and says how it stands.
    let status = workspace.json(&["status"]).expect(0).json();
    assert_eq!(
        (&status["switch"]["stopped"], &status["switch"]["turn"]["why"]),
        (&json!(true), &json!("notes vanish"))
    );
    let human = workspace.call(&["status"]).expect(0).stdout;
    assert!(human.contains("STOPPED") && human.contains("notes vanish") && human.contains("kavi resume"), "{human}");
    let doctor = workspace.json(&["doctor"]).json();
    let check = doctor["checks"].as_array().unwrap().iter().find(|check| check["name"] == "switch").unwrap().clone();
    assert_eq!(check["health"], "fail");
    workspace.json(&["show", "act"]).expect(0);
    workspace.json(&["list-skills"]).expect(0);
    workspace.json(&["revoke", "peek", "--why", "x", "--approved-by", "ada"]).expect(0);

    workspace.json(&RESUME).expect(0);
    workspace.act("write", "Inbox/AI/a.md").expect(0);
    workspace.json(&["verify-skill", "late"]).expect(0);
    let status = workspace.json(&["status"]).expect(0).json();
    let turns: Vec<&Value> = status["switch_turns"].as_array().unwrap().iter().collect();
    let told: Vec<[&Value; 3]> = turns.iter().map(|turn| [&turn["position"], &turn["by"], &turn["why"]]).collect();
    assert_eq!(told[1], [&json!("STOPPED"), &json!("ada"), &json!("notes vanish")]);
    assert_eq!(told[2], [&json!("RUNNING"), &json!("ada"), &json!(null)]);
}

#[test]
fn an_unreadable_switch_counts_as_stopped_until_somebody_resumes() {
    for harm in [
        "DELETE FROM switch_turns",
        "PRAGMA ignore_check_constraints = ON; UPDATE switch_turns SET position = 'ON'",
        "UPDATE switch_turns SET created_at = ''",
    ] {
        let workspace = Workspace::trusted();
        workspace.ledger().execute_batch(harm).unwrap();
        let run = starters(&workspace).swap_remove(0);
        all_refused(&workspace, &[run], "unreadable");
        // What breaks a rule of its table is damage as well.
        let status = workspace.json(&["status"]).json();
        assert_eq!(status["switch"]["stopped"], true, "{harm}: {status}");
        workspace.json(&RESUME).expect(0);
        workspace.act("write", "Inbox/AI/a.md").expect(0);
    }
}

#[test]
fn a_ledger_without_the_table_of_turns_runs_nothing() {
    let workspace = Workspace::trusted();
    workspace.ledger().execute_batch("DROP TABLE switch_turns").unwrap();
    workspace.act("write", "Inbox/AI/a.md").expect(70);
    workspace.json(&RESUME).expect(70);
    assert!(!workspace.vault("Inbox/AI/a.md").exists());
}

/// A run that ends just when a stop or a revocation comes: the guest is done before the first look, the decision is
/// made before the commit.
#[test]
fn what_is_done_when_the_stop_comes_is_not_committed() {
    let workspace = Workspace::trusted();
    // The commit waits here, as for another run that moves its files.
    let locks = workspace.path().join(".kavi/locks");
    fs::create_dir_all(&locks).unwrap();
    let decisions: [&[&str]; 2] = [&STOP, &["revoke", "act", "--why", "x", "--approved-by", "ada"]];
    for (decision, word) in decisions.iter().zip(["Stopped", "Revoked"]) {
        let lock = fs::File::create(locks.join("effects")).unwrap();
        let child = {
            // Recovery takes the same lock when there is something in staging.
            let child = start_quick(&workspace, "effects", &lock);
            workspace.json(decision).expect(0);
            child
        };
        lock.unlock().unwrap();
        let called = ended(child);
        called.expect(3);
        nothing_came_of_it(&workspace, word);
        if word == "Stopped" {
            workspace.json(&RESUME).expect(0);
        }
    }
}

#[test]
fn a_guest_is_not_started_when_the_stop_came_before_it() {
    let workspace = Workspace::trusted();
    let locks = workspace.path().join(".kavi/locks");
    fs::create_dir_all(&locks).unwrap();
    // The run is compiled, and waits to make its staging folder.
    let lock = fs::File::create(locks.join("staging")).unwrap();
    let child = start_quick(&workspace, "staging", &lock);
    workspace.json(&STOP).expect(0);
    lock.unlock().unwrap();
    let called = ended(child);
    called.expect(3);
    nothing_came_of_it(&workspace, "Stopped");
    assert_eq!(workspace.count("SELECT count(*) FROM executions WHERE second_wall IS NOT NULL"), 0);
}

/// Starts an honest run that cannot go on while `lock` is held, and waits until it has opened that lock's file. The next
/// thing that it does is to wait for the lock.
fn start_quick(workspace: &Workspace, name: &str, lock: &fs::File) -> Child {
    lock.lock().unwrap();
    let mut tree = Tree::and_opened(&workspace.path().join(".kavi/locks"));
    let mut child = spawn(workspace, "write");
    tree.until_touched(&mut child, name);
    child
}

#[test]
fn a_stop_ends_an_agent_in_another_process() {
    let workspace = Workspace::new();
    let id = workspace.propose("later", "FILE_WRITE", support::ACT.schema, &["--path", "Inbox/AI"]);
    let steps = vec![standin::init(), standin::write("src/lib.rs", "fn f() {}"), standin::Step::Hang];
    let agent = standin::standin(workspace.path(), steps).unwrap();
    let path = workspace.path().join("kavi.toml");
    let toml = fs::read_to_string(&path).unwrap();
    fs::write(path, toml.replace("claude = \"claude\"", &format!("claude = {:?}", agent.display().to_string())))
        .unwrap();
    let mut tree = Tree::new(&workspace.path().join(".kavi"));
    let mut child = workspace
        .command()
        .args(["build-skill", &id, "--builder", "claude", "--json"])
        .env("ANTHROPIC_API_KEY", "sk-ant-made-up-0000")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let builds = workspace.path().join(".kavi/builds");
    tree.until(&mut child, || watch::is_below(&builds, "lib.rs"));
    workspace.json(&STOP).expect(0);
    let called = ended(child);
    assert_ne!(called.code, 0);
    let build = workspace.show(&id)["builds"][0].clone();
    assert_eq!(build["status"], "FAILED");
    assert!(says_stopped(build["summary"].as_str().unwrap()), "{build}");
}

#[test]
fn a_stop_needs_no_name() {
    let workspace = Workspace::new();
    let mut command = workspace.command();
    let stopped = command.args(["stop", "--why", "it burns", "--json"]).env_remove("USER").env_remove("LOGNAME");
    let stopped = stopped.output().unwrap();
    assert_eq!(stopped.status.code(), Some(0), "{stopped:?}");
    let turn: Value = serde_json::from_slice(&stopped.stdout).unwrap();
    assert!(turn["turn"]["by"].as_str().unwrap().starts_with("uid "), "{turn}");
    let mut command = workspace.command();
    let nobody = command.args(["resume"]).env_remove("USER").env_remove("LOGNAME").output().unwrap();
    assert_eq!(nobody.status.code(), Some(0), "{nobody:?}");
    assert!(String::from_utf8_lossy(&nobody.stdout).contains("resumed by uid "), "{nobody:?}");
}
