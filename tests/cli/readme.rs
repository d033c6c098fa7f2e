//! The commands of the README, each where the README puts its reader: in a folder of their own, in a pipe, 80 columns wide.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::shipped::fresh;
use crate::support::{self, Called, copy, kavi};

/// The id of a run in all examples.
const ID: &str = "3f9a2c1b";

/// Commands that are tried elsewhere: they compile this program, stay until they are ended, or are of another program.
const ELSEWHERE: [&str; 7] = [
    "cargo install ",
    "cargo run --release -- demo ",
    "cargo test ",
    "(cd skills/greet && cargo test)",
    "kavi --workspace ~/notes mcp --listen ",
    "claude ",
    "eval ",
];

/// Commands that end with another code than 0, because what they need is not there yet: with what they say then.
const NEEDS: [(&str, i32, &str); 4] = [
    ("kavi effects approve --skill write_note", 2, "nothing is held that matches"),
    ("kavi notify --allow", 2, "set `command` in the table [notify] of kavi.toml"),
    ("kavi improve publish 3", 2, "there is no improvement `3`"),
    ("kavi improve shadow write_note", 3, "no attempt at the code of `write_note` waits for a person"),
];

/// Says yes for a person, and puts the id of a real run in the place of the one of the examples.
const WRAPPER: &str = r#"#!/bin/sh
for word in "$@"; do
    shift
    case "$word" in 3f9a2c1b) word=$(cat "$HOME/.id");; esac
    set -- "$@" "$word"
done
case "$1 $2" in
    promote-skill*|prune*|add*|undo*|revoke*|'effects approve'*|'notify'*|'improve publish'*|'improve order'*) set -- "$@" --yes;;
esac
exec "$KAVI" "$@"
"#;

/// Somebody who reads the README and does what it says.
struct Reader {
    home: tempfile::TempDir,
    place: PathBuf,
}

impl Reader {
    fn new() -> Self {
        let home = support::folder();
        let bin = home.path().join("bin");
        fs::create_dir(&bin).unwrap();
        for (name, text) in [("kavi", WRAPPER), ("claude", "#!/bin/sh\nexit 0\n")] {
            fs::write(bin.join(name), text).unwrap();
            fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self { place: home.path().to_owned(), home }
    }

    /// Where the keys and heads of the reader's workspaces are.
    fn state(&self) -> PathBuf {
        self.home.path().join("state")
    }

    /// A shell in the place of the reader.
    fn shell(&self, script: &str) -> Command {
        let like = kavi(&self.place);
        let env = |name: &str| std::env::var(name).ok();
        let real = env("HOME").unwrap_or_default();
        let mut shell = Command::new("bash");
        shell.args(["-c", script]).current_dir(&self.place).env_clear();
        shell.envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.env("PATH", format!("{}:{}", self.home.path().join("bin").display(), env("PATH").unwrap_or_default()));
        shell.env("RUSTUP_HOME", env("RUSTUP_HOME").unwrap_or(format!("{real}/.rustup")));
        shell.env("CARGO_HOME", env("CARGO_HOME").unwrap_or(format!("{real}/.cargo")));
        // In one place, whatever folder the reader is in.
        shell.env("KAVI_STATE_DIR", self.state());
        shell.env("HOME", self.home.path()).env("KAVI", env!("CARGO_BIN_EXE_kavi")).env("COLUMNS", "80");
        shell.env("USER", "ada").env("EDITOR", "true");
        shell
    }

    /// The run that an example is about: one whose changes can be decided, or the newest one.
    fn choose_run(&self, command: &str) -> Result<(), String> {
        let wanted = if command.contains("undo") { "APPLIED" } else { "HELD" };
        let about_changes = command.contains("effects") || command.contains("undo");
        let tail: Called = self.shell("kavi tail-executions --json").output().unwrap().into();
        let runs = tail.expect(0).json()["executions"].take();
        let fits = |run: &&Value| {
            if about_changes { run["commit_state"] == wanted } else { run["success"] == true }
        };
        let chosen = runs.as_array().unwrap().iter().rev().find(fits);
        let id = chosen.and_then(|run| run["execution_id"].as_str()).ok_or(format!("$ {command}\nno such run"))?;
        fs::write(self.home.path().join(".id"), &id[..8]).unwrap();
        Ok(())
    }

    /// Does what one command says. What differs from the README is told.
    fn try_command(&mut self, command: &str) -> Result<(), String> {
        let says = command.split(" #").next().unwrap_or_default();
        if says.contains(ID) {
            self.choose_run(says)?;
        }
        let place = self.home.path().join(".place");
        let script = format!("set -o pipefail\n{command}\ncode=$?\npwd > '{}'\nexit $code\n", place.display());
        let called: Called = self.shell(&script).output().unwrap().into();
        self.place = fs::read_to_string(place).map_or_else(|_| self.place.clone(), |place| place.trim().into());
        let needs = NEEDS.iter().find(|(start, ..)| command.starts_with(start));
        let (code, says) = needs.map_or((0, ""), |(_, code, says)| (*code, *says));
        if called.code != code || !called.stderr.contains(says) {
            return Err(format!("$ {command}\n{}{}exit code {}", called.stdout, called.stderr, called.code));
        }
        Ok(())
    }

    /// Does what some commands say, one after the other.
    #[track_caller]
    fn try_each(&mut self, commands: &[String]) {
        let is_here = |command: &&String| !ELSEWHERE.iter().any(|start| command.starts_with(start));
        let failed: Vec<String> =
            commands.iter().filter(is_here).filter_map(|command| self.try_command(command).err()).collect();
        assert!(failed.is_empty(), "{}", failed.join("\n\n"));
    }
}

fn document(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The commands in the blocks of a part of a document. One that goes on over several lines is one.
fn commands(text: &str) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    let (mut is_block, mut goes_on) = (false, None::<&str>);
    for line in text.lines() {
        if line.starts_with("```") {
            // A block with a language is a file, and no commands.
            is_block = !is_block && line == "```";
            continue;
        }
        let starts = ["kavi ", "cargo ", "cat ", "printf ", "claude ", "$EDITOR ", "(cd "];
        match (goes_on, commands.last_mut()) {
            (Some(end), Some(last)) if is_block => {
                last.push_str(&format!("\n{line}"));
                let is_last = if end == "\\" { !line.ends_with('\\') } else { line == end };
                goes_on = if is_last { None } else { Some(end) };
            }
            _ if is_block && starts.iter().any(|start| line.starts_with(start)) => {
                commands.push(line.to_owned());
                goes_on = if line.ends_with('\\') { Some("\\") } else { line.contains("<<'END'").then_some("END") };
            }
            _ => {}
        }
    }
    commands
}

/// The part of the README below a heading. A line in a block is no heading.
fn part(heading: &str) -> Vec<String> {
    let (mut is_block, mut is_part, mut text) = (false, false, String::new());
    for line in document("README.md").lines() {
        is_block ^= line.starts_with("```");
        if let Some(name) = line.strip_prefix("## ").filter(|_| !is_block) {
            is_part = name == heading;
        }
        if is_part {
            text.push_str(line);
            text.push('\n');
        }
    }
    commands(&text)
}

#[test]
fn the_commands_of_the_first_five_minutes_work() {
    let commands = part("Five minutes");
    assert!(commands.len() > 15, "{commands:#?}");
    Reader::new().try_each(&commands);
}

#[test]
fn the_commands_about_vaults_agents_and_their_powers_work() {
    let mut reader = Reader::new();
    let workspace = fresh();
    reader.place = reader.home.path().join("notes");
    copy(workspace.path(), &reader.place);
    // Its key and its head, where this reader's are.
    copy(&support::state_folder(&reader.place), &reader.state());
    for heading in ["Review and undo the changes of a run", "For agents", "Who agents are, and what they may do"] {
        let commands = part(heading);
        assert!(commands.len() > 5, "{heading}: {commands:#?}");
        reader.try_each(&commands);
    }
}

/// The README of the skills is for a reader in a clone of this repository.
#[test]
fn the_commands_of_the_skills_work_in_a_clone() {
    let mut reader = Reader::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::copy(root.join("kavi.toml"), reader.place.join("kavi.toml")).unwrap();
    symlink(root.join("skills"), reader.place.join("skills")).unwrap();
    fs::create_dir_all(reader.place.join("vault_out")).unwrap();
    let all = commands(&document("skills/README.md"));
    assert!(all.iter().any(|command| command.starts_with("kavi build-skill ")), "{all:#?}");
    reader.try_each(&all);
}

/// Each verb and option that a document names in a command exists.
#[test]
fn the_commands_of_every_document_exist() {
    let folder = support::folder();
    let help = |path: &[&str]| -> Option<String> {
        let called: Called = kavi(folder.path()).args(path).arg("--help").output().unwrap().into();
        (called.code == 0).then_some(called.stdout)
    };
    let mut known = std::collections::BTreeMap::new();
    let (mut wrong, mut tried) = (BTreeSet::new(), 0);
    for name in [
        "README.md",
        "skills/README.md",
        "docs/INSTALLING.md",
        "docs/OPERATING.md",
        "docs/PROOFS.md",
        "docs/IMPROVEMENT.md",
        "docs/SECURITY.md",
    ] {
        let text = document(name).replace("\\\n", " ");
        let quoted = text.split('`').skip(1).step_by(2).filter(|text| text.starts_with("kavi "));
        let lines = text.lines().filter(|line| line.starts_with("kavi "));
        for command in quoted.chain(lines) {
            let words: Vec<&str> = command.split(" #").next().unwrap().split_whitespace().skip(1).collect();
            let before = if words.first() == Some(&"--workspace") { 2 } else { 0 };
            let verb = &words[before..];
            let is_word = |word: &&&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
            let path: Vec<&str> = verb.iter().take(2).take_while(is_word).copied().collect();
            let options: Vec<&str> = words.iter().filter(|word| word.starts_with("--")).copied().collect();
            let found = (1..=path.len()).rev().find_map(|length| {
                let path = &path[..length];
                known.entry(path.join(" ")).or_insert_with(|| help(path)).clone()
            });
            tried += 1;
            let Some(help) = found.or_else(|| path.is_empty().then(|| help(&[]))?) else {
                wrong.insert(format!("{name}: {command}: no such verb"));
                continue;
            };
            for option in options {
                let option = option.split(['=', ')', ',', '.', ':', '|', ']']).next().unwrap();
                if !help.contains(option) && command != "kavi --version" {
                    wrong.insert(format!("{name}: {command}: no {option}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(tried > 150, "{tried}");
}
