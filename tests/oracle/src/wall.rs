//! A guest behind Kavi's wall.

use std::error::Error;

use kavi::{
    model::{execution::Determinism, grants::Grants, limits::Limits, switch::Unwatched, time::Timestamp},
    runtime::{Compiled, Request, RunError, Runtime, TestExit},
};

use crate::{folders::Folders, run::Seen};

/// Both folders, and every interface of WASI that the runtime has.
const GRANTS: Grants = Grants {
    vault: true,
    out: true,
    imports: &[
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
        "wasi:clocks/monotonic-clock",
        "wasi:clocks/wall-clock",
        "wasi:filesystem/preopens",
        "wasi:filesystem/types",
        "wasi:io/error",
        "wasi:io/poll",
        "wasi:io/streams",
        "wasi:random/insecure",
        "wasi:random/insecure-seed",
        "wasi:random/random",
    ],
    denied_functions: &[],
};

/// One guest, compiled for Kavi.
pub struct Wall(Compiled);

impl Wall {
    pub fn new(component: &[u8]) -> Result<Self, Box<dyn Error>> {
        Ok(Self(Runtime::new(&Limits::default())?.compile_tests(component)?))
    }

    /// Runs the guest under the quotas that the caller chose.
    pub fn run(&self, arguments: &[&str], folders: &Folders, limits: &Limits) -> Result<Seen, Box<dyn Error>> {
        let (vault, out) = (folders.vault(), folders.out());
        let request = Request {
            input: "",
            grants: &GRANTS,
            vault: Some(&vault),
            out: Some(&out),
            determinism: Determinism { clock: Timestamp::parse("2026-11-20T08:30:00.250Z")?, seed: [7; 32] },
            limits,
            watch: &Unwatched,
        };
        let outcome = self.0.run_test(arguments, &request)?;
        let end = match outcome.exit {
            TestExit::Returned => "returned".to_owned(),
            TestExit::ReturnedErr => "returned an error".to_owned(),
            TestExit::GuestExit(code) => format!("exit {code}"),
            TestExit::Trap(RunError::LimitExceeded { limit, .. } | RunError::Timeout { limit, .. }) => {
                format!("limit {limit}")
            }
            TestExit::Trap(RunError::Trap { .. }) => "trap".to_owned(),
            TestExit::Trap(error) => return Err(error.into()),
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Seen { end, stdout: text(&outcome.observed.stdout), stderr: text(&outcome.observed.stderr) })
    }
}
