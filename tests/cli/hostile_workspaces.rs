//! Workspaces as a hostile builder would leave them, one recipe a file in `tests/hostile/workspaces`: each is refused for
//! its reason, nothing of it is taken, and nothing in it ran.
//!
//! A recipe starts with `# what it is` and `expect RULE [FILE]`, as many as there are findings. The rest is done to an honest
//! crate, a step a line; `\xNN` in a name is a byte:
//!
//! ```text
//! file PATH          the lines below, after `| `, are its contents
//! repeat PATH N LINE a file of N times this line
//! many PATH N M LINE N such files; `{}` in the path is the number
//! sparse PATH N      a file of N bytes that takes no room
//! link PATH TO       a symbolic link; OUTSIDE is a source beside the crate
//! hard PATH TO       a hard link
//! pipe|socket|folder|remove PATH
//! move FROM TO
//! mode PATH OCTAL
//! ```
//!
//! `cargo test --test cli hostile_workspaces -- --nocapture` prints the outcome of each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::Value;

use crate::support::{self, PEEK, Workspace};

/// What hostile files would leave behind if something ran them.
const CANARY: &str = "CANARY";

struct Recipe {
    name: String,
    what: String,
    expected: Vec<String>,
    steps: Vec<String>,
}

impl Recipe {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let what = text.lines().next().and_then(|line| line.strip_prefix("# ")).expect("`# what it is`").to_owned();
        let expected = text.lines().filter_map(|line| line.strip_prefix("expect ")).map(str::to_owned).collect();
        let steps = text.lines().skip(1).filter(|line| !line.starts_with("expect ")).map(str::to_owned).collect();
        Self { name: path.file_stem().unwrap().to_string_lossy().into_owned(), what, expected, steps }
    }

    /// Does the steps to the crate in `from`.
    fn plant(&self, from: &Path, outside: &Path) {
        let mut steps = self.steps.iter().peekable();
        while let Some(step) = steps.next() {
            let mut lines = String::new();
            while let Some(line) = steps.next_if(|line| line.starts_with('|')) {
                lines.push_str(line.strip_prefix("| ").unwrap_or_default());
                lines.push('\n');
            }
            let (verb, rest) = step.split_once(' ').expect("a verb and a path");
            act(verb, rest, lines, from, outside);
        }
    }
}

fn act(verb: &str, rest: &str, lines: String, from: &Path, outside: &Path) {
    let at = |path: &str| from.join(OsStr::from_bytes(&bytes(path)));
    let two = || rest.split_once(' ').expect("two words");
    let to = |target: &str| if target == "OUTSIDE" { outside.to_owned() } else { PathBuf::from(target) };
    match verb {
        "file" => put(&at(rest), lines.as_bytes()),
        "repeat" => {
            let (path, rest) = two();
            let (times, line) = rest.split_once(' ').unwrap();
            put(&at(path), format!("{line}\n").repeat(times.parse().unwrap()).as_bytes());
        }
        "many" => {
            let words: Vec<&str> = rest.splitn(4, ' ').collect();
            let text = format!("{}\n", words[3]).repeat(words[2].parse().unwrap());
            let count: usize = words[1].parse().unwrap();
            (0..count).for_each(|n| put(&at(&words[0].replace("{}", &n.to_string())), text.as_bytes()));
        }
        "sparse" => fs::File::create(at(two().0)).unwrap().set_len(two().1.parse().unwrap()).unwrap(),
        "link" => symlink(to(two().1), clear(&at(two().0))).unwrap(),
        "hard" => fs::hard_link(to(two().1), at(two().0)).unwrap(),
        "pipe" => mknodat(CWD, at(rest), FileType::Fifo, Mode::RWXU, 0).unwrap(),
        "socket" => drop(std::os::unix::net::UnixListener::bind(at(rest)).unwrap()),
        "folder" => fs::create_dir(at(rest)).unwrap(),
        "remove" if at(rest).is_dir() => fs::remove_dir_all(at(rest)).unwrap(),
        "remove" => fs::remove_file(at(rest)).unwrap(),
        "move" => fs::rename(at(two().0), at(two().1)).unwrap(),
        "mode" => {
            let mode = u32::from_str_radix(two().1, 8).unwrap();
            fs::set_permissions(at(two().0), fs::Permissions::from_mode(mode)).unwrap();
        }
        _ => panic!("no such step: {verb}"),
    }
}

fn put(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// The path, with nothing there.
fn clear(path: &Path) -> &Path {
    let _ = fs::remove_file(path);
    path
}

fn bytes(path: &str) -> Vec<u8> {
    let mut parts = path.split("\\x");
    let mut bytes = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    bytes
}

fn recipes() -> Vec<Recipe> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/workspaces");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| Recipe::read(path)).collect()
}

/// Whether something left its mark.
fn has_run(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().flatten().any(|entry| {
        let folder = entry.file_type().unwrap().is_dir();
        entry.file_name() == CANARY || (folder && has_run(&entry.path()))
    })
}

/// `RULE FILE` of each finding.
fn findings(built: &Value) -> Vec<String> {
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let findings = built["findings"].as_array().unwrap().iter();
    findings.map(|found| format!("{} {}", text(found, "rule"), text(found, "file"))).collect()
}

#[test]
fn every_hostile_workspace_is_refused_for_its_reason() {
    let recipes = recipes();
    assert!(recipes.len() >= 25, "only {} hostile workspaces", recipes.len());
    let workspace = Workspace::new();
    let outside = workspace.path().join("outside.rs");
    fs::write(&outside, PEEK.source).unwrap();
    for recipe in recipes {
        let name = &recipe.name;
        let from = workspace.source("peek", PEEK.source);
        recipe.plant(&from, &outside);
        // A proposal of its own: after three violations in a row the next attempt waits for a person.
        let id = workspace.propose("peek", "READ_ONLY", PEEK.schema, &[]);
        let built = workspace.import(&id, &from).expect(3).json();
        let found = findings(&built);
        println!("{name}: {} – {}", recipe.what, found.join(", "));
        for expected in &recipe.expected {
            assert!(found.iter().any(|found| found.starts_with(expected)), "{name} expects {expected}: {found:?}");
        }
        assert!(!found.is_empty() && !recipe.expected.is_empty(), "{name}");
        assert_eq!(built["failure_kind"], "GATE_VIOLATION", "{name}");
        assert_eq!(built["snapshot_sha256"], Value::Null, "{name}");
        assert!(built["error"]["hint"].as_str().unwrap().contains("kavi research-skill"), "{name}");
        assert_eq!(workspace.status_of(&id), "PROPOSED", "{name}");
        assert!(!has_run(workspace.path()) && !Path::new(CANARY).exists(), "{name} ran");
        fs::remove_dir_all(&from).unwrap();
        workspace.refused(&["verify-skill", &id], 3);
    }
    let store = support::files(&workspace.path().join(".kavi"));
    assert!(!store.keys().any(|path| path.starts_with("store/") && path.contains("sources/")), "{store:?}");
    assert_eq!(fs::read_to_string(&outside).unwrap(), PEEK.source);
}
