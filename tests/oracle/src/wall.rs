//! A guest behind Kavi's wall.

use std::error::Error;

use kavi::{
    dir::FolderHandle,
    model::{
        capabilities::{ReadScope, SkillCapabilities},
        execution::Determinism,
        host_grants::HostGrants,
        limits::Limits,
        switch::Unwatched,
        time::Timestamp,
        vault_path::VaultPath,
    },
    runtime::{CompiledComponent, GuestRequest, RunError, Runtime, TestExit},
};

use crate::{folders::Folders, run::Seen};

/// One guest, compiled for Kavi.
pub struct Wall(CompiledComponent);

impl Wall {
    pub fn new(component: &[u8]) -> Result<Self, Box<dyn Error>> {
        Ok(Self(Runtime::new(&Limits::default())?.compile_tests(component)?.skip_function_check()))
    }

    /// Runs the guest under the quotas that the caller chose.
    pub fn run(&self, arguments: &[&str], folders: &Folders, limits: &Limits) -> Result<Seen, Box<dyn Error>> {
        let (vault, out) = (FolderHandle::open(&folders.vault())?, FolderHandle::open(&folders.out())?);
        // Both folders.
        let capabilities = SkillCapabilities {
            reads: ReadScope::Vault,
            writes: vec![VaultPath::parse("Inbox")?],
            clock: false,
            hosts: HostGrants::NONE,
            secrets: Vec::new(),
        };
        let request = GuestRequest {
            input: "",
            capabilities: &capabilities,
            vault: Some(&vault),
            linked: &[],
            out: Some(&out),
            http: None,
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
