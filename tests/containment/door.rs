//! The door: a component, a class, an input, limits. No gate, no ledger, no trust.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use kavi::cage::{Cage, Confinement};
use kavi::model::capabilities::{ReadScope, SkillCapabilities};
use kavi::model::effect::EffectClass;
use kavi::model::execution::Determinism;
use kavi::model::host_grants::HostGrants;
use kavi::model::limits::Limits;
use kavi::model::switch::Unwatched;
use kavi::model::time::Timestamp;
use kavi::model::vault_path::VaultPath;
use kavi::runtime::{
    self, CodeError, CompileLimits, CompiledComponent, ComponentTrust, GuestRequest, RunError, Runtime, RuntimeError,
};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde::{Deserialize, Serialize};

use crate::rows::{Checked, ROWS, Row};

/// What a row did.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    pub outcome: String,
    pub millis: u64,
    /// How much higher the peak of the host's memory was afterwards.
    pub grown_bytes: u64,
    /// What should not be as it is now.
    pub left: Option<String>,
}

fn guests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests")
}

fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("guests")
}

/// Compiles the guests that are written in Rust.
pub fn build_guests() {
    let built = Command::new("cargo")
        .args(["build", "--release", "--quiet", "--locked", "--target", "wasm32-wasip2", "--examples"])
        .current_dir(guests())
        .env("CARGO_TARGET_DIR", target())
        .status();
    assert!(built.unwrap().success(), "the guests do not compile (rustup target add wasm32-wasip2)");
}

pub fn bytes(guest: &str) -> Vec<u8> {
    let text = guests().join(format!("components/{guest}.wat"));
    match fs::read_to_string(text) {
        Ok(text) => wat::parse_str(text).unwrap(),
        Err(_) => fs::read(target().join(format!("wasm32-wasip2/release/examples/{guest}.wasm"))).unwrap(),
    }
}

/// A vault with what must not be reached from it, and a staging folder.
pub struct Folders(tempfile::TempDir);

impl Folders {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        fs::create_dir_all(at("vault/sub")).unwrap();
        fs::create_dir(at("out")).unwrap();
        fs::write(at("vault/a.md"), "alpha").unwrap();
        fs::write(at("outside.md"), "outside").unwrap();
        symlink(at("outside.md"), at("vault/leads_out.md")).unwrap();
        symlink("/", at("vault/root")).unwrap();
        mknodat(CWD, at("vault/pipe.md"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        Self(folder)
    }

    pub fn vault(&self) -> PathBuf {
        self.0.path().join("vault")
    }

    pub fn out(&self) -> PathBuf {
        self.0.path().join("out")
    }

    /// Every name below it but for staging, with its kind and contents.
    fn state(&self) -> BTreeMap<PathBuf, String> {
        let mut state = BTreeMap::new();
        let mut folders = vec![self.0.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().flatten() {
                let (path, kind) = (entry.path(), entry.file_type().unwrap());
                if path == self.out() {
                    continue;
                }
                if kind.is_dir() {
                    folders.push(path.clone());
                }
                let text = if kind.is_file() { fs::read_to_string(&path).unwrap() } else { format!("{kind:?}") };
                state.insert(path, text);
            }
        }
        state
    }
}

/// One run.
pub fn run(compiled: &CompiledComponent, row: &Row, folders: &Folders, limits: &Limits) -> String {
    let capabilities = capabilities(row.class);
    let open = |folder: PathBuf| kavi::dir::FolderHandle::open(&folder).unwrap();
    let (vault, out) = (open(folders.vault()), open(folders.out()));
    let request = GuestRequest {
        input: row.input,
        capabilities: &capabilities,
        vault: capabilities.reads_vault().then_some(&vault),
        linked: &[],
        out: capabilities.writes_files().then_some(&out),
        http: None,
        determinism: Determinism { clock: Timestamp::parse("2026-11-20T08:30:00.250Z").unwrap(), seed: [7; 32] },
        limits,
        watch: &Unwatched,
    };
    match compiled.run(&request) {
        Ok(outcome) => match outcome.result {
            Ok(output) => format!("output {}", output.chars().take(60).collect::<String>()),
            Err(error) => format!("error {}: {}", error.kind.as_str(), error.message),
        },
        Err(failure) => words(&failure.error),
    }
}

/// What a skill of this class may touch.
fn capabilities(class: EffectClass) -> SkillCapabilities {
    let writes = class == EffectClass::FileWrite;
    let writes = writes.then(|| VaultPath::parse("Inbox").unwrap()).into_iter().collect();
    SkillCapabilities { reads: ReadScope::Vault, writes, clock: false, hosts: HostGrants::NONE, secrets: Vec::new() }
}

fn words(error: &RunError) -> String {
    match error {
        RunError::LimitExceeded { limit, value } => format!("limit {limit} {value}"),
        RunError::Timeout { limit, value } => format!("timeout {limit} {value}"),
        RunError::Trap { reason } => format!("trap: {}", reason.chars().take(60).collect::<String>()),
        RunError::GuestExit { code } => format!("exit {code}"),
        RunError::Refused(found) => {
            format!("refused: {}", found.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
        }
        RunError::Instantiate { .. } => "not instantiated".to_owned(),
        other => format!("other: {other}"),
    }
}

/// The hostile runs of one guest, and a benign one after each.
pub fn watch(guest: &str) -> Vec<(String, Seen)> {
    let rows = || ROWS.iter().filter(|row| row.guest == guest);
    // The stack is the engine's, not a run's: the rows of a guest have it in common.
    let runtime = Runtime::new(&rows().next().unwrap().limits()).unwrap();
    let echo = compile(&runtime, "echo", Checked::Yes).unwrap();
    let checked = compile(&runtime, guest, Checked::Yes);
    // Few guests have a row that fools the check, so the second one is compiled only where it is needed.
    let fooled = OnceCell::new();
    let compiled = |row: &Row| match row.checked {
        Checked::Yes => &checked,
        Checked::Fooled => fooled.get_or_init(|| compile(&runtime, guest, Checked::Fooled)),
    };
    rows().map(|row| (row.name.to_owned(), one(row, compiled(row), &echo))).collect()
}

/// As every skill is compiled: in the child.
pub fn compile(runtime: &Runtime, guest: &str, checked: Checked) -> Result<CompiledComponent, CodeError> {
    let cage = Cage::new(env!("CARGO_BIN_EXE_kavi").into(), Confinement::Required);
    let code = runtime::compile(&cage, runtime, &bytes(guest), ComponentTrust::Untrusted, CompileLimits::default())?;
    let compiled = runtime.load(&code).map_err(CodeError::Component)?;
    Ok(match checked {
        Checked::Yes => compiled,
        Checked::Fooled => compiled.skip_function_check(),
    })
}

fn one(row: &Row, compiled: &Result<CompiledComponent, CodeError>, echo: &CompiledComponent) -> Seen {
    let limits = row.limits();
    let folders = Folders::new();
    let before = folders.state();
    forget_peak();
    let (memory, start) = (status("VmRSS:"), Instant::now());
    let outcome = match compiled {
        Ok(compiled) => run(compiled, row, &folders, &limits),
        Err(CodeError::Component(RuntimeError::Inspect(error))) => format!("refused: {error}"),
        Err(error) => format!("not compiled: {error}"),
    };
    let millis = u64::try_from(start.elapsed().as_millis()).unwrap();
    let grown_bytes = status("VmHWM:").saturating_sub(memory);
    let changed = (folders.state() != before).then(|| "something outside of staging was changed".to_owned());
    let links = find_link(&folders.out()).then(|| "there is a link in staging".to_owned());
    let over = usage(&folders.out(), &limits);
    let benign = run(echo, Row::BENIGN, &Folders::new(), &limits);
    let benign = (benign != Row::BENIGN.outcome).then(|| format!("the benign run after it: {benign}"));
    Seen { outcome, millis, grown_bytes, left: changed.or(links).or(over).or(benign) }
}

/// Has the kernel count the peak of this process's memory anew (proc_pid_clear_refs(5), since Linux 4.0).
fn forget_peak() {
    fs::write("/proc/self/clear_refs", "5").unwrap();
}

fn find_link(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::read_dir(folder).unwrap().flatten().any(|entry| {
        let meta = entry.path().symlink_metadata().unwrap();
        meta.is_symlink() || (meta.is_file() && meta.nlink() > 1) || (meta.is_dir() && find_link(&entry.path()))
    })
}

/// More in staging than the limits allow: not one byte.
fn usage(out: &Path, limits: &Limits) -> Option<String> {
    let (mut bytes, mut files, mut folders) = (0, 0, vec![out.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let meta = entry.metadata().unwrap();
            files += 1;
            if meta.is_dir() {
                folders.push(entry.path());
            } else {
                bytes += meta.len();
            }
        }
    }
    let over = bytes > limits.staged_bytes || files > limits.staged_files;
    over.then(|| format!("{bytes} bytes in {files} files and folders are in staging"))
}

/// A figure of this process, in bytes.
pub fn status(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}
