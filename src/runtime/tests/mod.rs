//! Guests that misbehave, and what becomes of them. Every hostile run is followed by a benign one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;
mod inspection;
mod lanes;
mod limits;
mod skills;
mod thread_of_its_own;
mod wall;

use std::{path::Path, process::Command, sync::LazyLock};

use super::{engine::Tier, *};
use crate::model::{execution::Determinism, grants::Grants, limits::Limits, switch::Unwatched, time::Timestamp};

/// What every Rust program imports.
const QUIET: &[&str] = &[
    "kavi:skill/types",
    "kavi:skill/log",
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
];

/// A pure skill.
const PURE: Grants = Grants { vault: false, out: false, imports: QUIET, denied_functions: &[] };
/// A skill with both folders.
const WRITER: Grants = Grants { vault: true, out: true, ..PURE };

pub(super) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new(&Limits::default()).unwrap());

/// `guest.rs`, compiled.
static GUEST: LazyLock<Compiled> = LazyLock::new(|| rustc("guest.rs", &[]));

/// Compiles one file beside this one.
fn rustc(source: &str, flags: &[&str]) -> Compiled {
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
    RUNTIME.compile_tests(&std::fs::read(wasm).unwrap()).unwrap()
}

/// Machine code of a skill, made here instead of in the child.
pub(super) fn machine_code(component: &[u8]) -> Result<MachineCode, RuntimeError> {
    let interface = RUNTIME.examine(component, Tier::Optimised)?;
    let code = compile_child::precompile(component)?;
    Ok(MachineCode::believed(code, engine::EngineId::BYTES, interface, RUNTIME.engine_id()))
}

fn optimised(component: &[u8]) -> Result<Compiled, RuntimeError> {
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
        let (vault, out) = (self.vault(""), self.out(""));
        let request = Request {
            input: "",
            grants: &WRITER,
            vault: Some(&vault),
            out: Some(&out),
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
    fn stopped(&self, arguments: &[&str], limits: &Limits) -> (&'static str, u64, Usage) {
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
