//! A commit is whole or not at all: killed at every named point, and with somebody else writing into the vault at each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use kavi::artifacts::Store;
use kavi::cage::{Cage, Confinement};
use kavi::context::reader::ContextReader;
use kavi::invoke::chain::{self, ChainRequest, CommitMode};
use kavi::invoke::{
    CommitObserver, CommitPoint, Consent, Disposition, NoObserver, RunRequest, SharedContext, pending_approval, run,
    undo,
};
use kavi::ledger::{Create, Ledger};
use kavi::model::chain::Chain;
use kavi::model::channel::{Caller, Channel};
use kavi::model::id::{IdPrefix, RandomIds};
use kavi::model::name::SkillName;
use kavi::model::time::SystemClock;
use kavi::runtime::{CodeCache, Loader, import_table_version};
use kavi::workspace::{Config, Environment};
use serde_json::json;

use crate::support::{self, Workspace};

/// Tells a process that was started to be killed: which workspace, what to do, and at which point it dies.
const WORKSPACE: &str = "KAVI_TEST_COMMITS_WORKSPACE";
const DEED: &str = "KAVI_TEST_COMMITS_DEED";
const POINT: &str = "KAVI_TEST_COMMITS_POINT";
const TEST: &str = "a_process_killed_at_any_point_of_a_commit_leaves_all_files_or_none";

/// Does something at every point.
pub struct At<'f>(Mutex<Box<dyn FnMut(CommitPoint) + Send + 'f>>);

impl<'f> At<'f> {
    pub fn new(each: impl FnMut(CommitPoint) + Send + 'f) -> Self {
        Self(Mutex::new(Box::new(each)))
    }
}

impl std::fmt::Debug for At<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("At")
    }
}

impl CommitObserver for At<'_> {
    fn reached(&self, point: CommitPoint) {
        (self.0.lock().unwrap())(point);
    }
}

/// What changes files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    Run,
    Chain,
    Approve,
    Undo,
    /// A run that writes one file and removes another, its approval, and its undo.
    Move,
    ApproveMove,
    UndoMove,
}

pub const DEEDS: [(Deed, &str); 7] = [
    (Deed::Run, "run"),
    (Deed::Chain, "chain"),
    (Deed::Approve, "approve"),
    (Deed::Undo, "undo"),
    (Deed::Move, "move"),
    (Deed::ApproveMove, "approve-move"),
    (Deed::UndoMove, "undo-move"),
];

impl Deed {
    /// What its run does.
    fn act(self) -> &'static str {
        match self {
            Self::Run | Self::Chain | Self::Approve | Self::Undo => "three",
            Self::Move | Self::ApproveMove | Self::UndoMove => "move",
        }
    }
}

pub fn act(act: &str) -> String {
    json!({ "act": act, "path": "Inbox/AI/a.md" }).to_string()
}

/// Makes the workspace ready for a deed: one of the files that it changes is there already.
pub fn prepare(workspace: &Workspace, deed: Deed) {
    fs::write(workspace.vault("Inbox/AI/a.md"), "old\n").unwrap();
    let input = act(deed.act());
    match deed {
        Deed::Run | Deed::Chain | Deed::Move => {}
        Deed::Approve | Deed::ApproveMove => {
            drop(workspace.call(&["run-skill", "act", "--json", &input, "--hold"]).expect(0))
        }
        Deed::Undo | Deed::UndoMove => drop(workspace.call(&["run-skill", "act", "--json", &input]).expect(0)),
    }
}

/// Does it, in this process.
pub fn perform(root: &Path, deed: Deed, observer: &dyn CommitObserver) -> Result<(), String> {
    let config = Config::load(root, &Environment::default()).unwrap();
    let (layout, limits) = (&config.layout, &config.limits);
    let (ledger, store) = (Ledger::open(&layout.ledger(), Create::Never).unwrap(), Store::open(layout).unwrap());
    let cage = Cage::new(PathBuf::from(env!("CARGO_BIN_EXE_kavi")), Confinement::Required);
    let code = CodeCache::new(layout.code_cache(), Some(support::cache().join("code.key")), import_table_version());
    let shared = SharedContext {
        anchor: None,
        layout,
        linked: &[],
        store: &store,
        channels: &config.channels,
        governance: &ContextReader::default(),
        hold: config.effects.held(),
        observer,
        clock: &SystemClock,
        ids: &RandomIds,
        loader: Loader { cage: &cage, cache: &code },
        roots_file: None,
        secrets: const { &std::collections::BTreeMap::new() },
        limits,
    };
    let context = shared.with_ledger(&ledger);
    let (name, input) = (SkillName::parse("act").unwrap(), act(deed.act()));
    let caller = |channel| Arc::new(Caller { channel, name: "test".to_owned() });
    let first = |sql: &str| IdPrefix::parse(&support::strings(&raw(root), sql)[0]).unwrap();
    match deed {
        Deed::Run | Deed::Move => {
            let request = RunRequest::new(name, input.into_bytes(), caller(Channel::Cli));
            run::run(&context, &request).map(drop).map_err(|error| error.to_string())
        }
        Deed::Chain => {
            let second = json!({ "act": "write", "path": "Inbox/AI/z.md" });
            let input: serde_json::Value = serde_json::from_str(&input).unwrap();
            let steps = json!([{ "skill_name": "act", "input": input }, { "skill_name": "act", "input": second }]);
            let chain = Chain::parse(json!({ "steps": steps }).to_string().as_bytes()).unwrap();
            let request = ChainRequest {
                chain: &chain,
                caller: caller(Channel::Chain),
                consent: Consent::Given,
                max_class: None,
                commit_mode: CommitMode::Together,
                disposition: Disposition::Commit,
            };
            let ran = chain::run(&context, &request).map_err(|error| error.to_string())?;
            ran.failure().map_or(Ok(()), |(_, error)| Err(error.to_string()))
        }
        Deed::Approve | Deed::ApproveMove => {
            let id = first("SELECT id FROM commits WHERE state = 'HELD'");
            let review = pending_approval::review(&context, &id).unwrap();
            pending_approval::approve(&context, review, "test").map(drop).map_err(|error| error.to_string())
        }
        Deed::Undo | Deed::UndoMove => {
            let plan = undo::plan(&context, &first("SELECT execution_id FROM executions")).unwrap();
            undo::undo(&context, plan, "test").map(drop).map_err(|error| error.to_string())
        }
    }
}

pub fn raw(root: &Path) -> rusqlite::Connection {
    let ledger = rusqlite::Connection::open(root.join(".kavi/ledger.db")).unwrap();
    ledger.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    ledger
}

/// The files of the vault.
pub fn vault(workspace: &Workspace) -> BTreeMap<String, String> {
    let all = support::files(&workspace.path().join("vault_out"));
    all.into_iter().filter(|(_, what)| what != "folder").collect()
}

/// The points of a deed that nobody disturbs, in their order, and the vault before and after it.
pub fn undisturbed(deed: Deed) -> (Vec<CommitPoint>, BTreeMap<String, String>, BTreeMap<String, String>) {
    let workspace = Workspace::trusted();
    prepare(&workspace, deed);
    let (before, mut points) = (vault(&workspace), Vec::new());
    perform(workspace.path(), deed, &At(Mutex::new(Box::new(|step| points.push(step))))).unwrap();
    (points, before, vault(&workspace))
}

/// Has a process do the deed and die at the point with this number.
pub fn kill_at(workspace: &Workspace, deed: &str, point: usize) {
    let child = support::alone(module_path!(), TEST)
        .env(WORKSPACE, workspace.path())
        .env(DEED, deed)
        .env(POINT, point.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(!child.success(), "{deed} {point}: it did not die");
}

/// Does the deed that the environment names, and dies at its point.
fn die(root: &Path) {
    let deed = std::env::var(DEED).unwrap();
    let deed = DEEDS.iter().find(|(_, name)| *name == deed).unwrap().0;
    let point: usize = std::env::var(POINT).unwrap().parse().unwrap();
    let mut passed = 0;
    let steps = At(Mutex::new(Box::new(move |_| {
        if passed == point {
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap();
        }
        passed += 1;
    })));
    perform(root, deed, &steps).unwrap();
}

#[test]
fn a_process_killed_at_any_point_of_a_commit_leaves_all_files_or_none() {
    if let Some(root) = std::env::var_os(WORKSPACE) {
        return die(Path::new(&root));
    }
    for (deed, name) in DEEDS {
        let (points, before, after) = undisturbed(deed);
        let recorded = points.iter().position(|step| *step == CommitPoint::Recorded).unwrap();
        assert!(points.len() >= recorded + 5, "{name}: {points:?}");
        assert_ne!(before, after, "{name}");
        for (number, point) in points.iter().enumerate() {
            let workspace = Workspace::trusted();
            prepare(&workspace, deed);
            kill_at(&workspace, name, number);
            let status = workspace.json(&["status"]).expect(0).json();
            let there = vault(&workspace);
            let expected = if number < recorded { &before } else { &after };
            assert_eq!(there, *expected, "{name}: killed at {point:?}");
            let finished = usize::from((recorded..points.len() - 1).contains(&number));
            assert_eq!(status["recovered"].as_array().unwrap().len(), finished, "{name} {point:?}: {status}");
            assert_eq!(workspace.count("SELECT count(*) FROM commits WHERE state = 'PENDING'"), 0, "{name} {point:?}");
            assert_eq!(workspace.staged(), 0, "{name} {point:?}");
            // Whatever was interrupted can be done again, where it was not done.
            if number < recorded {
                perform(workspace.path(), deed, &NoObserver).unwrap();
                assert_eq!(vault(&workspace), after, "{name}: again after {point:?}");
            }
        }
        println!("{name}: killed at each of {} points, {points:?}", points.len());
    }
}

/// What somebody else makes of a place while a commit is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Theirs {
    Text,
    Nothing,
    Link,
    Folder,
}

impl Theirs {
    fn make(self, place: &Path) {
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        if self != Self::Text && place.exists() {
            fs::remove_file(place).unwrap();
        }
        match self {
            Self::Text => fs::write(place, "mine\n").unwrap(),
            Self::Nothing => {}
            Self::Link => std::os::unix::fs::symlink("elsewhere.txt", place).unwrap(),
            Self::Folder => {
                fs::create_dir(place).unwrap();
                fs::write(place.join("precious"), "mine\n").unwrap();
            }
        }
    }

    fn is_at(self, place: &Path) -> bool {
        match self {
            Self::Text => fs::read_to_string(place).is_ok_and(|text| text == "mine\n"),
            Self::Nothing => fs::symlink_metadata(place).is_err(),
            Self::Link => fs::read_link(place).is_ok_and(|to| to == Path::new("elsewhere.txt")),
            Self::Folder => fs::read_to_string(place.join("precious")).is_ok_and(|text| text == "mine\n"),
        }
    }
}

const DISTURBED: [(&str, Theirs); 7] = [
    ("Inbox/AI/a.md", Theirs::Text),
    ("Inbox/AI/a.md", Theirs::Nothing),
    ("Inbox/AI/a.md", Theirs::Link),
    ("Inbox/AI/a.md", Theirs::Folder),
    ("Inbox/AI/a.md.md", Theirs::Text),
    ("Inbox/AI/a.md.md", Theirs::Folder),
    ("Inbox/AI/a.md.d/third.md", Theirs::Text),
];

/// The same for a commit that removes the first of these files.
const DISTURBED_MOVE: [(&str, Theirs); 5] = [
    ("Inbox/AI/a.md", Theirs::Text),
    ("Inbox/AI/a.md", Theirs::Nothing),
    ("Inbox/AI/a.md", Theirs::Link),
    ("Inbox/AI/a.md", Theirs::Folder),
    ("Inbox/AI/a.md.moved.md", Theirs::Text),
];

#[test]
fn what_somebody_else_does_while_a_commit_is_made_stays() {
    for (deed, name) in [DEEDS[0], DEEDS[1], DEEDS[2], DEEDS[4], DEEDS[5]] {
        let disturbed = if deed.act() == "move" { &DISTURBED_MOVE[..] } else { &DISTURBED };
        let (points, _, after) = undisturbed(deed);
        let last = points.iter().position(|step| *step == CommitPoint::Recorded).unwrap();
        for (file, theirs) in disturbed.iter().copied() {
            for point in &points[..=last] {
                let workspace = Workspace::trusted();
                prepare(&workspace, deed);
                let place = workspace.vault(file);
                let disturb = |step: CommitPoint| {
                    if step == *point {
                        theirs.make(&place);
                    }
                };
                let ended = perform(workspace.path(), deed, &At(Mutex::new(Box::new(disturb))));
                let what = format!("{name}: {theirs:?} at {file} at {point:?}: {ended:?}");
                if ended.is_ok() {
                    // A file that is gone before it was looked at is no loss.
                    assert_eq!((theirs, vault(&workspace)), (Theirs::Nothing, after.clone()), "{what}");
                    continue;
                }
                assert!(ended.unwrap_err().contains(file), "{what}");
                assert!(theirs.is_at(&place), "{what}");
                let below = format!("{file}/");
                let is_theirs = |path: &String| path == file || path.starts_with(&below);
                let others: Vec<_> = vault(&workspace).into_iter().filter(|(path, _)| !is_theirs(path)).collect();
                let untouched = usize::from(!file.ends_with("a.md"));
                assert_eq!(others.len(), untouched, "{what}: {others:?}");
                let open = "SELECT count(*) FROM commits WHERE state IN ('PENDING', 'APPLIED')";
                assert_eq!(workspace.count(open), 0, "{what}");
                workspace.json(&["status"]).expect(0);
                assert_eq!(workspace.staged(), 0, "{what}");
            }
        }
    }
}

#[test]
fn what_another_process_decided_meanwhile_holds() {
    // Another person approves, or undoes, while this one is about to.
    for (deed, verb) in [(Deed::Approve, "approve"), (Deed::Undo, "undo")] {
        let workspace = Workspace::trusted();
        prepare(&workspace, deed);
        let sql = "SELECT id FROM commits ORDER BY rowid LIMIT 1";
        let id = support::strings(&workspace.ledger(), sql).remove(0);
        let args: &[&str] = if verb == "undo" { &["undo"] } else { &["effects", "approve"] };
        let other = |step: CommitPoint| {
            if step == CommitPoint::Durable {
                workspace.json(&[args, &[&id, "--yes", "--approved-by", "bob"]].concat()).expect(0);
            }
        };
        let ended = perform(workspace.path(), deed, &At(Mutex::new(Box::new(other))));
        let said = ended.unwrap_err();
        assert!(said.contains("APPLIED") || said.contains("undone already, by bob"), "{verb}: {said}");
        let (_, _, after) = undisturbed(deed);
        assert_eq!(vault(&workspace), after, "{verb}");
        workspace.json(&["status"]).expect(0);
        assert_eq!(workspace.staged(), 0, "{verb}");
    }
}

/// Has a run die right after its record.
pub fn recorded_and_killed(workspace: &Workspace) -> String {
    prepare(workspace, Deed::Run);
    let (points, ..) = undisturbed(Deed::Run);
    let point = points.iter().position(|step| *step == CommitPoint::Recorded).unwrap();
    kill_at(workspace, "run", point);
    support::strings(&workspace.ledger(), "SELECT id FROM commits WHERE state = 'PENDING'").remove(0)
}

#[test]
fn a_file_that_waited_and_is_gone_is_not_taken_for_moved() {
    let workspace = Workspace::trusted();
    let id = recorded_and_killed(&workspace);
    let before = vault(&workspace);
    // The vault is on another disk now, where nothing waits.
    let toml = workspace.path().join("kavi.toml");
    let text = fs::read_to_string(&toml).unwrap();
    let ready = workspace.path().join(".kavi/staging/ready");
    let aside = workspace.path().join("aside");
    fs::rename(&ready, &aside).unwrap();
    for _ in 0..2 {
        let error = workspace.json(&["status"]).expect(1).json()["error"].take();
        assert!(error["message"].as_str().unwrap().contains("is the vault where it was"), "{error}");
        assert!(error["hint"].as_str().unwrap().contains("kavi effects abandon"), "{error}");
        assert_eq!(vault(&workspace), before);
    }
    assert_eq!(workspace.count("SELECT count(*) FROM commits WHERE state = 'PENDING'"), 1);
    fs::remove_dir_all(&ready).unwrap_or_default();
    fs::rename(&aside, &ready).unwrap();
    fs::write(&toml, text).unwrap();
    assert_eq!(workspace.json(&["status"]).expect(0).json()["recovered"], json!([id]));
    assert_ne!(vault(&workspace), before);
}

#[test]
fn what_can_never_be_finished_is_given_up_by_a_person() {
    let workspace = Workspace::trusted();
    let id = recorded_and_killed(&workspace);
    for file in [format!("{id}.1"), format!("{id}.1.link")] {
        fs::remove_file(workspace.path().join(".kavi/staging/ready").join(file)).unwrap();
    }
    workspace.json(&["status"]).expect(1);
    // It blocks the files that it wants, and nothing else.
    let error = workspace.act("write", "Inbox/AI/a.md").expect(1).json()["error"].take();
    assert!(error["message"].as_str().unwrap().contains(&id[..8]), "{error}");
    workspace.act("list", "Inbox").expect(0);
    workspace.act("write", "Inbox/AI/other.md").expect(0);
    workspace.run("peek", json!({ "path": "Inbox/AI/other.md" })).expect(0);
    // Nobody gives half of a transaction up by a verb that does not say so.
    let error = workspace.json(&["effects", "reject", id.as_str(), "--approved-by", "ada"]).expect(1).json();
    assert!(error["error"]["hint"].as_str().unwrap().contains("kavi effects abandon"), "{error}");
    assert_eq!(workspace.count("SELECT count(*) FROM commits WHERE state = 'PENDING'"), 1);
    let abandon = ["effects", "abandon", id.as_str(), "--why", "the disk is gone", "--approved-by", "ada"];
    let abandoned = workspace.json(&abandon).expect(0).json();
    assert_eq!(
        (&abandoned["state"], &abandoned["why"]),
        (&json!("REVERTED"), &json!("given up by ada: the disk is gone"))
    );
    workspace.json(&["status"]).expect(0);
    workspace.act("write", "Inbox/AI/a.md").expect(0);
    assert_eq!(workspace.staged(), 0);
    let kept = workspace.path().join(".kavi/store/files");
    let three = kavi::model::digest::Digest::of(b"three\n").to_string();
    let first = [&three, &kavi::model::digest::Digest::of(b"old\n").to_string()];
    assert!(first.iter().any(|sha256| kept.join(&sha256[..2]).join(sha256).exists()), "what waited is kept");
}

#[test]
fn a_disk_that_is_full_in_the_middle_leaves_all_files_or_none() {
    // A small file system of one's own needs a namespace of one's own, and what a test cannot have it cannot try.
    let Ok(unshare) = Command::new("unshare").args(["-rm", "true"]).stderr(Stdio::null()).status() else { return };
    if !unshare.success() {
        return;
    }
    let workspace = Workspace::trusted();
    let script = r#"
        set -u
        mount -t tmpfs -o size=24M none "$SMALL" || exit 9
        cp -a "$WORKSPACE/." "$SMALL" || exit 7
        kavi() { "$KAVI" --workspace "$SMALL" "$@"; }
        input='{"act":"three","path":"Inbox/AI/a.md"}'
        # From room for everything down to room for nothing, in small steps.
        ended=""
        for free in 400 320 280 240 200 180 160 140 120 100 80 60 30 0; do
            rm -f "$SMALL/fill"; rm -rf "$SMALL/vault_out/Inbox/AI"/*
            room=$(df --output=avail -k "$SMALL" | tail -1)
            head -c $(( (room - free) * 1024 )) /dev/zero > "$SMALL/fill" 2>/dev/null
            kavi run-skill act --json "$input" > /dev/null 2>&1
            code=$?
            found=$(find "$SMALL/vault_out/Inbox/AI" -type f | wc -l)
            rm -f "$SMALL/fill"
            kavi status > /dev/null 2>&1 || exit 8
            after=$(find "$SMALL/vault_out/Inbox/AI" -type f | wc -l)
            echo "$free $code $found $after"
        done
    "#;
    let small = tempfile::tempdir().unwrap();
    let output = Command::new("unshare")
        .args(["-rm", "sh", "-c", script])
        .env("SMALL", small.path())
        .env("WORKSPACE", workspace.path())
        .env("KAVI", env!("CARGO_BIN_EXE_kavi"))
        .env("KAVI_CACHE_DIR", support::cache())
        .env("KAVI_STATE_DIR", support::state_folder(workspace.path()))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    if output.status.code() == Some(9) {
        return;
    }
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let mut codes = Vec::new();
    for line in said.lines() {
        let numbers: Vec<i32> = line.split(' ').map(|number| number.parse().unwrap()).collect();
        let [free, code, found, after] = numbers[..] else { panic!("{line}") };
        assert!([0, 3].contains(&found) && [0, 3].contains(&after), "{free} KiB free: {line}");
        assert!(code != 0 || found == 3, "{free} KiB free, a success without its files: {line}");
        // With no room at all SQLite cannot even open the ledger.
        assert!([0, 1].contains(&code) || (free < 40 && code == 70), "{free} KiB free: {line}");
        codes.push(code);
    }
    assert_eq!((codes.len(), codes[0]), (14, 0), "{said}");
    assert!(codes.iter().any(|code| *code != 0), "the disk was never full: {said}");
    println!("KiB free, exit code, files then, files after recovery:\n{said}");
}
