//! Every skill for notes over a vault: `cargo bench --bench vault_skills`.
//!
//! `kavi run-skill NAME` as a whole process, with every check and its record, over generated vaults of 2,000 and 30,000 notes, beside
//! the skill's own source compiled for this machine. docs/BENCHMARKS.md says what each of them does and does not do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod support;
#[path = "../tests/support/vault.rs"]
mod vault;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use support::workspace::{Workspace, copy, run, said};
use support::{Bar, Contender};

const ROUNDS: usize = 12;
const WARM_UP: usize = 2;
const SIZES: [usize; 2] = [2_000, 30_000];
/// A note that each vault gets, so that skills which take a path have one.
const NOTE: &str = "Projects/measured.md";

/// What a skill is asked in one round. A round of a skill that writes has a path of its own.
fn input(skill: &str, round: usize) -> Value {
    match skill {
        "read_note" => json!({ "path": NOTE }),
        "list_notes" => match round % 3 {
            0 => json!({ "what": "tags" }),
            1 => json!({ "what": "tasks" }),
            _ => json!({ "what": "backlinks", "path": NOTE }),
        },
        "read_notes_by_tag" => json!({ "tag": "project" }),
        "search_notes" => json!({ "query": format!("garden {}", vault::NEEDLE) }),
        "summarize_note" => json!({ "path": NOTE }),
        "edit_note" => json!({ "path": NOTE, "action": "append", "text": format!("line {round}") }),
        "write_note" => json!({ "path": format!("Inbox/AI/{round}.md"), "title": "Title", "body": "Body" }),
        "create_daily_note" => json!({ "existing": "replace" }),
        "move_note" => json!({ "path": format!("Inbox/move/{round}.md"), "to": format!("Archive/moved/{round}.md") }),
        other => panic!("what does `{other}` take?"),
    }
}

const SKILLS: [&str; 9] = [
    "read_note",
    "list_notes",
    "read_notes_by_tag",
    "search_notes",
    "summarize_note",
    "write_note",
    "edit_note",
    "create_daily_note",
    "move_note",
];

/// A program around a skill: it reads the vault that is its first argument, as the skill's tests read theirs. What it writes
/// stays beside that vault.
const MAIN: &str = r#"
fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    // The SDK makes a folder for a process that is no skill. Its vault becomes the one that is measured.
    assert!(kavi_sdk::vault::exists("x").is_ok());
    let scratch = std::env::temp_dir().join(format!("kavi-sdk-{}-0", std::process::id()));
    std::fs::remove_dir(scratch.join("vault")).unwrap();
    std::os::unix::fs::symlink(&arguments[1], scratch.join("vault")).unwrap();
    let output = kavi_sdk::call::call(run, &arguments[2]).unwrap();
    std::fs::remove_file(scratch.join("vault")).unwrap();
    println!("{output}");
}
"#;

/// The skill's own source with a `main`, built with full optimisation.
fn native(skill: &str, folder: &Path) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let krate = folder.join(skill);
    copy(&root.join("skills").join(skill).join("src"), &krate.join("src"));
    let source = fs::read_to_string(krate.join("src/lib.rs")).unwrap();
    fs::write(krate.join("src/main.rs"), source + MAIN).unwrap();
    fs::remove_file(krate.join("src/lib.rs")).unwrap();
    let sdk = json!(root.join("sdk"));
    let manifest = format!(
        "[package]\nname = \"{skill}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n\
         kavi-sdk = {{ path = {sdk} }}\nserde = \"1\"\n"
    );
    fs::write(krate.join("Cargo.toml"), manifest).unwrap();
    // One target folder for all of them: what they depend on is compiled once.
    let target = folder.join("target");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--release", "--quiet", "--manifest-path"]).arg(krate.join("Cargo.toml"));
    cargo.arg("--target-dir").arg(&target);
    said(&mut cargo).unwrap();
    target.join("release").join(skill)
}

/// Notes beside the generated ones, with links between them.
fn prepare(vault: &Path, rounds: usize) {
    let put = |path: &str, text: &str| {
        fs::create_dir_all(vault.join(path).parent().unwrap()).unwrap();
        fs::write(vault.join(path), text).unwrap();
    };
    put(NOTE, "# Measured\n\nThe garden needs water. The beds need it most. #project\n\n- [ ] dig\n");
    for round in 0..rounds {
        put(&format!("Inbox/move/{round}.md"), "# Moves\n\nSee [[measured]].\n");
        put(&format!("Notes/link-{round}.md"), &format!("[[Inbox/move/{round}]] and [[measured]]\n"));
    }
}

fn main() {
    let rounds = support::rounds(ROUNDS);
    support::print_machine();
    let trusted = Workspace::with(&SKILLS);
    let programs = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let native: Vec<PathBuf> = SKILLS.iter().map(|skill| native(skill, programs.path())).collect();
    for notes in SIZES {
        let workspace = Workspace::copy_of(&trusted);
        let vault = workspace.path().join("vault_out");
        vault::generate(&vault, &workspace.path().join("outside"), 1, notes);
        prepare(&vault, WARM_UP + rounds);
        // A skill that writes changes the vault of Kavi, and leaves this one as it is.
        let untouched = workspace.path().join("untouched");
        said(Command::new("cp").arg("-a").args([&vault, &untouched])).unwrap();
        for (skill, program) in SKILLS.iter().zip(&native) {
            let ask = |round: usize| input(skill, round).to_string();
            let contenders = vec![
                Contender::new("native, the same source", |round| {
                    run(Command::new(program).arg(&untouched).arg(ask(round)));
                }),
                Contender::new(&format!("kavi run-skill {skill}"), |round| {
                    run(workspace.command().args(["run-skill", skill, "--json", &ask(round), "--output", "json"]));
                }),
            ];
            let series = support::measure(WARM_UP, rounds, contenders);
            support::print_times(&format!("{skill} over {notes} notes, {rounds} rounds"), 1.0, &series);
            support::print_ratio("kavi, in times of native", series[1].times_of(&series[0]), Bar::None);
        }
    }
}
