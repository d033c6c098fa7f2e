//! Backups, restored workspaces and new keys: what an honest person does when a machine or a key is lost, and what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

use crate::approvals::{Person, again, promote};
use crate::support::{self, Called, Workspace};

/// A machine: a person with a state folder.
struct Machine<'p> {
    person: &'p Person,
    state: tempfile::TempDir,
}

impl<'p> Machine<'p> {
    fn new(person: &'p Person) -> Self {
        Self { person, state: tempfile::tempdir().unwrap() }
    }

    fn call(&self, folder: &Path, args: &[&str]) -> Called {
        self.person.command(folder, args).env("KAVI_STATE_DIR", self.state.path()).output().unwrap().into()
    }

    fn restore(&self, backup: &Path, to: &Path, more: &[&str]) -> Called {
        let (backup, to_text) = (backup.display().to_string(), to.display().to_string());
        let mut args = vec!["restore", &backup, "--to", &to_text, "--why", "a new machine", "--approved-by", "ada"];
        args.extend(more);
        self.call(to.parent().unwrap(), &args)
    }
}

const RUN: [&str; 4] = ["run-skill", "act", "--json", r#"{"act":"write","path":"Inbox/AI/x.md"}"#];
const REVOKE: [&str; 6] = ["revoke", "write_note", "--why", "smells", "--approved-by", "ada"];

fn backup(workspace: &Workspace, person: &Person, to: &Path) -> Called {
    person.call(workspace, &["backup", &to.display().to_string()])
}

#[track_caller]
fn is_whole(machine: &Machine<'_>, root: &Path) {
    machine.call(root, &RUN).expect(0);
    machine.call(root, &REVOKE).expect(0);
    assert_eq!(machine.call(root, &["audit"]).expect(0).json()["sound"], true);
}

fn places() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let folder = support::folder();
    let (copy, root) = (folder.path().join("backup"), folder.path().join("restored"));
    (folder, copy, root)
}

#[test]
fn a_backup_becomes_a_workspace_on_another_machine() {
    let (workspace, person) = (Workspace::trusted(), Person::new());
    let (_folder, copy, root) = places();
    let made = backup(&workspace, &person, &copy).expect(0).json();
    assert_eq!(made["signed"], false);
    workspace.refused(&["backup", &copy.display().to_string()], 1);
    let machine = Machine::new(&person);
    machine.restore(&copy, &root, &[]).expect(0);
    is_whole(&machine, &root);
    // The original is another workspace now, and stays what it is.
    workspace.act("write", "Inbox/AI/x.md").expect(0);
    assert_eq!(workspace.json(&["audit"]).expect(0).json()["sound"], true);
    machine.restore(&copy, &root, &[]).expect(3);
}

#[test]
fn a_backup_that_was_changed_or_is_older_is_refused_and_leaves_no_workspace() {
    let (workspace, person) = (Workspace::trusted(), Person::new());
    let (_folder, copy, root) = places();
    backup(&workspace, &person, &copy).expect(0);
    let machine = Machine::new(&person);
    let ledger = copy.join(".kavi/ledger.db");
    let honest = fs::read(&ledger).unwrap();
    let edited = rusqlite::Connection::open(&ledger).unwrap();
    edited.execute("UPDATE skill_proposals SET description = 'harmless'", []).unwrap();
    drop(edited);
    machine.restore(&copy, &root, &[]).expect(3);
    assert!(!root.join(".kavi").exists() && !root.join("kavi.toml").exists());
    fs::write(&ledger, honest).unwrap();
    let head = fs::read_to_string(copy.join("head")).unwrap();
    fs::write(copy.join("head"), head.replace("kavi/", "evil/")).unwrap();
    machine.restore(&copy, &root, &[]).expect(3);
    fs::remove_file(copy.join("head")).unwrap();
    machine.restore(&copy, &root, &[]).expect(2);
    fs::write(copy.join("head"), head).unwrap();

    // This machine knows of a revocation that the backup does not have.
    workspace.json(&REVOKE).expect(0);
    let state = support::state_folder(workspace.path());
    let here = |more: &[&str]| -> Called {
        let (copy, root) = (copy.display().to_string(), root.display().to_string());
        let mut args = vec!["restore", &copy, "--to", &root, "--why", "older", "--approved-by", "ada"];
        args.extend(more);
        let folder = Path::new(&root).parent().unwrap();
        person.command(folder, &args).env("KAVI_STATE_DIR", &state).output().unwrap().into()
    };
    let said = here(&[]).expect(3).json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(said.contains("give --older"), "{said}");
    here(&["--older"]).expect(0);
}

#[test]
fn with_a_signer_a_backup_and_its_restoration_are_signed() {
    let (workspace, person) = (Workspace::trusted(), Person::with_key());
    person.enroll(&workspace);
    let (_folder, copy, root) = places();
    let stranger = Person::with_key();
    let elsewhere = copy.with_file_name("strangers");
    backup(&workspace, &stranger, &elsewhere).expect(3);
    assert_eq!(backup(&workspace, &person, &copy).expect(0).json()["signed"], true);
    // A signature of another key, or none.
    let signature = copy.join("head.sig");
    let honest = fs::read(&signature).unwrap();
    fs::remove_file(&signature).unwrap();
    Machine::new(&person).restore(&copy, &root, &[]).expect(2);
    let mut sign = std::process::Command::new("ssh-keygen");
    sign.args(["-q", "-Y", "sign", "-n", "backup@kavi", "-f", &stranger.public("id_ed25519")]);
    stranger.asked(&mut sign);
    let forged = support::feed(sign, &fs::read_to_string(copy.join("head")).unwrap()).expect(0).stdout;
    fs::write(&signature, forged).unwrap();
    Machine::new(&person).restore(&copy, &root, &[]).expect(3);
    fs::write(&signature, honest).unwrap();
    let root = root.with_file_name("again");
    let machine = Machine::new(&person);
    machine.restore(&copy, &root, &[]).expect(0);
    is_whole(&machine, &root);
    Machine::new(&stranger).restore(&copy, &root.with_file_name("stolen"), &[]).expect(3);
}

#[test]
fn the_key_of_the_history_is_rotated_and_the_old_one_counts_no_more() {
    let workspace = Workspace::trusted();
    let id = again(&workspace);
    let person = Person::with_key();
    person.enroll(&workspace);
    let key = |workspace: &Workspace| workspace.json(&["audit"]).expect(0).json()["history"]["key"].clone();
    let old = key(&workspace);
    let rotate = ["trust", "rotate-key", "--why", "it was seen", "--approved-by", "ada"];
    assert_eq!(Person::new().call(&workspace, &rotate).code, 3);
    person.call(&workspace, &rotate).expect(0);
    assert_ne!(key(&workspace), old);
    // What was signed before still holds, and decisions go on.
    person.call(&workspace, &promote(&id)).expect(0);
    workspace.act("write", "Inbox/AI/x.md").expect(0);
    let audit = workspace.json(&["audit"]).expect(0).json();
    assert_eq!((&audit["sound"], &audit["audit"]["signed_decisions"]), (&true.into(), &3.into()));
    // A ledger that is not what its head says is not accepted on the way.
    workspace.ledger().execute("UPDATE skill_proposals SET status = 'SUPERSEDED' WHERE name = 'act'", []).unwrap();
    person.call(&workspace, &rotate).expect(70);
}
