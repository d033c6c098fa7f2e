//! A witness: somebody else keeps the checkpoints, and an older copy or a rewrite of everything is seen by that.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::approvals::{Person, bytes_of, put};
use crate::support::{self, Called, Workspace};

/// Puts these lines into `[trust]` of kavi.toml.
fn set(workspace: &Workspace, lines: &str) {
    let path = workspace.path().join("kavi.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(path, text.replacen("[trust]\n", &format!("[trust]\n{lines}\n"), 1)).unwrap();
}

/// A workspace with a witness elsewhere, which has seen it.
fn witnessed() -> (Workspace, tempfile::TempDir, PathBuf) {
    let (workspace, elsewhere) = (Workspace::trusted(), tempfile::tempdir().unwrap());
    let file = elsewhere.path().join("witness");
    set(&workspace, &format!("witness = \"{}\"", file.display()));
    let said = workspace.act("write", "Inbox/AI/a.md").expect(70).json()["error"]["message"].to_string();
    assert!(said.contains("its witness") && said.contains("never Kavi"), "{said}");
    fs::write(&file, "").unwrap();
    workspace.act("write", "Inbox/AI/a.md").expect(0);
    workspace.json(&["stop", "--why", "a look", "--by", "ada"]).expect(0);
    workspace.json(&["resume", "--by", "ada"]).expect(0);
    assert!(fs::read_to_string(&file).unwrap().lines().count() >= 2);
    (workspace, elsewhere, file)
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

const REVOKE: [&str; 6] = ["revoke", "write_note", "--why", "smells", "--approved-by", "ada"];

#[test]
fn yesterdays_ledger_with_yesterdays_head_is_seen_by_a_witness() {
    let (workspace, elsewhere, _file) = witnessed();
    let (state, saved) = (support::state_folder(workspace.path()), elsewhere.path().join("state"));
    let yesterday = bytes_of(&workspace);
    copy(&state, &saved);
    workspace.json(&REVOKE).expect(0);
    put(&workspace, &yesterday);
    fs::remove_dir_all(&state).unwrap();
    copy(&saved, &state);
    let said = workspace.note("Inbox/AI/a.md").expect(70).json()["error"]["message"].to_string();
    assert!(said.contains("the witness saw a checkpoint"), "{said}");
    // Nobody adopts their way around it.
    workspace.json(&["trust", "adopt", "--why", "mine", "--approved-by", "ada"]);
    workspace.note("Inbox/AI/a.md").expect(70);
}

#[test]
fn a_rewrite_of_everything_is_seen_by_a_witness() {
    let (workspace, elsewhere, file) = witnessed();
    // Another history in the same folder, with its own key and head.
    let other = Workspace::trusted();
    put(&workspace, &bytes_of(&other));
    let state = support::state_folder(workspace.path());
    fs::remove_dir_all(&state).unwrap();
    copy(&support::state_folder(other.path()), &state);
    let said = workspace.note("Inbox/AI/a.md").expect(70).json()["error"]["message"].to_string();
    assert!(said.contains("the witness saw a checkpoint"), "{said}");
    // The setting is gone as well: then whoever has the file compares.
    let settings = workspace.path().join("kavi.toml");
    let text = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, text.replace("\nwitness = ", "\n# witness = ")).unwrap();
    workspace.json(&["audit"]).expect(0);
    workspace.json(&["audit", "--witness", &file.display().to_string()]).expect(70);
    drop(elsewhere);
}

#[test]
fn a_head_that_somebody_keeps_is_compared_later() {
    let (workspace, other) = (Workspace::trusted(), Workspace::new());
    let kept = tempfile::tempdir().unwrap();
    let file = kept.path().join("head");
    let audit = |workspace: &Workspace| workspace.json(&["audit", "--witness", &file.display().to_string()]);
    fs::write(&file, workspace.call(&["trust", "head"]).expect(0).stdout).unwrap();
    workspace.json(&REVOKE).expect(0);
    audit(&workspace).expect(0);
    audit(&other).expect(70);
    // A note of git.
    let git = |args: &[&str]| -> Called {
        let mut command = Command::new("git");
        command.current_dir(kept.path()).env("HOME", kept.path()).args(["-c", "user.name=a", "-c", "user.email=a@b"]);
        command.args(args).output().unwrap().into()
    };
    git(&["init", "-q"]).expect(0);
    git(&["commit", "-q", "--allow-empty", "-m", "empty"]).expect(0);
    for _ in 0..2 {
        git(&["notes", "--ref=kavi", "append", "-F", "head", "HEAD"]).expect(0);
        fs::write(&file, workspace.call(&["trust", "head"]).expect(0).stdout).unwrap();
    }
    fs::write(&file, git(&["notes", "--ref=kavi", "show"]).expect(0).stdout).unwrap();
    audit(&workspace).expect(0);
    audit(&other).expect(70);
    fs::write(&file, "no checkpoint").unwrap();
    audit(&workspace).expect(2);
}

#[test]
fn the_anchor_lies_where_the_settings_say_and_a_signed_policy_keeps_it_there() {
    let (workspace, elsewhere) = (Workspace::trusted(), tempfile::tempdir().unwrap());
    let anchor = elsewhere.path().join("anchor");
    copy(&support::state_folder(workspace.path()), &anchor);
    set(&workspace, &format!("anchor = \"{}\"", anchor.display()));
    fs::remove_dir_all(support::state_folder(workspace.path())).unwrap();
    workspace.act("write", "Inbox/AI/a.md").expect(0);
    let person = Person::with_key();
    person.enroll(&workspace);
    let settings = workspace.path().join("kavi.toml");
    let text = fs::read_to_string(&settings).unwrap();
    // With another anchor the head is missing there, and with the same copy in it the policy still names this one.
    let second = elsewhere.path().join("second");
    copy(&anchor, &second);
    fs::write(&settings, text.replace("/anchor\"", "/second\"")).unwrap();
    let said = workspace.act("write", "Inbox/AI/a.md").expect(3).json()["error"]["message"].to_string();
    assert!(said.contains("`trust.anchor` is another one"), "{said}");
    fs::write(&settings, text.replace("anchor = \"", "anchor = \"vault_out/")).unwrap();
    workspace.json(&["status"]).expect(2);
}

/// `kavi witness` at a free port, for one history.
struct Asked {
    child: std::process::Child,
    url: String,
    folder: tempfile::TempDir,
}

impl Asked {
    fn start(workspace: &Workspace) -> Self {
        let key = workspace.json(&["audit"]).expect(0).json()["history"]["key"].as_str().unwrap().to_owned();
        Self::at(&key, "127.0.0.1:0", tempfile::tempdir().unwrap())
    }

    fn at(key: &str, listen: &str, folder: tempfile::TempDir) -> Self {
        let mut command = support::kavi(folder.path());
        command.args(["witness", "--json", "--log", key, "--listen", listen, "--folder"]).arg(folder.path());
        let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
        let printed = serde_json::Deserializer::from_reader(child.stdout.take().unwrap());
        let printed: serde_json::Value = printed.into_iter().next().unwrap().unwrap();
        Self { child, url: printed["witness_url"].as_str().unwrap().to_owned(), folder }
    }

    /// Ends it as a person does. Gives its folder.
    fn end(mut self) -> tempfile::TempDir {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
        assert!(self.child.wait().unwrap().success());
        self.folder
    }

    fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap().split(' ').next().unwrap()
    }

    /// Sends a request as it is. Gives status line and headers, and the body.
    fn send(&self, request: &str) -> (String, String) {
        use std::io::{Read as _, Write as _};
        let mut stream = std::net::TcpStream::connect(self.address()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }

    fn post(&self, body: &str) -> (String, String) {
        let (host, length) = (self.address(), body.len());
        self.send(&format!("POST /add-checkpoint HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n{body}"))
    }
}

fn cosigned(workspace: &Workspace) -> serde_json::Value {
    workspace.json(&["status"]).expect(0).json()["history"]["cosigned"].clone()
}

#[test]
fn a_witness_cosigns_each_checkpoint_and_says_how_far_it_is() {
    let workspace = Workspace::trusted();
    let witness = Asked::start(&workspace);
    set(&workspace, &format!("witness_url = \"{}\"", witness.url));
    assert_eq!(cosigned(&workspace)["events"], serde_json::Value::Null);
    workspace.json(&REVOKE).expect(0);
    let status = workspace.json(&["status"]).expect(0).json();
    assert_eq!(status["history"]["cosigned"]["events"], status["history"]["signed"]);
    assert!(workspace.json(&["doctor"]).stdout.contains("cosigned"));

    // The protocol, as any other log would speak it.
    let note = workspace.call(&["trust", "head"]).expect(0).stdout;
    let size = note.lines().nth(1).unwrap().to_owned();
    let (head, body) = witness.post(&format!("old 0\n\n{note}"));
    assert!(head.starts_with("HTTP/1.1 409 "), "{head}");
    assert!(head.to_lowercase().contains("content-type: text/x.tlog.size"), "{head}");
    assert_eq!(body, format!("{size}\n"));
    let (head, body) = witness.post(&format!("old {size}\n\n{note}"));
    assert!(head.starts_with("HTTP/1.1 200 ") && body.starts_with("\u{2014} kavi-witness/"), "{head}: {body}");
    let table = [
        ("old 1".to_owned(), "400"),
        (format!("old 999999\n\n{note}"), "400"),
        (format!("old {size}\n\n{}", note.replacen("kavi/", "kavi/x", 1)), "404"),
        (format!("old {size}\n\n{}", note.replacen(&format!("\n{size}\n"), "\n7\n", 1)), "403"),
    ];
    for (body, status) in table {
        let (head, _) = witness.post(&body);
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{body}: {head}");
    }
    let host = witness.address().to_owned();
    for (request, status) in [
        (format!("GET /add-checkpoint HTTP/1.1\r\nHost: {host}\r\n\r\n"), "405"),
        (format!("POST /else HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n"), "404"),
        ("POST /add-checkpoint HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0\r\n\r\n".to_owned(), "403"),
        (
            format!(
                "POST /add-checkpoint HTTP/1.1\r\nHost: {host}\r\nOrigin: http://evil.example\r\nContent-Length: 0\r\n\r\n"
            ),
            "403",
        ),
        (format!("POST /add-checkpoint HTTP/1.1\r\nHost: {host}\r\nContent-Length: 9999999\r\n\r\n"), "413"),
    ] {
        let (head, _) = witness.send(&request);
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {head}");
    }
    witness.end();
}

#[test]
fn a_witness_that_is_away_stops_nothing_and_one_that_comes_back_knows_where_it_was() {
    let workspace = Workspace::trusted();
    let key = workspace.json(&["audit"]).expect(0).json()["history"]["key"].as_str().unwrap().to_owned();
    let witness = Asked::start(&workspace);
    set(&workspace, &format!("witness_url = \"{}\"", witness.url));
    workspace.json(&["stop", "--why", "a look", "--by", "ada"]).expect(0);
    let before = cosigned(&workspace)["events"].as_u64().unwrap();
    let address = witness.address().to_owned();
    let folder = witness.end();
    let called = workspace.json(&["resume", "--by", "ada"]).expect(0);
    assert!(called.stdout.contains("not cosigned"), "{called:?}");
    assert_eq!(cosigned(&workspace)["events"], before);
    let doctor = workspace.json(&["doctor"]).stdout;
    assert!(doctor.contains("start the witness"), "{doctor}");
    workspace.act("write", "Inbox/AI/a.md").expect(0);
    let again = Asked::at(&key, &address, folder);
    workspace.json(&["audit"]).expect(0);
    let history = workspace.json(&["status"]).expect(0).json()["history"].clone();
    assert_eq!(history["cosigned"]["events"], history["signed"]);
    assert!(history["audited"].is_string());
    // Its own note of how far the witness is was lost.
    let state = support::state_folder(workspace.path()).join("trust");
    let note = fs::read_dir(state).unwrap().flatten().map(|entry| entry.path().join("cosigned")).find(|it| it.exists());
    fs::remove_file(note.unwrap()).unwrap();
    workspace.json(&REVOKE).expect(0);
    let history = workspace.json(&["status"]).expect(0).json()["history"].clone();
    assert_eq!(history["cosigned"]["events"], history["signed"]);
    again.end();
}

#[test]
fn an_older_copy_with_its_head_is_refused_by_what_the_witness_cosigned() {
    let workspace = Workspace::trusted();
    let witness = Asked::start(&workspace);
    set(&workspace, &format!("witness_url = \"{}\"", witness.url));
    workspace.json(&["stop", "--why", "a look", "--by", "ada"]).expect(0);
    workspace.json(&["resume", "--by", "ada"]).expect(0);
    let elsewhere = tempfile::tempdir().unwrap();
    let (state, saved) = (support::state_folder(workspace.path()), elsewhere.path().join("state"));
    let yesterday = bytes_of(&workspace);
    copy(&state, &saved);
    workspace.json(&REVOKE).expect(0);
    put(&workspace, &yesterday);
    fs::remove_dir_all(&state).unwrap();
    copy(&saved, &state);
    // Nobody on this machine can tell. The witness can.
    let said = workspace.json(&["audit"]).expect(70).json()["error"]["message"].to_string();
    assert!(said.contains("its witness cosigned"), "{said}");
    workspace.note("Inbox/AI/a.md").expect(70);
    witness.end();
}

#[test]
fn what_is_no_witness_is_named() {
    let workspace = Workspace::trusted();
    let key = workspace.json(&["audit"]).expect(0).json()["history"]["key"].as_str().unwrap().to_owned();
    for listen in ["0.0.0.0:0", "8.8.8.8:1"] {
        workspace.refused(&["witness", "--log", &key, "--listen", listen], 1);
    }
    workspace.refused(&["witness", "--log", "no key"], 2);
    set(&workspace, "witness_url = \"http://example.com kavi/x\"");
    let called = workspace.json(&["stop", "--why", "a look", "--by", "ada"]).expect(0);
    assert!(called.stdout.contains("is not the address of a witness"), "{called:?}");
    set(&workspace, "witness = \"/nowhere\"");
    workspace.json(&["status"]).expect(2);
}
