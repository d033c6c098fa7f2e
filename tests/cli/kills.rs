//! The kill matrix: each verb that changes a workspace, killed at each system call that changes a file.
//!
//! `strace` counts those calls once, then starts the verb again for each of them and kills it there, before the call is made. A
//! counter is that of one thread and one kind of call: where two threads make the same call, the one that gets there first dies.
//! After every second kill a person edits what the verb has brought into the vault so far.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::kill_decisions::{DECISIONS, decided};
use crate::support::{self, Workspace};
use serde_json::json;

/// Calls that change a file, its name or its durability.
pub const CALLS: &[&str] = &[
    "write",
    "pwrite64",
    "writev",
    "ftruncate",
    "fallocate",
    "fsync",
    "fdatasync",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "rmdir",
    "fchmod",
    "fchmodat",
    "utimensat",
    "copy_file_range",
];

/// A verb, and what is there when it starts.
pub struct Verb {
    pub name: &'static str,
    pub start: fn() -> Workspace,
    pub prepare: fn(&Workspace),
    pub args: fn(&Workspace) -> Vec<String>,
}

pub const VERBS: &[Verb] = &[
    Verb { name: "run", start: Workspace::trusted, prepare: note, args: |_| run("three", &[]) },
    Verb { name: "run-in-new-folder", start: Workspace::trusted, prepare: note, args: |_| in_new_folder(&[]) },
    Verb { name: "hold", start: Workspace::trusted, prepare: note, args: |_| run("three", &["--hold"]) },
    Verb {
        name: "approve",
        start: Workspace::trusted,
        prepare: held,
        args: |workspace| decide(workspace, &["effects", "approve"], &["--yes"]),
    },
    Verb {
        name: "reject",
        start: Workspace::trusted,
        prepare: held,
        args: |workspace| decide(workspace, &["effects", "reject"], &[]),
    },
    Verb {
        name: "undo",
        start: Workspace::trusted,
        prepare: written,
        args: |workspace| decide(workspace, &["undo"], &["--yes"]),
    },
    Verb { name: "move", start: Workspace::trusted, prepare: note, args: |_| run("move", &[]) },
    Verb {
        name: "approve-move",
        start: Workspace::trusted,
        prepare: held_move,
        args: |workspace| decide(workspace, &["effects", "approve"], &["--yes"]),
    },
    Verb {
        name: "undo-move",
        start: Workspace::trusted,
        prepare: moved,
        args: |workspace| decide(workspace, &["undo"], &["--yes"]),
    },
    Verb { name: "chain", start: Workspace::trusted, prepare: note, args: chain },
    Verb { name: "propose", start: Workspace::trusted, prepare: note, args: propose },
    Verb {
        name: "revoke",
        start: Workspace::trusted,
        prepare: note,
        args: |_| text(&["revoke", "write_note", "--why", "x", "--approved-by", "ada"]),
    },
    Verb {
        name: "stop",
        start: Workspace::trusted,
        prepare: note,
        args: |_| text(&["stop", "--why", "x", "--by", "ada"]),
    },
    Verb { name: "resume", start: Workspace::trusted, prepare: stopped, args: |_| text(&["resume", "--by", "ada"]) },
    Verb { name: "rebuild", start: Workspace::trusted, prepare: no_views, args: |_| text(&["rebuild"]) },
    Verb {
        name: "prune",
        start: Workspace::trusted,
        prepare: written,
        args: |_| text(&["prune", "--keep", "1", "--yes", "--approved-by", "ada"]),
    },
];

/// A verb that appends to the history and signs a checkpoint. Key, head and pins lie in the workspace of a test, so that kills and
/// images have them too.
pub struct TrustVerb {
    pub verb: Verb,
    /// The workspace that it starts in.
    pub base: fn() -> Workspace,
    /// Counts what it leaves.
    pub left: &'static str,
}

pub const TRUST_VERBS: &[TrustVerb] = &[
    TrustVerb {
        verb: Verb { name: "promote", start: Workspace::trusted, prepare: note, args: promote },
        base: verified,
        left: "SELECT count(*) FROM history WHERE kind = 'promotion'",
    },
    TrustVerb {
        verb: Verb {
            name: "resume",
            start: Workspace::trusted,
            prepare: stopped,
            args: |_| text(&["resume", "--by", "ada"]),
        },
        base: Workspace::trusted,
        left: "SELECT count(*) FROM history WHERE kind = 'resume'",
    },
    TrustVerb {
        verb: Verb {
            name: "signed-resume",
            start: Workspace::trusted,
            prepare: stopped,
            args: |_| text(&["resume", "--by", "ada"]),
        },
        base: enrolled,
        left: "SELECT count(*) FROM history WHERE kind = 'resume' AND body LIKE '%SSH SIGNATURE%'",
    },
    TrustVerb {
        verb: Verb { name: "enroll", start: Workspace::trusted, prepare: note, args: |_| enroll() },
        base: Workspace::trusted,
        left: "SELECT count(*) FROM history WHERE kind = 'signers'",
    },
    TrustVerb {
        verb: Verb {
            name: "adopt",
            start: Workspace::trusted,
            prepare: note,
            args: |_| text(&["trust", "adopt", "--why", "x", "--approved-by", "ada"]),
        },
        base: Workspace::trusted,
        left: "SELECT count(*) FROM history WHERE kind = 'adopted'",
    },
    TrustVerb {
        verb: Verb {
            name: "checkpoint",
            start: Workspace::trusted,
            prepare: written,
            args: |_| text(&["trust", "head"]),
        },
        base: Workspace::trusted,
        left: "SELECT count(*) FROM checkpoints",
    },
    TrustVerb {
        verb: Verb { name: "audit", start: Workspace::trusted, prepare: written, args: |_| text(&["audit"]) },
        base: Workspace::trusted,
        left: "SELECT count(*) FROM checkpoints",
    },
    TrustVerb {
        verb: Verb {
            name: "charter",
            start: Workspace::trusted,
            prepare: charter,
            args: |_| text(&["charter", "set", "charter.md"]),
        },
        base: Workspace::trusted,
        left: "SELECT count(*) FROM history WHERE kind = 'charter'",
    },
];

/// A workspace with one more proposal that is VERIFIED. Brought there once, and copied.
fn verified() -> Workspace {
    static ONCE: OnceLock<PathBuf> = OnceLock::new();
    Workspace::made_once(&ONCE, "killed-promotion", || {
        let workspace = Workspace::trusted();
        crate::approvals::again(&workspace);
        workspace
    })
}

fn promote(workspace: &Workspace) -> Vec<String> {
    let sql = "SELECT id FROM skill_proposals WHERE status = 'VERIFIED'";
    let id = support::strings(&workspace.ledger(), sql).remove(0);
    text(&["promote-skill", &id, "--approved-by", "ada", "--yes"])
}

/// A key without a passphrase, which signs where nobody can be asked.
fn enroll() -> Vec<String> {
    static KEY: OnceLock<String> = OnceLock::new();
    let public = KEY.get_or_init(|| {
        let key = support::own_folder("killed-key").join("id");
        let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status();
        assert!(made.expect("ssh-keygen runs").success());
        format!("{}.pub", key.display())
    });
    text(&["trust", "enroll", "--key", public, "--as", "ada"])
}

fn enrolled() -> Workspace {
    let workspace = Workspace::trusted();
    let args = enroll();
    workspace.call(&args.iter().map(String::as_str).collect::<Vec<_>>()).expect(0);
    workspace
}

fn charter(workspace: &Workspace) {
    note(workspace);
    fs::write(workspace.path().join("charter.md"), crate::governance::CHARTER).unwrap();
}

pub fn text(args: &[&str]) -> Vec<String> {
    args.iter().map(|arg| (*arg).to_owned()).collect()
}

fn run(act: &str, more: &[&str]) -> Vec<String> {
    let input = json!({ "act": act, "path": "Inbox/AI/a.md" }).to_string();
    text(&[&["run-skill", "act", "--json", input.as_str()], more].concat())
}

fn in_new_folder(more: &[&str]) -> Vec<String> {
    let input = json!({ "act": "write", "path": "Inbox/AI/new/deep/n.md" }).to_string();
    text(&[&["run-skill", "act", "--json", input.as_str()], more].concat())
}

fn decide(workspace: &Workspace, verb: &[&str], more: &[&str]) -> Vec<String> {
    let id = support::strings(&workspace.ledger(), "SELECT id FROM commits ORDER BY rowid LIMIT 1").remove(0);
    text(&[verb, &[id.as_str(), "--approved-by", "ada"], more].concat())
}

fn chain(workspace: &Workspace) -> Vec<String> {
    let step = |act: &str, path: &str| json!({ "skill_name": "act", "input": { "act": act, "path": path } });
    let steps = json!({ "steps": [step("two", "Inbox/AI/a.md"), step("write", "Inbox/AI/z.md")] });
    let file = workspace.path().join("chain.json");
    fs::write(&file, steps.to_string()).unwrap();
    text(&["consume-chain", "--yes", "--json", "@chain.json"])
}

fn propose(_: &Workspace) -> Vec<String> {
    let schema = r#"{"input":{"text":"str"},"output":{"words":"int"}}"#;
    let args = ["--name", "tally", "--desc", "counts", "--side-effect", "READ_ONLY", "--io-schema-json", schema];
    text(&[&["propose-skill"], &args[..]].concat())
}

pub fn note(workspace: &Workspace) {
    fs::write(workspace.vault("Inbox/AI/a.md"), "old\n").unwrap();
}

fn held(workspace: &Workspace) {
    note(workspace);
    let args = run("three", &["--hold"]);
    workspace.call(&args.iter().map(String::as_str).collect::<Vec<_>>()).expect(0);
}

fn held_move(workspace: &Workspace) {
    note(workspace);
    let args = run("move", &["--hold"]);
    workspace.call(&args.iter().map(String::as_str).collect::<Vec<_>>()).expect(0);
}

fn moved(workspace: &Workspace) {
    note(workspace);
    workspace.act("move", "Inbox/AI/a.md").expect(0);
}

pub fn written(workspace: &Workspace) {
    note(workspace);
    workspace.act("three", "Inbox/AI/a.md").expect(0);
}

fn stopped(workspace: &Workspace) {
    note(workspace);
    workspace.call(&["stop", "--why", "x", "--by", "ada"]).expect(0);
}

fn no_views(workspace: &Workspace) {
    note(workspace);
    fs::remove_file(workspace.path().join("registry.yaml")).unwrap();
    fs::remove_dir_all(workspace.path().join("artifacts_out/write_note")).unwrap();
}

pub fn traced(workspace: &Workspace, options: &[&str], args: &[String]) -> Command {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-s", "0", "-o"]).arg(workspace.path().join("calls")).args(options);
    command.arg(env!("CARGO_BIN_EXE_kavi")).arg("--workspace").arg(workspace.path()).args(args);
    command.current_dir(workspace.path()).env("KAVI_CACHE_DIR", support::cache()).env("USER", "ada");
    command.env("KAVI_STATE_DIR", support::state_folder(workspace.path()));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// How often one thread makes each call.
pub fn count(workspace: &Workspace) -> BTreeMap<String, usize> {
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    for line in fs::read_to_string(workspace.path().join("calls")).unwrap().lines() {
        let mut words = line.split_whitespace();
        let (Some(thread), Some(rest)) = (words.next(), words.next()) else { continue };
        let Some((call, _)) = rest.split_once('(') else { continue };
        *counts.entry((call.to_owned(), thread.to_owned())).or_default() += 1;
    }
    let mut most = BTreeMap::new();
    for ((call, _), count) in counts {
        let known = most.entry(call).or_insert(0);
        *known = count.max(*known);
    }
    most
}

/// The files of the vault by their digests, and its folders.
pub fn vault(workspace: &Workspace) -> BTreeMap<String, String> {
    support::files(&workspace.path().join("vault_out"))
}

pub const MINE: &str = "mine\n";
/// What [`vault`] says of a folder.
pub const FOLDER: &str = "folder";

#[test]
#[ignore = "a longer tier: needs strace, and some minutes a verb"]
fn kill_matrix() {
    let only = std::env::var("KAVI_KILL_VERBS").ok();
    let wanted = |verb: &&Verb| only.as_ref().is_none_or(|only| only.split(',').any(|name| name == verb.name));
    let set = format!("trace={}", CALLS.join(","));
    let (mut kills, mut edited) = (0, 0);
    for verb in VERBS.iter().chain(DECISIONS).filter(wanted) {
        let decides = DECISIONS.iter().any(|one| one.name == verb.name);
        let workspace = (verb.start)();
        (verb.prepare)(&workspace);
        let before = vault(&workspace);
        let first = if decides { decided(&workspace, verb.name) } else { Vec::new() };
        let args = (verb.args)(&workspace);
        let status = traced(&workspace, &["-e", &set], &args).status().expect("strace");
        assert!(
            status.success(),
            "{}: {:?}",
            verb.name,
            workspace.call(&args.iter().map(String::as_str).collect::<Vec<_>>())
        );
        let (counts, after) = (count(&workspace), vault(&workspace));
        let last = if decides { decided(&workspace, verb.name) } else { Vec::new() };
        assert!(!decides || first != last, "{}: it decides nothing", verb.name);
        let (mut of_verb, mut done, mut edits) = (0, 0, 0);
        for (call, most) in &counts {
            for number in 1..=*most {
                let ended = kill_once(verb, call, number, Vaults { before: &before, after: &after });
                if decides {
                    let what = format!("{}: killed at {call} {number}", verb.name);
                    let found = decided(&ended.workspace, &what);
                    let whole = found == last || (ended.killed && found == first);
                    assert!(whole, "{what}: neither all nor nothing is decided: {found:#?}");
                }
                of_verb += usize::from(ended.killed);
                done += usize::from(ended.done);
                edits += ended.edits;
            }
        }
        println!("{}: {counts:?}: {of_verb} kills, after {done} the work was done, {edits} files edited", verb.name);
        assert!(of_verb > 3, "{}: {of_verb}", verb.name);
        kills += of_verb;
        edited += edits;
    }
    println!("{kills} kills, {edited} files edited after them: blocked 0, half done 0, edits lost 0");
}

#[test]
#[ignore = "a longer tier: needs strace, and some minutes a verb"]
fn kill_matrix_of_trust() {
    let only = std::env::var("KAVI_KILL_VERBS").ok();
    let wanted = |one: &&TrustVerb| only.as_ref().is_none_or(|only| only.split(',').any(|name| name == one.verb.name));
    let set = format!("trace={}", CALLS.join(","));
    let (mut kills, mut done) = (0, 0);
    for TrustVerb { verb, base, left } in TRUST_VERBS.iter().filter(wanted) {
        let begin = || {
            let workspace = base();
            (verb.prepare)(&workspace);
            let args = (verb.args)(&workspace);
            (workspace.count(left), workspace, args)
        };
        let (before, workspace, args) = begin();
        assert!(traced(&workspace, &["-e", &set], &args).status().expect("strace").success(), "{}", verb.name);
        let (counts, after) = (count(&workspace), workspace.count(left));
        assert_ne!(before, after, "{}: it leaves nothing", verb.name);
        let (mut of_verb, mut of_done) = (0, 0);
        for (call, number) in counts.iter().flat_map(|(call, most)| (1..=*most).map(move |number| (call, number))) {
            let what = format!("{}: killed at {call} {number}", verb.name);
            let (_, workspace, args) = begin();
            let inject = format!("inject={call}:signal=KILL:when={number}");
            let options = ["-e", &format!("trace={call}"), "-e", &inject];
            let killed = !traced(&workspace, &options, &args).status().unwrap().success();
            works(&workspace, &what);
            let now = workspace.count(left);
            // What works has signed since is no loss.
            assert!(now >= before, "{what}: lost what was there");
            assert!(killed || now >= after, "{what}: reported as done, and lost");
            of_verb += usize::from(killed);
            of_done += usize::from(now >= after);
        }
        println!("{}: {counts:?}: {of_verb} kills, after {of_done} the work was done", verb.name);
        kills += of_verb;
        done += of_done;
    }
    println!("{kills} kills, after {done} the work was done: false alarms 0, lost 0");
}

/// The files of the vault before a verb, and after it when nobody disturbs it.
#[derive(Clone, Copy)]
pub struct Vaults<'a> {
    pub before: &'a BTreeMap<String, String>,
    pub after: &'a BTreeMap<String, String>,
}

struct Ended {
    workspace: Workspace,
    killed: bool,
    done: bool,
    edits: usize,
}

/// Kills the verb at one call, edits what it brought, and checks the workspace.
fn kill_once(verb: &Verb, call: &str, number: usize, vaults: Vaults<'_>) -> Ended {
    let Vaults { before, after } = vaults;
    let what = format!("{}: killed at {call} {number}", verb.name);
    let workspace = (verb.start)();
    (verb.prepare)(&workspace);
    let args = (verb.args)(&workspace);
    let inject = format!("inject={call}:signal=KILL:when={number}");
    let killed =
        !traced(&workspace, &["-e", &format!("trace={call}"), "-e", &inject], &args).status().unwrap().success();
    let now = vault(&workspace);
    let mine = kavi::model::digest::Digest::of(MINE.as_bytes()).to_string();
    let mut edits = BTreeMap::new();
    if number % 2 == 1 {
        let changed = after.iter().filter(|(path, digest)| before.get(*path) != Some(digest));
        let files = changed.filter(|(_, digest)| *digest != FOLDER);
        for (path, _) in files.filter(|(path, digest)| now.get(*path) == Some(digest)) {
            fs::write(workspace.vault(path), MINE).unwrap();
            edits.insert(path.clone(), mine.clone());
        }
    }
    works(&workspace, &what);
    let found = vault(&workspace);
    let with_edits = |files: &BTreeMap<String, String>| {
        let mut files = files.clone();
        files.extend(edits.clone());
        files
    };
    let done = found == with_edits(after);
    assert!(done || found == *before, "{what}: neither all nor none: {found:?}");
    Ended { workspace, killed, done, edits: edits.len() }
}

/// The workspace answers, nothing is pending, and nothing is left in staging.
pub fn works(workspace: &Workspace, what: &str) {
    let status = workspace.json(&["status"]);
    assert_eq!(status.code, 0, "{what}: {status:?}");
    let is_stopped = workspace.path().join(".kavi/stop").exists() || status.stdout.contains("\"stopped\"");
    let read = workspace.run("peek", json!({ "path": "Inbox/AI/a.md" }));
    // A note that an undo has removed is not there to be read, and a stopped workspace runs nothing.
    assert!([0, 5].contains(&read.code) || (is_stopped && read.code == 3), "{what}: {read:?}");
    assert_eq!(workspace.count("SELECT count(*) FROM commits WHERE state = 'PENDING'"), 0, "{what}");
    assert_eq!(workspace.staged(), 0, "{what}");
    // No crash looks like an edit.
    let audit = workspace.json(&["audit"]);
    assert_eq!(audit.code, 0, "{what}: {audit:?}");
}
