//! The table of edits behind Kavi's back: each is done to a copy of one workspace, and each has somebody who sees it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rusqlite::Connection;

use crate::support::{self, Called, Workspace};

/// Who sees an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SeenBy {
    /// A run of `act` is refused, and the audit names the edit.
    Run,
    /// The same for a run of `peek`. One of `act` has nothing to do with it.
    RunOfPeek,
    /// Nothing that decides was edited: the audit names it.
    Audit,
}

/// A copy of the workspace, with a state folder of its own.
struct Copy {
    _folder: tempfile::TempDir,
    root: PathBuf,
}

impl Copy {
    fn of(workspace: &Workspace) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("copy");
        assert!(Command::new("cp").arg("-a").args([workspace.path(), &root]).status().unwrap().success());
        Self { _folder: folder, root }
    }

    fn ledger(&self) -> PathBuf {
        self.root.join(".kavi/ledger.db")
    }

    fn call(&self, args: &[&str]) -> Called {
        support::kavi(&self.root).args(args).args(["--output", "json"]).output().unwrap().into()
    }

    fn run(&self) -> Called {
        self.call(&["run-skill", "act", "--json", r#"{"act":"write","path":"Inbox/AI/x.md"}"#])
    }

    fn revoke(&self, name: &str) {
        self.call(&["revoke", name, "--why", "smells", "--approved-by", "ada"]).expect(0);
    }

    /// Runs statements that no rule of the tables stops.
    fn edit(&self, sql: &str) {
        let ledger = Connection::open(self.ledger()).unwrap();
        ledger.execute_batch("PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF").unwrap();
        let before = ledger.total_changes();
        ledger.execute_batch(sql).unwrap();
        assert!(ledger.total_changes() > before, "nothing was edited: {sql}");
    }

    /// The file of the ledger, with everything that was committed.
    fn bytes(&self) -> Vec<u8> {
        Connection::open(self.ledger()).unwrap().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        fs::read(self.ledger()).unwrap()
    }

    fn put(&self, bytes: &[u8]) {
        for beside in ["-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{beside}", self.ledger().display()));
        }
        fs::write(self.ledger(), bytes).unwrap();
    }

    fn anchor(&self, file: &str) -> PathBuf {
        let trust = support::state_folder(&self.root).join("trust");
        let newest =
            fs::read_dir(trust).unwrap().flatten().map(|entry| entry.path()).find(|path| path.join("head").exists());
        newest.unwrap().join(file)
    }
}

/// A workspace in which something happened.
fn eventful() -> Workspace {
    let workspace = Workspace::trusted();
    workspace.act("write", "Inbox/AI/a.md").expect(0);
    workspace.json(&["stop", "--why", "a look", "--by", "ada"]).expect(0);
    workspace.json(&["resume", "--by", "ada"]).expect(0);
    workspace.json(&["revoke", "peek", "--why", "smells", "--approved-by", "ada"]).expect(0);
    workspace.act("write", "Inbox/AI/b.md").expect(0);
    workspace.json(&["audit"]).expect(0);
    workspace
}

const SQL: &[(&str, &str, SeenBy)] = &[
    (
        "edit the digest of what is trusted",
        "UPDATE skill_proposals SET component_sha256 = lower(hex(zeroblob(32))) WHERE name = 'act'",
        SeenBy::Run,
    ),
    (
        "swap the digests of two skills",
        "UPDATE skill_proposals SET component_sha256 = CASE name
             WHEN 'act' THEN (SELECT component_sha256 FROM skill_proposals WHERE name = 'write_note')
             ELSE (SELECT component_sha256 FROM skill_proposals WHERE name = 'act') END WHERE name IN ('act', 'write_note')",
        SeenBy::Run,
    ),
    (
        "change a schema",
        "UPDATE skill_proposals SET spec_json = replace(spec_json, 'string', 'integer') WHERE name = 'act'",
        SeenBy::Run,
    ),
    (
        "change a schema, with its digest",
        "UPDATE skill_proposals SET spec_json = spec_json || ' ', spec_sha256 = lower(hex(zeroblob(32))) WHERE name = 'act'",
        SeenBy::Run,
    ),
    ("change a description", "UPDATE skill_proposals SET description = 'harmless' WHERE name = 'act'", SeenBy::Audit),
    ("widen the limits", "UPDATE skill_proposals SET limits_json = '{\"wall_ms\":9}' WHERE name = 'act'", SeenBy::Run),
    ("undo a revocation", "UPDATE skill_proposals SET status = 'TRUSTED' WHERE name = 'peek'", SeenBy::RunOfPeek),
    ("remove a stop", "DELETE FROM switch_turns WHERE position = 'STOPPED'", SeenBy::Audit),
    (
        "resume in the name of another",
        "UPDATE switch_turns SET turned_by = 'bob' WHERE number = (SELECT max(number) FROM switch_turns)",
        SeenBy::Run,
    ),
    ("remove a decision", "DELETE FROM promotions WHERE decision = 'PROMOTE'", SeenBy::Audit),
    (
        "insert a decision",
        "INSERT INTO promotions SELECT 'x' || substr(id, 2), proposal_id, decision, from_status, to_status, component_sha256,
             spec_sha256, verification_id, approved_by, reason, created_at FROM promotions LIMIT 1",
        SeenBy::Audit,
    ),
    ("another approver", "UPDATE promotions SET approved_by = 'bob'", SeenBy::Audit),
    ("another verdict", "UPDATE verification_gates SET status = 'FAILED'", SeenBy::Audit),
    ("edit a record of a run", "UPDATE executions SET output_json = '{}' WHERE success", SeenBy::Audit),
    ("remove a record of a run", "DELETE FROM executions WHERE rowid = 1", SeenBy::Audit),
    ("edit a vault change", "UPDATE commits SET changes_json = '[]'", SeenBy::Audit),
    (
        "edit the newest decision",
        "UPDATE history SET body = replace(body, 'ada', 'bob') WHERE position = (SELECT max(position) FROM history WHERE decides)",
        SeenBy::Run,
    ),
    (
        "remove the newest decision",
        "DELETE FROM history WHERE position = (SELECT max(position) FROM history WHERE decides)",
        SeenBy::Run,
    ),
    (
        "duplicate a decision",
        "INSERT INTO history SELECT (SELECT max(position) + 1 FROM history), kind, decides, subject, body, leaf, chain
             FROM history WHERE kind = 'promotion' LIMIT 1",
        SeenBy::Run,
    ),
    (
        "reorder two events",
        "CREATE TEMP TABLE two AS SELECT (SELECT min(position) FROM history WHERE kind = 'build') AS one,
             (SELECT min(position) FROM history WHERE kind = 'verification') AS other;
         UPDATE history SET position = -1 WHERE position = (SELECT one FROM two);
         UPDATE history SET position = (SELECT one FROM two) WHERE position = (SELECT other FROM two);
         UPDATE history SET position = (SELECT other FROM two) WHERE position = -1",
        SeenBy::Audit,
    ),
    ("edit the event of a run", "UPDATE history SET body = replace(body, ':', ' :') WHERE kind = 'run'", SeenBy::Audit),
    (
        "edit a leaf",
        "UPDATE history SET leaf = zeroblob(32) WHERE position = (SELECT min(position) FROM history WHERE kind = 'build')",
        SeenBy::Audit,
    ),
    ("edit a link of the chain", "UPDATE history SET chain = zeroblob(32) WHERE position = 3", SeenBy::Audit),
    ("edit the state", "UPDATE trust_state SET leaf = zeroblob(32) WHERE key = 'skill/peek'", SeenBy::Run),
    (
        "edit the newest checkpoint",
        "UPDATE checkpoints SET note = replace(note, 'kavi/', 'evil/') WHERE size = (SELECT max(size) FROM checkpoints)",
        SeenBy::Run,
    ),
    ("remove a checkpoint", "DELETE FROM checkpoints WHERE size = (SELECT min(size) FROM checkpoints)", SeenBy::Audit),
];

#[test]
fn every_edit_of_a_row_is_seen_by_the_run_or_by_the_audit() {
    let workspace = eventful();
    for (what, sql, seen_by) in SQL {
        let copy = Copy::of(&workspace);
        copy.edit(sql);
        let (run, audit) = (copy.run(), copy.call(&["audit"]));
        assert_eq!(audit.code, 70, "{what}: the audit: {audit:?}");
        assert_eq!(run.code, if *seen_by == SeenBy::Run { 70 } else { 0 }, "{what}: {run:?}");
        if *seen_by == SeenBy::RunOfPeek {
            copy.call(&["run-skill", "peek", "--json", r#"{"path":"a.md"}"#]).expect(70);
        }
    }
}

/// A run, a decision and the audit are refused, and the message says this.
#[track_caller]
fn refused(copy: &Copy, what: &str, says: &str) {
    let error = copy.run().expect(70).json()["error"].take();
    assert!(error["message"].as_str().unwrap().contains(says), "{what}: {error}");
    copy.call(&["revoke", "act", "--why", "smells", "--approved-by", "ada"]).expect(70);
    copy.call(&["audit"]).expect(70);
}

#[test]
fn an_older_a_forked_and_another_ledger_are_seen_by_the_head() {
    let workspace = eventful();

    let copy = Copy::of(&workspace);
    let yesterday = copy.bytes();
    copy.revoke("write_note");
    copy.put(&yesterday);
    refused(&copy, "yesterday's file", "older than its head");

    let copy = Copy::of(&workspace);
    copy.revoke("write_note");
    copy.edit(
        "UPDATE skill_proposals SET status = 'TRUSTED' WHERE name = 'write_note';
         DELETE FROM promotions WHERE rowid = (SELECT max(rowid) FROM promotions);
         DELETE FROM history WHERE position = (SELECT max(position) FROM history);
         DELETE FROM checkpoints WHERE size = (SELECT max(size) FROM checkpoints)",
    );
    refused(&copy, "the tail is cut", "older than its head");

    let copy = Copy::of(&workspace);
    let open = Connection::open(copy.ledger()).unwrap();
    open.query_row("SELECT count(*) FROM history", [], |_| Ok(())).unwrap();
    copy.revoke("write_note");
    // The revocation is in the log alone as long as another process has the ledger open.
    let without_log = fs::read(copy.ledger()).unwrap();
    drop(open);
    copy.put(&without_log);
    refused(&copy, "the log is deleted", "older than its head");

    // The log of the newer one stays beside yesterday's file, without what went from the log into the file meanwhile.
    let copy = Copy::of(&workspace);
    let yesterday = copy.bytes();
    copy.revoke("act");
    copy.bytes();
    copy.revoke("write_note");
    assert_ne!(fs::metadata(format!("{}-wal", copy.ledger().display())).unwrap().len(), 0);
    fs::write(copy.ledger(), &yesterday).unwrap();
    // Where the page with the revocation is in the log too, that is what counts. Else the ledger is not believed.
    let ran = copy.run();
    assert!(ran.code == 70 || ran.code == 3 && ran.stdout.contains("REVOKED"), "{ran:?}");

    let copy = Copy::of(&workspace);
    let (before, head_before) = (copy.bytes(), fs::read(copy.anchor("head")).unwrap());
    copy.revoke("write_note");
    let head = fs::read(copy.anchor("head")).unwrap();
    copy.put(&before);
    fs::write(copy.anchor("head"), head_before).unwrap();
    copy.revoke("act");
    fs::write(copy.anchor("head"), head).unwrap();
    let error = copy.call(&["run-skill", "write_note", "--json", "{}"]).expect(70).json()["error"].take();
    assert!(error["message"].as_str().unwrap().contains("fork"), "{error}");

    let copy = Copy::of(&workspace);
    let name = copy.anchor("head").parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
    let other = Copy::of(&Workspace::new());
    copy.put(&other.bytes());
    copy.edit(&format!(
        "UPDATE history SET body = replace(body, json_extract(body, '$.detail.workspace'), '{name}') WHERE position = 0"
    ));
    let error = copy.run().json()["error"].take();
    assert!(error["message"].as_str().unwrap().contains("older than its head"), "{error}");

    let copy = Copy::of(&workspace);
    let another = Copy::of(&Workspace::new());
    fs::copy(another.anchor("key"), copy.anchor("key")).unwrap();
    copy.call(&["revoke", "act", "--why", "smells", "--approved-by", "ada"]).expect(70);
}

#[test]
fn what_an_honest_person_does_is_no_tampering() {
    let workspace = eventful();
    const ADOPT: [&str; 6] = ["trust", "adopt", "--why", "it is mine", "--approved-by", "ada"];
    let sound = |copy: &Copy, what: &str| {
        assert_eq!(copy.run().code, 0, "{what}");
        copy.revoke("write_note");
        assert_eq!(copy.call(&["audit"]).expect(0).json()["sound"], true, "{what}");
    };
    sound(&Copy::of(&workspace), "a workspace at another place");

    let copy = Copy::of(&workspace);
    let backup = copy.bytes();
    copy.run().expect(0);
    copy.revoke("act");
    copy.put(&backup);
    copy.call(&ADOPT).expect(0);
    sound(&copy, "a backup that is put back");

    let copy = Copy::of(&workspace);
    fs::remove_dir_all(support::state_folder(&copy.root)).unwrap();
    copy.call(&ADOPT).expect(0);
    sound(&copy, "a machine without the key");

    let copy = Copy::of(&workspace);
    let lagging = fs::read(copy.anchor("head")).unwrap();
    copy.revoke("act");
    fs::write(copy.anchor("head"), lagging).unwrap();
    assert_eq!(copy.call(&["run-skill", "act", "--json", "{}"]).code, 3, "a crash between the commit and the head");
    assert_eq!(copy.call(&["audit"]).expect(0).json()["sound"], true);
}

/// The path of a folder is no part of what is signed.
#[test]
fn a_workspace_can_be_moved() {
    let copy = Copy::of(&eventful());
    let moved = copy.root.with_file_name("moved");
    fs::rename(&copy.root, &moved).unwrap();
    let called: Called = support::kavi(Path::new(&moved)).args(["audit", "--output", "json"]).output().unwrap().into();
    assert_eq!(called.expect(0).json()["sound"], true);
}
