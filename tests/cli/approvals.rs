//! Approvals by a person's key, with the real `ssh-keygen` and `ssh-agent`: who can decide, and what an agent with a shell cannot.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kavi::history::proof;
use kavi::history::signers::parse_signers;
use kavi::history::sshsig::SshSignature;
use serde_json::{Value, json};

use crate::support::{self, Called, PEEK, Workspace, feed};

/// A person: a home folder with SSH keys, and a passphrase that only they know.
///
/// Another person of the same user reaches the files of the keys, as an agent with a shell does, and has another passphrase.
pub struct Person {
    home: tempfile::TempDir,
}

impl Person {
    /// Somebody without a key.
    pub fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join(".ssh")).unwrap();
        let person = Self { home };
        let knows = person.home.path().join("passphrase");
        fs::write(&knows, format!("#!/bin/sh\necho '{}'\n", person.passphrase())).unwrap();
        fs::set_permissions(&knows, fs::Permissions::from_mode(0o700)).unwrap();
        person
    }

    pub fn with_key() -> Self {
        let person = Self::new();
        person.make_key("id_ed25519", &["-t", "ed25519"], &person.passphrase());
        person
    }

    fn passphrase(&self) -> String {
        self.home.path().display().to_string()
    }

    fn make_key(&self, name: &str, kind: &[&str], passphrase: &str) -> PathBuf {
        let path = self.key(name);
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-N", passphrase, "-C", "a comment"]).args(kind).arg("-f").arg(&path);
        assert!(command.status().expect("ssh-keygen runs").success());
        path
    }

    fn key(&self, name: &str) -> PathBuf {
        self.home.path().join(".ssh").join(name)
    }

    pub fn public(&self, name: &str) -> String {
        self.key(&format!("{name}.pub")).display().to_string()
    }

    /// Lets a command of OpenSSH have the passphrase.
    pub fn asked<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        let knows = self.home.path().join("passphrase");
        command.env("SSH_ASKPASS", knows).env("SSH_ASKPASS_REQUIRE", "force")
    }

    pub fn command(&self, folder: &Path, args: &[&str]) -> Command {
        let mut command = support::kavi(folder);
        command.env("HOME", self.home.path()).env("USER", "ada").args(args).args(["--output", "json"]);
        self.asked(&mut command);
        command
    }

    pub fn call(&self, workspace: &Workspace, args: &[&str]) -> Called {
        self.command(workspace.path(), args).output().unwrap().into()
    }

    pub fn enroll(&self, workspace: &Workspace) {
        self.call(workspace, &["trust", "enroll", "--key", &self.public("id_ed25519"), "--as", "ada"]).expect(0);
    }
}

/// The message of a refusal with this exit code.
#[track_caller]
pub fn refused(called: Called, code: i32) -> String {
    called.expect(code).json()["error"]["message"].as_str().unwrap().to_owned()
}

pub fn promote(id: &str) -> [&str; 5] {
    ["promote-skill", id, "--approved-by", "ada", "--yes"]
}

/// A workspace with trusted skills, a signer, and one more proposal that is VERIFIED.
pub fn signed() -> (Workspace, Person, String) {
    let workspace = Workspace::trusted();
    let id = again(&workspace);
    let person = Person::with_key();
    person.enroll(&workspace);
    (workspace, person, id)
}

/// Another proposal of `peek`, as far as VERIFIED.
pub fn again(workspace: &Workspace) -> String {
    let id = workspace.propose(PEEK.name, PEEK.class, PEEK.schema, PEEK.more);
    workspace.import(&id, &workspace.source(PEEK.name, PEEK.source)).expect(0);
    workspace.json(&["verify-skill", &id]).expect(0);
    id
}

#[test]
fn signatures_of_ssh_keygen_are_verified_here_and_by_itself() {
    let person = Person::new();
    let kinds: [(&str, &[&str]); 4] = [
        ("ed", &["-t", "ed25519"]),
        ("p256", &["-t", "ecdsa", "-b", "256"]),
        ("p384", &["-t", "ecdsa", "-b", "384"]),
        ("rsa", &["-t", "rsa", "-b", "2048"]),
    ];
    for (name, kind) in kinds {
        let path = person.make_key(name, kind, "");
        let mut sign = Command::new("ssh-keygen");
        sign.args(["-Y", "sign", "-q", "-n", "promotion@kavi", "-f"]).arg(&path);
        let armored = feed(sign, "yes").expect(0).stdout;
        let signature = SshSignature::parse(&armored).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(signature.verify("promotion@kavi", b"yes").is_ok(), "{name}");
        assert!(signature.verify("promotion@kavi", b"no").is_err(), "{name}");
        assert!(signature.verify("effect@kavi", b"yes").is_err(), "{name}");
        // The line of signers that Kavi writes is one that OpenSSH reads.
        let public = fs::read_to_string(person.public(name)).unwrap();
        let line = parse_signers(&format!("ada namespaces=\"promotion@kavi\" {public}")).unwrap()[0].line();
        let signers = person.home.path().join("signers");
        fs::write(&signers, line).unwrap();
        let file = person.home.path().join("sig");
        fs::write(&file, &armored).unwrap();
        let mut verify = Command::new("ssh-keygen");
        verify.args(["-Y", "verify", "-I", "ada", "-n", "promotion@kavi", "-f"]).arg(&signers).arg("-s").arg(&file);
        feed(verify, "yes").expect(0);
    }
}

#[test]
fn with_a_signer_a_promotion_needs_their_key_and_its_proof_shows_it() {
    let (workspace, person, id) = signed();
    let stranger = Person::new();
    for who in [&stranger, &Person::with_key()] {
        let said = refused(who.call(&workspace, &promote(&id)), 3);
        assert!(said.contains("must be signed by ada"), "{said}");
    }
    assert_eq!(workspace.status_of(&id), "VERIFIED");
    person.call(&workspace, &promote(&id)).expect(0);
    workspace.run("peek", json!({ "path": "a.md" }));

    let elsewhere = tempfile::tempdir().unwrap();
    let folder = elsewhere.path().join("approval").display().to_string();
    let exported = person.call(&workspace, &["trust", "approval", "peek", "--to", &folder]).expect(0).json();
    assert_eq!((&exported["signer"], &exported["level"]), (&json!("ada"), &json!("file")));
    let statement = fs::read_to_string(elsewhere.path().join("approval/statement.json")).unwrap();
    let mut verify = Command::new("ssh-keygen");
    verify.current_dir(elsewhere.path().join("approval"));
    verify.args([
        "-Y",
        "verify",
        "-f",
        "allowed_signers",
        "-I",
        "ada",
        "-n",
        "promotion@kavi",
        "-s",
        "statement.json.sig",
    ]);
    feed(verify, &statement).expect(0);
    let statement: Value = serde_json::from_str(&statement).unwrap();
    let component = workspace.show("peek")["component_sha256"].as_str().unwrap().to_owned();
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(statement["subject"][0], json!({ "name": "component", "digest": { "sha256": component } }));
    assert!(statement["predicate"]["checkpoint"]["size"].as_u64().unwrap() > 0);

    let file = elsewhere.path().join("peek.proof");
    workspace.json(&["proof", "peek", "--out", &file.display().to_string()]).expect(0);
    let text = fs::read_to_string(&file).unwrap();
    let proven = proof::check(&text, None).unwrap();
    let levels: Vec<_> = proven.approvals.iter().flatten().map(|approved| approved.level.as_str()).collect();
    assert_eq!(levels, ["file", "file"], "the enrolment and the promotion");
    assert!(
        proven.lines().iter().any(|line| line.starts_with("promotion") && line.contains("signed by ada with SHA256:"))
    );
    verifiers_agree(&file);
    assert_eq!(workspace.json(&["audit"]).expect(0).json()["audit"]["signed_decisions"], 2);
}

/// The verifier in Python accepts the file as ours does, and refuses it without the enrolment of the signer.
pub fn verifiers_agree(file: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verifier/kavi_check.py");
    let python = |file: &Path| Command::new("python3").arg(&script).arg(file).output().expect("python3 runs");
    let done = python(file);
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    let text = fs::read_to_string(file).unwrap();
    let blocks: Vec<&str> = text.split("\n\n").collect();
    let others: Vec<&str> = blocks.iter().copied().filter(|block| !block.contains("\"kind\":\"signers\"")).collect();
    assert_eq!(others.len() + 1, blocks.len());
    let without = others.join("\n\n");
    assert!(proof::check(&without, None).is_err());
    let path = file.with_extension("without");
    fs::write(&path, without).unwrap();
    assert_eq!(python(&path).status.code(), Some(1));
}

#[test]
fn a_key_in_an_agent_signs_where_its_file_is_not() {
    let (workspace, person, id) = signed();
    let aside = tempfile::tempdir().unwrap();
    let socket = aside.path().join("agent");
    let started = Command::new("ssh-agent").arg("-a").arg(&socket).output().expect("ssh-agent runs");
    let said = String::from_utf8(started.stdout).unwrap();
    let pid = said.split("SSH_AGENT_PID=").nth(1).unwrap().split(';').next().unwrap().to_owned();
    let agent = |command: &mut Command| {
        command.env("SSH_AUTH_SOCK", &socket).env("SSH_AGENT_PID", &pid).stdin(Stdio::null()).output().unwrap()
    };
    let added = agent(person.asked(Command::new("ssh-add").arg(person.key("id_ed25519"))));
    fs::remove_file(person.key("id_ed25519")).unwrap();
    fs::remove_file(person.key("id_ed25519.pub")).unwrap();
    let without = person.call(&workspace, &promote(&id));
    let with = agent(&mut person.command(workspace.path(), &promote(&id)));
    let ended = agent(Command::new("ssh-agent").arg("-k"));
    assert!(added.status.success() && ended.status.success(), "{added:?} {ended:?}");
    without.expect(3);
    Called::from(with).expect(0);
}

#[test]
fn rollbacks_and_held_changes_are_signed_too() {
    let (workspace, person, id) = signed();
    let stranger = Person::new();
    person.call(&workspace, &promote(&id)).expect(0);
    let rollback = ["rollback", "peek", "--approved-by", "ada"];
    refused(stranger.call(&workspace, &rollback), 3);
    person.call(&workspace, &rollback).expect(0);

    let settings = fs::read_to_string(workspace.path().join("kavi.toml")).unwrap();
    let asks = settings.replacen("FILE_WRITE = \"allow\"", "FILE_WRITE = \"ask\"", 1);
    fs::write(workspace.path().join("kavi.toml"), asks).unwrap();
    let held = workspace.note("Inbox/AI/a.md").expect(0).json();
    let approve = ["effects", "approve", "--all", "--approved-by", "ada", "--yes"];
    stranger.call(&workspace, &approve);
    assert!(!workspace.vault("Inbox/AI/a.md").exists(), "{held}");
    person.call(&workspace, &approve).expect(0);
    assert!(workspace.vault("Inbox/AI/a.md").exists());
    let audit = workspace.json(&["audit"]).expect(0).json();
    assert_eq!(audit["audit"]["signed_decisions"], 4, "enrolment, promotion, rollback, held change: {audit}");
}

#[test]
fn a_settings_file_only_proposes() {
    let (workspace, person, id) = signed();
    let path = workspace.path().join("kavi.toml");
    let settings = fs::read_to_string(&path).unwrap();
    let with = |from: &str, to: &str| fs::write(&path, settings.replacen(from, to, 1)).unwrap();

    with("# require = \"signed\"", "require = \"none\"");
    let said = refused(workspace.note("Inbox/AI/a.md"), 3);
    assert!(said.contains("`trust.require` asks for less for `promotion`"), "{said}");
    refused(person.call(&workspace, &promote(&id)), 3);
    with("FILE_WRITE = \"ask\"", "FILE_WRITE = \"allow\"");
    let said = refused(workspace.note("Inbox/AI/a.md"), 3);
    assert!(said.contains("`policy.chain.FILE_WRITE` allows more"), "{said}");
    let shown = workspace.json(&["trust", "policy"]).expect(0).json();
    assert_eq!(shown["weaker"], json!(["policy.chain.FILE_WRITE"]));
    // A stop is never refused.
    workspace.json(&["stop", "--why", "a look", "--by", "ada"]).expect(0);
    person.call(&workspace, &["resume", "--by", "ada"]).expect(0);

    let apply = ["trust", "policy", "--apply", "--approved-by", "ada"];
    refused(Person::new().call(&workspace, &apply), 3);
    person.call(&workspace, &apply).expect(0);
    workspace.note("Inbox/AI/a.md").expect(0);
    // What is stricter counts at once.
    with("# require = \"signed\"", "require = \"touch\"");
    fs::write(&path, fs::read_to_string(&path).unwrap().replacen("FILE_WRITE = \"ask\"", "FILE_WRITE = \"allow\"", 1))
        .unwrap();
    let said = refused(person.call(&workspace, &promote(&id)), 3);
    assert!(said.contains("of the level `file`, and `touch` is required"), "{said}");
}

#[test]
fn signers_are_added_and_removed_by_signers_and_expire() {
    let (workspace, ada, id) = signed();
    let bob = Person::with_key();
    let add = |who: &Person, name: &str, more: &[&str]| {
        let key = bob.public("id_ed25519");
        let mut args = vec!["trust", "signers", "add", name, "--key", &key, "--approved-by", "ada"];
        args.extend(more);
        who.call(&workspace, &args)
    };
    refused(add(&bob, "bob", &[]), 3);
    add(&ada, "bob", &["--valid-before", "2020-01-01"]).expect(0);
    let said = refused(bob.call(&workspace, &promote(&id)), 3);
    assert!(said.contains("must be signed by ada"), "an expired key: {said}");
    let remove =
        |who: &Person, name: &str| who.call(&workspace, &["trust", "signers", "remove", name, "--approved-by", "ada"]);
    remove(&ada, "bob").expect(0);
    add(&ada, "bob", &[]).expect(0);
    refused(remove(&ada, "carol"), 2);
    // Ada's key is lost: Bob's removes it, and decides.
    remove(&bob, "ada").expect(0);
    refused(ada.call(&workspace, &promote(&id)), 3);
    let said = refused(remove(&bob, "bob"), 3);
    assert!(said.contains("the last signer"), "{said}");
    bob.call(&workspace, &promote(&id)).expect(0);
    let listed = workspace.json(&["trust", "signers", "list"]).expect(0).json();
    assert_eq!(listed["signers"][0]["principal"], "bob");
    assert_eq!(workspace.json(&["audit"]).expect(0).json()["sound"], true);
}

#[test]
fn init_says_what_is_not_signed_and_enrols_when_asked() {
    let (person, folder) = (Person::with_key(), support::folder());
    let plain: Called = support::kavi(folder.path()).args(["init", "plain"]).output().unwrap().into();
    assert!(plain.expect(0).stdout.contains("any process of yours can promote in your name"));
    let key = person.public("id_ed25519");
    let init = ["init", "signed", "--signed", "--key", &key, "--as", "ada"];
    person.command(folder.path(), &init).output().map(Called::from).unwrap().expect(0);
    let root = folder.path().join("signed");
    assert!(fs::read_to_string(root.join("kavi.toml")).unwrap().contains("\nrequire = \"signed\""));
    let policy = person.command(&root, &["trust", "policy"]).output().map(Called::from).unwrap().expect(0).json();
    assert_eq!(policy["policy"]["require"]["promotion"], "signed");
    assert_eq!(policy["policy"]["signers"][0]["principal"], "ada");
    for bad in [person.key("id_ed25519").display().to_string(), "/nowhere.pub".to_owned()] {
        let args = ["trust", "enroll", "--key", &bad, "--as", "ada"];
        person.command(&folder.path().join("plain"), &args).output().map(Called::from).unwrap().expect(2);
    }
}

/// What an agent with a shell, as the same user and without the key, tries while the head is left in place.
#[test]
fn an_agent_with_a_shell_that_leaves_the_head_promotes_nothing() {
    let (workspace, person, id) = signed();
    let agent = Person::with_key();
    let honest = bytes_of(&workspace);
    let adopt = ["trust", "adopt", "--why", "mine", "--approved-by", "ada"];
    let attempt = |what: &str, sql: &str| {
        let ledger = workspace.ledger();
        ledger.execute_batch("PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF").unwrap();
        let before = ledger.total_changes();
        ledger.execute_batch(sql).unwrap();
        assert!(ledger.total_changes() > before, "{what}");
        drop(ledger);
        let called = agent.call(&workspace, &promote(&id));
        assert!(called.code == 70 || called.code == 3, "{what}: {called:?}");
        called_is_refused(what, agent.call(&workspace, &adopt));
        put(&workspace, &honest);
    };
    attempt("take the signers away", "DELETE FROM trust_policies");
    attempt("ask for nothing", "UPDATE trust_policies SET policy = replace(policy, '\"signed\"', '\"none\"')");
    let own = fs::read_to_string(agent.public("id_ed25519")).unwrap();
    let own = own.split(' ').take(2).collect::<Vec<_>>().join(" ");
    let policy: String =
        workspace.ledger().query_row("SELECT policy FROM trust_policies", [], |row| row.get(0)).unwrap();
    let mut policy: Value = serde_json::from_str(&policy).unwrap();
    policy["signers"][0]["key"] = own.into();
    attempt(
        "put the agent's key in",
        &format!("INSERT INTO trust_policies VALUES (2, '{policy}', 'ada', '2026-11-30T00:00:00.000Z')"),
    );
    attempt(
        "trust it by hand",
        &format!(
            "UPDATE skill_proposals SET status = 'SUPERSEDED' WHERE name = 'peek' AND status = 'TRUSTED';
             UPDATE skill_proposals SET status = 'TRUSTED', revision = 9 WHERE id = '{id}'"
        ),
    );

    // The settings, another ledger, a new beginning.
    let settings = workspace.path().join("kavi.toml");
    let honest_settings = fs::read(&settings).unwrap();
    fs::write(&settings, "[trust]\nrequire = \"none\"\n").unwrap();
    refused(agent.call(&workspace, &promote(&id)), 3);
    refused(agent.call(&workspace, &["trust", "policy", "--apply"]), 3);
    fs::write(&settings, honest_settings).unwrap();
    for args in [
        vec!["trust", "enroll", "--key", &agent.public("id_ed25519"), "--as", "ada"],
        vec!["trust", "signers", "add", "eve", "--key", &agent.public("id_ed25519")],
        vec!["trust", "signers", "remove", "ada"],
    ] {
        assert_eq!(agent.call(&workspace, &args).code, 3, "{args:?}");
    }
    put(&workspace, &bytes_of(&Workspace::trusted()));
    let run = ["run-skill", "act", "--json", r#"{"act":"write","path":"Inbox/AI/x.md"}"#];
    let said = refused(agent.call(&workspace, &run), 70);
    let names_it = ["another ledger was put in the place of the workspace", "the ledger is older than its head"];
    assert!(names_it.iter().any(|why| said.contains(why)), "{said}");
    called_is_refused("another ledger", agent.call(&workspace, &adopt));
    // Its owner may.
    person.call(&workspace, &adopt).expect(0);
    person.call(&workspace, &run).expect(0);
}

/// The ledger as one file.
pub fn bytes_of(workspace: &Workspace) -> Vec<u8> {
    let ledger = workspace.ledger();
    ledger.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    fs::read(workspace.path().join(".kavi/ledger.db")).unwrap()
}

pub fn put(workspace: &Workspace, bytes: &[u8]) {
    let path = workspace.path().join(".kavi/ledger.db");
    for beside in ["-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{beside}", path.display()));
    }
    fs::write(path, bytes).unwrap();
}

#[track_caller]
fn called_is_refused(what: &str, called: Called) {
    assert_eq!(called.code, 3, "{what}: {called:?}");
}

/// A full rewrite: state folder, ledger and head are the agent's own. Only a pin that another user owns sees it.
///
/// The real path `/etc/kavi/signers` is used, in a mount namespace whose `/etc` is a copy. There the file belongs to the same
/// user, so this shows what the pin refuses. That only its owner can change it is for the operating system.
#[test]
fn an_agent_that_rewrites_everything_is_stopped_by_a_pin_of_signers() {
    let (workspace, person, id) = signed();
    person.call(&workspace, &promote(&id)).expect(0);
    let etc = tempfile::tempdir().unwrap();
    let _ = Command::new("cp").args(["-a", "/etc/."]).arg(etc.path()).stderr(Stdio::null()).status();
    fs::create_dir_all(etc.path().join("kavi")).unwrap();
    let public = fs::read_to_string(person.public("id_ed25519")).unwrap();
    fs::write(etc.path().join("kavi/signers"), format!("ada {public}")).unwrap();
    let pinned = |who: &Person, workspace: &Workspace, args: &[&str]| -> Called {
        let inner = who.command(workspace.path(), args);
        let mut outer = Command::new("unshare");
        outer.args(["--map-root-user", "--mount", "sh", "-c", "mount --bind \"$0\" /etc && exec \"$@\""]);
        outer.arg(etc.path()).arg(inner.get_program()).args(inner.get_args()).env_clear().stdin(Stdio::null());
        outer.current_dir(workspace.path());
        outer.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        outer.output().expect("unshare runs").into()
    };
    let peek = ["run-skill", "peek", "--json", r#"{"path":"a.md"}"#];
    let shown = pinned(&person, &workspace, &["trust", "policy"]).expect(0).json();
    assert_eq!(shown["pin"]["path"], "/etc/kavi/signers");
    // What ada signed runs: it reads no such note, and is not refused.
    assert_ne!(pinned(&person, &workspace, &peek).code, 3);
    // What was trusted before there was a signer does not.
    let act = ["run-skill", "act", "--json", r#"{"act":"write","path":"Inbox/AI/x.md"}"#];
    let said = refused(pinned(&person, &workspace, &act), 3);
    assert!(said.contains("no pinned signer has signed the trust in act"), "{said}");

    // The rewrite: a workspace of the agent's own in that folder, with its own state.
    let agent = Person::with_key();
    let rewritten = Workspace::trusted();
    agent.call(&rewritten, &act).expect(0);
    let said = refused(pinned(&agent, &rewritten, &act), 3);
    assert!(said.contains("no pinned signer has signed"), "{said}");
    let id = again(&rewritten);
    refused(pinned(&agent, &rewritten, &promote(&id)), 3);
    agent.enroll(&rewritten);
    refused(pinned(&agent, &rewritten, &promote(&id)), 3);
}
