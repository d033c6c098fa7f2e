//! Every place that Kavi writes to in a workspace, as a link out of it: nothing is written through one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::{self, PEEK, WRITE_NOTE, Workspace};
use serde_json::json;

/// What lies at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Folder,
    File,
}

/// A place that is written to, and the verbs that write there.
struct Writer {
    /// As the table in ARCHITECTURE has it.
    place: &'static str,
    /// A path of that place, which the test makes a link.
    path: &'static str,
    at: At,
    verbs: fn(&Workspace),
}

const WRITERS: &[Writer] = &[
    Writer { place: "kavi.toml", path: "kavi.toml", at: At::File, verbs: init },
    Writer { place: "registry.yaml", path: "registry.yaml", at: At::File, verbs: decide },
    Writer { place: "artifacts_out", path: "artifacts_out", at: At::Folder, verbs: propose },
    Writer { place: "artifacts_out", path: "artifacts_out/tally", at: At::Folder, verbs: propose },
    Writer { place: "artifacts_out", path: "artifacts_out/write_note", at: At::Folder, verbs: decide },
    Writer { place: "artifacts_out", path: "artifacts_out/write_note/INDEX.md", at: At::File, verbs: decide },
    Writer { place: "skills", path: "skills", at: At::Folder, verbs: new_skill },
    Writer { place: "skills", path: "skills/tally", at: At::Folder, verbs: new_skill },
    Writer { place: ".kavi/sdk", path: ".kavi/sdk", at: At::Folder, verbs: new_skill },
    Writer { place: ".kavi/store", path: ".kavi/store", at: At::Folder, verbs: write },
    Writer { place: ".kavi/store", path: ".kavi/store/files", at: At::Folder, verbs: write },
    Writer { place: ".kavi/store", path: ".kavi/store/sources", at: At::Folder, verbs: build },
    Writer { place: ".kavi/locks", path: ".kavi/locks", at: At::Folder, verbs: write },
    Writer { place: ".kavi/locks", path: ".kavi/locks", at: At::Folder, verbs: decide },
    Writer { place: ".kavi/locks", path: ".kavi/locks/effects", at: At::File, verbs: write },
    Writer { place: ".kavi/locks", path: ".kavi/locks/views", at: At::File, verbs: decide },
    Writer { place: ".kavi/staging", path: ".kavi/staging", at: At::Folder, verbs: write },
    Writer { place: ".kavi/staging", path: ".kavi/staging/ready", at: At::Folder, verbs: write },
    Writer { place: ".kavi/builds", path: ".kavi/builds", at: At::Folder, verbs: build },
    Writer { place: ".kavi/scratch", path: ".kavi/scratch", at: At::Folder, verbs: verify },
    Writer { place: ".kavi/cache", path: ".kavi/cache", at: At::Folder, verbs: compile },
    Writer { place: ".kavi/stop", path: ".kavi/stop.new", at: At::File, verbs: stop },
    Writer { place: ".kavi/mcp-token", path: ".kavi/mcp-token", at: At::File, verbs: write },
    Writer { place: ".kavi/ledger.db", path: ".kavi/ledger.db", at: At::File, verbs: write },
    Writer { place: "vault_out", path: "vault_out/Inbox", at: At::Folder, verbs: write },
    Writer { place: "vault_out", path: "vault_out/Inbox/AI/a.md", at: At::File, verbs: write },
    Writer { place: "the files of coding agents", path: ".cursor", at: At::Folder, verbs: install },
    Writer { place: "the files of coding agents", path: ".mcp.json", at: At::File, verbs: install },
];

fn init(workspace: &Workspace) {
    workspace.call(&["init", "."]);
}

fn propose(workspace: &Workspace) {
    let schema = r#"{"input":{"text":"str"},"output":{"words":"int"}}"#;
    let args = ["--name", "tally", "--desc", "counts", "--side-effect", "READ_ONLY", "--io-schema-json", schema];
    workspace.call(&[&["propose-skill"], &args[..]].concat());
    workspace.call(&["rebuild"]);
}

fn decide(workspace: &Workspace) {
    workspace.call(&["revoke", "write_note", "--why", "test", "--approved-by", "ada"]);
    workspace.call(&["rebuild"]);
}

fn new_skill(workspace: &Workspace) {
    workspace.call(&["new", "tally"]);
}

fn write(workspace: &Workspace) {
    let input = |act: &str| json!({ "act": act, "path": "Inbox/AI/a.md" }).to_string();
    workspace.call(&["run-skill", "act", "--json", &input("three")]);
    workspace.call(&["run-skill", "act", "--json", &input("two")]);
    workspace.call(&["run-skill", "act", "--json", &input("write"), "--hold"]);
    workspace.call(&["status"]);
}

fn build(workspace: &Workspace) {
    let id = workspace.propose(WRITE_NOTE.name, WRITE_NOTE.class, WRITE_NOTE.schema, WRITE_NOTE.more);
    workspace.import(&id, &workspace.source(WRITE_NOTE.name, WRITE_NOTE.source));
}

fn verify(workspace: &Workspace) {
    let id = workspace.built(&PEEK);
    workspace.call(&["verify-skill", &id]);
}

fn compile(workspace: &Workspace) {
    workspace.call(&["cache", "clear"]);
    workspace.call(&["run-skill", "peek", "--json", r#"{"path":"Inbox/AI/a.md"}"#]);
}

fn stop(workspace: &Workspace) {
    workspace.call(&["stop", "--why", "test", "--by", "ada"]);
}

fn install(workspace: &Workspace) {
    for client in ["cursor", "claude-code"] {
        workspace.call(&["mcp", "install", "--client", client, "--write"]);
    }
}

/// Puts a link in the place of what lies there, and gives what it leads to.
fn link(workspace: &Workspace, outside: &Path, writer: &Writer) {
    let path = workspace.path().join(writer.path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let target = outside.join("target");
    if path.exists() {
        fs::rename(&path, &target).unwrap();
    } else if writer.at == At::Folder {
        fs::create_dir(&target).unwrap();
    } else {
        fs::write(&target, "theirs").unwrap();
    }
    symlink(&target, &path).unwrap();
}

#[test]
fn nothing_is_written_through_a_link() {
    for writer in WRITERS {
        let workspace = Workspace::trusted();
        fs::write(workspace.vault("Inbox/AI/a.md"), "mine").unwrap();
        let outside = tempfile::tempdir_in(workspace.path().parent().unwrap()).unwrap();
        link(&workspace, outside.path(), writer);
        let before = support::files(outside.path());
        (writer.verbs)(&workspace);
        let changed = support::difference(&before, &support::files(outside.path()));
        assert!(changed.is_empty(), "{}: written through a link: {changed:#?}", writer.path);
    }
}

#[test]
fn every_place_that_the_documentation_names_is_tried() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ARCHITECTURE.md")).unwrap();
    let (_, table) = text.split_once("| place | written by | reached by |\n").expect("the table of writers");
    let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
    let documented: Vec<&str> = rows.map(|row| row.split('|').nth(1).unwrap().trim().trim_matches('`')).collect();
    let mut tried: Vec<&str> = WRITERS.iter().map(|writer| writer.place).collect();
    tried.dedup();
    assert!(documented.len() > 10, "{documented:?}");
    for place in &documented {
        assert!(tried.contains(place), "{place} is not tried");
    }
    for place in &tried {
        assert!(documented.contains(place), "{place} is not in the table");
    }
}

#[test]
fn a_rebuild_writes_artifacts_below_their_folder_only() {
    for place in
        ["../out.json", "/tmp/kavi-test-out.json", "kavi.toml", ".kavi/planted.json", "artifacts_out/../x.json"]
    {
        let workspace = Workspace::trusted();
        let before = support::files(workspace.path());
        let sql =
            "UPDATE artifacts SET path = ?1 WHERE kind = 'SKILL_SPEC' AND rowid = (SELECT min(rowid) FROM artifacts
                   WHERE kind = 'SKILL_SPEC')";
        assert_eq!(workspace.ledger().execute(sql, [place]).unwrap(), 1);
        let error = workspace.json(&["rebuild"]).expect(70).json()["error"].take();
        assert!(error["message"].as_str().unwrap().contains("artifacts_out"), "{place}: {error}");
        let plain = |files: std::collections::BTreeMap<String, String>| -> Vec<_> {
            let ours = |path: &String| !path.starts_with(".kavi/ledger.db") && !path.starts_with(".kavi/locks");
            files.into_iter().filter(|(path, _)| ours(path)).collect()
        };
        assert_eq!(plain(support::files(workspace.path())), plain(before), "{place}");
        assert!(!Path::new("/tmp/kavi-test-out.json").exists() && !workspace.path().join("../out.json").exists());
    }
}
