//! A workspace in which write_note is trusted, brought there by the real binary through the whole forge.
//!
//! It does not use the library: a benchmark that drives the program is linked without it, in no time.

#![allow(dead_code, reason = "each benchmark uses a part of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// The source of the skill that comes with Kavi.
pub const WRITE_NOTE: &str = include_str!("../../skills/write_note/src/lib.rs");

const TALLY: &str = include_str!("../../tests/support/skills/tally.rs");
const TALLY_IO: &str = r#"{"input":{"text":"str"},"output":{"words":"int","letters":"int","longest":"int"}}"#;

/// One workspace that goes away with the benchmark. On the disk of the target folder: what lies in memory costs no
/// durable write.
#[derive(Debug)]
pub struct Workspace {
    folder: tempfile::TempDir,
}

impl Workspace {
    /// write_note, trusted.
    pub fn trusted() -> Self {
        Self::with(&["write_note"])
    }

    /// Skills that come with Kavi, trusted.
    pub fn with(shipped: &[&str]) -> Self {
        let workspace = Self::empty();
        workspace.json(&["init", "."]);
        for name in shipped {
            let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("skills").join(name);
            workspace.json(&["propose-skill", "--spec", &from.join("spec.json").to_string_lossy()]);
            workspace.bring(name, &from);
        }
        workspace
    }

    /// One more skill, trusted.
    pub fn trust(&self, name: &str, source: &str, spec: &[&str]) {
        let krate = self.path().join("crate").join(name);
        fs::create_dir_all(krate.join("src")).unwrap();
        fs::write(krate.join("src/lib.rs"), source).unwrap();
        self.json(&[&["propose-skill", "--name", name, "--desc", "Is measured."][..], spec].concat());
        self.bring(name, &krate);
    }

    /// A skill that touches nothing, trusted.
    pub fn trust_tally(&self) {
        self.trust("tally", TALLY, &["--side-effect", "READ_ONLY", "--io-schema-json", TALLY_IO]);
    }

    /// From PROPOSED to TRUSTED.
    fn bring(&self, name: &str, from: &Path) {
        self.json(&["build-skill", name, "--builder", "import", "--from", &from.to_string_lossy()]);
        self.json(&["verify-skill", name]);
        self.json(&["promote-skill", name, "--approved-by", "a benchmark", "--yes"]);
    }

    /// A copy of another one.
    pub fn copy_of(other: &Self) -> Self {
        let workspace = Self::empty();
        copy(other.path(), workspace.path());
        workspace
    }

    fn empty() -> Self {
        Self { folder: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap() }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn ledger(&self) -> PathBuf {
        self.path().join(".kavi/ledger.db")
    }

    /// The binary, in this workspace.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kavi"));
        command.current_dir(self.path()).env_clear();
        command.env("KAVI_CACHE_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("kavi-cache"));
        command.env("KAVI_STATE_DIR", self.path().join(".kavi/bench-state"));
        for name in ["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command
    }

    /// Runs a verb to its end.
    pub fn json(&self, args: &[&str]) -> Value {
        let text = said(self.command().args(args).args(["--output", "json"])).unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

/// One of the native programs, built with the profile of this benchmark beside `kavi`.
pub fn native(program: &str) -> PathBuf {
    let kavi = Path::new(env!("CARGO_BIN_EXE_kavi"));
    let target = kavi.parent().and_then(Path::parent).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--release", "--quiet", "-p", "kavi-native-note", "--bin", program, "--manifest-path"]);
    cargo.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).arg("--target-dir").arg(target);
    said(&mut cargo).unwrap();
    target.join("release").join(program)
}

/// Runs a program to its end, and what it says goes nowhere.
pub fn run(command: &mut Command) {
    let done = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).output().unwrap();
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// What a program says on its standard output, or why it did not end well.
pub fn said(command: &mut Command) -> Result<String, String> {
    let name = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{name}: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(format!("{name}: {}{}", text(&output.stdout), text(&output.stderr))),
    }
}

/// Copies a folder with all that is in it.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        match entry.file_type().unwrap().is_dir() {
            true => copy(&source, &target),
            false => drop(fs::copy(&source, &target).unwrap()),
        }
    }
}
