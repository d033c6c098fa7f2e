//! Guests that misbehave, and what becomes of them. Every hostile run is followed by a benign one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;
mod inspection;
mod lanes;
mod limits;
mod linked;
mod skills;
mod thread_of_its_own;
mod wall;

use std::{path::Path, process::Command, sync::LazyLock};

use super::{engine::Tier, *};
use crate::dir::FolderHandle;
use crate::model::{
    capabilities::{ReadScope, SkillCapabilities},
    execution::Determinism,
    host_grants::HostGrants,
    limits::Limits,
    switch::Unwatched,
    time::Timestamp,
    vault_path::VaultPath,
};

/// A skill that touches nothing.
static PURE: SkillCapabilities = SkillCapabilities {
    reads: ReadScope::Nothing,
    writes: Vec::new(),
    clock: false,
    hosts: HostGrants::NONE,
    secrets: Vec::new(),
};
/// A skill that reads the vault.
static READER: SkillCapabilities = SkillCapabilities {
    reads: ReadScope::Vault,
    writes: Vec::new(),
    clock: false,
    hosts: HostGrants::NONE,
    secrets: Vec::new(),
};
/// A skill with both folders.
static WRITER: LazyLock<SkillCapabilities> = LazyLock::new(|| SkillCapabilities {
    reads: ReadScope::Vault,
    writes: vec![VaultPath::parse("Inbox").unwrap()],
    clock: false,
    hosts: HostGrants::NONE,
    secrets: Vec::new(),
});

pub(super) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new(&Limits::default()).unwrap());

/// `guest.rs`, compiled.
static GUEST: LazyLock<CompiledComponent> = LazyLock::new(|| rustc("guest.rs", &[]));

/// Compiles one file beside this one.
fn rustc(source: &str, flags: &[&str]) -> CompiledComponent {
    let folder = tempfile::tempdir().unwrap();
    let wasm = folder.path().join("guest.wasm");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/runtime/tests").join(source);
    let rustc = Command::new("rustc")
        .args(["--edition", "2024", "--target", "wasm32-wasip2", "-C", "opt-level=1", "-C", "strip=symbols"])
        .args(flags)
        .arg(source)
        .arg("-o")
        .arg(&wasm)
        .status();
    assert!(rustc.unwrap().success(), "the guest does not compile (rustup target add wasm32-wasip2)");
    // The guests try calls that inspection refuses by name: here the wall alone must hold.
    RUNTIME.compile_tests(&std::fs::read(wasm).unwrap()).unwrap().skip_function_check()
}

/// Machine code of a skill, made here instead of in the child.
pub(super) fn machine_code(component: &[u8]) -> Result<MachineCode, RuntimeError> {
    let interface = RUNTIME.examine(component, Tier::Optimised)?;
    let code = compile_child::precompile(component)?;
    Ok(MachineCode::trusted(code, engine_id::EngineId::BYTES, interface, RUNTIME.engine_id()))
}

fn optimised(component: &[u8]) -> Result<CompiledComponent, RuntimeError> {
    RUNTIME.load(&machine_code(component)?)
}

fn determinism(seed: u8) -> Determinism {
    Determinism { clock: Timestamp::parse("2026-11-20T08:30:00.250Z").unwrap(), seed: [seed; 32] }
}

/// Limits under which a hostile guest is soon over.
fn tight() -> Limits {
    Limits { wall_ms: 20_000, cpu_ms: 1_000, ..Limits::default() }
}

/// Two folders: a vault with a few files, and an empty one.
struct Folders(tempfile::TempDir);

/// A folder, as a run gets it.
fn opened(path: &Path) -> FolderHandle {
    FolderHandle::open(path).unwrap()
}

impl Folders {
    fn new() -> Self {
        let folders = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir_all(folders.vault("sub")).unwrap();
        std::fs::create_dir(folders.out("")).unwrap();
        std::fs::write(folders.vault("a.md"), "alpha").unwrap();
        std::fs::write(folders.vault("sub/b.md"), "beta").unwrap();
        std::fs::write(folders.0.path().join("outside.md"), "outside").unwrap();
        folders
    }

    fn vault(&self, path: &str) -> std::path::PathBuf {
        self.0.path().join("vault").join(path)
    }

    fn out(&self, path: &str) -> std::path::PathBuf {
        self.0.path().join("out").join(path)
    }

    fn try_guest(&self, arguments: &[&str], limits: &Limits) -> TestOutcome {
        let (vault, out) = (opened(&self.vault("")), opened(&self.out("")));
        let request = GuestRequest {
            input: "",
            capabilities: &WRITER,
            vault: Some(&vault),
            linked: &[],
            out: Some(&out),
            http: None,
            determinism: determinism(1),
            limits,
            watch: &Unwatched,
        };
        GUEST.run_test(arguments, &request).unwrap()
    }

    /// What the guest prints when all goes well.
    fn guest(&self, arguments: &[&str]) -> String {
        let outcome = self.try_guest(arguments, &tight());
        assert!(matches!(outcome.exit, TestExit::Returned), "{outcome:?}");
        String::from_utf8(outcome.observed.stdout).unwrap()
    }

    /// The limit that ends the guest, and what it used.
    fn stopped(&self, arguments: &[&str], limits: &Limits) -> (&'static str, u64, RunUsage) {
        let outcome = self.try_guest(arguments, limits);
        let stopped = match outcome.exit {
            TestExit::Trap(RunError::LimitExceeded { limit, value } | RunError::Timeout { limit, value }) => {
                (limit, value, outcome.observed.usage)
            }
            _ => panic!("{arguments:?} was not stopped by a limit: {outcome:?}"),
        };
        assert_eq!(Self::new().guest(&["fine"]), "fine\n", "after {arguments:?}");
        stopped
    }
}

/// Runs a guest in fresh folders.
fn guest(arguments: &[&str]) -> String {
    Folders::new().guest(arguments)
}
