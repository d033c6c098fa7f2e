//! The code cache and the child that fills it: what is changed, swapped or half written is compiled again, never loaded,
//! and never in the way of a run; a component that is dear to compile is given up.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use kavi::cage::{Cage, CageError, Confinement};
use kavi::model::{
    capabilities::{ReadScope, SkillCapabilities},
    digest::Digest,
    host_grants::HostGrants,
    limits::Limits,
};
use kavi::runtime::{
    self, CodeCache, CodeError, CodeOrigin, CompileLimits, ComponentTrust, LoadError, Loader, Runtime, SkillComponent,
};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};

use crate::support::watch::Tree;
use crate::support::{self, PEEK, Workspace, cache};

/// The file with the code of a trusted skill.
fn entry(workspace: &Workspace, name: &str) -> PathBuf {
    let digest = workspace.show(name)["component_sha256"].as_str().unwrap().to_owned();
    workspace.path().join(".kavi/cache").join(digest)
}

/// Reads the note `a.md` with peek, and gives the document.
#[track_caller]
fn peek(workspace: &Workspace) -> Value {
    fs::write(workspace.vault("a.md"), "as it was").unwrap();
    let document = workspace.run("peek", json!({ "path": "a.md" })).expect(0).json();
    assert_eq!(document["output"]["text"], "as it was");
    document
}

/// The next run finds code in the cache, and has nothing to say about it.
#[track_caller]
fn hits(workspace: &Workspace) {
    let document = peek(workspace);
    assert_eq!((&document["code"], &document["warnings"]), (&json!("cached"), &Value::Null));
}

/// The next run compiles, gives the right result, and warns with these words.
#[track_caller]
fn misses(workspace: &Workspace, why: &str) {
    let document = peek(workspace);
    assert_eq!(document["code"], "compiled", "{why}");
    let warnings = document["warnings"].to_string();
    assert!(warnings.contains(why), "{why}: {warnings}");
}

fn status(workspace: &Workspace) -> Value {
    workspace.json(&["cache", "status"]).expect(0).json()
}

fn clear(workspace: &Workspace) {
    workspace.json(&["cache", "clear"]).expect(0);
}

#[test]
fn a_run_after_promotion_compiles_nothing() {
    let workspace = Workspace::trusted();
    assert_eq!(status(&workspace)["valid"], 3);
    hits(&workspace);
    assert_eq!(workspace.note("Inbox/AI/a.md").expect(0).json()["code"], "cached");
    // Without an entry it is compiled once, without a word: nothing is wrong.
    let cleared = workspace.json(&["cache", "clear"]).expect(0).json();
    assert_eq!(cleared["removed"], 3);
    let first = peek(&workspace);
    assert_eq!((&first["code"], &first["warnings"]), (&json!("compiled"), &Value::Null));
    hits(&workspace);
    let found = status(&workspace);
    assert_eq!((&found["entries"], &found["valid"], &found["foreign"]), (&json!(1), &json!(1), &json!(0)));
    assert!(found["bytes"].as_u64().unwrap() > 10_000);
    let mode = fs::metadata(entry(&workspace, "peek")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let key = fs::metadata(cache().join("code.key")).unwrap();
    assert_eq!((key.permissions().mode() & 0o777, key.len()), (0o600, 32));
}

#[test]
fn a_changed_entry_is_compiled_again_and_never_loaded() {
    let workspace = Workspace::trusted();
    let path = entry(&workspace, "peek");
    let honest = fs::read(&path).unwrap();
    let length = honest.len();
    // The form, its version, the seal, the header's length, the header, and places all over the code.
    let code = (1..8).map(|part| length * part / 8);
    for offset in [0, 7, 8, 11, 12, 43, 44, 47, 48, 100].into_iter().chain(code).chain([length - 1]) {
        let mut flipped = honest.clone();
        flipped[offset] ^= 0x10;
        fs::write(&path, &flipped).unwrap();
        assert_eq!(status(&workspace)["foreign"], 1, "byte {offset}");
        misses(&workspace, "was changed");
        hits(&workspace);
        assert_ne!(fs::read(&path).unwrap(), flipped, "byte {offset}");
    }
    for left in [0, 1, 12, 44, 48, 200, length / 2, length - 1] {
        fs::write(&path, &honest[..left]).unwrap();
        misses(&workspace, "was changed");
    }
    fs::write(&path, [honest.as_slice(), b"\0"].concat()).unwrap();
    misses(&workspace, "was changed");
    // The entry of another skill, made by the same Kavi.
    fs::copy(entry(&workspace, "act"), &path).unwrap();
    assert_eq!(status(&workspace)["stale"], 1);
    misses(&workspace, "for another engine");
    // The very entry that was written first is as good as ever.
    fs::write(&path, &honest).unwrap();
    hits(&workspace);
}

#[test]
fn a_warning_is_shown_to_people_on_stderr() {
    let workspace = Workspace::trusted();
    fs::write(workspace.vault("a.md"), "text").unwrap();
    fs::write(entry(&workspace, "peek"), b"nothing").unwrap();
    let called = workspace.call(&["run-skill", "peek", "--json", r#"{"path":"a.md"}"#]).expect(0);
    assert!(called.stderr.contains("warning: the cached code of component"), "{called:?}");
    assert!(called.stdout.contains("\"text\"") && !called.stdout.contains("warning"), "{called:?}");
    // Also when the run fails for another reason.
    fs::write(entry(&workspace, "peek"), b"nothing").unwrap();
    let called = workspace.call(&["run-skill", "peek", "--json", r#"{"path":3}"#]).expect(2);
    assert!(called.stderr.contains("warning: ") && called.stderr.contains("error: "), "{called:?}");
}

#[test]
fn what_is_no_plain_file_of_ours_is_compiled_again() {
    let workspace = Workspace::trusted();
    let path = entry(&workspace, "peek");
    let aside = workspace.path().join("aside");
    fs::rename(&path, &aside).unwrap();
    // A link to the very same bytes: who can move it later decides what it leads to.
    symlink(&aside, &path).unwrap();
    misses(&workspace, "symbolic link");
    hits(&workspace);
    fs::remove_file(&path).unwrap();
    // A pipe must not make a run wait.
    mknodat(CWD, &path, FileType::Fifo, Mode::RWXU, 0).unwrap();
    assert_eq!(status(&workspace)["foreign"], 1);
    misses(&workspace, "not a regular file");
    hits(&workspace);
    fs::remove_file(&path).unwrap();
    fs::hard_link(&aside, &path).unwrap();
    misses(&workspace, "hard link");
    hits(&workspace);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o620)).unwrap();
    misses(&workspace, "its mode lets other users");
    hits(&workspace);
    // Nothing can be put in the place of a folder: every run compiles, until somebody clears the cache.
    fs::remove_file(&path).unwrap();
    fs::create_dir_all(path.join("with/something")).unwrap();
    misses(&workspace, "not a regular file");
    misses(&workspace, "cannot be kept");
    clear(&workspace);
    assert!(!path.exists() && aside.exists());
    assert_eq!(peek(&workspace)["code"], "compiled");
    hits(&workspace);
}

#[test]
fn a_cache_that_cannot_be_written_is_in_nobodys_way() {
    let workspace = Workspace::trusted();
    let folder = workspace.path().join(".kavi/cache");
    let aside = workspace.path().join("aside");
    fs::rename(&folder, &aside).unwrap();
    for place in ["file", "link"] {
        match place {
            "file" => fs::write(&folder, b"").unwrap(),
            _ => symlink(&aside, &folder).unwrap(),
        }
        misses(&workspace, "cannot be kept");
        misses(&workspace, "it is not a folder");
        assert_ne!(status(&workspace)["trouble"], "", "{place}");
        // What lies behind a link is not ours to remove.
        workspace.json(&["cache", "clear"]).expect(1);
        assert_eq!(fs::read_dir(&aside).unwrap().count(), 3);
        fs::remove_file(&folder).unwrap();
    }
    fs::rename(&aside, &folder).unwrap();
    hits(&workspace);
}

/// The binary with its caches, and so its key, in this folder.
fn elsewhere(workspace: &Workspace, caches: &Path, args: &[&str]) -> support::Called {
    let mut command = workspace.command();
    command.env("KAVI_CACHE_DIR", caches).args(args).args(["--output", "json"]);
    command.output().unwrap().into()
}

const PEEK_A: [&str; 4] = ["run-skill", "peek", "--json", r#"{"path":"a.md"}"#];

#[test]
fn an_entry_under_a_foreign_key_is_not_believed() {
    let workspace = Workspace::trusted();
    fs::write(workspace.vault("a.md"), "text").unwrap();
    let caches = tempfile::tempdir().unwrap();
    let run = |code: &str, why: &str| {
        let document = elsewhere(&workspace, caches.path(), &PEEK_A).expect(0).json();
        assert_eq!(document["output"]["text"], "text");
        assert_eq!(document["code"], code, "{document:#}");
        let warnings = document["warnings"].to_string();
        assert!(warnings.contains(why), "{why}: {warnings}");
    };
    // A workspace that somebody else made, with whatever is in its cache.
    run("compiled", "another key");
    run("cached", "");
    let found = elsewhere(&workspace, caches.path(), &["cache", "status"]).expect(0).json();
    assert_eq!((&found["valid"], &found["foreign"]), (&json!(1), &json!(2)));
    // A key that is not ours alone, or none at all, seals nothing.
    let key = caches.path().join("code.key");
    let honest = fs::read(&key).unwrap();
    for odd in ["readable", "short", "long", "link", "pipe", "folder", "hard link"] {
        fs::remove_file(&key).unwrap();
        match odd {
            "readable" => fs::write(&key, &honest).unwrap(),
            "short" | "long" => {
                fs::write(&key, vec![7; if odd == "short" { 31 } else { 33 }]).unwrap();
                fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
            }
            "link" => symlink("/dev/zero", &key).unwrap(),
            "pipe" => mknodat(CWD, &key, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap(),
            "folder" => fs::create_dir(&key).unwrap(),
            _ => {
                fs::write(caches.path().join("other"), &honest).unwrap();
                fs::set_permissions(caches.path().join("other"), fs::Permissions::from_mode(0o600)).unwrap();
                fs::hard_link(caches.path().join("other"), &key).unwrap();
            }
        }
        run("compiled", "its key");
        run("compiled", "its key");
        let found = elsewhere(&workspace, caches.path(), &["cache", "status"]).expect(0).json();
        assert!(found["trouble"].as_str().unwrap().contains("its key") && found["valid"] == 0, "{odd}: {found}");
        elsewhere(&workspace, caches.path(), &["cache", "clear"]).expect(0);
        run("compiled", "");
        run("cached", "");
    }
    // A key that skills could be shown is none.
    let within = workspace.vault("Caches");
    for _ in 0..2 {
        let document = elsewhere(&workspace, &within, &PEEK_A).expect(0).json();
        assert_eq!(document["code"], "compiled");
        assert!(document["warnings"].to_string().contains("outside of the vault"), "{document:#}");
    }
    assert!(!within.exists());
    // No place for a key.
    let mut command = workspace.command();
    command.env_remove("KAVI_CACHE_DIR").env_remove("HOME").args(PEEK_A).args(["--output", "json"]);
    let document = support::Called::from(command.output().unwrap()).expect(0).json();
    assert_eq!(document["code"], "compiled");
    assert!(document["warnings"].to_string().contains("no folder for its key"));
}

#[test]
fn several_processes_fill_the_cache_at_once() {
    let workspace = Workspace::trusted();
    fs::write(workspace.vault("a.md"), "text").unwrap();
    let caches = tempfile::tempdir().unwrap();
    clear(&workspace);
    // The key is made by all of them at once as well.
    let start = || {
        let mut command = workspace.command();
        command.env("KAVI_CACHE_DIR", caches.path()).args(PEEK_A).args(["--output", "json"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let running: Vec<_> = (0..4).map(|_| start()).collect();
    for child in running {
        let document = support::Called::from(child.wait_with_output().unwrap()).expect(0).json();
        assert_eq!((&document["output"]["text"], &document["warnings"]), (&json!("text"), &Value::Null));
    }
    let found = elsewhere(&workspace, caches.path(), &["cache", "status"]).expect(0).json();
    assert_eq!((&found["valid"], &found["entries"], &found["leftovers"]), (&json!(1), &json!(1), &json!(0)));
    let document = elsewhere(&workspace, caches.path(), &PEEK_A).expect(0).json();
    assert_eq!(document["code"], "cached");
}

#[test]
fn a_writer_that_is_killed_leaves_no_half_that_is_loaded() {
    let workspace = Workspace::trusted();
    fs::write(workspace.vault("a.md"), "text").unwrap();
    let cache = workspace.path().join(".kavi/cache");
    // Killed after so many changes in the cache: before it writes, at each of its writes, and when it is done.
    for killed_after in 0..16 {
        clear(&workspace);
        let mut tree = Tree::new(&cache);
        let mut child = workspace.command().args(PEEK_A).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        tree.changes(&child, killed_after);
        child.kill().unwrap();
        child.wait().unwrap();
        let found = status(&workspace);
        assert_eq!((&found["foreign"], &found["stale"]), (&json!(0), &json!(0)), "{killed_after:?}");
        assert_eq!(peek(&workspace)["warnings"], Value::Null, "{killed_after:?}");
        hits(&workspace);
    }
    // What a writer leaves behind is counted, not read, and goes with the rest.
    let half = fs::read(entry(&workspace, "peek")).unwrap();
    fs::write(workspace.path().join(".kavi/cache/.new-abcdef"), &half[..half.len() / 2]).unwrap();
    assert_eq!(status(&workspace)["leftovers"], 1);
    hits(&workspace);
    clear(&workspace);
    assert_eq!(fs::read_dir(workspace.path().join(".kavi/cache")).unwrap().count(), 0);
}

/// A component in the text format.
fn component(fields: &str) -> Vec<u8> {
    wat::parse_str(format!("(component {fields})")).unwrap()
}

/// What an optimising compiler is slow at: very many values alive at once, none of which it may move.
fn slow_module() -> String {
    let values = 60_000;
    let body = format!("{}{}", "(call $f)".repeat(values), "i32.xor ".repeat(values - 1));
    format!("(core module (func $f (result i32) i32.const 1) (func (result i32) {body}))")
}

fn bomb() -> Vec<u8> {
    component(&slow_module())
}

fn exe() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_kavi"))
}

/// An engine that lets the compiler try anything.
fn reckless() -> Runtime {
    Runtime::new(&Limits { compile_effort: u64::MAX, ..Limits::default() }).unwrap()
}

#[test]
fn a_component_that_is_dear_to_compile_is_given_up() {
    let (runtime, bomb, small) = (reckless(), bomb(), component("(core module (func))"));
    let plenty = CompileLimits::default();
    for confinement in [Confinement::Required, Confinement::Unconfined] {
        let cage = Cage::new(exe(), confinement);
        for tight in [
            CompileLimits { wall: Duration::from_millis(400), ..plenty },
            CompileLimits { cpu: Duration::from_secs(1), ..plenty },
            CompileLimits { memory_bytes: 32 << 20, ..plenty },
        ] {
            let stopped = runtime::compile(&cage, &runtime, &bomb, ComponentTrust::Untrusted, tight);
            assert!(matches!(&stopped, Err(CodeError::Stopped { limits, .. }) if *limits == tight), "{stopped:?}");
        }
        let tight = CompileLimits { output_bytes: 512, ..plenty };
        let stopped = runtime::compile(&cage, &runtime, &small, ComponentTrust::Untrusted, tight);
        assert!(matches!(stopped, Err(CodeError::Stopped { .. })), "{stopped:?}");
        let code = runtime::compile(&cage, &runtime, &small, ComponentTrust::Untrusted, plenty).unwrap();
        runtime.load(&code).unwrap();
    }
    // Nobody even tries what the estimate calls too dear.
    let careful = Runtime::new(&Limits::default()).unwrap();
    let cage = Cage::new("/nowhere/kavi".into(), Confinement::Required);
    let refused = runtime::compile(&cage, &careful, &bomb, ComponentTrust::Promoted, plenty);
    assert!(matches!(refused, Err(CodeError::Component(_))), "{refused:?}");
}

#[test]
fn the_child_has_no_file_and_little_of_anything() {
    let mut child = Command::new(exe());
    child.arg("__compile").env_clear().stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = child.spawn().unwrap();
    // More than a pipe holds: it has begun to read when this is written, and it reads after it has limited itself. It
    // waits for the rest of its input, so it can be looked at.
    child.stdin.as_mut().unwrap().write_all(&[0; 1 << 20]).unwrap();
    let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    let limits = limits.lines().find(|line| line.starts_with("Max open files")).unwrap().to_owned();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(limits.split_whitespace().skip(3).take(2).collect::<Vec<_>>(), ["3", "3"], "{limits}");
}

#[test]
fn a_promoted_skill_runs_on_a_machine_that_confines_nothing() {
    let folder = tempfile::tempdir().unwrap();
    // The stages that build walls fail here, as they do on such a machine.
    let script = folder.path().join("kavi");
    let text = format!("#!/bin/sh\ncase \"$1\" in __cage-[oi]*) exit 1;; esac\nexec {} \"$@\"\n", exe().display());
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let cage = Cage::new(script, Confinement::Required);
    let (runtime, small) = (reckless(), component("(core module (func))"));
    let compile = |bytes: &[u8], trust, limits| runtime::compile(&cage, &runtime, bytes, trust, limits);
    let refused = compile(&small, ComponentTrust::Untrusted, CompileLimits::default());
    assert!(matches!(refused, Err(CodeError::Cage(CageError::NoCage { .. }))), "{refused:?}");
    let code = compile(&small, ComponentTrust::Promoted, CompileLimits::default()).unwrap();
    runtime.load(&code).unwrap();
    // Its limits it has all the same.
    let tight = CompileLimits { cpu: Duration::from_secs(1), ..CompileLimits::default() };
    assert!(matches!(compile(&bomb(), ComponentTrust::Promoted, tight), Err(CodeError::Stopped { .. })));
}

/// A skill in the text format that fits every class.
const HONEST: &str = r#"(component
  (import "kavi:skill/types@0.1.0" (instance $types
    (type $e (variant (case "invalid-input" string) (case "not-found" string) (case "denied" string) (case "failed" string)))
    (export "error" (type (eq $e)))))
  (alias export $types "error" (type $error))
  (core module $m
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
    (func (export "run") (param i32 i32) (result i32) i32.const 0))
  (core instance $m (instantiate $m))
  (func (export "run") (param "input" string) (result (result string (error $error)))
    (canon lift (core func $m "run") (memory (core memory $m "memory")) (realloc (core func $m "realloc")))))"#;

/// The same with one import more than any class has.
fn greedy() -> Vec<u8> {
    wat::parse_str(HONEST.replacen("(component", r#"(component (import "wasi:sockets/tcp@0.2.0" (instance))"#, 1))
        .unwrap()
}

/// Puts bytes into the store, as if they had been verified.
fn store(workspace: &Workspace, bytes: &[u8]) -> Digest {
    let digest = Digest::of(bytes);
    let name = digest.to_string();
    let folder = workspace.path().join(".kavi/store/components").join(&name[..2]);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), bytes).unwrap();
    digest
}

/// The cache of a workspace, as the binary has it.
fn cache_of(workspace: &Workspace) -> CodeCache {
    let folder = workspace.path().join(".kavi/cache");
    CodeCache::new(folder, Some(cache().join("code.key")), runtime::import_table_version())
}

#[test]
fn a_component_that_does_not_fit_its_class_is_refused_at_load() {
    let workspace = Workspace::trusted();
    let bytes = greedy();
    let digest = store(&workspace, &bytes);
    let forged = format!("UPDATE skill_proposals SET component_sha256 = '{digest}' WHERE name = 'peek'");
    assert_eq!(workspace.ledger().execute(&forged, []).unwrap(), 1);
    workspace.adopt();
    let refused = || {
        let error = workspace.run("peek", json!({ "path": "a.md" })).expect(3).json()["error"].take();
        let message = error["message"].as_str().unwrap().to_owned();
        assert!(message.contains("`wasi:sockets/tcp@0.2.0` is not granted"), "{message}");
    };
    // In store and ledger: it is refused before it is compiled.
    refused();
    let entries = || status(&workspace)["valid"].as_u64().unwrap();
    let before = entries();
    // In the cache as well, with a seal that is right, as a Kavi with another table could have left it.
    let (cage, cache) = (Cage::new(exe(), Confinement::Required), cache_of(&workspace));
    let runtime = Runtime::new(&Limits::default()).unwrap();
    let plenty = CompileLimits::default();
    let code = runtime::compile(&cage, &runtime, &bytes, ComponentTrust::Untrusted, plenty).unwrap();
    cache.keep(digest, &code).unwrap();
    assert_eq!(entries(), before + 1);
    refused();
    let reader = SkillCapabilities {
        reads: ReadScope::Vault,
        writes: Vec::new(),
        clock: false,
        hosts: HostGrants::NONE,
        secrets: Vec::new(),
    };
    let loader = Loader { cage: &cage, cache: &cache };
    let greedy = SkillComponent { component: &bytes, digest, capabilities: &reader, trust: ComponentTrust::Untrusted };
    assert!(matches!(loader.load(&runtime, &greedy), Err(LoadError::Refused(_))));
    // What fits is compiled once and then found.
    let honest = wat::parse_str(HONEST).unwrap();
    let skill = SkillComponent { component: &honest, digest: Digest::of(&honest), ..greedy };
    let ((), warnings) = support::log_events::warnings(|| {
        for origin in [CodeOrigin::Compiled, CodeOrigin::Cached] {
            assert_eq!(loader.load(&runtime, &skill).unwrap().1, origin);
        }
    });
    assert_eq!((entries(), warnings), (before + 2, vec![]));
    // A hit needs no compiler at all.
    let nowhere = Cage::new("/nowhere/kavi".into(), Confinement::Required);
    assert_eq!(Loader { cage: &nowhere, ..loader }.load(&runtime, &skill).unwrap().1, CodeOrigin::Cached);
}

/// A workspace with a verified proposal whose component is another one than was verified. Gives its id.
fn swapped(workspace: &Workspace, bytes: &[u8]) -> String {
    let id = workspace.verified(&PEEK);
    let digest = store(workspace, bytes);
    workspace.ledger().execute(&format!("UPDATE verifications SET component_sha256 = '{digest}'"), []).unwrap();
    id
}

#[test]
fn what_does_not_fit_its_class_or_cannot_be_compiled_is_not_promoted() {
    let workspace = Workspace::new();
    let id = swapped(&workspace, &greedy());
    let promote = ["promote-skill", &id, "--approved-by", "test", "--yes"];
    let error = workspace.refused(&promote, 3);
    assert!(error["message"].as_str().unwrap().contains("wasi:sockets/tcp"), "{error}");
    // One that fits, and that the compiler does not get done with.
    let fits = HONEST.replace("(core module $m", &format!("{} (core module $m", slow_module()));
    let fits = wat::parse_str(fits).unwrap();
    let digest = store(&workspace, &fits);
    workspace.ledger().execute(&format!("UPDATE verifications SET component_sha256 = '{digest}'"), []).unwrap();
    let error = workspace.refused(&promote, 3);
    assert!(error["message"].as_str().unwrap().contains("compile_effort"), "{error}");
    let settings = workspace.path().join("kavi.toml");
    let set = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, set.replace("[limits]", "[limits]\ncompile_effort = 1_000_000_000_000")).unwrap();
    let error = workspace.json(&promote).expect(3).json()["error"].take();
    assert!(error["message"].as_str().unwrap().contains("cannot be compiled within"), "{error}");
    assert_eq!(workspace.status_of(&id), "VERIFIED");
}
