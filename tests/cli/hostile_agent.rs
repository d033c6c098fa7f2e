//! An agent with a shell as the same user, and without the key of a signer: what it puts into files outside of the ledger.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;

use crate::approvals::{Person, again, bytes_of, promote, put, refused, signed};
use crate::support::{self, Called, Workspace};

const WRITE: [&str; 4] = ["run-skill", "act", "--json", r#"{"act":"write","path":"Inbox/AI/x.md"}"#];

/// Names a folder of the agent's as the place for key and head.
fn name_anchor(workspace: &Workspace, anchor: &Path) {
    let settings = workspace.path().join("kavi.toml");
    let text = fs::read_to_string(&settings).unwrap();
    assert!(text.contains("# anchor = "));
    fs::write(
        &settings,
        text.replacen("# anchor = \"/somewhere/else\"", &format!("anchor = \"{}\"", anchor.display()), 1),
    )
    .unwrap();
}

#[track_caller]
fn is_refused(what: &str, called: &Called) {
    assert!(called.code == 3 || called.code == 70, "{what}: {called:?}");
}

/// Key and head of a moment before the revocation, in a folder that kavi.toml is made to name. The real ones stay in place.
#[test]
fn an_older_ledger_with_the_head_of_its_time_is_refused_behind_another_anchor() {
    let (workspace, person, _) = signed();
    let aside = tempfile::tempdir().unwrap();
    let anchor = aside.path().join("anchor");
    let state = support::state_folder(workspace.path());
    let older = bytes_of(&workspace);
    support::copy(&state.join("trust"), &anchor.join("trust"));
    workspace.json(&["revoke", "act", "--why", "smells", "--approved-by", "ada"]).expect(0);
    put(&workspace, &older);
    name_anchor(&workspace, &anchor);
    // The agent leaves its copy of the pin, or takes it away.
    for what in ["with a copy of the pin", "without one"] {
        is_refused(what, &person.call(&workspace, &WRITE));
        assert!(!workspace.vault("Inbox/AI/x.md").exists(), "{what}");
        is_refused(what, &workspace.json(&["audit"]));
        let _ = fs::remove_dir_all(anchor.join("trust/places"));
    }
}

/// The same with the ledger from before anybody was enrolled, whose policy asks for nothing.
#[test]
fn a_ledger_from_before_the_first_signer_is_refused_behind_another_anchor() {
    let workspace = Workspace::trusted();
    let aside = tempfile::tempdir().unwrap();
    let anchor = aside.path().join("anchor");
    let older = bytes_of(&workspace);
    support::copy(&support::state_folder(workspace.path()).join("trust"), &anchor.join("trust"));
    let person = Person::with_key();
    person.enroll(&workspace);
    put(&workspace, &older);
    name_anchor(&workspace, &anchor);
    is_refused("a run", &person.call(&workspace, &WRITE));
    is_refused("the audit", &workspace.json(&["audit"]));
}

/// A whole workspace of the agent's own, behind another anchor.
#[test]
fn another_ledger_behind_another_anchor_is_refused() {
    let (workspace, person, _) = signed();
    let agent = Person::with_key();
    let own = Workspace::trusted();
    agent.enroll(&own);
    let aside = tempfile::tempdir().unwrap();
    let anchor = aside.path().join("anchor");
    support::copy(&support::state_folder(own.path()).join("trust"), &anchor.join("trust"));
    put(&workspace, &bytes_of(&own));
    name_anchor(&workspace, &anchor);
    is_refused("a run", &person.call(&workspace, &WRITE));
    is_refused("an adoption", &agent.call(&workspace, &["trust", "adopt", "--why", "mine", "--approved-by", "ada"]));
    is_refused("a run after it", &person.call(&workspace, &WRITE));
}

/// The agent goes back to before the first signer, with ledger and head. The pin of the place is still there.
#[test]
fn a_ledger_and_head_from_before_the_first_signer_decide_nothing_without_that_signer() {
    let workspace = Workspace::trusted();
    let id = again(&workspace);
    let (state, aside) = (support::state_folder(workspace.path()), tempfile::tempdir().unwrap());
    let older = bytes_of(&workspace);
    let heads = aside.path().join("trust");
    support::copy(&state.join("trust"), &heads);
    let (person, agent) = (Person::with_key(), Person::with_key());
    person.enroll(&workspace);
    put(&workspace, &older);
    for entry in fs::read_dir(&heads).unwrap().flatten() {
        support::copy(&entry.path(), &state.join("trust").join(entry.file_name()));
    }
    let said = refused(agent.call(&workspace, &promote(&id)), 3);
    assert!(said.contains("must be signed by ada"), "{said}");
    let enroll = ["trust", "enroll", "--key", &agent.public("id_ed25519"), "--as", "ada"];
    refused(agent.call(&workspace, &enroll), 3);
    refused(agent.call(&workspace, &["policy", "set", "rate_limit_per_minute", "60", "--approved-by", "ada"]), 3);
    assert_eq!(workspace.status_of(&id), "VERIFIED");
    // Its owner enrols again, and decides.
    person.enroll(&workspace);
    person.call(&workspace, &promote(&id)).expect(0);
    workspace.json(&["audit"]).expect(0);
}

/// Another agent's key, another `ssh-keygen`, another home: none of them makes a signature of a signer.
#[test]
fn a_planted_ssh_keygen_agent_or_home_signs_nothing() {
    let (workspace, person, id) = signed();
    let agent = Person::with_key();
    let tools = tempfile::tempdir().unwrap();
    let planted = tools.path().join("ssh-keygen");
    // It signs with the agent's key, whatever key it is asked to use.
    let folders = std::env::var_os("PATH").unwrap();
    let real = std::env::split_paths(&folders).map(|folder| folder.join("ssh-keygen")).find(|file| file.is_file());
    let real = real.unwrap();
    let key = agent.public("id_ed25519");
    let script = format!(
        "#!/bin/sh\nexec '{}' -Y sign -n promotion@kavi -f '{}' < /dev/stdin\n",
        real.display(),
        key.trim_end_matches(".pub")
    );
    fs::write(&planted, script).unwrap();
    fs::set_permissions(&planted, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", tools.path().display(), std::env::var("PATH").unwrap());
    let mut command = person.command(workspace.path(), &promote(&id));
    let said = refused(agent.asked(command.env("PATH", &path)).output().unwrap().into(), 3);
    assert!(said.contains("must be signed by ada"), "{said}");
    // Of all folders of the user that hold something of Kavi, one of the agent's own.
    for variables in [&["XDG_STATE_HOME", "HOME"][..], &["KAVI_STATE_DIR"]] {
        let mut command = agent.command(workspace.path(), &promote(&id));
        let own = tempfile::tempdir().unwrap();
        command.env_remove("KAVI_STATE_DIR");
        variables.iter().for_each(|name| {
            command.env(name, own.path());
        });
        let called: Called = command.output().unwrap().into();
        is_refused(&variables.join(" "), &called);
    }
    assert_eq!(workspace.status_of(&id), "VERIFIED");
    person.call(&workspace, &promote(&id)).expect(0);
}

/// Links in the place of key, head, pin and ledger lead to what the agent chose.
#[test]
fn links_in_the_place_of_the_anchor_are_not_believed() {
    let (workspace, person, _) = signed();
    let state = support::state_folder(workspace.path()).join("trust");
    let aside = tempfile::tempdir().unwrap();
    let older = bytes_of(&workspace);
    let id = fs::read_dir(&state).unwrap().flatten().map(|entry| entry.path()).find(|path| path.join("head").exists());
    let folder = id.unwrap();
    fs::copy(folder.join("head"), aside.path().join("head")).unwrap();
    workspace.json(&["revoke", "act", "--why", "smells", "--approved-by", "ada"]).expect(0);
    let newest = bytes_of(&workspace);
    put(&workspace, &older);
    let real = fs::read(folder.join("head")).unwrap();
    fs::remove_file(folder.join("head")).unwrap();
    std::os::unix::fs::symlink(aside.path().join("head"), folder.join("head")).unwrap();
    is_refused("a linked head", &person.call(&workspace, &WRITE));
    fs::remove_file(folder.join("head")).unwrap();
    fs::write(folder.join("head"), real).unwrap();
    put(&workspace, &newest);
    // A pin that is a link, and one that is gone for a folder.
    let pin = fs::read_dir(state.join("places")).unwrap().flatten().next().unwrap().path();
    let kept = fs::read(&pin).unwrap();
    fs::write(aside.path().join("pin"), &kept).unwrap();
    fs::remove_file(&pin).unwrap();
    std::os::unix::fs::symlink(aside.path().join("pin"), &pin).unwrap();
    is_refused("a linked pin", &person.call(&workspace, &["run-skill", "peek", "--json", r#"{"path":"a.md"}"#]));
    fs::remove_file(&pin).unwrap();
    fs::create_dir(&pin).unwrap();
    is_refused("a folder as pin", &person.call(&workspace, &["run-skill", "peek", "--json", r#"{"path":"a.md"}"#]));
}
