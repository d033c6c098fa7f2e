//! Drives the real binary in throwaway workspaces.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

/// One workspace that goes away with the test.
#[derive(Debug)]
pub struct Workspace {
    folder: tempfile::TempDir,
}

/// What a call of the binary gave.
#[derive(Debug)]
pub struct Called {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Called {
    /// The one JSON document on stdout.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The same, after checking the exit code.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

impl From<Output> for Called {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// One cache for all tests: the SDK kit is built once.
pub fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("kavi-cache")
}

/// The shorthand schema of write_note.
pub const NOTE_SCHEMA: &str =
    r#"{"input":{"path":"str","title":"str","body":"str"},"output":{"written_path":"str","sha256":"str"}}"#;

impl Workspace {
    /// `kavi init` in a fresh folder.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let workspace = Self { folder };
        workspace.call(&["init", "."]).expect(0);
        workspace
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The binary, in this workspace, with nothing in its environment but what it needs.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kavi"));
        command.current_dir(self.path()).env_clear().env("KAVI_CACHE_DIR", cache());
        for name in ["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "SSL_CERT_FILE", "SSL_CERT_DIR"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
    }

    pub fn call(&self, args: &[&str]) -> Called {
        self.command().args(args).stdin(std::process::Stdio::null()).output().expect("kavi starts").into()
    }

    /// The same with `--output json`.
    pub fn json(&self, args: &[&str]) -> Called {
        let mut all = args.to_vec();
        all.extend(["--output", "json"]);
        self.call(&all)
    }

    /// Proposes a skill and gives its id.
    pub fn propose(&self, name: &str, class: &str, schema: &str, more: &[&str]) -> String {
        let mut args = vec!["propose-skill", "--name", name, "--desc", "made by a test", "--side-effect", class];
        args.extend(["--io-schema-json", schema]);
        args.extend(more);
        let made = self.json(&args).expect(0).json();
        made["id"].as_str().expect("an id").to_owned()
    }

    /// Writes a skill crate with this source and gives its folder.
    pub fn source(&self, name: &str, lib: &str) -> PathBuf {
        let folder = self.path().join("crates").join(name);
        fs::create_dir_all(folder.join("src")).expect("a folder");
        fs::write(folder.join("src/lib.rs"), lib).expect("a file");
        folder
    }

    /// Imports a crate and gives the call.
    pub fn import(&self, id: &str, from: &Path) -> Called {
        self.json(&["build-skill", id, "--builder", "import", "--from", &from.to_string_lossy()])
    }

    /// write_note, brought to TRUSTED through the forge. Gives its proposal's id.
    pub fn trusted_write_note(&self) -> String {
        let id = self.propose("write_note", "FILE_WRITE", NOTE_SCHEMA, &["--path", "Inbox/AI"]);
        let source = include_str!("../../skills/write_note/src/lib.rs");
        self.import(&id, &self.source("write_note", source)).expect(0);
        self.json(&["verify-skill", &id]).expect(0);
        self.json(&["promote-skill", &id, "--approved-by", "test", "--yes"]).expect(0);
        id
    }

    /// Runs write_note with a note.
    pub fn note(&self, path: &str) -> Called {
        let input = json!({ "path": path, "title": "Title", "body": "Body" }).to_string();
        self.json(&["run-skill", "write_note", "--json", &input])
    }
}
