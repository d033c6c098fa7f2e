//! What recovery makes of a commit whose files, rows or folders somebody touched since the crash.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::commits::{At, DEEDS, Deed, kill_at, perform, prepare, raw, recorded_and_killed, undisturbed, vault};
use crate::support::{self, Workspace};
use kavi::invoke::{CommitPoint, NoObserver};
use kavi::model::digest::Digest;
use serde_json::json;

/// What a person makes of a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edit {
    InPlace,
    Replaced,
    Removed,
}

const MINE: &str = "mine\n";

impl Edit {
    fn make(self, note: &Path) {
        match self {
            Self::InPlace => fs::write(note, MINE).unwrap(),
            Self::Replaced => {
                let beside = note.with_extension("new");
                fs::write(&beside, MINE).unwrap();
                fs::rename(beside, note).unwrap();
            }
            Self::Removed if note.exists() => fs::remove_file(note).unwrap(),
            Self::Removed => {}
        }
    }
}

/// The workspace works, and nothing of the commit is left over.
#[track_caller]
fn works(workspace: &Workspace, what: &str) {
    let called = workspace.run("peek", json!({ "path": "Inbox/AI/seen.md" }));
    assert_eq!(called.code, 0, "{what}: {called:?}");
    let called = workspace.act("write", "Inbox/AI/another.md");
    assert_eq!(called.code, 0, "{what}: {called:?}");
    fs::remove_file(workspace.vault("Inbox/AI/another.md")).unwrap();
    let called = workspace.json(&["status"]);
    assert_eq!(called.code, 0, "{what}: {called:?}");
    assert_eq!(workspace.count("SELECT count(*) FROM commits WHERE state = 'PENDING'"), 0, "{what}");
    assert_eq!(workspace.staged(), 0, "{what}");
}

fn ready(workspace: &Workspace, file: &str) -> PathBuf {
    workspace.path().join(".kavi/staging/ready").join(file)
}

fn states(workspace: &Workspace) -> Vec<String> {
    support::strings(&workspace.ledger(), "SELECT state FROM commits ORDER BY rowid")
}

#[test]
fn an_edit_of_a_file_that_was_moved_before_a_crash_stays_and_blocks_nothing() {
    let (mut kills, mut edits) = (0, 0);
    for (deed, name) in DEEDS {
        let (points, before, after) = undisturbed(deed);
        let digest = Digest::of(MINE.as_bytes()).to_string();
        let moved =
            |point: &CommitPoint| !matches!(point, CommitPoint::Durable | CommitPoint::Kept | CommitPoint::Ready);
        for (number, point) in points.iter().enumerate().filter(|(_, point)| moved(point)) {
            for edit in [Edit::InPlace, Edit::Replaced, Edit::Removed] {
                let workspace = Workspace::trusted();
                prepare(&workspace, deed);
                fs::write(workspace.vault("Inbox/AI/seen.md"), "seen").unwrap();
                kill_at(&workspace, name, number);
                kills += 1;
                let now = vault(&workspace);
                let changed = before.keys().chain(after.keys()).filter(|path| before.get(*path) != after.get(*path));
                let mut expected: BTreeMap<String, String> = after.clone();
                expected.insert("Inbox/AI/seen.md".to_owned(), Digest::of(b"seen").to_string());
                // The person edits every file that the commit has brought, or makes one again that it has taken away.
                for path in changed.filter(|path| now.get(*path) == after.get(*path)) {
                    edit.make(&workspace.vault(path));
                    edits += 1;
                    match edit {
                        Edit::Removed => expected.remove(path),
                        Edit::InPlace | Edit::Replaced => expected.insert(path.clone(), digest.clone()),
                    };
                }
                let what = format!("{name}: {edit:?} after {point:?}");
                works(&workspace, &what);
                assert_eq!(vault(&workspace), expected, "{what}");
                let commit = states(&workspace);
                assert!(commit.iter().all(|state| state == "APPLIED"), "{what}: {commit:?}");
            }
        }
    }
    println!("{kills} kills, {edits} files edited after them: nothing blocked, no edit lost");
    assert!(kills > 50 && edits > 60, "{kills} {edits}");
}

#[test]
fn the_end_of_a_commit_is_on_the_disk_before_its_evidence_goes() {
    let workspace = Workspace::trusted();
    // Another process keeps the ledger open, so closing it writes nothing.
    let _open = workspace.ledger();
    let log = workspace.path().join("calls");
    let Some(lines) = traced(&workspace, &log, &["run-skill", "act", "--json", &crate::commits::act("three")]) else {
        return;
    };
    let last_write =
        |calls: &[String]| calls.iter().rposition(|line| line.contains("pwrite64") && line.contains("-wal"));
    // A call that found nothing removes nothing.
    let is_removal = |line: &String| line.contains("unlink") && line.contains("staging/ready") && line.ends_with("= 0");
    let removed = lines.iter().position(is_removal);
    let before = &lines[..removed.expect("the prepared files are removed")];
    let written = last_write(before).expect("the end is written");
    let synced = before[written..].iter().any(|line| line.contains("sync(") && line.contains("-wal"));
    assert!(synced, "{}", before[written..].join("\n"));
}

#[test]
fn a_digest_is_given_after_the_name_of_its_file_is_on_the_disk() {
    let workspace = Workspace::trusted();
    fs::write(workspace.vault("Inbox/AI/a.md"), "old\n").unwrap();
    workspace.act("write", "Inbox/AI/a.md").expect(0);
    fs::write(workspace.vault("Inbox/AI/a.md"), "old\n").unwrap();
    // The content that is replaced is in the store already. Whoever put it there may have died before its folders were synced.
    let old = Digest::of(b"old\n").to_string();
    let log = workspace.path().join("calls");
    let Some(lines) = traced(&workspace, &log, &["run-skill", "act", "--json", &crate::commits::act("write")]) else {
        return;
    };
    for folder in [format!("/.kavi/store/files/{}>", &old[..2]), "/.kavi/store/files>".into(), "/.kavi/store>".into()] {
        assert!(lines.iter().any(|line| line.contains("fsync(") && line.contains(&folder)), "{folder}");
    }
}

/// The calls of one command that change or sync files; none where they cannot be traced.
fn traced(workspace: &Workspace, log: &Path, args: &[&str]) -> Option<Vec<String>> {
    let calls = "trace=fsync,fdatasync,pwrite64,unlink,unlinkat,rename,renameat2";
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-qq", "-s", "0", "-e", calls, "-o"]).arg(log).arg(env!("CARGO_BIN_EXE_kavi"));
    command.arg("--workspace").arg(workspace.path()).args(args).env("KAVI_CACHE_DIR", support::cache());
    command.env("KAVI_STATE_DIR", support::state_folder(workspace.path()));
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().ok()?;
    // A sandbox may forbid to trace. What a test cannot have it cannot try.
    let lines: Vec<String> = fs::read_to_string(log).ok()?.lines().map(str::to_owned).collect();
    status.success().then_some(lines).filter(|lines| !lines.is_empty())
}

/// What is logged meanwhile.
fn told<T>(work: impl FnOnce() -> T) -> (T, String) {
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
    let done = tracing::subscriber::with_default(subscriber, work);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    (done, text)
}

#[test]
fn a_commit_whose_end_cannot_be_noted_is_done_and_says_so() {
    for (deed, name) in DEEDS {
        let workspace = Workspace::trusted();
        prepare(&workspace, deed);
        fs::write(workspace.vault("Inbox/AI/seen.md"), "seen").unwrap();
        let root = workspace.path().to_owned();
        // Another program keeps the ledger for longer than anyone waits for it.
        let mut keeps = None;
        let break_it = |point: CommitPoint| {
            if point == CommitPoint::Synced {
                let other = raw(&root);
                other.execute_batch("BEGIN IMMEDIATE").unwrap();
                keeps = Some(other);
            }
        };
        let (done, told) = told(|| perform(workspace.path(), deed, &At::new(break_it)));
        assert_eq!(done, Ok(()), "{name}");
        assert!(told.contains("its files are in the vault") && told.contains("another process"), "{name}: {told}");
        drop(keeps);
        // The person goes on working before the ledger knows.
        let note = workspace.vault("Inbox/AI/a.md");
        fs::write(&note, MINE).unwrap();
        works(&workspace, name);
        assert_eq!(fs::read_to_string(&note).unwrap(), MINE, "{name}");
        assert!(states(&workspace).iter().all(|state| state == "APPLIED"), "{name}");
    }
}

#[test]
fn what_can_be_finished_is_neither_rejected_nor_abandoned() {
    for verb in ["reject", "abandon"] {
        let workspace = Workspace::trusted();
        let id = recorded_and_killed(&workspace);
        let args = ["effects", verb, &id, "--why", "no", "--approved-by", "ada"];
        let error = workspace.json(&args).expect(3).json()["error"].take();
        assert!(error["message"].as_str().unwrap().contains("APPLIED"), "{verb}: {error}");
        let (_, _, after) = undisturbed(Deed::Run);
        assert_eq!(vault(&workspace), after, "{verb}: a half of it was made permanent");
        assert_eq!((states(&workspace), workspace.staged()), (vec!["APPLIED".to_owned()], 0), "{verb}");
    }
}

#[test]
fn an_approval_that_the_file_system_fails_is_still_to_be_decided() {
    use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
    let workspace = Workspace::trusted();
    prepare(&workspace, Deed::Approve);
    let (_, _, after) = undisturbed(Deed::Approve);
    let before = vault(&workspace);
    let folder = workspace.vault("Inbox/AI");
    // Another file system over the folder for a moment: no file can be renamed into it. Without the right to mount, a folder
    // that cannot be written does the same.
    let mut mounted = false;
    let fail = |point: CommitPoint| {
        if point == CommitPoint::Recorded {
            mounted = mount("tmpfs", &folder, "tmpfs", MountFlags::empty(), None).is_ok();
            if !mounted {
                fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o555)).unwrap();
            }
        }
        if matches!(point, CommitPoint::Moved(_)) {
            panic!("it was moved");
        }
    };
    let said = perform(workspace.path(), Deed::Approve, &At::new(fail)).unwrap_err();
    match mounted {
        true => unmount(&folder, UnmountFlags::DETACH).unwrap(),
        false => fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap(),
    }
    assert!(said.contains("could not be written in the vault"), "{said}");
    assert_eq!(states(&workspace), ["HELD"]);
    assert_eq!(vault(&workspace), before);
    perform(workspace.path(), Deed::Approve, &NoObserver).unwrap();
    assert_eq!((states(&workspace), vault(&workspace)), (vec!["APPLIED".to_owned()], after));
}

#[test]
fn a_held_effect_that_is_not_what_its_run_recorded_is_not_approved() {
    let other = Digest::of(b"other").to_string();
    let (path, after) = ("$[0].path", "$[0].after");
    let forge = |column: &str, value: &str| {
        format!("UPDATE commits SET changes_json = json_set(changes_json, '{column}', '{value}') WHERE state = 'HELD'")
    };
    let effects = "UPDATE executions SET effects_json = json_set(effects_json, '$[0].path', 'Projects/a.md')";
    for (what, sql) in [
        ("another path", forge(path, "Inbox/AI/other.md")),
        ("another digest", forge(after, &other)),
        ("outside of the spec", format!("{}; {effects}", forge(path, "Projects/a.md"))),
        ("no run", "UPDATE executions SET commit_id = NULL".to_owned()),
        ("a file less", "UPDATE commits SET changes_json = json_remove(changes_json, '$[0]')".to_owned()),
    ] {
        let workspace = Workspace::trusted();
        prepare(&workspace, Deed::Approve);
        let before = vault(&workspace);
        let config = kavi::workspace::Config::load(workspace.path(), &kavi::workspace::Environment::default()).unwrap();
        let store = kavi::artifacts::Store::open(&config.layout).unwrap();
        store.put(kavi::artifacts::StoredKind::File, b"other").unwrap();
        workspace.ledger().execute_batch(&sql).unwrap();
        let id = support::strings(&workspace.ledger(), "SELECT id FROM commits").remove(0);
        let doctor = workspace.json(&["doctor"]).json();
        assert!(doctor.to_string().contains("is not what its run recorded"), "{what}: {doctor}");
        let approve = ["effects", "approve", &id, "--approved-by", "ada", "--yes"];
        let error = workspace.json(&approve).expect(3).json()["error"].take();
        assert!(error["message"].as_str().unwrap().contains("is not what its run recorded"), "{what}: {error}");
        assert_eq!((vault(&workspace), states(&workspace)), (before, vec!["HELD".to_owned()]), "{what}");
        workspace.json(&["effects", "reject", &id, "--approved-by", "ada"]).expect(0);
    }
}

#[test]
fn a_pending_effect_without_a_run_never_reaches_the_vault() {
    let workspace = Workspace::trusted();
    fs::write(workspace.vault("Inbox/AI/seen.md"), "seen").unwrap();
    workspace.act("write", "Inbox/AI/first.md").expect(0);
    let id = "9c0c2f35-7d5b-4c7e-8f53-7a0d7b1c5a11";
    let (bytes, path) = (b"forged\n", "Projects/forged.md");
    fs::create_dir_all(ready(&workspace, "")).unwrap();
    fs::write(ready(&workspace, &format!("{id}.0")), bytes).unwrap();
    let change = json!([{ "path": path, "before": null, "after": Digest::of(bytes), "bytes": bytes.len() }]);
    let sql = "INSERT INTO commits (id, kind, state, number, changes_json, created_at)
               VALUES (?1, 'RUN', 'PENDING', 99, ?2, '2026-01-01T00:00:00.000Z')";
    workspace.ledger().execute(sql, [id, &change.to_string()]).unwrap();
    workspace.run("peek", json!({ "path": "Inbox/AI/seen.md" })).expect(0);
    workspace.act("write", "Inbox/AI/second.md").expect(0);
    assert!(!workspace.vault(path).exists());
    let doctor = workspace.json(&["doctor"]).json().to_string();
    assert!(doctor.contains("no run has it") && doctor.contains(&id[..8]), "{doctor}");
    let error = workspace.json(&["status"]).expect(3).json()["error"].take();
    assert!(error["message"].as_str().unwrap().contains("no run has it"), "{error}");
    workspace.json(&["effects", "abandon", id, "--why", "forged", "--approved-by", "ada"]).expect(0);
    works(&workspace, "after it was abandoned");
    assert!(!workspace.vault(path).exists());
}

#[test]
fn a_crash_in_the_middle_of_two_names_is_finished() {
    // A file system without a rename that replaces nothing: a file is linked to its place, and its old name is removed.
    let workspace = Workspace::trusted();
    recorded_and_killed(&workspace);
    let id = support::strings(&workspace.ledger(), "SELECT id FROM commits").remove(0);
    fs::hard_link(ready(&workspace, &format!("{id}.2")), workspace.vault("Inbox/AI/a.md.md")).unwrap();
    fs::write(workspace.vault("Inbox/AI/seen.md"), "seen").unwrap();
    works(&workspace, "linked");
    fs::remove_file(workspace.vault("Inbox/AI/seen.md")).unwrap();
    assert_eq!((states(&workspace)[0].as_str(), vault(&workspace)), ("APPLIED", undisturbed(Deed::Run).2));
}

#[test]
fn of_two_edits_around_a_crash_the_newer_stays_and_the_older_is_kept() {
    let workspace = Workspace::trusted();
    let id = recorded_and_killed(&workspace);
    // An edit came between the check and the exchange, so it came out of the vault; the process died before it went back.
    let first = ready(&workspace, &format!("{id}.0"));
    fs::remove_file(&first).unwrap();
    fs::write(&first, "first edit\n").unwrap();
    fs::write(workspace.vault("Inbox/AI/a.md"), MINE).unwrap();
    fs::write(workspace.vault("Inbox/AI/seen.md"), "seen").unwrap();
    works(&workspace, "two edits");
    assert_eq!(fs::read_to_string(workspace.vault("Inbox/AI/a.md")).unwrap(), MINE);
    assert!(!workspace.vault("Inbox/AI/a.md.md").exists(), "it is taken back whole");
    assert_eq!(states(&workspace)[0], "REVERTED");
    let kept = workspace.stored("files", &Digest::of(b"first edit\n").to_string());
    assert_eq!(fs::read_to_string(kept).unwrap(), "first edit\n");
}

#[test]
fn what_is_left_in_a_vault_that_can_only_be_read_stops_no_run_that_reads() {
    use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};
    let workspace = Workspace::trusted();
    fs::write(workspace.vault("Inbox/AI/seen.md"), "seen").unwrap();
    let folder = ready(&workspace, "");
    fs::create_dir_all(&folder).unwrap();
    let mounted = mount("tmpfs", &folder, "tmpfs", MountFlags::empty(), None).is_ok();
    fs::write(folder.join("9c0c2f35-7d5b-4c7e-8f53-7a0d7b1c5a11.0"), "left").unwrap();
    match mounted {
        true => mount_remount(&folder, MountFlags::RDONLY, "").unwrap(),
        false => fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o555)).unwrap(),
    }
    let read = workspace.run("peek", json!({ "path": "Inbox/AI/seen.md" }));
    let status = workspace.json(&["status"]);
    match mounted {
        true => unmount(&folder, UnmountFlags::DETACH).unwrap(),
        false => fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap(),
    }
    read.expect(0);
    status.expect(0);
}
