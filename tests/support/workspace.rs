//! Drives the real binary in throwaway workspaces.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use kavi::model::digest::Digest;
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

/// A skill that tests bring through the forge.
#[derive(Debug, Clone, Copy)]
pub struct Skill {
    pub name: &'static str,
    pub class: &'static str,
    pub schema: &'static str,
    pub more: &'static [&'static str],
    pub source: &'static str,
}

/// The shorthand schema of write_note.
pub const NOTE_SCHEMA: &str =
    r#"{"input":{"path":"str","title":"str","body":"str"},"output":{"written_path":"str","sha256":"str"}}"#;

/// The skill that comes with Kavi.
pub const WRITE_NOTE: Skill = Skill {
    name: "write_note",
    class: "FILE_WRITE",
    schema: NOTE_SCHEMA,
    more: &["--path", "Inbox/AI"],
    source: include_str!("../../skills/write_note/src/lib.rs"),
};

/// Does what its input says: writes, fails, crashes, spins.
pub const ACT: Skill = Skill {
    name: "act",
    class: "FILE_WRITE",
    schema: r#"{"input":{"act":"str","path":"str"},"output":{"said":"str"}}"#,
    more: &["--path", "Inbox/AI", "--removes-files"],
    source: include_str!("skills/act.rs"),
};

/// Reads the vault.
pub const PEEK: Skill = Skill {
    name: "peek",
    class: "READ_ONLY",
    schema: r#"{"input":{"path":"str"},"output":{"text":"str"}}"#,
    more: &[],
    source: include_str!("skills/peek.rs"),
};

/// One cache for all tests: the SDK kit is built once.
pub fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("kavi-cache")
}

/// The state folder of a workspace. It lies in the workspace, so that a copy of a workspace has a head of its own.
pub fn state_folder(workspace: &Path) -> PathBuf {
    workspace.join(".kavi/test-state")
}

/// The binary with nothing in its environment but what it needs.
pub fn kavi(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kavi"));
    let workspace = folder.ancestors().find(|folder| folder.join(".kavi").is_dir()).unwrap_or(folder);
    command.current_dir(folder).env_clear().env("KAVI_CACHE_DIR", cache()).stdin(Stdio::null());
    command.env("KAVI_STATE_DIR", state_folder(workspace));
    for name in ["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "SSL_CERT_FILE", "SSL_CERT_DIR"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// Runs a command to its end, with this text on its standard input.
pub fn feed(mut command: Command, input: &str) -> Called {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("kavi starts");
    let written = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    let called: Called = child.wait_with_output().expect("kavi ends").into();
    written.unwrap_or_else(|error| panic!("{error}: {called:?}"));
    called
}

impl Workspace {
    /// `kavi init` in a fresh folder.
    pub fn new() -> Self {
        let workspace = Self { folder: super::folder() };
        workspace.call(&["init", "."]).expect(0);
        workspace
    }

    /// A workspace in which write_note, act and peek are TRUSTED. Brought there through the forge once for all tests
    /// of one program, and copied.
    pub fn trusted() -> Self {
        static ONCE: OnceLock<PathBuf> = OnceLock::new();
        Self::made_once(&ONCE, "trusted", || {
            let workspace = Self::new();
            for skill in [WRITE_NOTE, ACT, PEEK] {
                workspace.trust(&skill);
            }
            workspace
        })
    }

    /// A copy of a workspace that is made once for all tests of one program. `name` is that of its folder.
    pub fn made_once(once: &OnceLock<PathBuf>, name: &str, make: impl FnOnce() -> Self) -> Self {
        let template = once.get_or_init(|| {
            let home = own_folder(name);
            copy(make().path(), &home);
            home
        });
        Self::copy_of(template)
    }

    /// A copy of a workspace.
    pub fn copy_of(template: &Path) -> Self {
        let workspace = Self { folder: super::folder() };
        copy(template, workspace.path());
        workspace
    }

    /// A copy of a workspace, in a folder below this one.
    pub fn copy_below(template: &Path, folder: &Path) -> Self {
        let workspace = Self { folder: tempfile::tempdir_in(folder).expect("a folder") };
        copy(template, workspace.path());
        workspace
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A file of the vault.
    pub fn vault(&self, path: &str) -> PathBuf {
        self.path().join("vault_out").join(path)
    }

    pub fn command(&self) -> Command {
        kavi(self.path())
    }

    /// The binary, about to be called with these.
    pub fn command_with(&self, args: &[&str]) -> Command {
        let mut command = self.command();
        command.args(args);
        command
    }

    pub fn call(&self, args: &[&str]) -> Called {
        self.command().args(args).output().expect("kavi starts").into()
    }

    /// The same with `--output json`. What it prints must be as its schema says.
    #[track_caller]
    pub fn json(&self, args: &[&str]) -> Called {
        let mut all = args.to_vec();
        all.extend(["--output", "json"]);
        let called = self.call(&all);
        super::output_schemas::check(args, &called.stdout);
        called
    }

    /// A refusal: this exit code for people and machines, no result, and nothing changed. Gives the error.
    #[track_caller]
    pub fn refused(&self, args: &[&str], code: i32) -> Value {
        let before = self.state();
        let human = self.call(args).expect(code);
        assert_eq!(human.stdout, "", "{args:?}: a refusal has no result");
        let machine = self.json(args).expect(code);
        assert_eq!(machine.stderr, "", "{args:?}: for machines all is on stdout");
        let error = machine.json()["error"].take();
        assert_eq!(error["exit_code"], code, "{args:?}");
        let message = error["message"].as_str().expect("a message");
        assert!(!message.is_empty() && human.stderr.contains("error: "), "{args:?}: {human:?}");
        let mut changed = difference(&before, &self.state());
        // That somebody asked for a run is on record, whatever became of it.
        let asked_to_run = args.first().is_some_and(|verb| ["run-skill", "run"].contains(verb));
        let of_a_record = ["table executions", "table history", "table checkpoints"];
        changed.retain(|line| !asked_to_run || !of_a_record.iter().any(|table| line.contains(table)));
        assert!(changed.is_empty(), "{args:?}: a refusal changed something: {changed:#?}");
        error
    }

    /// Accepts the ledger as it is, after an edit that a test is not about.
    #[track_caller]
    pub fn adopt(&self) {
        self.json(&["trust", "adopt", "--why", "for a test", "--approved-by", "test"]).expect(0);
    }

    /// Every row of the ledger and every file of the workspace by its digest, but for locks and SQLite's own files.
    pub fn state(&self) -> BTreeMap<String, String> {
        let mut state = self.rows();
        state.extend(files(self.path()).into_iter().filter(|(path, _)| {
            !path.starts_with(".kavi/ledger.db")
                && !path.starts_with(".kavi/locks")
                && !path.starts_with(".kavi/staging")
                && !path.starts_with(".kavi/test-state")
        }));
        state
    }

    /// Files and folders that wait for something in staging.
    pub fn staged(&self) -> usize {
        let count = |folder: &str| fs::read_dir(self.path().join(folder)).map_or(0, Iterator::count);
        let ready = usize::from(self.path().join(".kavi/staging/ready").exists());
        count(".kavi/staging") - ready + count(".kavi/staging/ready")
    }

    /// Every row of the ledger.
    pub fn rows(&self) -> BTreeMap<String, String> {
        let ledger = self.ledger();
        let tables = strings(&ledger, "SELECT name FROM sqlite_schema WHERE type = 'table'");
        let rows = |table: &String| {
            // JSON has no bytes.
            let column = "'iif(typeof(' || name || ') = ''blob'', hex(' || name || '), ' || name || ')'";
            let columns =
                strings(&ledger, &format!("SELECT group_concat({column}, ', ') FROM pragma_table_info('{table}')"));
            strings(&ledger, &format!("SELECT json_array({}) FROM {table} ORDER BY rowid", columns[0]))
        };
        tables.iter().map(|table| (format!("table {table}"), rows(table).join("\n"))).collect()
    }

    /// The ledger's database itself, for a test that looks behind the command line or forges what is in it.
    pub fn ledger(&self) -> rusqlite::Connection {
        let ledger = rusqlite::Connection::open(self.path().join(".kavi/ledger.db")).expect("a ledger");
        ledger.busy_timeout(std::time::Duration::from_secs(10)).expect("a timeout");
        ledger
    }

    /// One number out of the ledger.
    #[track_caller]
    pub fn count(&self, sql: &str) -> i64 {
        self.ledger().query_row(sql, [], |row| row.get(0)).expect("a number")
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

    /// A skill as far as BUILT. Gives its proposal's id.
    pub fn built(&self, skill: &Skill) -> String {
        let id = self.propose(skill.name, skill.class, skill.schema, skill.more);
        self.import(&id, &self.source(skill.name, skill.source)).expect(0);
        id
    }

    /// A skill as far as VERIFIED. Gives its proposal's id.
    pub fn verified(&self, skill: &Skill) -> String {
        let id = self.built(skill);
        self.json(&["verify-skill", &id]).expect(0);
        id
    }

    /// A skill, brought to TRUSTED through the forge. Gives its proposal's id.
    pub fn trust(&self, skill: &Skill) -> String {
        let id = self.verified(skill);
        self.json(&["promote-skill", &id, "--approved-by", "test", "--yes"]).expect(0);
        id
    }

    /// Everything that `kavi show` says.
    pub fn show(&self, key: &str) -> Value {
        self.json(&["show", key]).expect(0).json()
    }

    /// The state of a proposal.
    pub fn status_of(&self, key: &str) -> String {
        self.show(key)["status"].as_str().expect("a status").to_owned()
    }

    /// Runs write_note with a note.
    pub fn note(&self, path: &str) -> Called {
        self.run("write_note", json!({ "path": path, "title": "Title", "body": "Body" }))
    }

    /// Tells act what to do with a file.
    pub fn act(&self, act: &str, path: &str) -> Called {
        self.run("act", json!({ "act": act, "path": path }))
    }

    pub fn run(&self, skill: &str, input: Value) -> Called {
        self.json(&["run-skill", skill, "--json", &input.to_string()])
    }

    /// The file of the component that is trusted under a name.
    pub fn component(&self, name: &str) -> PathBuf {
        let shown = self.show(name);
        let digest = shown["component_sha256"].as_str().expect("a component").to_owned();
        self.stored("component", &digest)
    }

    /// A file of the store, whatever its folder is called.
    #[track_caller]
    pub fn stored(&self, what: &str, digest: &str) -> PathBuf {
        let store = self.path().join(".kavi/store");
        let found = files(&store).into_keys().find(|path| path.ends_with(digest) && path.contains(what));
        store.join(found.unwrap_or_else(|| panic!("no {what} {digest} in the store")))
    }
}

/// A folder of this name for what all tests of this program share. What programs that are gone left is removed.
pub fn own_folder(name: &str) -> PathBuf {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR")).join("workspaces");
    fs::create_dir_all(&parent).expect("a folder");
    for entry in fs::read_dir(&parent).expect("a folder").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !Path::new("/proc").join(&name).exists() {
            // Another program may be removing it just now.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    let own = parent.join(std::process::id().to_string()).join(name);
    let _ = fs::remove_dir_all(&own);
    own
}

/// Copies a folder with all that is in it.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder").map(|entry| entry.expect("an entry")) {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().expect("a kind").is_dir() {
            copy(&source, &target);
        } else {
            fs::copy(&source, &target).unwrap_or_else(|error| panic!("{}: {error}", source.display()));
        }
    }
}

/// Everything below a folder: what it is, and of a file its digest.
pub fn files(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry")) {
            let path = entry.path();
            let kind = entry.file_type().expect("a kind");
            let what = if kind.is_dir() {
                folders.push(path.clone());
                "folder".to_owned()
            } else if kind.is_file() {
                Digest::of(&fs::read(&path).expect("a file")).to_string()
            } else if kind.is_symlink() {
                format!("link to {}", fs::read_link(&path).expect("a link").display())
            } else {
                assert!(kind.is_fifo() || kind.is_socket(), "{}", path.display());
                "pipe or socket".to_owned()
            };
            found.insert(path.strip_prefix(root).expect("below").to_string_lossy().into_owned(), what);
        }
    }
    found
}

/// What two states do not have in common.
pub fn difference(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    let gone = before.iter().filter(|(key, _)| !after.contains_key(*key)).map(|(key, _)| format!("gone: {key}"));
    let other = after.iter().filter(|(key, value)| before.get(*key) != Some(value));
    gone.chain(other.map(|(key, value)| format!("new: {key} = {value}"))).collect()
}

/// The first column of every row.
pub fn strings(ledger: &rusqlite::Connection, sql: &str) -> Vec<String> {
    let mut statement = ledger.prepare(sql).expect("a query");
    let rows = statement.query_map([], |row| row.get(0)).expect("rows");
    rows.map(|row| row.expect("a text")).collect()
}
